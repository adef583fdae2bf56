/* The ring's file table: which descriptors get into it, and how they leave it again. direct.h has the rules. */
#include "core/log.h"
#include "uring/uring.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
	SLOTS_MAX = 32768, /* 8 bytes each of the kernel's memory, for each core */
	AFTER_OPS = 16,	   /* what a slot costs, in ops at what it saves each: whoever ends sooner or later loses no more than that */
	AFTER_OPS_MAX = UINT8_MAX,
};

/* ---- The table ---- */

/* The kernel refuses a table of more entries than the process may have descriptors. */
static uint32_t table_size(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > SLOTS_MAX)
		return SLOTS_MAX;
	return (uint32_t)limit.rlim_cur;
}

/* By the bare call: one way for all registrations, and the same that the tests make fail. */
static int register_table(struct zok__uring *uring, uint32_t size)
{
	const struct io_uring_rsrc_register table = {.nr = size, .flags = IORING_RSRC_REGISTER_SPARSE};

	return io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_FILES2, &table, sizeof table);
}

/* Why there will be no table; NULL: there shall be one. */
static const char *reason_against(const struct zok__uring *uring, enum zok__direct_choice choice)
{
	int error = uring->abilities.direct_descriptors_error;

	if (error == -EBUSY)
		return "kernel keeps a removed file while any op waits";
	if (error < 0)
		return "kernel refuses it";
	return choice == ZOK__DIRECT_OFF ? "works here; switched off" : NULL;
}

static void note(struct zok__uring *uring, bool is_active, const char *reason)
{
	zok__uring_note_feature(uring, "direct-descriptors", is_active, reason);
}

static int make_table(struct zok__uring *uring, uint32_t after_ops)
{
	struct zok__direct *direct = &uring->direct;
	uint32_t size = table_size();
	int rc = register_table(uring, size);

	if (rc < 0)
		return rc;
	direct->size = size;
	direct->after_ops = (uint8_t)(after_ops < AFTER_OPS_MAX ? after_ops : AFTER_OPS_MAX);
	return 0;
}

/* Never an error: without a table every descriptor is used as it is, and the report says why. */
void zok__uring_direct_init(struct zok__uring *uring, const struct zok__engine_options *options)
{
	const char *against = reason_against(uring, options->direct_descriptors);
	char reason[sizeof uring->features[0].reason];
	int rc;

	if (against) {
		note(uring, false, against);
		return;
	}
	rc = make_table(uring, options->direct_after_ops ? options->direct_after_ops : AFTER_OPS);
	if (rc < 0)
		snprintf(reason, sizeof reason, "no file table: %s", strerror(-rc));
	else
		snprintf(reason, sizeof reason, "%u slots, for those with %u ops", uring->direct.size, uring->direct.after_ops);
	note(uring, rc == 0, reason);
}

/* At once, not when the kernel has taken down the ring some time later: until then the table keeps its files open. */
void zok__uring_direct_finish(struct zok__uring *uring)
{
	if (uring->direct.size == 0)
		return;
	while (uring->direct.is_in_flight) /* an SQPOLL thread may yet write into it */
		zok__uring_wait(&uring->engine, ZOK_NEVER);
	io_uring_register((unsigned)uring->ring.ring_fd, IORING_UNREGISTER_FILES, NULL, 0);
}

/* ---- In ---- */

/* Has had its ops, and is not in. While the kernel has a batch there is no room for another: the next op asks again. A full table is asked later. */
void zok__uring_direct_want(struct zok__uring *uring, struct zok__descriptor *descriptor, int fd)
{
	struct zok__direct *direct = &uring->direct;

	descriptor->op_count = 0;
	if (direct->used_count == direct->size) {
		zok__count(&uring->counters->stats.direct_refusals, 1);
		return;
	}
	if (direct->is_in_flight || direct->batch_count == ZOK__DIRECT_BATCH_MAX) {
		descriptor->op_count = (uint8_t)(direct->after_ops - 1);
		return;
	}
	direct->used_count++;
	direct->numbers[direct->batch_count++] = fd;
	descriptor->direct_state = ZOK__DIRECT_QUEUED;
}

/* Before a wait. The numbers lie in the engine until the completion: an SQPOLL thread may read them late. */
void zok__uring_direct_hand_over(struct zok__uring *uring)
{
	struct zok__direct *direct = &uring->direct;
	struct io_uring_sqe *sqe = zok__uring_take_sqe(uring);

	if (!sqe)
		return;
	for (uint32_t i = 0; i < direct->batch_count; i++) {
		direct->slots[i] = direct->numbers[i];
		uring->descriptors.table[direct->numbers[i]].direct_state = ZOK__DIRECT_JOINING;
	}
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_FILES_UPDATE,
		.off = IORING_FILE_INDEX_ALLOC,
		.addr = (uintptr_t)direct->slots,
		.len = direct->batch_count,
		.user_data = ZOK__URING_TAG_JOINED,
	};
	direct->is_in_flight = true;
}

