/*
 * `check_echo PROGRAM ARGUMENTS…`: starts a TCP echo server ("{port}" and "{cpu}" in its arguments are replaced), checks that it echoes byte
 * for byte, stops it. The test of every peer and of our own echo servers.
 */
#include "perf/bench/bench.h"
#include "perf/bench/echo_check.h"
#include "perf/bench/echo_server.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct echo_server server;
	int rc;

	if (argc < 2 || argc > ECHO_SERVER_ARGUMENTS_MAX) {
		fprintf(stderr, "usage: %s PROGRAM ARGUMENTS...\n", argv[0]);
		return 2;
	}
	rc = echo_server_start(&server, (const char *const *)argv + 1, bench_pin(0));
	if (rc < 0) {
		fprintf(stderr, "%s: not started: %s\n", argv[1], strerror(-rc));
		return 1;
	}
	for (uint64_t seed = 1; rc == 0 && seed <= 3; seed++) {
		rc = echo_check(server.port, seed);
		if (rc < 0)
			fprintf(stderr, "%s: seed %llu: %s\n", argv[1], (unsigned long long)seed, strerror(-rc));
	}
	if (echo_server_stop(&server) < 0) {
		fprintf(stderr, "%s: did not stop on SIGTERM\n", argv[1]);
		rc = -1;
	}
	return rc < 0;
}
