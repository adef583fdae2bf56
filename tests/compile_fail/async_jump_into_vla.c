/* The resume would jump into the scope of an array whose length was never evaluated. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	char buf[self->length];
	rc = use(buf);
	/* error in C: variably modified type; right: */
	ZOK_AWAIT(rc, &self->pause.future);
	ZOK_END((int)rc);
}
