/* The ring: which flags, which sizes, who may enter it. */
#include "uring/uring.h"

#include <stdio.h>
#include <string.h>

enum { SQ_ENTRIES_DEFAULT = 1024, CQ_ENTRIES_DEFAULT = 16384, SQPOLL_IDLE_MS_DEFAULT = 100 };

/* One way to set a ring up. Tried from the best on; a kernel that does not know a flag says EINVAL. */
struct recipe {
	uint32_t flags;
	bool is_sqpoll, is_pinned, is_shared;
};

/* SUBMIT_ALL: an SQE that is refused does not hold up those behind it. R_DISABLED: nothing runs before everything is registered. */
#define FLAGS_ALL    (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED)
#define FLAGS_OWN    (FLAGS_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)
#define FLAGS_SQPOLL (FLAGS_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SQPOLL)

static const struct recipe recipes[] = {
	{.flags = FLAGS_SQPOLL | IORING_SETUP_ATTACH_WQ, .is_sqpoll = true, .is_shared = true},
	{.flags = FLAGS_SQPOLL | IORING_SETUP_SQ_AFF, .is_sqpoll = true, .is_pinned = true},
	{.flags = FLAGS_SQPOLL, .is_sqpoll = true},
	{.flags = FLAGS_OWN},
	{.flags = FLAGS_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG},
};

static int try_recipe(struct zok__uring *uring, const struct recipe *recipe, const struct zok__engine_options *options)
{
	struct io_uring_params params = {
		.flags = recipe->flags,
		.cq_entries = options->cq_entries ? options->cq_entries : CQ_ENTRIES_DEFAULT,
		.sq_thread_idle = options->sqpoll_idle_ms ? options->sqpoll_idle_ms : SQPOLL_IDLE_MS_DEFAULT,
		.sq_thread_cpu = recipe->is_pinned ? (uint32_t)options->sqpoll_cpu : 0,
		.wq_fd = recipe->is_shared ? (uint32_t)options->sqpoll_share_fd : 0,
	};
	uint32_t sq_entries = options->sq_entries ? options->sq_entries : SQ_ENTRIES_DEFAULT;

	if (params.cq_entries < sq_entries)
		params.cq_entries = sq_entries; /* the kernel refuses fewer */
	return io_uring_queue_init_params(sq_entries, &uring->ring, &params);
}

/* Whether a weaker recipe may do where this error met a stronger one: an unknown flag, a processor that is not ours, SQPOLL not allowed. */
static bool is_worth_less(const struct recipe *recipe, int error)
{
	return error == -EINVAL || (error == -EPERM && recipe->is_sqpoll);
}

static int make_ring(struct zok__uring *uring, const struct zok__engine_options *options, const struct recipe **made, int *sqpoll_error)
{
	int rc = -EINVAL;

	for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
		const struct recipe *recipe = &recipes[i];

		if (recipe->is_sqpoll && options->mode != ZOK__MODE_SQPOLL)
			continue;
		if (recipe->is_pinned && options->sqpoll_cpu < 0)
			continue;
		if (recipe->is_shared && options->sqpoll_share_fd <= 0)
			continue;
		rc = try_recipe(uring, recipe, options);
		if (rc == 0)
			*made = recipe;
		if (rc == 0 || !is_worth_less(recipe, rc))
			return rc;
		if (recipe->is_sqpoll)
			*sqpoll_error = rc;
	}
	return rc;
}

void zok__uring_note_feature(struct zok__uring *uring, const char *name, bool is_active, const char *reason)
{
	struct zok__engine_feature *feature = &uring->features[uring->feature_count++];

	assert(uring->feature_count <= ZOK__URING_FEATURES_MAX);
	feature->name = name;
	feature->is_active = is_active;
	snprintf(feature->reason, sizeof feature->reason, "%s", reason);
}

/* A feature that is used where the kernel has it; `error` is what it said. */
static void note_tried(struct zok__uring *uring, const char *name, int error)
{
	char reason[sizeof uring->features[0].reason] = "";

	if (error < 0)
		snprintf(reason, sizeof reason, "kernel refuses it: %s", strerror(-error));
	zok__uring_note_feature(uring, name, error == 0, reason);
}

static void note_flag(struct zok__uring *uring, const char *name, const struct recipe *recipe, uint32_t flag)
{
	bool is_active = recipe->flags & flag;

	zok__uring_note_feature(uring, name, is_active, is_active ? "" : recipe->is_sqpoll ? "off in this mode" : "kernel lacks it");
}

