#include "core/owner.h"

#include "core/core.h"
#include "core/log.h"

#include <stdlib.h>

unsigned zok__stealing_count;

bool zok__is_foreign_to_task(const struct zok_core *owner, const char *what)
{
	const struct zok_core *core = zok__core();
	const struct zok_task *task = core ? core->current : NULL;

	if (!owner || owner == core || !task || !(task->flags & ZOK__TASK_MAY_BE_STOLEN))
		return false;
	zok__log(ZOK_LOG_ERROR, "%s of core %u touched by %s, which was stolen, on core %u: spawn it with ZOK_STEALING_NEVER", what,
		 owner->options.index, zok_task_name(task), core->options.index);
	return true;
}

void zok__foreign_abort(void)
{
	abort();
}
