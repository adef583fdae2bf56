/* The command line of the examples: what it says goes into struct zok_options; what is wrong is told in one line, and the program ends with 2. */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zokio/zokio.h>

struct options {
	struct zok_options runtime;
	const char *listen, *to;
};

static inline _Noreturn void options_fail(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "%s %s: %s\n", option, value, why);
	exit(2);
}

static inline const char *options_address(const char *option, const char *value)
{
	char why[192];

	if (zok_address_check(value, why, sizeof why) < 0)
		options_fail(option, value, why);
	return value;
}

static inline const char *options_word(const char *option, const char *value, const char *const *words, const char *taken)
{
	for (; *words; words++)
		if (strcmp(value, *words) == 0)
			return value;
	options_fail(option, value, taken);
}

/* --to is taken by programs that have somewhere to go: `takes_to`. */
static inline void options_take(struct options *options, const char *option, const char *value, bool takes_to)
{
	static const char *const engines[] = {"auto", "uring", "epoll", NULL};
	static const char *const modes[] = {"park", "adaptive", "spin", "sqpoll", NULL};

	if (strcmp(option, "--listen") == 0)
		options->listen = options_address(option, value);
	else if (strcmp(option, "--to") == 0 && takes_to)
		options->to = options_address(option, value);
	else if (strcmp(option, "--engine") == 0)
		options->runtime.engine = options_word(option, value, engines, "it takes auto, uring or epoll");
	else if (strcmp(option, "--mode") == 0)
		options->runtime.mode = options_word(option, value, modes, "it takes park, adaptive, spin or sqpoll");
	else if (strcmp(option, "--cores") == 0)
		options->runtime.cores = value;
	else
		options_fail(option, value,
			     takes_to ? "there are --listen, --to, --engine, --mode and --cores"
				      : "there are --listen, --engine, --mode and --cores");
}

static inline struct options options_read(int argc, char **argv, bool takes_to)
{
	struct options options = {.listen = "tcp://127.0.0.1:7000"};

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			options_fail(argv[i], "", "its value is missing");
		options_take(&options, argv[i], argv[i + 1], takes_to);
	}
	if (takes_to && !options.to)
		options_fail("--to", "", "it is missing; it takes tcp://IPv4:port, tcp://[IPv6]:port, unix:/path or unix:@name");
	return options;
}

/* An end by SIGINT or SIGTERM is no failure; -EINVAL is an option's, and was told. */
static inline int options_exit_code(int rc)
{
	if (rc >= 0 || rc == -ECANCELED)
		return 0;
	if (rc == -EINVAL)
		return 2;
	fprintf(stderr, "%s\n", strerror(-rc));
	return 1;
}

/* Says where a door listens, once it does. */
static inline void options_announce(const struct zok_socket *door)
{
	char address[ZOK_ADDRESS_SIZE];

	if (zok_local_address(door, address, sizeof address) == 0)
		printf("listening on %s\n", address);
	fflush(stdout);
}

#endif
