/* inotify(7): a descriptor that is read like a pipe, a buffer of events at a time. */
#include "fs/file.h"

#include "core/alloc.h"
#include "zokio/task.h"

#include <errno.h>
#include <sys/inotify.h>

enum { EVENTS_SIZE = 4096 }; /* at least one with the longest name */

ZOK_STATIC_ASSERT(EVENTS_SIZE >= sizeof(struct inotify_event) + 256, "the kernel refuses to read into less");

struct zok_watch {
	struct zok_file *file;
	const struct zok_allocator *allocator;
	uint32_t at, filled;
	bool is_read; /* a zok_watch_next() is under way */
	_Alignas(8) uint8_t events[EVENTS_SIZE];
};

int zok_watch_create(struct zok_watch **out)
{
	const struct zok_allocator *allocator = zok__core_allocator(zok__core());
	struct zok_watch *watch = zok__allocate(allocator, sizeof *watch, _Alignof(struct zok_watch));
	int fd, rc;

	if (!watch)
		return -ENOMEM;
	fd = zok__fs_sys_watch_open();
	rc = fd < 0 ? fd : zok__file_create(&watch->file, fd, 0);
	if (rc < 0) {
		if (fd >= 0)
			zok__fs_sys_close(fd);
		zok__release(allocator, watch, sizeof *watch);
		return rc;
	}
	watch->allocator = allocator;
	watch->at = watch->filled = 0;
	watch->is_read = false;
	*out = watch;
	return 0;
}

void zok_watch_add_prepare(struct zok_file_call *call, struct zok_watch *watch, const char *path, uint32_t mask)
{
	zok__file_call_prepare(call, ZOK_OP_FILE_WATCH, watch->file, watch->file->fd);
	call->op.arg.path.path = path;
	call->op.arg.path.path_to = NULL;
	call->op.arg.path.flags = mask;
}

int zok_watch_add(struct zok_watch *watch, const char *path, uint32_t mask)
{
	struct zok_file_call call;

	zok_watch_add_prepare(&call, watch, path, mask);
	return (int)zok_await(&call.op.future);
}

int zok_watch_remove(struct zok_watch *watch, int number)
{
	if (zok__is_foreign(watch->file->fs->core, "a watch"))
		return -EXDEV;
	return zok__fs_sys_watch_remove(watch->file->fd, number);
}

/* ---- The next event ---- */

/* False: there is none left in the buffer. */
static bool take(struct zok_watch *watch, struct zok_watch_event *out)
{
	const struct inotify_event *event = (const struct inotify_event *)(const void *)(watch->events + watch->at);

	if (watch->at >= watch->filled)
		return false;
	watch->at += (uint32_t)sizeof *event + event->len;
	*out = (struct zok_watch_event){
		.watch = event->wd, .mask = event->mask, .cookie = event->cookie, .name = event->len > 0 ? event->name : ""};
	return true;
}

static void next_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_watch_next *next = ZOK_CONTAINER_OF(op, struct zok_watch_next, op);
	int result = completion->result;

	if (result > 0) {
		next->watch->at = 0;
		next->watch->filled = (uint32_t)result;
		take(next->watch, next->event);
		result = 0;
	} else if (result == 0) {
		result = -EIO; /* the kernel never ends it */
	} else if (result == -ECANCELED && zok__file_use_is_cut(&next->use)) {
		result = -EBADF;
	}
	next->watch->is_read = false;
	zok__file_use_end(&next->use);
	zok_future_complete(&op->future, result);
}

static bool next_poll(struct zok_future *future)
{
	struct zok_watch_next *next = ZOK_CONTAINER_OF(future, struct zok_watch_next, op.future);
	struct zok_watch *watch = next->watch;
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = watch->is_read ? -EBUSY : zok__file_use_begin(&next->use);
	if (rc < 0)
		return zok__file_end_in_poll(future, rc);
	if (take(watch, next->event)) {
		zok__file_use_end(&next->use);
		return zok__file_end_in_poll(future, 0);
	}
	watch->is_read = true;
	return zok__file_start(&next->op);
}

static const struct zok_future_ops next_ops = {.poll = next_poll, .cancel = zok__file_cancel, .name = "changes of files"};

void zok_watch_next_prepare(struct zok_watch_next *next, struct zok_watch *watch, struct zok_watch_event *event)
{
	zok__op_prepare(&next->op, ZOK_OP_READ, watch->file->fd);
	next->op.future.ops = &next_ops;
	next->op.deliver = next_deliver;
	next->op.arg.buffer.base = watch->events;
	next->op.arg.buffer.len = EVENTS_SIZE;
	next->op.arg.buffer.offset = UINT64_MAX;
	zok__file_use_init(&next->use, watch->file, &next->op);
	next->watch = watch;
	next->event = event;
}

int zok_watch_next(struct zok_watch *watch, struct zok_watch_event *event)
{
	struct zok_watch_next next;

	zok_watch_next_prepare(&next, watch, event);
	return (int)zok_await(&next.op.future);
}

int zok_watch_destroy(struct zok_watch *watch)
{
	int rc;

	if (!watch)
		return 0;
	rc = zok_file_close(watch->file);
	if (rc == -EXDEV || rc == -EBADF) /* not here, or another task does it */
		return rc;
	zok__release(watch->allocator, watch, sizeof *watch);
	return rc;
}
