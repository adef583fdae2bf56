/* The command line of the examples: what it says goes into struct zok_options; what is wrong is told in one line, and the program ends with 2. */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zokio/zokio.h>

struct options {
	struct zok_options runtime;
	const char *listen, *to, *distribute;
};

/* A line stays a line, whatever was typed. */
static inline _Noreturn void options_fail(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "%.80s %.120s: %s\n", option, value, why);
	exit(2);
}

static inline const char *options_address(const char *option, const char *value)
{
	char why[192];

	if (zok_address_check(value, why, sizeof why) < 0)
		options_fail(option, value, why);
	return value;
}

/* Port 0 is any port to a listener, and none to who connects. */
static inline const char *options_destination(const char *option, const char *value)
{
	const char *port = strrchr(options_address(option, value), ':');

	if (strncmp(value, "tcp://", 6) == 0 && strtoul(port + 1, NULL, 10) == 0)
		options_fail(option, value, "there is no port 0 to connect to; it takes 1 to 65535");
	return value;
}

static inline const char *options_word(const char *option, const char *value, const char *const *words, const char *taken)
{
	for (; *words; words++)
		if (strcmp(value, *words) == 0)
			return value;
	options_fail(option, value, taken);
}

/* Up to a day, with a fraction if need be. */
static inline uint64_t options_seconds(const char *option, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end != '\0' || !(seconds >= 0 && seconds <= 86400))
		options_fail(option, value, "it takes seconds, 0 to 86400");
	return (uint64_t)(seconds * 1e9);
}

static inline void options_take(struct options *options, const char *option, const char *value)
{
	static const char *const engines[] = {"auto", "uring", "epoll", NULL};
	static const char *const distributions[] = {"reuseport", "cpu", "load", NULL};
	static const char *const modes[] = {"park", "adaptive", "spin", "sqpoll", NULL};
	static const char *const profiles[] = {"low-latency", "balanced", "throughput", "power-saving", NULL};

	if (strcmp(option, "--listen") == 0)
		options->listen = options_address(option, value);
	else if (strcmp(option, "--to") == 0)
		options->to = options_destination(option, value);
	else if (strcmp(option, "--engine") == 0)
		options->runtime.engine = options_word(option, value, engines, "it takes auto, uring or epoll");
	else if (strcmp(option, "--mode") == 0)
		options->runtime.mode = options_word(option, value, modes, "it takes park, adaptive, spin or sqpoll");
	else if (strcmp(option, "--distribute") == 0)
		options->distribute = options_word(option, value, distributions, "it takes reuseport, cpu or load");
	else if (strcmp(option, "--drain") == 0)
		options->runtime.drain_ns = options_seconds(option, value);
	else if (strcmp(option, "--profile") == 0)
		options->runtime.profile =
			options_word(option, value, profiles, "it takes low-latency, balanced, throughput or power-saving");
	else if (*value == '\0')
		options_fail(option, value,
			     "it is empty; it takes a list as 0 or 2-3, node:N, package:N, near:DEV or all, with /core and !");
	else
		options->runtime.cores = value;
}

static inline _Noreturn void options_help(const char *program, bool takes_to)
{
	printf("usage: %s [OPTION VALUE]...\n"
	       "  --listen ADDRESS  tcp://IPv4:port, tcp://[IPv6]:port, unix:/path or unix:@name (default tcp://127.0.0.1:7000)\n"
	       "%s"
	       "  --engine ENGINE   uring, epoll or auto (default): uring, and epoll where io_uring is not to be had\n"
	       "  --mode MODE       how a core waits: park (default), adaptive, spin or sqpoll\n"
	       "  --profile NAME    what the mode and the like are chosen for: balanced (default), low-latency, throughput or "
	       "power-saving\n"
	       "  --cores LIST      one scheduler each (default: the first one allowed): N, N-M, node:N, package:N, near:DEV, all, with "
	       "commas\n"
	       "                    between them; /core takes whole cores, a leading ! takes away; zok topo --explain LIST says what it "
	       "gives\n"
	       "  --distribute HOW  of connections among cores: reuseport (default), cpu (that received it) or load\n"
	       "  --drain SECONDS   after SIGTERM connections may go on for so long (default 0); a second signal cuts that short\n",
	       program, takes_to ? "  --to ADDRESS      where connections go: the same kinds of address\n" : "");
	exit(0);
}

