/* What is awaited is a future: of a timer that is its `future`, not the timer. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	/* error in C: not compatible; error in C++: cannot convert; right: ZOK_AWAIT(rc, &self->pause.future); */
	ZOK_AWAIT(rc, &self->pause);
	ZOK_END((int)rc);
}
