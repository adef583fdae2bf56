/*
 * Words for stackless tasks: resumable functions that keep their locals in a frame and their place in a number.
 *
 *	struct pinger {
 *		struct zok_task task;          // a spawned task's frame begins with this
 *		struct zok_timer pause;        // what lives over an await lives in the frame
 *		int round;
 *	};
 *
 *	static int pinger_run(struct zok_task *task)
 *	{
 *		struct pinger *self = ZOK_CONTAINER_OF(task, struct pinger, task);
 *		ssize_t rc;
 *
 *		ZOK_BEGIN(&task->async);
 *		for (self->round = 0; self->round < 3; self->round++) {
 *			zok_timer_prepare(&self->pause, 10 * ZOK_MS);
 *			ZOK_AWAIT(rc, &self->pause.future);
 *			if (rc < 0)
 *				ZOK_RETURN((int)rc);
 *		}
 *		ZOK_END(0);
 *	}
 *
 * A function that another awaits has a frame of its own that begins with (or holds) a struct zok_async instead of a task, and is called with
 * ZOK_CALL: `ZOK_CALL(rc, &self->child.async, child_run(&self->child))`.
 *
 * How it works: ZOK_BEGIN opens a switch on the line to go on from; an await notes its line, returns ZOK_PENDING, and is a case of that switch
 * (Duff's device; Tatham, "Coroutines in C"). Hence the rules. Automatic variables do not survive an await: keep them in the frame. The
 * operands of an await are evaluated again when the function is resumed, so they must name the frame.
 *
 * What fails to compile (tests/compile_fail/): an await outside ZOK_BEGIN … ZOK_END, a missing ZOK_END, two awaits on one line, an initialised
 * variable of C++ or a VLA whose scope an await would jump into, a frame part of the wrong type. What C cannot refuse (an await inside a switch
 * of your own) aborts with a message at the first resume.
 */
#ifndef ZOKIO_ASYNC_H
#define ZOKIO_ASYNC_H

#include "zokio/task.h"

ZOK_BEGIN_DECLS

/* An operand that must have this type. C has compilers that let a wrong pointer pass with a warning; _Generic does not, C++ needs no help. */
#ifdef __cplusplus
#define ZOK__TYPED(type, operand) (operand)
#else
#define ZOK__TYPED(type, operand) _Generic((operand), type : (operand))
#endif

/* Opens the body. `async_` is a struct zok_async * in the frame: &task->async in a task's own function. */
#define ZOK_BEGIN(async_)                                                                 \
	{                                                                                 \
		struct zok_async *const zok__at = ZOK__TYPED(struct zok_async *, async_); \
		switch (zok__at->resume_at) {                                             \
		default: zok_async_lost(zok__at);                                         \
		case 0:

/* Closes the body and returns `result_`. */
#define ZOK_END(result_)        \
	zok__at->resume_at = 0; \
	return (result_);       \
	}                       \
	}

/* Leaves from the middle of the body. */
#define ZOK_RETURN(result_)             \
	do {                            \
		zok__at->resume_at = 0; \
		return (result_);       \
	} while (0)

/* Awaits a struct zok_future * and assigns its ssize_t result. */
#define ZOK_AWAIT(result_, future_)                                                         \
	do {                                                                                \
		if (!zok__async_begin(zok__at, ZOK__TYPED(struct zok_future *, future_))) { \
			zok__at->resume_at = __LINE__;                                      \
			return ZOK_PENDING;                                                 \
		case __LINE__:                                                              \
			if (!zok__async_again(zok__at, (future_)))                          \
				return ZOK_PENDING;                                         \
		}                                                                           \
		(result_) = zok__async_result(zok__at, (future_));                          \
	} while (0)

/* Calls another stackless function, awaits its end and assigns its int result. `call_` is evaluated at each resume. */
#define ZOK_CALL(result_, async_, call_)                                           \
	do {                                                                       \
		zok__async_enter(zok__at, ZOK__TYPED(struct zok_async *, async_)); \
		zok__at->resume_at = __LINE__;                                     \
		__attribute__((fallthrough));                                      \
	case __LINE__: {                                                           \
		const int zok__called = (call_);                                   \
		if (zok__called == ZOK_PENDING)                                    \
			return ZOK_PENDING;                                        \
		(result_) = zok__called;                                           \
	}                                                                          \
	} while (0)

/* Lets others of the same class run. */
#define ZOK_YIELD()                            \
	do {                                   \
		zok_async_yield(zok__at);      \
		zok__at->resume_at = __LINE__; \
		return ZOK_PENDING;            \
	case __LINE__:;                        \
	} while (0)

/* ---- What the words are made of; not for use by hand. ---- */

/* Makes the running task runnable again, behind its class's others. */
ZOK_API void zok_async_yield(struct zok_async *async);

/* A resume point that the body does not have: an await stood inside another switch. Says so and aborts. */
ZOK_API void zok_async_lost(const struct zok_async *async) __attribute__((noreturn));

static inline bool zok__async_again(struct zok_async *async, struct zok_future *future)
{
	return zok_future_poll(future, &async->task->waker);
}

static inline bool zok__async_begin(struct zok_async *async, struct zok_future *future)
{
	struct zok_task *task = async->task;

	task->awaited = future;
	if (ZOK_UNLIKELY(zok__cancel_code(task->scope) != 0) && !future->is_shielded) {
		zok_future_cancel(future);
		/* A loop of awaits that all end at once must not keep the core from those who would end it. */
		zok_async_yield(async);
		return false;
	}
	return zok_future_poll(future, &task->waker);
}

static inline ssize_t zok__async_result(struct zok_async *async, struct zok_future *future)
{
	struct zok_task *task = async->task;

	task->awaited = NULL;
	if (ZOK_UNLIKELY(future->result == -ECANCELED) && zok__cancel_code(task->scope) != 0)
		return zok__cancel_code(task->scope);
	return future->result;
}

static inline void zok__async_enter(const struct zok_async *caller, struct zok_async *called)
{
	called->task = caller->task;
	called->resume_at = 0;
}

ZOK_END_DECLS

#endif
