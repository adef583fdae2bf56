/* Reads the options of a command by a table. Each option is written "--name", "--name VALUE" or "--name=VALUE". */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include "zokio/base.h"

#include <stdio.h>

struct zok_option {
	const char *name;  /* with its dashes */
	const char *value; /* what the help calls it; NULL: the option takes none */
	const char *help;

	/* Exactly one of these: set to true; set to the value; called with it. take() returns NULL, or what it would accept. */
	bool *flag;
	const char **text;
	const char *(*take)(void *arg, const char *text);
	void *arg;
};

/*
 * Reads argv[1]… up to "--" (which it skips) or to the first word that is no option. The table ends with a row without a name. Returns the index of the first
 * word that it did not read, or -1 after one line on stderr that names the option and what there is. `command` is "zok topo".
 */
ZOK_NODISCARD int zok_options_parse(const char *command, const struct zok_option *options, int argc, char **argv);

/* The options, one a line, for --help. */
void zok_options_print(FILE *out, const struct zok_option *options);

#endif
