/*
 * A fiber on another core, awaited from here.
 *
 * One struct carries the call there, the cancel, and the result back, in messages that are parts of it, so nothing is allocated on the way.
 * It belongs to the calling core; the other core touches its own half between "go" and "back". Messages between two cores keep their
 * order, so a cancel never overtakes the call that it is for; the caller waits until both the result and an outstanding cancel have come home.
 */
#ifndef CORE_REMOTE_H
#define CORE_REMOTE_H

#include "core/fault.h"
#include "core/mailbox.h"
#include "zokio/task.h"

struct zok__remote {
	struct zok_future done; /* ready when the fiber has ended there and nothing of this is under way */
	int result;

	/* the calling core's half */
	struct zok__message go, cancel; /* each travels there and back */
	struct zok_core *home, *there;
	bool is_cancel_out, has_result;

	/* the other core's half */
	struct zok_scope scope;
	int (*fn)(void *arg);
	void *arg;
	struct zok_spawn_options options;
	uint64_t deadline_ns;
	struct zok__defer ended; /* at the fiber's end, whatever ended it: the result goes home */
	bool contains_faults;	 /* as where it was spawned */
	bool is_running;	 /* `scope` is open */
	bool is_canceled;
};

/*
 * Prepares: fn(arg) in a fiber on `there`, under the deadline of the calling task's scope. Awaiting `remote->done` starts it; its result is
 * fn's, or why the fiber could not be spawned there (-ENOMEM). On a core.
 */
void zok__remote_prepare(struct zok__remote *remote, struct zok_core *there, int (*fn)(void *arg), void *arg,
			 const struct zok_spawn_options *options);

#endif
