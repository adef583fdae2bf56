/* The checker checked: litmus tests with known answers. Each must show exactly the outcomes that C11 without load buffering allows. */
#include "tests/model/model.h"

#include <stdio.h>
#include <string.h>

#include "zokio/atomic.h"

static int x, y, first, second, third, fourth;
static bool outcomes[16];

static void begin(void)
{
	x = y = first = second = third = fourth = 0;
}

/* The four results as one number; only 0 and 1 occur, or what is cut to its lowest bit on purpose. */
static void end(void)
{
	outcomes[(first & 1) << 3 | (second & 1) << 2 | (third & 1) << 1 | (fourth & 1)] = true;
}

static void store_x(void)
{
	ZOK__STORE(&x, 1, RELAXED);
}

static void store_y(void)
{
	ZOK__STORE(&y, 1, RELAXED);
}

/* Store buffering: both may read 0, unless fences stand between. */
static void sb_left(void)
{
	ZOK__STORE(&x, 1, RELAXED);
	first = ZOK__LOAD(&y, RELAXED);
}

static void sb_right(void)
{
	ZOK__STORE(&y, 1, RELAXED);
	second = ZOK__LOAD(&x, RELAXED);
}

static void sb_left_fenced(void)
{
	ZOK__STORE(&x, 1, RELAXED);
	ZOK__FENCE_SEQ_CST();
	first = ZOK__LOAD(&y, RELAXED);
}

static void sb_right_fenced(void)
{
	ZOK__STORE(&y, 1, RELAXED);
	ZOK__FENCE_SEQ_CST();
	second = ZOK__LOAD(&x, RELAXED);
}

/* Message passing: y says that x is there, which holds only if both sides say so. */
static void mp_send(void)
{
	ZOK__STORE(&x, 1, RELAXED);
	ZOK__STORE(&y, 1, RELEASE);
}

static void mp_send_relaxed(void)
{
	ZOK__STORE(&x, 1, RELAXED);
	ZOK__STORE(&y, 1, RELAXED);
}

static void mp_send_fenced(void)
{
	ZOK__STORE(&x, 1, RELAXED);
	ZOK__FENCE_SEQ_CST();
	ZOK__STORE(&y, 1, RELAXED);
}

static void mp_receive(void)
{
	first = ZOK__LOAD(&y, ACQUIRE);
	second = ZOK__LOAD(&x, RELAXED);
}

static void mp_receive_relaxed(void)
{
	first = ZOK__LOAD(&y, RELAXED);
	second = ZOK__LOAD(&x, RELAXED);
}

static void mp_receive_fenced(void)
{
	first = ZOK__LOAD(&y, RELAXED);
	ZOK__FENCE_SEQ_CST();
	second = ZOK__LOAD(&x, RELAXED);
}

/* A relaxed update in between continues the release sequence; 2 is what it leaves behind. */
static void update_y(void)
{
	int expected = 1;

	(void)ZOK__CAS(&y, &expected, 2, RELAXED);
}

static void mp_receive_updated(void)
{
	first = ZOK__LOAD(&y, ACQUIRE) == 2;
	second = ZOK__LOAD(&x, RELAXED);
}

/* Independent reads of independent writes: two readers may disagree about the order, unless fences stand between. */
static void iriw_left(void)
{
	first = ZOK__LOAD(&x, ACQUIRE);
	second = ZOK__LOAD(&y, ACQUIRE);
}

static void iriw_right(void)
{
	third = ZOK__LOAD(&y, ACQUIRE);
	fourth = ZOK__LOAD(&x, ACQUIRE);
}

static void iriw_left_fenced(void)
{
	first = ZOK__LOAD(&x, RELAXED);
	ZOK__FENCE_SEQ_CST();
	second = ZOK__LOAD(&y, RELAXED);
}

static void iriw_right_fenced(void)
{
	third = ZOK__LOAD(&y, RELAXED);
	ZOK__FENCE_SEQ_CST();
	fourth = ZOK__LOAD(&x, RELAXED);
}

/* Coherence: one location is never seen to go back. */
static void coherence_read(void)
{
	first = ZOK__LOAD(&x, RELAXED);
	second = ZOK__LOAD(&x, RELAXED);
}

/* Load buffering: C11 lets both read 1. This model does not: the README says so. */
static void lb_left(void)
{
	first = ZOK__LOAD(&x, RELAXED);
	ZOK__STORE(&y, 1, RELAXED);
}

