/* How a fiber ends before its function returns, and what is called then. The public face is <zokio/fault.h>. */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include "core/core.h"

/* Part of what has something to do at a fiber's end. It may be freed, or given up, by run(). */
struct zok__defer {
	struct zok__defer *next;
	void (*run)(struct zok__defer *defer);
};

static inline void zok__defer_push(struct zok__fiber *fiber, struct zok__defer *defer)
{
	defer->next = fiber->defers;
	fiber->defers = defer;
}

/* The last first, until none is left. By the fiber itself; may suspend. */
void zok__defers_run(struct zok__fiber *fiber);

/* Whether a failure of the task would end it alone. */
bool zok__faults_are_contained(const struct zok_task *task);

#endif
