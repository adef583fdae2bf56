/* Addresses of datagrams: the text of streams' addresses with another word in front. Pure. */
#include "net/dgram.h"

#include "core/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define FORMS "udp://IPv4:port, udp://[IPv6]:port, unix-dgram:/path or unix-dgram:@name"
#define UDP   "udp://"
#define UNIX  "unix-dgram:"

static int refuse(char *why, size_t why_size, const char *part)
{
	snprintf(why, why_size, "%.120s; it takes %s", part, FORMS);
	return -EINVAL;
}

/* What a stream's address of the rest would be, parsed; its reasons speak of tcp, so they are told in our words. */
static int parse(const char *text, struct zok__address *address, char *why, size_t why_size)
{
	char stream[ZOK_ADDRESS_SIZE + 64], said[192], *end;
	bool is_udp = text && strncmp(text, UDP, strlen(UDP)) == 0, is_unix = text && strncmp(text, UNIX, strlen(UNIX)) == 0;
	int len, rc;

	if (!is_udp && !is_unix)
		return refuse(why, why_size, text ? "it begins with neither udp:// nor unix-dgram:" : "there is no address");
	len = is_udp ? snprintf(stream, sizeof stream, "tcp://%s", text + strlen(UDP))
		     : snprintf(stream, sizeof stream, "unix:%s", text + strlen(UNIX));
	if (len >= (int)sizeof stream)
		return refuse(why, why_size, "it is too long");
	rc = zok__address_parse(stream, address, said, sizeof said);
	if (rc == 0)
		return 0;
	end = strstr(said, "; it takes ");
	if (end)
		*end = '\0';
	return refuse(why, why_size, said);
}

static void to_endpoint(struct zok_endpoint *endpoint, const struct zok__address *address)
{
	endpoint->address = address->storage;
	endpoint->len = address->len;
}

int zok_endpoint_parse(struct zok_endpoint *endpoint, const char *text, char *why, size_t why_size)
{
	struct zok__address address;
	char ignored[256];
	int rc = parse(text, &address, why ? why : ignored, why ? why_size : sizeof ignored);

	if (rc == 0)
		to_endpoint(endpoint, &address);
	return rc;
}

int zok__endpoint_parse_or_log(const char *text, struct zok__address *address, const char *what)
{
	char why[256];
	int rc = parse(text, address, why, sizeof why);

	if (rc < 0)
		zok__log(ZOK_LOG_ERROR, "%s: address \"%s\": %s", what, text ? text : "", why);
	return rc;
}

int zok_endpoint_format(const struct zok_endpoint *endpoint, char *text, size_t size)
{
	struct zok__address address = {.storage = endpoint->address, .len = endpoint->len};
	char stream[ZOK_ADDRESS_SIZE + 16];
	int len, rc;

	if (endpoint->len == 0)
		address.storage.ss_family = AF_UNIX; /* nobody else has no name */
	rc = zok__address_format(&address, stream, sizeof stream);
	if (rc < 0)
		return rc;
	len = address.storage.ss_family == AF_UNIX ? snprintf(text, size, UNIX "%s", stream + strlen("unix:"))
						   : snprintf(text, size, UDP "%s", stream + strlen("tcp://"));
	return len >= 0 && (size_t)len < size ? 0 : -ENOBUFS;
}

static bool is_equal_ipv4(const void *left, const void *right)
{
	const struct sockaddr_in *a = left, *b = right;

	return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static bool is_equal_ipv6(const void *left, const void *right)
{
	const struct sockaddr_in6 *a = left, *b = right;

	return a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
	       memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
}

bool zok_endpoint_is_equal(const struct zok_endpoint *left, const struct zok_endpoint *right)
{
	if (left->len == 0 || right->len == 0)
		return left->len == right->len;
	if (left->address.ss_family != right->address.ss_family)
		return false;
	switch (left->address.ss_family) {
	case AF_INET: return is_equal_ipv4(&left->address, &right->address);
	case AF_INET6: return is_equal_ipv6(&left->address, &right->address);
	default: {
		char a[ZOK_ADDRESS_SIZE], b[ZOK_ADDRESS_SIZE];

		return zok_endpoint_format(left, a, sizeof a) == 0 && zok_endpoint_format(right, b, sizeof b) == 0 && strcmp(a, b) == 0;
	}
	}
}
