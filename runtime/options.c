#include "runtime/options.h"

#include "runtime/engines.h"
#include "runtime/profile.h"
#include "zokio/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFERS_DEFAULT = 1024,
	BUFFER_SIZE_DEFAULT = 4096,
	STACK_SIZE_DEFAULT = 65536,
	SHARE_NORMAL_DEFAULT = 4,
	SHARE_BULK_DEFAULT = 1,
	SHARE_MAX = 1000,
	BLOCKING_THREADS_DEFAULT = 64,
	BLOCKING_THREADS_MAX = 4096,
	QUEUE_ENTRIES_MAX = 32768,
	SQPOLL_IDLE_MS = 50,
	REALTIME_PRIORITY_MAX = 99, /* sched(7) */
};

static const struct {
	const char *name;
	enum zok__mode mode;
} modes[] = {
	{"park", ZOK__MODE_PARK},
	{"adaptive", ZOK__MODE_ADAPTIVE},
	{"spin", ZOK__MODE_SPIN},
	{"sqpoll", ZOK__MODE_SQPOLL},
};

static int read_mode(const char *text, enum zok__mode *mode, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(text ? text : "park", modes[i].name) == 0) {
			*mode = modes[i].mode;
			return 0;
		}
	}
	snprintf(error, error_size, "mode: %.40s: no such mode; there are park, adaptive, spin, sqpoll", text);
	return -EINVAL;
}

static int read_trigger(const char *text, enum zok__stall_trigger *trigger, char *error, size_t error_size)
{
	static const char *const words[] = {
		[ZOK__STALL_OFF] = "off", [ZOK__STALL_AUTO] = "auto", [ZOK__STALL_PERF] = "perf", [ZOK__STALL_TIMER] = "timer"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(text ? text : "auto", words[i]) == 0) {
			*trigger = (enum zok__stall_trigger)i;
			return 0;
		}
	}
	snprintf(error, error_size, "stall_detector: %.40s: it takes auto, perf, timer or off", text);
	return -EINVAL;
}

static int read_stall(struct zok__stall_options *stall, const struct zok_options *options, char *error, size_t error_size)
{
	stall->signal_number = options->stall_signal;
	if (options->stall_signal != 0 && (options->stall_signal < SIGRTMIN || options->stall_signal > SIGRTMAX)) {
		snprintf(error, error_size, "stall_signal: %d: it takes a real-time signal, %d to %d, or 0", options->stall_signal,
			 SIGRTMIN, SIGRTMAX);
		return -EINVAL;
	}
	return read_trigger(options->stall_detector, &stall->trigger, error, error_size);
}

static const struct {
	const char *name;
	enum zok__memory_policy policy;
} policies[] = {
	{"preferred", ZOK__MEMORY_PREFERRED},
	{"strict", ZOK__MEMORY_STRICT},
	{"interleave", ZOK__MEMORY_INTERLEAVE},
};

static int read_memory(const char *text, enum zok__memory_policy *policy, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		if (strcmp(text ? text : "preferred", policies[i].name) == 0) {
			*policy = policies[i].policy;
			return 0;
		}
	}
	snprintf(error, error_size, "memory: %.40s: no such policy; there are preferred, strict, interleave", text);
	return -EINVAL;
}

static const struct {
	const char *name;
	enum zok__page_wish pages;
} page_wishes[] = {
	{"auto", ZOK__PAGES_AUTO},
	{"off", ZOK__PAGES_OFF},
	{"2M", ZOK__PAGES_2M},
	{"1G", ZOK__PAGES_1G},
};

static int read_huge_pages(const char *text, enum zok__page_wish *pages, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof page_wishes / sizeof *page_wishes; i++) {
		if (strcmp(text ? text : "auto", page_wishes[i].name) == 0) {
			*pages = page_wishes[i].pages;
			return 0;
		}
	}
	snprintf(error, error_size, "huge_pages: %.40s: no such size; there are auto, off, 2M, 1G", text);
	return -EINVAL;
}

/* The option, or else the environment: also "auto" there. */
static int read_wake(const char *text, enum zok__wake_way *way, char *error, size_t error_size)
{
	static const char *const words[] = {[ZOK__WAKE_AUTO] = "auto", [ZOK__WAKE_EVENTFD] = "eventfd", [ZOK__WAKE_MSG_RING] = "msg-ring"};
	const char *source = "wake";

	if (!text || strcmp(text, "auto") == 0) {
		text = getenv("ZOK_WAKE");
		source = "ZOK_WAKE";
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(text && *text ? text : "auto", words[i]) == 0) {
			*way = (enum zok__wake_way)i;
			return 0;
		}
	}
	snprintf(error, error_size, "%s: %.40s: it takes auto, eventfd or msg-ring", source, text);
	return -EINVAL;
}

