/* A part that is called goes on from its own place, not from its caller's task. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	/* error in C: not compatible; error in C++: cannot convert; right: ZOK_CALL(rc, &self->part.async, part_run(&self->part)); */
	ZOK_CALL(rc, task, part_run(&self->part));
	ZOK_END((int)rc);
}
