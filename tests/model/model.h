/*
 * A model checker for the queues: it runs the code of the public headers themselves, on two to four threads of its own, through every
 * interleaving and every value that a load may return under release/acquire semantics. README.md says what that covers and what not.
 *
 * Include it before any header of zokio/: it defines the accesses that zokio/atomic.h otherwise takes from the compiler.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS_MAX = 4 };

enum model_order { MODEL_RELAXED, MODEL_ACQUIRE, MODEL_RELEASE, MODEL_ACQ_REL, MODEL_SEQ_CST };

/* An access in the source. Each macro below makes one of its own; the checker lists those that it meets, in order to weaken them. */
struct model_site {
	const char *what; /* "load", "store", "exchange", "swap", "fence" */
	const char *file, *function;
	int line;
	enum model_order order;
	bool is_listed;
	enum model_order weakened; /* in use instead of `order` while the site is the one that is weakened */
	struct model_site *next;
};

#define ZOK__ATOMIC_MODEL

#define MODEL_SITE(what, order)                                                                                \
	__extension__({                                                                                        \
		static struct model_site site_ = {what, __FILE__, __func__, __LINE__, MODEL_##order, 0, 0, 0}; \
		&site_;                                                                                        \
	})
/* The type of what a pointer points to, without its qualifiers. */
#define MODEL_TYPEOF(pointer) __typeof__((void)0, *(pointer))

#define ZOK__LOAD(pointer, order)                                                           \
	__extension__({                                                                     \
		MODEL_TYPEOF(pointer) loaded_;                                              \
		model_load((pointer), &loaded_, sizeof loaded_, MODEL_SITE("load", order)); \
		loaded_;                                                                    \
	})
#define ZOK__STORE(pointer, value, order)                                                     \
	__extension__({                                                                       \
		MODEL_TYPEOF(pointer) stored_ = (value);                                      \
		model_store((pointer), &stored_, sizeof stored_, MODEL_SITE("store", order)); \
	})
#define ZOK__EXCHANGE(pointer, value, order)                                                         \
	__extension__({                                                                              \
		MODEL_TYPEOF(pointer) new_ = (value), old_;                                          \
		model_exchange((pointer), &new_, &old_, sizeof new_, MODEL_SITE("exchange", order)); \
		old_;                                                                                \
	})
#define ZOK__ADD(pointer, amount, order)                                                   \
	__extension__({                                                                    \
		MODEL_TYPEOF(pointer) sum_, was_;                                          \
		model_begin_update((pointer), &was_, sizeof was_);                         \
		sum_ = was_ + (MODEL_TYPEOF(pointer))(amount);                             \
		model_end_update((pointer), &sum_, sizeof sum_, MODEL_SITE("add", order)); \
		was_;                                                                      \
	})
#define ZOK__CAS(pointer, expected, desired, order)                                                       \
	__extension__({                                                                                   \
		MODEL_TYPEOF(pointer) desired_ = (desired);                                               \
		model_swap((pointer), (expected), &desired_, sizeof desired_, MODEL_SITE("swap", order)); \
	})
#define ZOK__LOAD_ELEMENT(pointer, to, order)	 model_load((pointer), (to), sizeof *(to), MODEL_SITE("load", order))
#define ZOK__STORE_ELEMENT(pointer, from, order) model_store((pointer), (from), sizeof *(from), MODEL_SITE("store", order))
#define ZOK__FENCE_SEQ_CST()			 model_fence(MODEL_SITE("fence", SEQ_CST))
#define ZOK__PUT(slot, from)			 (model_plain_write(slot), *(slot) = *(from))
#define ZOK__GET(to, slot)			 (model_plain_read(slot), *(to) = *(slot))
#define ZOK__PAUSE()				 model_pause()

void model_load(const void *address, void *value, size_t size, struct model_site *site);
void model_store(void *address, const void *value, size_t size, struct model_site *site);
void model_exchange(void *address, const void *value, void *old, size_t size, struct model_site *site);
/* A read-modify-write in one access: what stands there, and what is to stand there. */
void model_begin_update(void *address, void *old, size_t size);
void model_end_update(void *address, const void *value, size_t size, struct model_site *site);
bool model_swap(void *address, void *expected, const void *desired, size_t size, struct model_site *site);
void model_fence(struct model_site *site);

/* Plain accesses: two of them to one address, one a write, must be ordered by happens-before. The caller copies. */
void model_plain_write(const void *address);
void model_plain_read(const void *address);

/*
 * In a loop that waits for another thread: gives this path up. Nothing is missed, for what the loop would see later is also seen by a path
 * on which it comes later; that the loop ends at all is not checked.
 */
void model_pause(void);

/* What a program of the model found wrong: ends the search, keeps the text (a literal). The call returns. */
void model_fail(const char *what);

#define MODEL_CHECK(condition) ((condition) ? (void)0 : model_fail(#condition))

/* What is checked: all memory is set up anew by begin(), and the threads end whatever they meet, for they run many thousand times. */
struct model_program {
	const char *name;
	void (*begin)(void);
	void (*threads[MODEL_THREADS_MAX])(void);
	void (*end)(void); /* after all threads, which it has joined */
	/*
	 * Without this, two stores to one place by threads that do not know of each other's are a failure: the model puts stores in the
	 * order in which they are executed, which for these would leave out some that C11 allows.
	 */
	bool has_blind_stores;
};

/* Runs a program through all its executions, or to the first failure; returns that, or NULL. Counts executions that ran to their end. */
const char *model_explore(const struct model_program *program, unsigned long *executions);

/* Orderings whose weakening the model cannot see or that are kept for another reason; the rest must be found necessary. */
struct model_excuse {
	const char *function, *what;
	const char *reason;
};

/* From now on only orderings in files whose path contains `part` are weakened, for a program that stands on code with a model of its own. */
void model_weaken_only(const char *part);

/*
 * The whole test of one queue: the programs hold as the headers are, and each ordering in the headers, weakened in turn, makes at least one
 * of them fail (or is excused, and then fails none). Prints what it did; returns main()'s exit code.
 */
int model_main(const struct model_program *programs, size_t program_count, const struct model_excuse *excuses, size_t excuse_count);

#endif
