/*
 * What this kernel can do. Every feature is tried on a live ring, with real sockets, never inferred from a version: distributions carry
 * features back, and a seccomp filter or an LSM takes them away. It takes well under a millisecond, once a process.
 */
#include "uring/uring.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PROBE_ENTRIES = 8, PROBE_TIMEOUT_NS = 100000000 };

/*
 * Submits one SQE and waits for its first completion: the completion's flags, or a negative errno, its result or -ETIME. Two calls, because
 * submit-and-wait in one tells an expired wait as a success.
 */
static int submit_one(struct io_uring *ring, uint64_t timeout_ns, int *result)
{
	struct __kernel_timespec timeout = {.tv_nsec = (long long)timeout_ns};
	struct io_uring_cqe *cqe;
	int flags, rc = io_uring_submit(ring);

	if (rc >= 0) {
		do
			rc = io_uring_wait_cqe_timeout(ring, &cqe, &timeout);
		while (rc == -EINTR);
	}
	if (rc < 0)
		return rc;
	*result = cqe->res;
	flags = cqe->res < 0 ? cqe->res : (int)cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return flags;
}

static int try_ext_arg(struct io_uring *ring)
{
	struct __kernel_timespec timeout = {.tv_nsec = 1};
	struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&timeout};
	int rc = io_uring_enter2((unsigned)ring->ring_fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, (void *)&arg, sizeof arg);

	return rc == -ETIME ? 0 : rc < 0 ? rc : -EINVAL;
}

static int try_no_iowait(struct io_uring *ring)
{
	return io_uring_enter((unsigned)ring->ring_fd, 0, 0, IORING_ENTER_GETEVENTS | IORING_ENTER_NO_IOWAIT, NULL);
}

/* A Unix socket that listens on an address chosen by the kernel, and a client that has connected to it. */
static int open_listener(int *listener, int *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof address;

	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || *client < 0 || bind(*listener, (struct sockaddr *)&address, sizeof address.sun_family) < 0 ||
	    listen(*listener, 1) < 0 || getsockname(*listener, (struct sockaddr *)&address, &len) < 0 ||
	    connect(*client, (struct sockaddr *)&address, len) < 0)
		return -errno;
	return 0;
}

static void close_pair(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int try_multishot_accept(struct io_uring *ring)
{
	int fds[2] = {-1, -1}, accepted = -1;
	int rc = open_listener(&fds[0], &fds[1]);

	if (rc == 0) {
		io_uring_prep_multishot_accept(io_uring_get_sqe(ring), fds[0], NULL, NULL, SOCK_CLOEXEC);
		rc = submit_one(ring, PROBE_TIMEOUT_NS, &accepted);
	}
	if (accepted >= 0)
		close(accepted);
	close_pair(fds);
	return rc < 0 ? rc : rc & IORING_CQE_F_MORE ? 0 : -EOPNOTSUPP;
}

/* One page is the buffer ring, of one entry, and the buffer behind it. With a header, by recvmsg. */
static int receive_multishot(struct io_uring *ring, int fd, void *page, struct msghdr *header)
{
	struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)page, .ring_entries = 1};
	struct io_uring_buf_ring *buf_ring = page;
	struct io_uring_sqe *sqe;
	int received, rc = io_uring_register_buf_ring(ring, &registration, 0);

	if (rc < 0)
		return rc;
	io_uring_buf_ring_add(buf_ring, (char *)page + 64, 64, 0, 0, 0);
	io_uring_buf_ring_advance(buf_ring, 1);
	sqe = io_uring_get_sqe(ring);
	if (header)
		io_uring_prep_recvmsg_multishot(sqe, fd, header, MSG_TRUNC);
	else
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT;
	rc = submit_one(ring, PROBE_TIMEOUT_NS, &received);
	return rc < 0 ? rc : rc & IORING_CQE_F_MORE && rc & IORING_CQE_F_BUFFER ? 0 : -EOPNOTSUPP;
}

/* Ended, with its completion taken, before the page that it names is unmapped: the other end is closed first. */
static int try_multishot(struct io_uring *ring, int type, struct msghdr *header)
{
	int fds[2] = {-1, -1}, rc;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -ENOMEM;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 || write(fds[1], "x", 1) != 1)
		rc = -errno;
	else
		rc = receive_multishot(ring, fds[0], page, header);
	shutdown(fds[0], SHUT_RDWR); /* the end of one that reads datagrams, which their sender's close is not */
	close_pair(fds);
	io_uring_unregister_buf_ring(ring, 0);
	munmap(page, 4096);
	return rc;
}

