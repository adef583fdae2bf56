/* Addresses as text and as the kernel's structs. Pure: no system call, no allocation; any thread. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "zokio/base.h"

#include <sys/socket.h>

/* What zok_listen() and zok_connect() take, for messages. */
#define ZOK__ADDRESS_FORMS "tcp://IPv4:port, tcp://[IPv6]:port, unix:/path or unix:@name"

struct zok__address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* -EINVAL: `why` names in one line the part that is wrong and what would be taken; *address is then untouched. */
int zok__address_parse(const char *text, struct zok__address *address, char *why, size_t why_size);

/* The same with the reason in the log, behind `what` ("listen"). */
int zok__address_parse_or_log(const char *text, struct zok__address *address, const char *what);

/* -ENOBUFS: `size` is too small; -EAFNOSUPPORT: neither IP nor Unix. */
int zok__address_format(const struct zok__address *address, char *text, size_t size);

/* The path of a Unix address that has a file; NULL for others. */
const char *zok__address_path(const struct zok__address *address);

#endif