static void lb_right(void)
{
	second = ZOK__LOAD(&y, RELAXED);
	ZOK__STORE(&x, 1, RELAXED);
}

/* Of two exchanges one is first. */
static void exchange_left(void)
{
	first = ZOK__EXCHANGE(&x, 1, RELAXED);
}

static void exchange_right(void)
{
	second = ZOK__EXCHANGE(&x, 1, RELAXED);
}

static int plain;

static void plain_send(void)
{
	model_plain_write(&plain);
	ZOK__STORE(&y, 1, RELEASE);
}

static void plain_receive(void)
{
	if (ZOK__LOAD(&y, ACQUIRE) == 1)
		model_plain_read(&plain);
}

static void plain_receive_relaxed(void)
{
	if (ZOK__LOAD(&y, RELAXED) == 1)
		model_plain_read(&plain);
}

struct litmus {
	struct model_program program;
	/* The outcomes, as bits of the four results; with fewer threads' results the last stay 0. Ends with -1; empty: it must fail. */
	int allowed[17];
};

#define R(a, b, c, d) ((a) << 3 | (b) << 2 | (c) << 1 | (d))

static const struct litmus tests[] = {
	{{"store buffering", begin, {sb_left, sb_right}, end}, {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 0, 0, 0), R(1, 1, 0, 0), -1}},
	{{"store buffering, fences", begin, {sb_left_fenced, sb_right_fenced}, end}, {R(0, 1, 0, 0), R(1, 0, 0, 0), R(1, 1, 0, 0), -1}},
	{{"store buffering, one fence", begin, {sb_left_fenced, sb_right}, end},
	 {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 0, 0, 0), R(1, 1, 0, 0), -1}},
	{{"message passing", begin, {mp_send, mp_receive}, end}, {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 1, 0, 0), -1}},
	{{"message passing, relaxed store", begin, {mp_send_relaxed, mp_receive}, end},
	 {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 0, 0, 0), R(1, 1, 0, 0), -1}},
	{{"message passing, relaxed load", begin, {mp_send, mp_receive_relaxed}, end},
	 {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 0, 0, 0), R(1, 1, 0, 0), -1}},
	{{"message passing, fences", begin, {mp_send_fenced, mp_receive_fenced}, end}, {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 1, 0, 0), -1}},
	{{"message passing, release sequence", begin, {mp_send, update_y, mp_receive_updated}, end},
	 {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 1, 0, 0), -1}},
	{{"independent reads", begin, {store_x, store_y, iriw_left, iriw_right}, end},
	 {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1}},
	{{"independent reads, fences", begin, {store_x, store_y, iriw_left_fenced, iriw_right_fenced}, end},
	 {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, -1}},
	{{"coherence", begin, {store_x, coherence_read}, end}, {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 1, 0, 0), -1}},
	{{"load buffering", begin, {lb_left, lb_right}, end}, {R(0, 0, 0, 0), R(0, 1, 0, 0), R(1, 0, 0, 0), -1}},
	{{"two exchanges", begin, {exchange_left, exchange_right}, end}, {R(0, 1, 0, 0), R(1, 0, 0, 0), -1}},
	{{"plain, ordered", begin, {plain_send, plain_receive}, end}, {0, -1}},
	{{"plain, racing", begin, {plain_send, plain_receive_relaxed}, end}, {-1}},
	{{"blind stores", begin, {store_x, store_x}, end}, {-1}},
};

static bool is_as_expected(const struct litmus *test)
{
	unsigned long executions;
	bool wanted[16] = {false};
	bool must_fail = test->allowed[0] < 0, has_failed;

	memset(outcomes, 0, sizeof outcomes);
	has_failed = model_explore(&test->program, &executions) != NULL;
	for (const int *outcome = test->allowed; *outcome >= 0; outcome++)
		wanted[*outcome] = true;
	printf("%s: %lu executions, outcomes", test->program.name, executions);
	for (int i = 0; i < 16; i++)
		if (outcomes[i])
			printf(" %d%d%d%d", i >> 3, i >> 2 & 1, i >> 1 & 1, i & 1);
	printf("%s\n", has_failed ? ", fails" : "");
	return must_fail ? has_failed : !has_failed && memcmp(outcomes, wanted, sizeof wanted) == 0;
}

int main(void)
{
	int failures = 0;

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		if (!is_as_expected(&tests[i])) {
			printf("  NOT AS EXPECTED\n");
			failures++;
		}
	return failures > 0;
}