static int try_multishot_recv(struct io_uring *ring)
{
	return try_multishot(ring, SOCK_STREAM, NULL);
}

static int try_multishot_recvmsg(struct io_uring *ring)
{
	struct msghdr header = {.msg_namelen = 8};

	return try_multishot(ring, SOCK_DGRAM, &header);
}

/* From one ring to another that is as a core's own: the kernel posts there by a way of its own. */
static int try_msg_ring(struct io_uring *ring)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct __kernel_timespec timeout = {.tv_nsec = PROBE_TIMEOUT_NS};
	struct io_uring other;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int rc = io_uring_queue_init_params(PROBE_ENTRIES, &other, &params);

	if (rc < 0)
		return rc;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_msg_ring(sqe, other.ring_fd, 0, ZOK__URING_TAG_RUNG, 0);
	rc = io_uring_submit(ring);
	if (rc >= 0)
		rc = io_uring_wait_cqe_timeout(&other, &cqe, &timeout);
	if (rc >= 0)
		rc = cqe->res == 0 && cqe->user_data == ZOK__URING_TAG_RUNG ? 0 : -EOPNOTSUPP;
	io_uring_queue_exit(&other);
	return rc;
}

/* An empty table of two, and both put into it where the kernel likes: slots[] are their descriptors at first. */
static int fill_table(struct io_uring *ring, int32_t slots[2])
{
	const struct io_uring_rsrc_register table = {.nr = 2, .flags = IORING_RSRC_REGISTER_SPARSE};
	int count, rc = io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_FILES2, &table, sizeof table);

	if (rc < 0)
		return rc;
	io_uring_prep_files_update(io_uring_get_sqe(ring), slots, 2, (int)IORING_FILE_INDEX_ALLOC);
	rc = submit_one(ring, PROBE_TIMEOUT_NS, &count);
	return rc < 0 ? rc : count == 2 ? 0 : -EOPNOTSUPP;
}

/* Both ways through the one slot, then an op that waits on it. */
static int use_slot(struct io_uring *ring, int slot, char *byte)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int received, rc;

	io_uring_prep_recv(sqe, slot, byte, 1, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	rc = submit_one(ring, PROBE_TIMEOUT_NS, &received);
	if (rc < 0)
		return rc;
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_recv(sqe, slot, byte, 1, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	rc = io_uring_submit(ring);
	return rc < 0 ? rc : 0;
}

/* Empties the slot, then closes the descriptor: its peer must see the end now. */
static int close_slot(struct io_uring *ring, int slot, int *fd, int peer)
{
	int closed, rc;
	char byte;

	io_uring_prep_close_direct(io_uring_get_sqe(ring), (unsigned)slot);
	rc = submit_one(ring, PROBE_TIMEOUT_NS, &closed);
	if (rc < 0)
		return rc;
	close(*fd);
	*fd = -1;
	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0 ? 0 : -EBUSY;
}

/*
 * Slots chosen by the kernel, an op through one. And, while an op waits on that one, another is emptied and its descriptor closed: up to 6.12 the
 * kernel keeps the file of a slot until every op has ended that any slot had when it was emptied, so that a peer would not be told for as long
 * as some other connection is silent (-EBUSY; io_uring/rsrc.c, whose nodes are one a slot from 6.13 on).
 */
static int try_direct_descriptors(struct io_uring *ring)
{
	int waits[2] = {-1, -1}, ends[2] = {-1, -1}, slots[2], rc;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, waits) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    write(waits[1], "x", 1) != 1) {
		rc = -errno;
	} else {
		slots[0] = waits[0];
		slots[1] = ends[0];
		rc = fill_table(ring, slots);
		if (rc == 0)
			rc = use_slot(ring, slots[0], &byte);
		if (rc == 0)
			rc = close_slot(ring, slots[1], &ends[0], ends[1]);
	}
	close_pair(waits);
	close_pair(ends);
	return rc;
}

