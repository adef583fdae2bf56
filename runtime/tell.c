/* zok_tell(): a function and its two words, in one line between two cores. */
#include "runtime/runtime.h"

#include "zokio/cores.h"

#include <errno.h>

/* Only a fiber can wait here. */
static bool may_suspend(const struct zok_core *core)
{
	return core->current && core->current->flags & ZOK__TASK_IS_FIBER;
}

/* The fiber is alive until its note is sent, so the runtime does not end without it. */
static int tell_when_there_is_room(struct zok_core *from, struct zok_core *to, const struct zok__note *note)
{
	struct zok__waiting_note waiting;

	if (!may_suspend(from))
		return -EAGAIN;
	zok__mail_wait_prepare(&waiting, from, to, note);
	return (int)zok_await(&waiting.room);
}

int zok_tell(unsigned index, void (*fn)(void *arg, uint64_t value), void *arg, uint64_t value)
{
	const struct zok__note note = {.fn = fn, .arg = arg, .value = value};
	struct zok_core *from = zok__core(), *to;

	if (ZOK_UNLIKELY(!from || index >= from->mail.core_count))
		return zok__core_at(index) ? 0 : -EINVAL; /* it says why */
	to = from->options.peers[index];
	if (ZOK_LIKELY(zok__mail_note(from, to, &note)))
		return 0;
	return tell_when_there_is_room(from, to, &note);
}
