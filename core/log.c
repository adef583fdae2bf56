#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Indexed by enum zok_log_level. */
static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};

int zok__log_threshold = ZOK_LOG_WARN;

/*
 * The hook and its argument, read as a pair without a lock: a sequence lock. `version` is odd while a writer is between the two stores. It
 * is global because a process has one log, as it has one stderr.
 */
static struct {
	unsigned version;
	zok_log_fn fn;
	void *arg;
} sink;

static unsigned sink_lock(void)
{
	unsigned even;

	/* Acquire: what the previous writer stored is seen before we store over it; pairs with sink_unlock(). */
	do {
		even = __atomic_load_n(&sink.version, __ATOMIC_RELAXED) & ~1u;
	} while (!__atomic_compare_exchange_n(&sink.version, &even, even + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return even;
}

/* Release: whoever reads the even version sees the whole pair; pairs with the first load of sink_read(). */
static void sink_unlock(unsigned even)
{
	__atomic_store_n(&sink.version, even + 2, __ATOMIC_RELEASE);
}

void zok_log_set(zok_log_fn fn, void *arg)
{
	unsigned even = sink_lock();

	/* Release: a reader that sees one of these also sees the odd version stored before them, and so reads again. */
	__atomic_store_n(&sink.fn, fn, __ATOMIC_RELEASE);
	__atomic_store_n(&sink.arg, arg, __ATOMIC_RELEASE);
	sink_unlock(even);
}

static zok_log_fn sink_read(void **arg)
{
	unsigned before, after;
	zok_log_fn fn;

	do {
		/* Acquire, each: the loads stay in this order, so that equal versions around them mean one writer's pair. */
		before = __atomic_load_n(&sink.version, __ATOMIC_ACQUIRE);
		fn = __atomic_load_n(&sink.fn, __ATOMIC_ACQUIRE);
		*arg = __atomic_load_n(&sink.arg, __ATOMIC_ACQUIRE);
		after = __atomic_load_n(&sink.version, __ATOMIC_RELAXED);
	} while (before != after || before % 2 != 0);
	return fn;
}

void zok_log_level_set(enum zok_log_level level)
{
	int wanted = (int)level;

	if (wanted < ZOK_LOG_OFF)
		wanted = ZOK_LOG_OFF;
	if (wanted > ZOK_LOG_DEBUG)
		wanted = ZOK_LOG_DEBUG;
	__atomic_store_n(&zok__log_threshold, wanted, __ATOMIC_RELAXED);
}

enum zok_log_level zok_log_level_get(void)
{
	return (enum zok_log_level)__atomic_load_n(&zok__log_threshold, __ATOMIC_RELAXED);
}

int zok_log_level_parse(const char *text, enum zok_log_level *out)
{
	if (text == NULL)
		return -EINVAL;
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum zok_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

int zok__log_start(const char *option, char *error, size_t error_size)
{
	const char *text = option != NULL ? option : getenv("ZOK_LOG");
	enum zok_log_level level;

	if (text == NULL || *text == '\0')
		return 0;
	if (zok_log_level_parse(text, &level) < 0) {
		snprintf(error, error_size, "%s: %.40s: no such level; accepted are off, error, warn, info, debug",
			 option != NULL ? "log" : "ZOK_LOG", text);
		return -EINVAL;
	}
	zok_log_level_set(level);
	return 0;
}

/* One write, so that lines of several threads do not mix. Where stderr is full or closed the line is lost: a core does not wait for it. */
static void write_stderr(enum zok_log_level level, const char *text)
{
	char line[ZOK_LOG_LINE_SIZE + sizeof "zokio: error: \n"];
	int length = snprintf(line, sizeof line, "zokio: %s: %s\n", level_names[level], text);
	ssize_t written = write(STDERR_FILENO, line, (size_t)length);

	(void)written;
}

/* One line stays one line, whatever a peer or a file put into an argument. */
static void flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static void format_line(char text[ZOK_LOG_LINE_SIZE], const char *format, va_list args)
{
	int length = vsnprintf(text, ZOK_LOG_LINE_SIZE, format, args);

	if (length < 0)
		snprintf(text, ZOK_LOG_LINE_SIZE, "(a line that cannot be formatted)");
	if (length >= ZOK_LOG_LINE_SIZE)
		memcpy(text + ZOK_LOG_LINE_SIZE - sizeof "...", "...", sizeof "...");
	flatten(text);
}

void zok__log_write(enum zok_log_level level, const char *format, ...)
{
	int saved_errno = errno;
	char text[ZOK_LOG_LINE_SIZE];
	zok_log_fn fn;
	void *arg;
	va_list args;

	va_start(args, format);
	format_line(text, format, args);
	va_end(args);
	fn = sink_read(&arg);
	if (fn != NULL)
		fn(arg, level, text);
	else
		write_stderr(level, text);
	errno = saved_errno;
}
