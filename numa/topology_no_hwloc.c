/* The sources of a build without hwloc. */
#include "numa/topology.h"

const struct zok__topology_source *const zok__topology_sources[] = {&zok__topology_affinity, NULL};
