/* The line is the place to go on from: two awaits on one would be one place. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	/* clang-format off */
	/* error: duplicate case value; right: ZOK_AWAIT(rc, &self->pause.future); */
	ZOK_AWAIT(rc, &self->pause.future); ZOK_AWAIT(rc, &self->pause.future);
	/* clang-format on */
	ZOK_END((int)rc);
}