static int read_spin(const char *text, enum zok__spin_way *way, char *error, size_t error_size)
{
	for (enum zok__spin_way i = ZOK__SPIN_AUTO; i <= ZOK__SPIN_MWAITX; i++) {
		if (strcmp(text ? text : "auto", zok__spin_name(i)) == 0) {
			*way = i;
			return 0;
		}
	}
	snprintf(error, error_size, "spin: %.40s: it takes auto, pause, tpause, umwait or mwaitx", text);
	return -EINVAL;
}

/* As the way of waking. */
static int read_direct(const char *text, enum zok__direct_choice *choice, char *error, size_t error_size)
{
	static const char *const words[] = {[ZOK__DIRECT_AUTO] = "auto", [ZOK__DIRECT_ON] = "on", [ZOK__DIRECT_OFF] = "off"};
	const char *source = "direct_descriptors";

	if (!text || strcmp(text, "auto") == 0) {
		text = getenv("ZOK_DIRECT");
		source = "ZOK_DIRECT";
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(text && *text ? text : "auto", words[i]) == 0) {
			*choice = (enum zok__direct_choice)i;
			return 0;
		}
	}
	snprintf(error, error_size, "%s: %.40s: it takes auto, on or off", source, text);
	return -EINVAL;
}

static const struct {
	const char *name;
	enum zok__stealing stealing;
} stealings[] = {
	{"auto", ZOK__STEALING_HALF},
	{"off", ZOK__STEALING_OFF},
	{"one", ZOK__STEALING_ONE},
	{"half", ZOK__STEALING_HALF},
};

static int read_stealing(const char *text, enum zok__stealing *stealing, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof stealings / sizeof *stealings; i++) {
		if (strcmp(text ? text : "auto", stealings[i].name) == 0) {
			*stealing = stealings[i].stealing;
			return 0;
		}
	}
	snprintf(error, error_size, "stealing: %.40s: must be auto, off, one or half", text);
	return -EINVAL;
}

static bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* One number of the options: 0 gives the default; outside of [least, most] is refused. */
static int read_number(const char *option, uint64_t given, uint64_t fallback, uint64_t least, uint64_t most, uint64_t *value, char *error,
		       size_t error_size)
{
	*value = given ? given : fallback;
	if (*value >= least && *value <= most)
		return 0;
	snprintf(error, error_size, "%s: %llu: must be from %llu to %llu", option, (unsigned long long)given, (unsigned long long)least,
		 (unsigned long long)most);
	return -EINVAL;
}

struct number {
	const char *option;
	uint64_t given, fallback, least, most;
};

static int read_numbers(struct zok__config *config, const struct zok_options *options, char *error, size_t error_size)
{
	const struct number numbers[] = {
		{"budget_ns", options->budget_ns, 500 * ZOK_US, ZOK_US, ZOK_S},
		{"spin_ns_max", options->spin_ns_max, 50 * ZOK_US, 1, ZOK_S},
		{"grace_ns", options->grace_ns, 5 * ZOK_S, 1, 3600 * ZOK_S},
		{"share_normal", options->share_normal, SHARE_NORMAL_DEFAULT, 1, SHARE_MAX},
		{"share_bulk", options->share_bulk, SHARE_BULK_DEFAULT, 1, SHARE_MAX},
		{"stack_size", options->stack_size, STACK_SIZE_DEFAULT, ZOK__STACK_SIZE_MIN, ZOK__STACK_SIZE_MAX},
		{"receive_buffers", options->receive_buffers, BUFFERS_DEFAULT, 1, QUEUE_ENTRIES_MAX},
		{"receive_buffer_size", options->receive_buffer_size, BUFFER_SIZE_DEFAULT, 64, 16 << 20},
		{"sq_entries", options->sq_entries, 0, 0, QUEUE_ENTRIES_MAX},
		{"cq_entries", options->cq_entries, 0, 0, 2 * QUEUE_ENTRIES_MAX},
		{"busy_poll_us", options->busy_poll_us, 0, 0, 1000000},
		{"blocking_threads_max", options->blocking_threads_max, BLOCKING_THREADS_DEFAULT, 1, BLOCKING_THREADS_MAX},
		{"stall_ns", options->stall_ns, 25 * ZOK_MS, ZOK_MS, 3600 * ZOK_S},
		{"drain_ns", options->drain_ns, 0, 0, 24 * 3600 * ZOK_S},
		{"stuck_ns", options->stuck_ns, 10 * ZOK_MS, 1, 3600 * ZOK_S},
		{"realtime_priority", options->realtime_priority, 0, 0, REALTIME_PRIORITY_MAX},
	};
	enum { COUNT = sizeof numbers / sizeof *numbers };
	uint64_t v[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		int rc = read_number(numbers[i].option, numbers[i].given, numbers[i].fallback, numbers[i].least, numbers[i].most, &v[i],
				     error, error_size);
		if (rc < 0)
			return rc;
	}
	if (!is_power_of_two(v[6])) {
		snprintf(error, error_size, "receive_buffers: %llu: must be a power of two", (unsigned long long)v[6]);
		return -EINVAL;
	}
	config->core.budget_ns = v[0];
	config->core.spin_ns_max = v[1];
	config->grace_ns = v[2];
	config->core.share[ZOK_CLASS_NORMAL] = (unsigned)v[3];
	config->core.share[ZOK_CLASS_BULK] = (unsigned)v[4];
	config->core.stack_size = v[5];
	config->core.receive_buffers = (uint32_t)v[6];
	config->core.receive_buffer_size = (uint32_t)v[7];
	config->core.sq_entries = (uint32_t)v[8];
	config->core.cq_entries = (uint32_t)v[9];
	config->core.busy_poll_us = (uint32_t)v[10];
	config->blocking_threads_max = (unsigned)v[11];
	config->stall.threshold_ns = v[12];
	config->drain_ns = v[13];
	config->core.stuck_ns = v[14];
	config->realtime_priority = (int)v[15];
	return 0;
}

