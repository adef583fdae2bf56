/* How Zokio's own files write a line to the hook of <zokio/log.h>. */
#ifndef ZOK_CORE_LOG_H
#define ZOK_CORE_LOG_H

#include "zokio/log.h"

/* The arguments are evaluated only if the line is wanted. Leaves errno as it was. */
#define zok__log(level, ...)                                \
	do {                                                \
		if (zok__log_is_wanted(level))              \
			zok__log_write(level, __VA_ARGS__); \
	} while (0)

/* Written through zok_log_level_set() only. */
extern int zok__log_threshold;

/* Relaxed: the threshold guards no other data, and a line more or less while it changes is no error. */
static inline bool zok__log_is_wanted(enum zok_log_level level)
{
	return (int)level <= __atomic_load_n(&zok__log_threshold, __ATOMIC_RELAXED);
}

/* Formats and hands over one line, whatever the threshold. */
void zok__log_write(enum zok_log_level level, const char *format, ...) ZOK_PRINTF(2, 3);

/*
 * Sets the threshold once at start: from `option`, or where that is NULL from the environment's ZOK_LOG, or not at all if that is unset or
 * empty. -EINVAL: the word is no level; `error` then says in one line what would be, and the threshold is as it was.
 */
ZOK_NODISCARD int zok__log_start(const char *option, char *error, size_t error_size);

#endif
