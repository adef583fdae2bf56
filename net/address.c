#include "net/address.h"

#include "core/log.h"
#include "zokio/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* Where the first byte of an abstract name lies, behind the NUL that marks it. */
enum { ABSTRACT_NAME_AT = offsetof(struct sockaddr_un, sun_path) + 1 };

_Static_assert(sizeof(struct sockaddr_un) <= sizeof(struct sockaddr_storage), "every address fits");

struct reason {
	char *text;
	size_t size;
};

static int refuse(const struct reason *why, const char *part, const char *taken)
{
	if (why->size > 0)
		snprintf(why->text, why->size, "%s; it takes %s", part, taken);
	return -EINVAL;
}

/* Digits only: no sign, no blank, no empty text. */
static bool parse_number(const char *text, size_t len, uint32_t number_max, uint32_t *number)
{
	uint64_t value = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*number = (uint32_t)value;
	return value <= number_max;
}

static int parse_port(const char *text, in_port_t *port, const struct reason *why)
{
	uint32_t number;

	if (!parse_number(text, strlen(text), UINT16_MAX, &number))
		return refuse(why, *text ? "the port is no number from 0 to 65535" : "the port is missing",
			      "tcp://IPv4:port or tcp://[IPv6]:port");
	*port = htons((uint16_t)number);
	return 0;
}

/* A NUL-terminated copy of a host; false if it is longer than any numeric address. */
static bool copy_host(char host[INET6_ADDRSTRLEN], const char *text, size_t len)
{
	if (len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return true;
}

static int parse_ipv4(const char *text, struct zok__address *address, const struct reason *why)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address->storage;
	const char *colon = strchr(text, ':');
	char host[INET6_ADDRSTRLEN];

	if (!colon)
		return refuse(why, "the port is missing", "tcp://IPv4:port or tcp://[IPv6]:port");
	if (!copy_host(host, text, (size_t)(colon - text)) || inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return refuse(why, "the host is no numeric IPv4 address", "tcp://127.0.0.1:7000 or, for IPv6, tcp://[::1]:7000");
	in->sin_family = AF_INET;
	address->len = sizeof *in;
	return parse_port(colon + 1, &in->sin_port, why);
}

/* "fe80::1%2": link-local addresses need the interface, here by its number. */
static int parse_zone(const char *text, size_t len, uint32_t *zone, const struct reason *why)
{
	if (!parse_number(text, len, UINT32_MAX, zone))
		return refuse(why, "the zone behind % is no number", "the interface's index, as in tcp://[fe80::1%2]:7000");
	return 0;
}

static int parse_ipv6(const char *text, struct zok__address *address, const struct reason *why)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address->storage;
	const char *end = strchr(text, ']'), *percent;
	char host[INET6_ADDRSTRLEN];
	int rc;

	if (!end)
		return refuse(why, "the ] behind the IPv6 address is missing", "tcp://[IPv6]:port");
	percent = memchr(text, '%', (size_t)(end - text));
	if (!copy_host(host, text, (size_t)((percent ? percent : end) - text)) || inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return refuse(why, "the host is no numeric IPv6 address", "tcp://[::1]:7000");
	if (percent && (rc = parse_zone(percent + 1, (size_t)(end - percent - 1), &in6->sin6_scope_id, why)) < 0)
		return rc;
	if (end[1] != ':')
		return refuse(why, "the port is missing", "tcp://[IPv6]:port");
	in6->sin6_family = AF_INET6;
	address->len = sizeof *in6;
	return parse_port(end + 2, &in6->sin6_port, why);
}

static int parse_unix(const char *text, struct zok__address *address, const struct reason *why)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&address->storage;
	size_t len = strlen(text);

	if (len == 0 || (text[0] == '@' && len == 1))
		return refuse(why, "the path is missing", "unix:/path or unix:@name");
	if (len >= sizeof un->sun_path)
		return refuse(why, "the path is too long", "at most 107 bytes");
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, len);
	if (text[0] != '@') {
		address->len = sizeof *un;
		return 0;
	}
	un->sun_path[0] = '\0';
	address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int zok__address_parse(const char *text, struct zok__address *address, char *why, size_t why_size)
{
	const struct reason reason = {why, why_size};
	struct zok__address parsed;
	int rc;

	memset(&parsed, 0, sizeof parsed);
	if (!text)
		rc = refuse(&reason, "there is no address", ZOK__ADDRESS_FORMS);
	else if (strncmp(text, "tcp://[", 7) == 0)
		rc = parse_ipv6(text + 7, &parsed, &reason);
	else if (strncmp(text, "tcp://", 6) == 0)
		rc = parse_ipv4(text + 6, &parsed, &reason);
	else if (strncmp(text, "unix:", 5) == 0)
		rc = parse_unix(text + 5, &parsed, &reason);
	else
		rc = refuse(&reason, "it begins with neither tcp:// nor unix:", ZOK__ADDRESS_FORMS);
	if (rc == 0)
		*address = parsed;
	return rc;
}

int zok__address_parse_or_log(const char *text, struct zok__address *address, const char *what)
{
	char why[192];
	int rc = zok__address_parse(text, address, why, sizeof why);

	if (rc < 0)
		zok__log(ZOK_LOG_ERROR, "%s: address \"%s\": %s", what, text ? text : "", why);
	return rc;
}

int zok_address_check(const char *text, char *why, size_t why_size)
{
	struct zok__address ignored;

	return zok__address_parse(text, &ignored, why, why_size);
}

/* ---- As text ---- */

/* The result of snprintf() as ours. */
static int written(int len, size_t size)
{
	return len >= 0 && (size_t)len < size ? 0 : -ENOBUFS;
}

static int format_ipv4(const struct zok__address *address, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
	char host[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
	return written(snprintf(text, size, "tcp://%s:%u", host, ntohs(in->sin_port)), size);
}

static int format_ipv6(const struct zok__address *address, char *text, size_t size)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;
	char host[INET6_ADDRSTRLEN], zone[16] = "";

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
	if (in6->sin6_scope_id != 0)
		snprintf(zone, sizeof zone, "%%%u", in6->sin6_scope_id);
	return written(snprintf(text, size, "tcp://[%s%s]:%u", host, zone, ntohs(in6->sin6_port)), size);
}

/* A connected client has no name: "unix:" alone. A name that the kernel fills to its end has no NUL. */
static int format_unix(const struct zok__address *address, char *text, size_t size)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;
	int len_max = (int)(address->len - offsetof(struct sockaddr_un, sun_path));

	if (address->len <= offsetof(struct sockaddr_un, sun_path))
		return written(snprintf(text, size, "unix:"), size);
	if (un->sun_path[0] == '\0')
		return written(snprintf(text, size, "unix:@%.*s", (int)(address->len - ABSTRACT_NAME_AT), un->sun_path + 1), size);
	return written(snprintf(text, size, "unix:%.*s", len_max, un->sun_path), size);
}

int zok__address_format(const struct zok__address *address, char *text, size_t size)
{
	switch (address->storage.ss_family) {
	case AF_INET: return format_ipv4(address, text, size);
	case AF_INET6: return format_ipv6(address, text, size);
	case AF_UNIX: return format_unix(address, text, size);
	default: return -EAFNOSUPPORT;
	}
}

const char *zok__address_path(const struct zok__address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;

	return un->sun_family == AF_UNIX && un->sun_path[0] != '\0' ? un->sun_path : NULL;
}
