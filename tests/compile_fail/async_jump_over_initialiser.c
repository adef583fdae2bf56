/* The resume would jump over the initialiser of a variable that is still in scope. */
#include "tests/compile_fail/frame.h"

int frame_run(struct zok_task *task)
{
	struct frame *self = ZOK_CONTAINER_OF(task, struct frame, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	int begun = use(self);
	/* error in C++: jump to case label; right: rc = 0; */
	ZOK_AWAIT(rc, &self->pause.future);
	ZOK_END(begun + (int)rc);
}
