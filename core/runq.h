/* A run queue: first in, first out, linked through the tasks. Owned by one core. */
#ifndef CORE_RUNQ_H
#define CORE_RUNQ_H

#include "zokio/task.h"

struct zok__runq {
	struct zok_task *head;
	struct zok_task **tail; /* where the next task's address goes: &head while empty. So the queue must not move */
	uint64_t pushed, taken; /* for the gauge; what a slice took is added at its end */
};

_Static_assert(sizeof(struct zok__runq) == 32, "a class's queue is found by a shift, on the way of each switch");

static inline void zok__runq_init(struct zok__runq *queue)
{
	queue->head = NULL;
	queue->tail = &queue->head;
	queue->pushed = queue->taken = 0;
}

static inline void zok__runq_push(struct zok__runq *queue, struct zok_task *task)
{
	task->run_next = NULL;
	*queue->tail = task;
	queue->tail = &task->run_next;
	queue->pushed++;
}

/* The queue must not be empty. */
static inline struct zok_task *zok__runq_take(struct zok__runq *queue)
{
	struct zok_task *task = queue->head;

	queue->head = task->run_next;
	if (!queue->head)
		queue->tail = &queue->head;
	return task;
}

#endif
