/* A body that ZOK_BEGIN opened and no ZOK_END closes. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	ZOK_AWAIT(rc, &self->pause.future);
	/* error: at end of input; right: ZOK_END((int)rc); } */
}
