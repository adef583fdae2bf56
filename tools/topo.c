/* `zok topo`: what the machine is, and what a core list gives on it. */
#include "tools/topo.h"

#include "tools/command.h"
#include "tools/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct topo_options {
	bool is_json, shows_all, wants_help;
	const char *svg, *list, *synthetic, *xml;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "zok topo: %s: %s\n", what, why);
	return ZOK_EXIT_FAILED;
}

static int refuse(const char *what, const char *why)
{
	fail(what, why);
	return ZOK_EXIT_USAGE;
}

/* hwloc's own variables: the topology is then that of another machine. Its complaints are for its developers; ours follow. */
static int choose_machine(const struct topo_options *options)
{
	if (options->xml != NULL && options->synthetic != NULL)
		return refuse("--xml", "not with --synthetic: one machine at a time");
	if (options->xml != NULL && access(options->xml, R_OK) < 0)
		return refuse(options->xml, strerror(errno));
	if (options->xml != NULL || options->synthetic != NULL) {
		unsetenv("HWLOC_XMLFILE");
		unsetenv("HWLOC_SYNTHETIC");
		unsetenv("HWLOC_COMPONENTS");
		setenv("HWLOC_HIDE_ERRORS", "2", 1);
	}
	if (options->xml != NULL)
		setenv("HWLOC_XMLFILE", options->xml, 1);
	if (options->synthetic != NULL)
		setenv("HWLOC_SYNTHETIC", options->synthetic, 1);
	return ZOK_EXIT_OK;
}

static int check_machine(const struct topo *topo, const struct topo_options *options)
{
	if (topo->is_described || (options->xml == NULL && options->synthetic == NULL))
		return ZOK_EXIT_OK;
	if (strcmp(zok__topology_sources[0]->name, "hwloc") != 0)
		return fail(options->xml != NULL ? "--xml" : "--synthetic", "this build has no hwloc, which would read it");
	if (options->xml != NULL)
		return refuse(options->xml, "hwloc reads no topology from it; it takes what lstopo FILE.xml writes");
	return refuse("--synthetic", "hwloc does not understand it; it takes such as \"package:2 numanode:1 l3:8 core:8 pu:2\"");
}

/* What is described is nobody's: all of it may be chosen. */
static int read_allowance(struct topo *topo)
{
	int rc;

	if (topo->is_described) {
		topo->affinity = topo->topology->present;
		topo->allowance = (struct zok__allowance){.cpus = topo->topology->present};
		return 0;
	}
	rc = zok__affinity_read(&topo->affinity);
	return rc < 0 ? rc : zok__allowance_read_own(&topo->allowance);
}

static int read_machine(struct topo *topo, const struct topo_options *options)
{
	int rc = choose_machine(options);

	if (rc != ZOK_EXIT_OK)
		return rc;
	rc = zok__topology_create(&topo->topology);
	if (rc < 0)
		return fail("the machine cannot be read", strerror(-rc));
	topo->is_described = topo->topology->root == NULL;
	rc = check_machine(topo, options);
	if (rc != ZOK_EXIT_OK)
		return rc;
	rc = zok__inventory_read(&topo->inventory, topo->topology);
	if (rc == 0)
		rc = read_allowance(topo);
	return rc < 0 ? fail("the machine cannot be read", strerror(-rc)) : ZOK_EXIT_OK;
}

static int explain(struct topo *topo)
{
	char error[ZOK__CORES_ERROR_SIZE];
	int rc = topo_explain(topo, error, sizeof error);

	if (rc == 0)
		return ZOK_EXIT_OK;
	fprintf(stderr, "zok topo: %s\n", error);
	return rc == -EINVAL ? ZOK_EXIT_USAGE : ZOK_EXIT_FAILED;
}

static int write_svg(const struct topo *topo, const char *path)
{
	FILE *file = fopen(path, "we");
	bool is_bad;

	if (file == NULL)
		return fail(path, strerror(errno));
	topo_write_svg(file, topo);
	is_bad = ferror(file) != 0;
	if (fclose(file) != 0 || is_bad)
		return fail(path, errno != 0 ? strerror(errno) : "cannot be written");
	return ZOK_EXIT_OK;
}

static int show(const struct topo *topo, const struct topo_options *options)
{
	if (options->svg != NULL)
		return write_svg(topo, options->svg);
	if (options->is_json)
		topo_write_json(stdout, topo);
	else if (topo->list != NULL)
		topo_explain_print(stdout, topo);
	else
		topo_print(stdout, topo);
	if (fflush(stdout) != 0)
		return fail("standard output", strerror(errno));
	return ZOK_EXIT_OK;
}

static void release(struct topo *topo)
{
	zok__core_set_release(&topo->chosen);
	zok__inventory_finish(&topo->inventory);
	zok__topology_destroy(topo->topology);
	free(topo->item);
}

static int run(const struct topo_options *options)
{
	struct topo topo = {.shows_all = options->shows_all, .list = options->list};
	int rc = read_machine(&topo, options);

	if (rc == ZOK_EXIT_OK && topo.list != NULL)
		rc = explain(&topo);
	if (rc == ZOK_EXIT_OK)
		rc = show(&topo, options);
	release(&topo);
	return rc;
}

int zok_command_topo(int argc, char **argv)
{
	struct topo_options o = {0};
	const struct zok_option table[] = {
		{"--explain", "LIST", "what the core list gives here, and what became of each CPU that it names", .text = &o.list},
		{"--all", NULL, "every core, cache and device; big machines are summarised otherwise", .flag = &o.shows_all},
		{"--json", NULL, "for programs", .flag = &o.is_json},
		{"--svg", "FILE", "draw the machine into FILE; with --explain the chosen cores stand out", .text = &o.svg},
		{"--synthetic", "TEXT", "another machine, in hwloc's words: \"package:2 numanode:1 l3:8 core:8 pu:2\"",
		 .text = &o.synthetic},
		{"--xml", "FILE", "another machine, as lstopo FILE.xml wrote it there", .text = &o.xml},
		{"--help", NULL, "this", .flag = &o.wants_help},
		{NULL},
	};
	int at = zok_options_parse("zok topo", table, argc, argv);

	if (at < 0)
		return ZOK_EXIT_USAGE;
	if (o.wants_help) {
		printf("usage: zok topo [OPTIONS]\n\n");
		zok_options_print(stdout, table);
		return ZOK_EXIT_OK;
	}
	if (at < argc)
		return refuse(argv[at], "takes no arguments; a core list stands behind --explain");
	if (o.is_json && o.svg != NULL)
		return refuse("--svg", "not with --json: one form at a time");
	return run(&o);
}
