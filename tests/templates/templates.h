/*
 * Every queue template of the public headers, made and used as a user would, in C17 and in C++17: the headers alone compile without showing what
 * their macros become.
 */
#ifndef TESTS_TEMPLATES_TEMPLATES_H
#define TESTS_TEMPLATES_TEMPLATES_H

#include "zokio/zokio.h"

struct order {
	uint32_t price, quantity;
};

struct request {
	int fd;
	struct zok_mpsc_node link;
};

ZOK_SPSC(orders, struct order, 8);
ZOK_SPSC(pointers, struct request *, 8);
ZOK_MPMC(jobs, struct request *, 8);
ZOK_MPSC(inbox, struct request, link);
ZOK_DEQUE(runnable, struct request *, 8);

static inline bool use_spsc(void)
{
	static struct orders queue;
	struct order in[3] = {{1, 2}, {3, 4}, {5, 6}}, out[3];

	orders_init(&queue);
	return orders_push(&queue, &in[0]) && orders_push_burst(&queue, &in[1], 2) == 2 && orders_count(&queue) == 3 &&
	       orders_pop(&queue, &out[0]) && orders_pop_burst(&queue, &out[1], 2) == 2 && out[0].price == 1 && out[2].quantity == 6;
}

static inline bool use_pointers(struct request *request)
{
	static struct pointers spsc;
	static struct jobs mpmc;
	struct request *out = NULL;

	return pointers_push(&spsc, &request) && pointers_pop(&spsc, &out) && out == request && jobs_push(&mpmc, &request) &&
	       jobs_pop(&mpmc, &out) && out == request && jobs_count(&mpmc) == 0;
}

static inline bool use_mpsc(struct request *request)
{
	static struct inbox queue;

	inbox_init(&queue);
	return inbox_push(&queue, request) && inbox_pop(&queue) == request && inbox_is_empty(&queue);
}

static inline bool use_deque(struct request *request)
{
	static struct runnable deque;
	struct request *out = NULL;

	runnable_init(&deque);
	return runnable_push(&deque, request) && runnable_take(&deque, &out) && runnable_push(&deque, out) &&
	       runnable_steal(&deque, &out) == ZOK_STOLEN && runnable_steal_burst(&deque, &out, 1) == 0 && out == request &&
	       runnable_count(&deque) == 0;
}

static inline int use_templates(void)
{
	struct request request;

	request.fd = 1;
	return use_spsc() && use_pointers(&request) && use_mpsc(&request) && use_deque(&request) ? 0 : 1;
}

#endif