/* NULL is the first core allowed, not all: one core is what most gateways begin with, and what a library may take unasked. */
static int read_cores(struct zok__core_set *cores, const char *list, char *error, size_t error_size)
{
	int rc = zok__cores_select(list, cores, error, error_size);

	if (rc == 0 && !list)
		cores->count = 1;
	return rc;
}

/* The program's no is a no; otherwise the environment decides. */
static int read_export(struct zok__config *config, bool is_off, char *error, size_t error_size)
{
	const char *text = getenv("ZOK_EXPORT");

	if (!text || *text == '\0' || strcmp(text, "on") == 0)
		text = NULL;
	else if (strcmp(text, "off") == 0)
		is_off = true;
	else if (*text != '/') {
		snprintf(error, error_size, "ZOK_EXPORT: %.40s: must be on, off, or the absolute path of a folder", text);
		return -EINVAL;
	}
	config->is_export_folder_given = text && !is_off;
	if (!is_off)
		config->export_folder = text ? text : ZOK_EXPORT_FOLDER;
	return 0;
}

int zok__config_read(struct zok__config *out, const struct zok_options *options, char *error, size_t error_size)
{
	struct zok_options filled;
	struct zok__config config = {.core = {.sqpoll_cpu = -1, .sqpoll_idle_ms = SQPOLL_IDLE_MS}};
	int rc;

	filled = options ? *options : (struct zok_options){0};
	options = &filled;
	rc = zok__profile_fill(&filled, error, error_size);
	if (rc == 0)
		rc = read_numbers(&config, options, error, error_size);
	if (rc == 0)
		rc = read_mode(options->mode, &config.core.mode, error, error_size);
	if (rc == 0)
		rc = read_wake(options->wake, &config.wake, error, error_size);
	if (rc == 0)
		rc = read_direct(options->direct_descriptors, &config.core.direct_descriptors, error, error_size);
	if (rc == 0)
		rc = read_stall(&config.stall, options, error, error_size);
	if (rc == 0)
		rc = read_spin(options->spin, &config.spin, error, error_size);
	if (rc == 0)
		rc = read_memory(options->memory, &config.core.memory, error, error_size);
	if (rc == 0)
		rc = read_huge_pages(options->huge_pages, &config.core.huge_pages, error, error_size);
	if (rc == 0)
		rc = read_stealing(options->stealing, &config.core.stealing, error, error_size);
	if (rc == 0)
		rc = zok__engines_choose(options->engine, &config.engine, &config.fallback, error, error_size);
	if (rc == 0)
		rc = read_export(&config, options->no_export, error, error_size);
	if (rc == 0)
		rc = read_cores(&config.cores, options->cores, error, error_size);
	if (rc < 0)
		return rc;
	config.core.engine = config.engine;
	config.core.core_count = (unsigned)config.cores.count;
	config.core.spin = zok__spin_choose(config.spin, zok__cpu_waits_here(), config.core.core_count);
	config.keeps_signals = options->keep_signals;
	config.ignores_overflows = options->no_overflow_report;
	config.allocator = options->allocator;
	config.core.contains_faults = options->contains_faults;
	*out = config;
	return 0;
}

void zok__config_release(struct zok__config *config)
{
	zok__core_set_release(&config->cores);
}