static void note_sqpoll(struct zok__uring *uring, const struct zok__engine_options *options, const struct recipe *recipe, int error)
{
	char reason[sizeof uring->features[0].reason] = "";

	if (options->mode != ZOK__MODE_SQPOLL)
		snprintf(reason, sizeof reason, "off in this mode");
	else if (!recipe->is_sqpoll)
		snprintf(reason, sizeof reason, "kernel refuses it: %s", strerror(-error));
	else if (recipe->is_shared)
		snprintf(reason, sizeof reason, "by the thread of another core's ring");
	else if (recipe->is_pinned)
		snprintf(reason, sizeof reason, "on processor %d", options->sqpoll_cpu);
	else if (options->sqpoll_cpu >= 0)
		snprintf(reason, sizeof reason, "unpinned: processor %d: %s", options->sqpoll_cpu, strerror(-error));
	zok__uring_note_feature(uring, "sqpoll", recipe->is_sqpoll, reason);
}

static const char *mode_name(enum zok__mode asked, bool is_sqpoll)
{
	if (is_sqpoll)
		return "sqpoll";
	return asked == ZOK__MODE_SPIN ? "spin" : asked == ZOK__MODE_ADAPTIVE ? "adaptive" : "park";
}

static void note_files(struct zok__uring *uring)
{
	bool has_truncate = uring->abilities.file_kinds & 1ull << ZOK_OP_FILE_TRUNCATE;

	zok__uring_note_feature(uring, "asynchronous-files", uring->abilities.file_kinds != 0,
				has_truncate ? "" : "truncate by a thread: the ring lacks it");
}

static void note_all(struct zok__uring *uring, const struct zok__engine_options *options, const struct recipe *recipe, int sqpoll_error,
		     int ring_fd_error)
{
	const struct zok__uring_abilities *abilities = &uring->abilities;

	uring->mode = mode_name(options->mode, recipe->is_sqpoll);
	note_sqpoll(uring, options, recipe, sqpoll_error);
	note_flag(uring, "single-issuer", recipe, IORING_SETUP_SINGLE_ISSUER);
	note_flag(uring, "defer-taskrun", recipe, IORING_SETUP_DEFER_TASKRUN);
	note_tried(uring, "registered-ring-fd", ring_fd_error);
	note_tried(uring, "ext-arg", abilities->ext_arg_error);
	note_tried(uring, "no-iowait", abilities->no_iowait_error);
	note_tried(uring, "msg-ring", abilities->msg_ring_error);
	note_tried(uring, "multishot-accept", abilities->multishot_accept_error);
	note_tried(uring, "multishot-recv", abilities->multishot_recv_error);
	note_tried(uring, ZOK__FEATURE_RECVMSG, abilities->multishot_recvmsg_error);
	zok__uring_note_feature(uring, "buffer-ring", options->bufs != NULL, options->bufs ? "" : "no buffers were given");
	note_files(uring);
	zok__uring_note_feature(uring, "no-sqarray", false, "liburing 2.3 writes the array where there is none");
}

/* The index array is written once, for good: entry i is SQE i. */
static void set_up_queues(struct zok__uring *uring, const struct recipe *recipe)
{
	struct io_uring_sq *sq = &uring->ring.sq;

	for (unsigned i = 0; i < sq->ring_entries; i++)
		sq->array[i] = i;
	uring->is_sqpoll = recipe->is_sqpoll;
	uring->sq_tail = *sq->ktail;
	uring->sq_head_seen = *sq->khead;
	uring->cq_head = *uring->ring.cq.khead;
}

static void use_abilities(struct zok__uring *uring)
{
	if (uring->abilities.no_iowait_error == 0)
		uring->enter_flags |= IORING_ENTER_NO_IOWAIT;
	if (uring->abilities.multishot_accept_error == 0)
		uring->accept_ioprio = IORING_ACCEPT_MULTISHOT;
	if (uring->abilities.multishot_recv_error == 0)
		uring->recv_ioprio = IORING_RECV_MULTISHOT;
}

int zok__uring_setup(struct zok__uring *uring, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	const struct recipe *recipe = NULL;
	int sqpoll_error = 0, ring_fd_error, rc;

	rc = make_ring(uring, options, &recipe, &sqpoll_error);
	if (rc < 0) {
		zok__uring_explain_refusal(rc, reason, reason_size);
		return rc;
	}
	rc = zok__uring_probe(&uring->abilities);
	if (rc < 0)
		return rc;
	set_up_queues(uring, recipe);
	use_abilities(uring);
	ring_fd_error = io_uring_register_ring_fd(&uring->ring);
	ring_fd_error = ring_fd_error < 0 ? ring_fd_error : 0;
	if (ring_fd_error == 0)
		uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
	note_all(uring, options, recipe, sqpoll_error, ring_fd_error);
	return 0;
}
