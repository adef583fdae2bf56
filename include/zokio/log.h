/*
 * The log hook: where Zokio says in words what a return code cannot.
 *
 * A line is formatted into a buffer of fixed size on the caller's stack: no allocation, no lock. Lines come from any thread, cores included,
 * several at once, so a hook must be safe for that, must not block and must not suspend. Not for signal handlers.
 */
#ifndef ZOKIO_LOG_H
#define ZOKIO_LOG_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

/* The most important first. As a threshold, a level lets itself and all above it through; OFF lets nothing through. */
enum zok_log_level {
	ZOK_LOG_OFF = 0,
	ZOK_LOG_ERROR = 1, /* something that was asked for is not done */
	ZOK_LOG_WARN = 2,  /* done, but otherwise than asked for (a fallback, a limit): the threshold of the start */
	ZOK_LOG_INFO = 3,  /* what was chosen, once a start */
	ZOK_LOG_DEBUG = 4, /* what a developer of Zokio wants to see */
};

/* The longest line, its final NUL included; what does not fit ends in "...". */
#define ZOK_LOG_LINE_SIZE 512

/* Takes one line: `text` has no newline, and is valid during the call only. */
typedef void (*zok_log_fn)(void *arg, enum zok_log_level level, const char *text);

/*
 * Sends all further lines to `fn` with `arg`; NULL goes back to the default, one line on stderr: "zokio: warn: …". Any thread, never
 * suspends. A thread that is logging just now may still call the hook it replaced: keep `arg` alive until the threads that log are joined.
 */
ZOK_API void zok_log_set(zok_log_fn fn, void *arg);

/* Sets the threshold. A level out of range counts as the nearest one. Any thread, never suspends. */
ZOK_API void zok_log_level_set(enum zok_log_level level);

/* The threshold. Any thread, never suspends. */
ZOK_API enum zok_log_level zok_log_level_get(void);

/* "off", "error", "warn", "info" or "debug" as a level in `*out`; -EINVAL for any other word or NULL, with `*out` untouched. */
ZOK_API ZOK_NODISCARD int zok_log_level_parse(const char *text, enum zok_log_level *out);

ZOK_END_DECLS

#endif
