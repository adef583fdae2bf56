/* ZOK_BEGIN takes the place where to go on, not the task around it. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	/* error in C: not compatible; error in C++: cannot convert; right: ZOK_BEGIN(&task->async); */
	ZOK_BEGIN(task);
	ZOK_AWAIT(rc, &self->pause.future);
	ZOK_END((int)rc);
}
