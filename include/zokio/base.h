/*
 * What every public header stands on: units, visibility, the shape of results.
 *
 * Results. Functions return 0 or a count, or a negative errno. Out-parameters are untouched on failure. A caller's mistake returns -EINVAL
 * and is explained through the log hook; a fault of our own is an assertion that aborts.
 */
#ifndef ZOKIO_BASE_H
#define ZOKIO_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define ZOK_BEGIN_DECLS			   extern "C" {
#define ZOK_END_DECLS			   }
#define ZOK_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define ZOK_BEGIN_DECLS
#define ZOK_END_DECLS
#define ZOK_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ZOK_API				      __attribute__((visibility("default")))
#define ZOK_NODISCARD			      __attribute__((warn_unused_result))
#define ZOK_LIKELY(x)			      __builtin_expect(!!(x), 1)
#define ZOK_UNLIKELY(x)			      __builtin_expect(!!(x), 0)
#define ZOK_NORETURN			      __attribute__((noreturn))
#define ZOK_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#error "Zokio needs GCC or Clang: it uses their __atomic builtins"
#endif

/* Units of time. Every *_ns in the API is a count of nanoseconds in a uint64_t. */
#define ZOK_US UINT64_C(1000)
#define ZOK_MS UINT64_C(1000000)
#define ZOK_S  UINT64_C(1000000000)

/* "No deadline", "no time-out". */
#define ZOK_NEVER UINT64_MAX

/* What false sharing is ruled out by: two lines, because adjacent-line prefetchers of x86-64 fetch them in pairs. */
#define ZOK_CACHE_LINE	  64
#define ZOK_FALSE_SHARING 128

/* The struct of which `member` at `pointer` is a part. */
#define ZOK_CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
