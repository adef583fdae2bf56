/*
 * What a request looks like and what its reply must be. The table is where a protocol is added: one row, and functions only where a reply is not
 * simply a fixed run of bytes.
 */
#ifndef PERF_PROTOCOL_H
#define PERF_PROTOCOL_H

#include "zokio/base.h"

struct perf_bytes {
	uint8_t *data;
	size_t size;
};

/* The messages of one run, made once and shared by its connections; nothing in it changes during the run. */
struct perf_exchange {
	const struct perf_protocol *protocol;
	struct perf_bytes setup, setup_reply; /* sent and expected once, before the run; empty when there is nothing to set up */
	struct perf_bytes request;
	struct perf_bytes reply; /* expected; empty where `consume` does not compare */
	size_t stamp_size;	 /* so many first bytes of request and reply are the request's number instead; 0 to 8 */
};

/* How far a reply has come in; zeroed before each. */
struct perf_reply {
	size_t seen; /* bytes, of a reply that is compared */
	bool is_done;
	/* Of a reply with a header: */
	bool has_header;
	char line[64]; /* the line that is coming in */
	unsigned line_size;
	unsigned line_count;
	size_t body; /* bytes still to come */
};

struct perf_protocol {
	const char *name;
	const char *summary;
	size_t size_default; /* payload bytes */
	size_t size_max;
	/* Fills the messages, which are zeroed, for a payload of `size` bytes. `host` is what stands in the address. */
	int (*make)(struct perf_exchange *exchange, size_t size, const char *host);
	/*
	 * Takes what came in: returns how many bytes belong to this reply and sets is_done with the last of them; -EBADMSG when they are not what was
	 * expected. `number` is the request's.
	 */
	ssize_t (*consume)(const struct perf_exchange *exchange, struct perf_reply *reply, uint64_t number, const uint8_t *bytes,
			   size_t size);
};

extern const struct perf_protocol perf_protocols[];
extern const size_t perf_protocol_count;

const struct perf_protocol *perf_protocol_find(const char *name);

/* Makes the messages; `size` 0 is the protocol's default. -EINVAL when it is above size_max; -ENOMEM. */
ZOK_NODISCARD int perf_exchange_create(struct perf_exchange *exchange, const struct perf_protocol *protocol, size_t size, const char *host);
void perf_exchange_destroy(struct perf_exchange *exchange);

/* Copies `size` bytes of request `number`, from byte `offset` on. */
void perf_exchange_request(const struct perf_exchange *exchange, uint64_t number, size_t offset, uint8_t *into, size_t size);

/* Takes reply bytes, as perf_protocol's consume. */
static inline ssize_t perf_exchange_consume(const struct perf_exchange *exchange, struct perf_reply *reply, uint64_t number,
					    const uint8_t *bytes, size_t size)
{
	return exchange->protocol->consume(exchange, reply, number, bytes, size);
}

#endif
