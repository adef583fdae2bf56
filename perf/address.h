/* Where the load goes: tcp://HOST:PORT with a numeric host (IPv6 in brackets) or "localhost", or unix:/PATH. */
#ifndef PERF_ADDRESS_H
#define PERF_ADDRESS_H

#include "zokio/base.h"

#include <sys/socket.h>

struct perf_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* -EINVAL when the text is no such address; `why`, of `size` bytes, then says what it would accept. */
ZOK_NODISCARD int perf_address_parse(const char *text, struct perf_address *address, char *why, size_t size);

#endif