/* At once: for what is not closed through us. */
static void empty_now(struct zok__uring *uring, uint32_t slot)
{
	int32_t none = -1;
	struct io_uring_files_update update = {.offset = slot, .fds = (uintptr_t)&none};
	int rc = io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_FILES_UPDATE, &update, 1);

	if (rc < 0)
		zok__log(ZOK_LOG_ERROR, "io_uring: a slot of the file table keeps its file open: %s", strerror(-rc));
	uring->direct.used_count--;
}

static void settle(struct zok__uring *uring, struct zok__descriptor *descriptor, bool has_slot, uint32_t slot)
{
	bool is_joining = descriptor->direct_state == ZOK__DIRECT_JOINING;

	if (has_slot && is_joining) {
		descriptor->direct_state = ZOK__DIRECT_IN;
		descriptor->slot = (uint16_t)slot;
		zok__count(&uring->counters->stats.direct_joins, 1);
	} else if (has_slot) {
		empty_now(uring, slot); /* forgotten meanwhile */
	} else {
		uring->direct.used_count--;
		zok__count(&uring->counters->stats.direct_refusals, 1);
		if (is_joining)
			descriptor->direct_state = ZOK__DIRECT_OUT;
		descriptor->op_count = 0;
	}
}

bool zok__uring_direct_is_joining(const struct zok__uring *uring, int fd)
{
	const struct zok__descriptor *descriptor = zok__descriptors_find(&uring->descriptors, fd);

	return descriptor && descriptor->direct_state == ZOK__DIRECT_JOINING;
}

/* `result`: how many of the batch's first have their slot, or why none has. Closes have waited for it. */
void zok__uring_direct_joined(struct zok__uring *uring, int result)
{
	struct zok__direct *direct = &uring->direct;

	for (int i = 0; i < direct->batch_count; i++)
		settle(uring, &uring->descriptors.table[direct->numbers[i]], i < result, (uint32_t)direct->slots[i]);
	direct->batch_count = 0;
	direct->is_in_flight = false;
	zok__uring_close_go_on(uring);
}

/* ---- Out ---- */

static void unqueue(struct zok__direct *direct, int fd)
{
	uint32_t i = 0;

	while (direct->numbers[i] != fd)
		i++;
	direct->numbers[i] = direct->numbers[--direct->batch_count];
	direct->used_count--;
}

/*
 * Before the close of fd, by an SQE before the close's own: the kernel takes them in order. False: there is none to be had. The slot is free for
 * others from the moment the kernel comes to it, and those stand behind it.
 */
bool zok__uring_direct_leave(struct zok__uring *uring, int fd)
{
	struct zok__descriptor *descriptor = zok__descriptors_find(&uring->descriptors, fd);
	struct io_uring_sqe *sqe;

	if (!descriptor)
		return true;
	if (descriptor->direct_state == ZOK__DIRECT_IN) {
		sqe = zok__uring_take_sqe(uring);
		if (!sqe)
			return false;
		*sqe = (struct io_uring_sqe){
			.opcode = IORING_OP_CLOSE,
			.flags = IOSQE_CQE_SKIP_SUCCESS,
			.file_index = descriptor->slot + 1u,
			.user_data = ZOK__URING_TAG_NOT_LEFT,
		};
		uring->direct.used_count--;
	} else if (descriptor->direct_state == ZOK__DIRECT_QUEUED) {
		unqueue(&uring->direct, fd);
	}
	descriptor->direct_state = ZOK__DIRECT_OUT;
	descriptor->op_count = 0;
	return true;
}

/* The number is another file's from here on. One that is on its way in is emptied when it has got there: see settle(). */
void zok__uring_direct_forget(struct zok__uring *uring, int fd)
{
	struct zok__descriptor *descriptor = zok__descriptors_find(&uring->descriptors, fd);

	if (!descriptor)
		return;
	if (descriptor->direct_state == ZOK__DIRECT_IN)
		empty_now(uring, descriptor->slot);
	else if (descriptor->direct_state == ZOK__DIRECT_QUEUED)
		unqueue(&uring->direct, fd);
	descriptor->direct_state = ZOK__DIRECT_OUT;
	descriptor->op_count = 0;
}

/* ---- Use ---- */

static bool is_in(const struct zok__uring *uring, int fd, int *slot)
{
	const struct zok__descriptor *descriptor = zok__descriptors_find(&uring->descriptors, fd);

	if (!descriptor || descriptor->direct_state != ZOK__DIRECT_IN)
		return false;
	*slot = descriptor->slot;
	return true;
}

/* The SQE of an op that has a descriptor, filled: it names the slot where there is one. */
void zok__uring_direct_fill(const struct zok__uring *uring, struct io_uring_sqe *sqe)
{
	int slot;

	if (is_in(uring, sqe->fd, &slot)) {
		sqe->fd = slot;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	if (sqe->opcode == IORING_OP_SPLICE && is_in(uring, sqe->splice_fd_in, &slot)) {
		sqe->splice_fd_in = slot;
		sqe->splice_flags |= SPLICE_F_FD_IN_FIXED;
	}
}
