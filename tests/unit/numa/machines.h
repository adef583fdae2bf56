/* Big machines that are not here, made up by hwloc. cmocka.h must have been included before: its own includes come first. */
#ifndef TESTS_NUMA_MACHINES_H
#define TESTS_NUMA_MACHINES_H

#include <stdlib.h>
#include <string.h>

#include "numa/topology.h"

/* As hwloc numbers them by itself: siblings are 2n and 2n + 1. */
#define TWO_BY_64	   "package:2 [numanode] core:64 pu:2"
/* As Linux mostly numbers them: siblings are n and n + 128. */
#define TWO_BY_64_AS_LINUX "package:2 [numanode] core:64 pu:2(indexes=2*128:1*2)"
/* The same with a last-level cache for each eight cores. */
#define TWO_BY_64_L3	   "package:2 [numanode] l3:8 core:8 pu:2(indexes=2*128:1*2)"
#define EIGHT_NODES	   "package:2 numanode:4 core:8 pu:1"
/* Two packages of four nodes of four cores of two CPUs, n and n + 32, a cache for each node, with distances and devices. */
#define EIGHT_NODES_XML	   MACHINES_DIR "/eight-nodes.xml"
/* Eight fast cores with two CPUs each (0-15) and eight slow ones with one (16, 18 … 30). */
#define HYBRID_XML	   MACHINES_DIR "/hybrid.xml"

/* By a synthetic description or an XML file. The test is skipped in a build without hwloc. */
static inline struct zok__topology *machine_of(const char *description)
{
	const char *variable = strchr(description, '/') != NULL ? "HWLOC_XMLFILE" : "HWLOC_SYNTHETIC";
	struct zok__topology *machine;

	setenv(variable, description, 1);
	assert_int_equal(zok__topology_create(&machine), 0);
	unsetenv(variable);
	if (strcmp(machine->source, "hwloc") != 0) {
		print_message("built without hwloc: skipped\n");
		zok__topology_destroy(machine);
		skip();
	}
	return machine;
}

#endif