/* Says nothing of the kernel: whoever asks next tries again. */
static bool is_passing(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS || error == -EINTR;
}

/* A ring for each, so that what one leaves behind is not taken for the next one's. */
static int try_alone(int (*try)(struct io_uring *ring), int *error)
{
	struct io_uring ring;
	int rc = io_uring_queue_init(PROBE_ENTRIES, &ring, 0);

	if (rc < 0)
		return rc;
	*error = try(&ring);
	io_uring_queue_exit(&ring);
	return is_passing(*error) ? *error : 0;
}

static int try_files(uint64_t *kinds)
{
	struct io_uring ring;
	int rc = io_uring_queue_init(PROBE_ENTRIES, &ring, 0);

	if (rc < 0)
		return rc;
	rc = zok__uring_files_try(&ring, kinds);
	io_uring_queue_exit(&ring);
	return rc;
}

static int try_all(struct zok__uring_abilities *abilities)
{
	int rc = try_alone(try_ext_arg, &abilities->ext_arg_error);

	/* A filter that lets a ring be made and not be entered: it is not to be had. */
	if (rc == 0 && (abilities->ext_arg_error == -EPERM || abilities->ext_arg_error == -ENOSYS))
		rc = abilities->ext_arg_error;
	if (rc == 0)
		rc = try_alone(try_no_iowait, &abilities->no_iowait_error);
	if (rc == 0)
		rc = try_alone(try_multishot_accept, &abilities->multishot_accept_error);
	if (rc == 0)
		rc = try_alone(try_multishot_recv, &abilities->multishot_recv_error);
	if (rc == 0)
		rc = try_alone(try_multishot_recvmsg, &abilities->multishot_recvmsg_error);
	if (rc == 0)
		rc = try_alone(try_direct_descriptors, &abilities->direct_descriptors_error);
	if (rc == 0)
		rc = try_alone(try_msg_ring, &abilities->msg_ring_error);
	if (rc == 0)
		rc = try_files(&abilities->file_kinds);
	return rc;
}

/* Only a whole result is kept: where a ring could not be made for want of descriptors, the next engine tries again. */
int zok__uring_probe(struct zok__uring_abilities *abilities)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct zok__uring_abilities known;
	static bool is_known;
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!is_known) {
		rc = try_all(&known);
		is_known = rc == 0;
	}
	if (rc == 0)
		*abilities = known;
	pthread_mutex_unlock(&lock);
	return rc;
}

/* kernel.io_uring_disabled (6.6): 0 all may, 1 the privileged and one group, 2 nobody. -1: there is no such switch. */
static int read_sysctl(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static bool has_seccomp_filter(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int mode = 0;

	if (!file)
		return false;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	fclose(file);
	return mode == 2;
}

static const char *refusal(int error)
{
	int sysctl = error == -EPERM ? read_sysctl() : -1;

	if (sysctl == 2)
		return "io_uring is switched off: kernel.io_uring_disabled is 2; mend it with `sysctl kernel.io_uring_disabled=0`";
	if (sysctl == 1)
		return "io_uring is for the privileged: kernel.io_uring_disabled is 1; join the group of kernel.io_uring_group, get "
		       "CAP_SYS_ADMIN, or `sysctl kernel.io_uring_disabled=0`";
	if (has_seccomp_filter())
		return "a seccomp filter forbids io_uring (containers do by default); allow io_uring_setup, io_uring_enter and "
		       "io_uring_register in the container's profile, or `docker run --security-opt seccomp=unconfined`";
	if (error == -ENOSYS)
		return "the kernel has no io_uring (CONFIG_IO_URING); Debian's kernels from 6.1 on have it";
	return "io_uring is forbidden (EPERM), neither by sysctl nor by seccomp: look for the rule of a security module (AppArmor, "
	       "SELinux)";
}

void zok__uring_explain_refusal(int error, char *reason, size_t reason_size)
{
	if (reason_size == 0)
		return;
	if (error == -ENOSYS || error == -EPERM)
		snprintf(reason, reason_size, "%s", refusal(error));
	else if (error == -ENOMEM)
		snprintf(reason, reason_size, "no memory for the ring: is RLIMIT_MEMLOCK (ulimit -l) too low?");
	else
		snprintf(reason, reason_size, "io_uring_setup: errno %d", -error);
}
