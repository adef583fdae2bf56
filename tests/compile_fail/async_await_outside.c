/* An await before ZOK_BEGIN has no place to go on from. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	rc = 0;
	/* error in C: undeclared; error in C++: was not declared; right: */
	ZOK_AWAIT(rc, &self->pause.future);
	ZOK_BEGIN(&task->async);
	ZOK_AWAIT(rc, &self->pause.future);
	ZOK_END((int)rc);
}
