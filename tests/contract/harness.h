/*
 * What the contract suite drives an engine with: no scheduler, only the engine's own table and calls that note what was delivered.
 *
 * Every program takes `ENGINE [tiny] [sqpoll] [direct]`: `tiny` asks for queues of two entries, which an engine without queues ignores; `sqpoll`
 * for that mode, `direct` for direct descriptors from a descriptor's first op on, and where those are not to be had the program is skipped. The engine is made anew
 * for each test, and each test ends with every op completed, every buffer back and no descriptor more than before.
 *
 * The harness allows what core/engine.h allows: completions from within submit() or from wait(), in any order between ops.
 */
#ifndef TESTS_CONTRACT_HARNESS_H
#define TESTS_CONTRACT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bufs.h"
#include "core/counters.h"
#include "core/engine.h"

enum { BUFS_COUNT = 8, BUF_SIZE = 512 };

struct rig {
	struct zok__engine *engine;
	struct zok__bufs bufs;
	struct zok__counters counters;
	unsigned in_flight; /* calls without their last completion */
	bool is_turning;    /* in rig_turn() */
	int fd_count;	    /* open descriptors before the test */
};

struct call;

/* Told of each completion, after it was noted. */
typedef void (*call_fn)(struct call *call, const struct zok_completion *completion);

/* An op and what came of it. The memory may be used again once is_done. */
struct call {
	struct zok_op op;
	struct rig *rig;
	call_fn each;
	void *arg;
	int32_t result; /* of the last completion */
	unsigned completion_count;
	bool is_in_flight, is_done;
};

/* The rig of a test: `*state` of cmocka. */
static inline struct rig *rig_of(void **state)
{
	return *state;
}

/* Runs the group on the engine of the command line, with a fresh rig a test. Exits with 77 where the engine is not to be had. */
int contract_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t count);

#define CONTRACT_MAIN(tests)                                                                        \
	int main(int argc, char **argv)                                                             \
	{                                                                                           \
		return contract_main(argc, argv, __FILE__, tests, sizeof(tests) / sizeof *(tests)); \
	}
#define CONTRACT_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int rig_setup(void **state);
int rig_teardown(void **state);

/* For tests that make engines of their own: an error is returned, nothing is asserted. */
int rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* The name of the engine, and whether it runs with queues of two. */
const char *rig_engine_name(void);
const struct zok__engine_ops *rig_engine_ops(void);
bool rig_is_tiny(void);
bool rig_is_direct(void);
enum zok__mode rig_mode(void);

/* One wait; returns what it returned. */
int rig_turn(struct rig *rig, uint64_t timeout_ns);

/* Turns until nothing is in flight. Fails the test after a time in which nothing at all was completed. */
void rig_drain(struct rig *rig);

/* ---- Calls ---- */

/* Fills in an op; the caller sets op.arg. `each` may be NULL. */
void call_prepare(struct call *call, struct rig *rig, enum zok_op_kind kind, int fd);

void call_submit(struct call *call);
void call_cancel(struct call *call);

/* Turns until it is done; its result. */
int32_t call_await(struct call *call);

/* Turns until it has had so many completions. */
void call_await_count(struct call *call, unsigned count);

/* Submits and awaits. */
int32_t call_run(struct call *call);

/* The usual ops, prepared. */
void prepare_read(struct call *call, struct rig *rig, int fd, void *buf, size_t len, uint64_t offset);
void prepare_write(struct call *call, struct rig *rig, int fd, const void *buf, size_t len, uint64_t offset);
void prepare_recv(struct call *call, struct rig *rig, int fd, void *buf, size_t len);
void prepare_send(struct call *call, struct rig *rig, int fd, const void *buf, size_t len);
void prepare_poll(struct call *call, struct rig *rig, int fd, uint32_t events);

/* Closes through the engine. */
int32_t run_close(struct rig *rig, int fd);

/* ---- Sockets ---- */

struct sockaddr_in;

/* Blocking, as programs make them; the engine has to cope. */
int tcp_listen(struct sockaddr_in *address);
int tcp_socket(void);
void tcp_pair(int fds[2]);
void unix_pair(int fds[2]);
void make_pipe(int fds[2]);

/* How many descriptors are open. */
int count_fds(void);

/* The same sequence on every run. */
uint32_t random_next(uint32_t *seed);

uint64_t now_ns(void);

#endif
