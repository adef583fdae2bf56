/* A frame for the files here to misuse. */
#ifndef TESTS_COMPILE_FAIL_FRAME_H
#define TESTS_COMPILE_FAIL_FRAME_H

#include "zokio/async.h"
#include "zokio/timer.h"

struct part {
	struct zok_async async;
};

struct frame {
	struct zok_task task;
	struct part part;
	struct zok_timer pause;
	int length;
};

int part_run(struct part *self);
int frame_run(struct zok_task *task);
int use(void *memory);

#endif
