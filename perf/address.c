#include "perf/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > 65535)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

/* Cuts the host out of HOST:PORT or [HOST]:PORT; returns where the port begins, or NULL. */
static const char *split_host(const char *text, char *host, size_t size)
{
	bool is_bracketed = *text == '[';
	const char *start = text + is_bracketed;
	const char *end = is_bracketed ? strchr(start, ']') : strrchr(start, ':');
	const char *port = end ? end + 1 + is_bracketed : NULL;

	if (!end || (size_t)(end - start) >= size || port[-1] != ':')
		return NULL;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	return port;
}

static int parse_tcp(const char *text, struct perf_address *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
	char host[INET6_ADDRSTRLEN];
	const char *port_text = split_host(text, host, sizeof host);
	uint16_t port;

	if (!port_text || parse_port(port_text, &port) < 0)
		return -EINVAL;
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	memset(&address->storage, 0, sizeof address->storage);
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		address->length = sizeof *v4;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	address->length = sizeof *v6;
	return 0;
}

static int parse_unix(const char *path, struct perf_address *address)
{
	struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;

	if (!*path || strlen(path) >= sizeof local->sun_path)
		return -EINVAL;
	memset(&address->storage, 0, sizeof address->storage);
	local->sun_family = AF_UNIX;
	strcpy(local->sun_path, path);
	address->length = sizeof *local;
	return 0;
}

int perf_address_parse(const char *text, struct perf_address *address, char *why, size_t size)
{
	struct perf_address parsed;
	int rc = -EINVAL;

	if (strncmp(text, "tcp://", 6) == 0)
		rc = parse_tcp(text + 6, &parsed);
	else if (strncmp(text, "unix:", 5) == 0)
		rc = parse_unix(text + 5, &parsed);
	if (rc < 0) {
		snprintf(why, size, "'%.150s' is no address: give tcp://127.0.0.1:7000, tcp://[::1]:7000 or unix:/path", text);
		return rc;
	}
	*address = parsed;
	return 0;
}
