/*
 * What every peer of the TCP echo has in common: `PROGRAM --port N --cpu K [FLAGS]`, one thread pinned to processor K, a listener on
 * 127.0.0.1:N, one line "ready" on standard output. SIGTERM ends it by its default action. Included by C and by C++; used once a program.
 */
#ifndef PERF_BENCH_PEERS_PEER_H
#define PERF_BENCH_PEERS_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PEER_BACKLOG = 4096 };

static inline void peer_fail(const char *what)
{
	perror(what);
	exit(1);
}

/* The number after the flag; ends the program with code 2 when it is missing. */
static inline int peer_number(int argc, char **argv, const char *flag)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], flag) == 0)
			return atoi(argv[i + 1]);
	fprintf(stderr, "usage: %s --port N --cpu K\n", argv[0]);
	exit(2);
}

static inline bool peer_has_flag(int argc, char **argv, const char *flag)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], flag) == 0)
			return true;
	return false;
}

static inline void peer_pin(int argc, char **argv)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(peer_number(argc, argv, "--cpu"), &one);
	if (sched_setaffinity(0, sizeof one, &one) < 0)
		peer_fail("pin");
}

/* A listener; with SOCK_NONBLOCK in flags a non-blocking one. Linux hands TCP_NODELAY down from a listener to what it accepts, so no
 * connection costs a system call for it. */
static inline int peer_listen(int argc, char **argv, int flags)
{
	struct sockaddr_in address;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	memset(&address, 0, sizeof address);
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)peer_number(argc, argv, "--port"));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(fd, PEER_BACKLOG) < 0)
		peer_fail("listen");
	return fd;
}

static inline void peer_ready(void)
{
	puts("ready");
	fflush(stdout);
}

#endif
