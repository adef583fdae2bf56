/* What the library logs, kept for a test to look at: the last line, and how many there were. */
#ifndef TESTS_LOG_LINES_H
#define TESTS_LOG_LINES_H

#include "zokio/log.h"

#include <stdio.h>
#include <string.h>

struct log_lines {
	char last[ZOK_LOG_LINE_SIZE];
	int count; /* atomic: cores log too */
};

static inline void log_lines_keep(void *arg, enum zok_log_level level, const char *text)
{
	struct log_lines *lines = arg;

	/* Tests look at the text where one thread logs. */
	if (__atomic_fetch_add(&lines->count, 1, __ATOMIC_RELAXED) == 0 || level <= ZOK_LOG_ERROR)
		snprintf(lines->last, sizeof lines->last, "%s", text);
}

static inline void log_lines_begin(struct log_lines *lines)
{
	memset(lines, 0, sizeof *lines);
	zok_log_set(log_lines_keep, lines);
}

static inline void log_lines_end(void)
{
	zok_log_set(NULL, NULL);
}

#endif