static inline bool options_is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static inline bool options_is_known(const char *option, bool takes_to)
{
	static const char *const known[] = {"--listen", "--engine", "--mode", "--profile", "--cores", "--drain", "--distribute", NULL};

	for (size_t i = 0; known[i]; i++)
		if (strcmp(option, known[i]) == 0)
			return true;
	return takes_to && strcmp(option, "--to") == 0;
}

/* --to is taken by programs that have somewhere to go: `takes_to`. */
static inline struct options options_read(int argc, char **argv, bool takes_to)
{
	struct options options = {.listen = "tcp://127.0.0.1:7000"};

	for (int i = 1; i < argc; i += 2) {
		if (options_is_help(argv[i]))
			options_help(argv[0], takes_to);
		if (!options_is_known(argv[i], takes_to))
			options_fail(argv[i], "",
				     takes_to ? "no such option; there are --listen, --to, --engine, --mode, --profile, --cores, --drain "
						"and --distribute"
					      : "no such option; there are --listen, --engine, --mode, --profile, --cores, --drain and "
						"--distribute");
		if (i + 1 == argc)
			options_fail(argv[i], "", "its value is missing");
		options_take(&options, argv[i], argv[i + 1]);
	}
	if (takes_to && !options.to)
		options_fail("--to", "", "it is missing; it takes tcp://IPv4:port, tcp://[IPv6]:port, unix:/path or unix:@name");
	return options;
}

/* For a program of datagrams: --listen takes their kinds of address, and there is nothing to distribute or to drain. */
static inline struct options options_read_datagrams(int argc, char **argv)
{
	struct options options = {.listen = "udp://127.0.0.1:7000"};
	struct zok_endpoint ignored;
	char why[192];

	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--distribute") == 0 || strcmp(argv[i], "--drain") == 0 || !options_is_known(argv[i], false))
			options_fail(argv[i], "", "no such option; there are --listen, --engine, --mode, --profile and --cores");
		if (!value)
			options_fail(argv[i], "", "its value is missing");
		if (strcmp(argv[i], "--listen") != 0)
			options_take(&options, argv[i], value);
		else if (zok_endpoint_parse(&ignored, value, why, sizeof why) < 0)
			options_fail(argv[i], value, why);
		else
			options.listen = value;
	}
	return options;
}

/* An end by SIGINT or SIGTERM is no failure; -EINVAL is an option's. What failed was told where it did: by options_listen(), or by the runtime. */
static inline int options_exit_code(int rc)
{
	if (rc >= 0 || rc == -ECANCELED)
		return 0;
	if (rc == -EINVAL)
		return 2;
	return 1;
}

/* zok_listen(), and a line where that fails. */
static inline int options_listen(struct zok_socket **door, const char *address, const struct zok_listen_options *options)
{
	int rc = zok_listen(door, address, options);

	if (rc < 0)
		fprintf(stderr, "--listen %s: %s\n", address, strerror(-rc));
	return rc;
}

/* The doors of all cores: they are announced when the last of them is open, so that who reads the line finds them all. */
struct options_doors {
	char address[ZOK_ADDRESS_SIZE]; /* the first one's, with the port where the kernel has chosen it */
	unsigned awaited;
};

/* On the first core, where the number is. */
static inline int options_note_open(void *arg)
{
	struct options_doors *doors = arg;

	if (--doors->awaited == 0) {
		printf("listening on %s\n", doors->address);
		fflush(stdout);
	}
	return 0;
}

/* The first core's door is open: a door is awaited of each core, and this is one. */
static inline int options_doors_begin(struct options_doors *doors, const struct zok_socket *door)
{
	doors->awaited = zok_core_count();
	return zok_local_address(door, doors->address, sizeof doors->address);
}

static inline void options_listening(const struct zok_socket *door, void *arg)
{
	char address[ZOK_ADDRESS_SIZE]; /* with the port, where the kernel has chosen it */

	if (zok_local_address(door, address, sizeof address) == 0)
		printf("listening on %s\n", address);
	fflush(stdout);
}

/* zok_serve() as the command line says, and a line where the doors do not open. */
static inline int options_serve(const struct options *options, void (*fn)(struct zok_socket *peer, void *arg), void *arg)
{
	const struct zok_serve_options serve = {.distribute = options->distribute, .listening = options_listening};
	int rc = zok_serve(options->listen, &serve, fn, arg);

	if (rc < 0 && rc != -ECANCELED)
		fprintf(stderr, "--listen %s: %s\n", options->listen, strerror(-rc));
	return rc;
}

#endif
