/* struct zok_options checked and completed: every default in place, every word understood. */
#ifndef RUNTIME_OPTIONS_H
#define RUNTIME_OPTIONS_H

#include "core/core.h"
#include "numa/select.h"
#include "runtime/stall.h"
#include "zokio/runtime.h"

/* How a core wakes another that is parked. */
enum zok__wake_way {
	ZOK__WAKE_AUTO, /* what is faster, measured at the start */
	ZOK__WAKE_EVENTFD,
	ZOK__WAKE_MSG_RING,
};

struct zok__config {
	struct zok__core_set cores;		/* owned */
	const struct zok__engine_ops *engine;	/* what to try first */
	const struct zok__engine_ops *fallback; /* NULL: the engine was asked for by name */
	struct zok__core_options core;		/* what all cores have in common */
	uint64_t grace_ns, drain_ns;
	struct zok__stall_options stall;
	unsigned blocking_threads_max;
	const char *export_folder; /* of the environment; NULL: not exported */
	bool is_export_folder_given;
	enum zok__wake_way wake;
	enum zok__spin_way spin; /* as asked for */
	bool keeps_signals, ignores_overflows;
	int realtime_priority; /* 0: none */
	const struct zok_allocator *allocator;
};

enum { ZOK__CONFIG_ERROR_SIZE = ZOK__CORES_ERROR_SIZE > 256 ? ZOK__CORES_ERROR_SIZE : 256 };

/* -EINVAL and the like: `error` names the option and what it would accept. `*config` is untouched on failure. */
int zok__config_read(struct zok__config *config, const struct zok_options *options, char *error, size_t error_size);
void zok__config_release(struct zok__config *config);

#endif
