/*
 * The few atomic accesses that the queues of the public headers are made of, on plain integers and pointers: GCC's and Clang's __atomic
 * builtins, which C17 and C++17 both take. Not for users of the library.
 *
 * Each access names its ordering (RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST) as a bare word. They are macros so that the model checker
 * (tests/model/) can run the very code of the headers over a memory of its own: it defines ZOK__ATOMIC_MODEL and all of them itself.
 * ZOK__PUT and ZOK__GET copy one element between a slot and the caller: plain accesses, which the orderings around them must keep from
 * racing.
 */
#ifndef ZOKIO_ATOMIC_H
#define ZOKIO_ATOMIC_H

#include "zokio/base.h"

/* A function that a template makes: a user who needs only some of them is not warned of the others. */
#define ZOK__GENERATED static inline __attribute__((unused))

#define ZOK__ALIGNED(bytes) __attribute__((aligned(bytes)))

/* Elements are copied as bytes by concurrent threads, so a constructor or a destructor would not run. */
#ifdef __cplusplus
#define ZOK__ASSERT_COPYABLE(type) static_assert(__is_trivially_copyable(type), #type " must be trivially copyable")
#else
#define ZOK__ASSERT_COPYABLE(type) _Static_assert(sizeof(type) > 0, #type " must be a complete type")
#endif

#define ZOK__ASSERT_CAPACITY(capacity) \
	ZOK_STATIC_ASSERT((capacity) >= 2 && ((capacity) & ((capacity)-1)) == 0, "the capacity of a queue is a power of two, at least 2")

#ifndef ZOK__ATOMIC_MODEL

#define ZOK__LOAD(pointer, order)	     __atomic_load_n(pointer, __ATOMIC_##order)
#define ZOK__STORE(pointer, value, order)    __atomic_store_n(pointer, value, __ATOMIC_##order)
#define ZOK__EXCHANGE(pointer, value, order) __atomic_exchange_n(pointer, value, __ATOMIC_##order)
#define ZOK__ADD(pointer, amount, order)     __atomic_fetch_add(pointer, amount, __ATOMIC_##order)
/* Strong; a failure loads *expected relaxed. */
#define ZOK__CAS(pointer, expected, desired, order) \
	__atomic_compare_exchange_n(pointer, expected, desired, false, __ATOMIC_##order, __ATOMIC_RELAXED)
/* The same for an element of any type that is read and written in one access. */
#define ZOK__LOAD_ELEMENT(pointer, to, order)	 __atomic_load(pointer, to, __ATOMIC_##order)
#define ZOK__STORE_ELEMENT(pointer, from, order) __atomic_store(pointer, from, __ATOMIC_##order)
#define ZOK__PUT(slot, from)			 (*(slot) = *(from))
#define ZOK__GET(to, slot)			 (*(to) = *(slot))

/*
 * The fence that a Dekker-like exchange of two flags needs. ThreadSanitizer knows no fences: under it a read-modify-write of one global
 * word stands in, which orders at least as much (so the sanitizer cannot find a fence that is missing: the model checker does).
 */
#if defined(__SANITIZE_THREAD__)
#define ZOK__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZOK__TSAN 1
#endif
#endif

static inline void zok__fence_seq_cst(void)
{
#ifdef ZOK__TSAN
	static int word;

	(void)__atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#define ZOK__FENCE_SEQ_CST() zok__fence_seq_cst()

/* One turn of a loop that waits for another thread's next few instructions. */
static inline void zok__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" : : : "memory");
#endif
}

#define ZOK__PAUSE() zok__pause()

#endif
#endif
