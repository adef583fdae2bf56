/* Files: each kind of op does what its system call does, on whichever side it is done. */
#include "tests/contract/files.h"

#include <sys/inotify.h>

static void opens_and_says_why_not(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_OPEN, place.dir, "b", O_RDONLY, 0), -ENOENT);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_OPEN, place.dir, "a", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_OPEN, fd, "a", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_OPEN, AT_FDCWD, "/tmp/zokio/there/is/none", O_RDONLY, 0), -ENOENT);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void reads_and_writes_at_offsets(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	char buf[16] = "";
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE, fd, "0123456789", 10, 0), 10);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, 4, 3), 4);
	assert_memory_equal(buf, "3456", 4);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, sizeof buf, 8), 2); /* the end */
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, sizeof buf, 10), 0);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, 4, UINT64_MAX), 4); /* the file's position: still its start */
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, 4, UINT64_MAX), 4);
	assert_memory_equal(buf, "4567", 4);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void vectors_scatter_and_gather(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	char left[4] = "", right[8] = "";
	const struct iovec out[2] = {{(char[]){"one "}, 4}, {(char[]){"two"}, 3}};
	const struct iovec in[2] = {{left, 2}, {right, sizeof right}};
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITEV, fd, out, 2, 0), 7);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READV, fd, in, 2, 1), 6);
	assert_memory_equal(left, "ne", 2);
	assert_memory_equal(right, " two", 4);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void write_flags_reach_the_kernel(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call call;
	char buf[8];
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	prepare_data(&call, rig, ZOK_OP_FILE_WRITE, fd, "abc", 3, 0);
	call.op.arg.file.rw_flags = RWF_DSYNC;
	assert_int_equal(call_run(&call), 3);
	call.op.arg.file.rw_flags = RWF_APPEND;
	assert_int_equal(call_run(&call), 3);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, sizeof buf, 0), 6);
	call.op.arg.file.rw_flags = 1u << 30; /* none that there is */
	assert_true(call_run(&call) == -EOPNOTSUPP || call.result == -EINVAL);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

/* In memory it is read, and what is not there is -EAGAIN instead of a wait. */
static void nowait_never_waits(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call call;
	char buf[8];
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE, fd, "abc", 3, 0), 3);
	prepare_data(&call, rig, ZOK_OP_FILE_READ, fd, buf, 3, 0);
	call.op.arg.file.rw_flags = RWF_NOWAIT;
	if (call_run(&call) == -EOPNOTSUPP)
		print_message("the file system of /tmp knows no RWF_NOWAIT\n");
	else
		assert_int_equal(call.result, 3);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC, fd, 0, 0, 0), 0);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_ADVISE, fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_true(call_run(&call) == -EAGAIN || call.result == 3 || call.result == -EOPNOTSUPP); /* advice need not be taken */
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void write_and_sync_are_one(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	char buf[8] = "";
	int fd, full;

	place_open(&place);
	fd = create(rig, &place, "a");
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fd, "kept", 4, 0), 0);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, buf, 4, 0), 4);
	assert_memory_equal(buf, "kept", 4);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full >= 0) {
		/* the write's own error, and one completion */
		assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, full, "x", 1, 0), -ENOSPC);
		run_close(rig, full);
	}
	discard(rig, &place, fd, "a");
	place_close(&place);
}

/* A write that is short says how much it wrote, and nothing is said to be synced. */
static void short_write_is_not_synced(void **state)
{
	struct rig *rig = rig_of(state);
	static char block[8192];
	int fd = memfd_create("zokio-short", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		skip();
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fd, block, 4096, 0), 0);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fd, block, 8192, 0), 4096);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fd, block, 4096, 4096), -EPERM);
	run_close(rig, fd);
}

/* The sync begins behind the write's end: a pipe that is full holds up the write, and cannot be synced when that is done. */
static void sync_waits_for_its_write(void **state)
{
	struct rig *rig = rig_of(state);
	static char block[65536];
	struct call call;
	int fds[2];

	make_pipe(fds);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	while (write(fds[1], block, sizeof block) > 0)
		;
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	prepare_data(&call, rig, ZOK_OP_FILE_WRITE_SYNC, fds[1], block, 4096, UINT64_MAX);
	call_submit(&call);
	for (int i = 0; i < 3; i++) /* a sync that did not wait would be done with these */
		assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC, fds[1], 0, 0, 0), -EINVAL);
	assert_false(call.is_done);
	assert_true(read(fds[0], block, sizeof block) > 0);
	assert_int_equal(call_await(&call), -EINVAL);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void sizes_and_syncs(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct statx facts;
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_int_equal(run_range(rig, ZOK_OP_FILE_ALLOCATE, fd, 0, 65536, 0), 0);
	assert_int_equal(run_stat(rig, place.dir, "a", &facts), 0);
	assert_int_equal(facts.stx_size, 65536);
	assert_true(facts.stx_blocks * 512 >= 65536);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_TRUNCATE, fd, 0, 5, 0), 0);
	assert_int_equal(run_stat(rig, place.dir, "a", &facts), 0);
	assert_int_equal(facts.stx_size, 5);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_TRUNCATE, fd, 0, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC, fd, 0, 0, 0), 0);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC, fd, 0, 0, 1), 0);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC_RANGE, fd, 0, 5, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC_RANGE, fd, 0, 5ull << 32, SYNC_FILE_RANGE_WRITE),
			 0); /* more than an SQE can say */
	assert_int_equal(run_range(rig, ZOK_OP_FILE_ADVISE, fd, 0, 4096, POSIX_FADV_WILLNEED), 0);
	assert_int_equal(run_range(rig, ZOK_OP_FILE_ADVISE, fd, 0, 4096, 99), -EINVAL);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void paths_are_changed(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct statx facts;
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_int_equal(run_path(rig, ZOK_OP_FILE_MKDIR, place.dir, "d", 0, 0700), 0);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_MKDIR, place.dir, "d", 0, 0700), -EEXIST);
	assert_int_equal(run_stat(rig, place.dir, "d", &facts), 0);
	assert_int_equal(facts.stx_mode & 0777, 0700);
	assert_int_equal(run_two_paths(rig, ZOK_OP_FILE_LINK, place.dir, "a", "d/b", 0), 0);
	assert_int_equal(run_two_paths(rig, ZOK_OP_FILE_RENAME, place.dir, "a", "d/b", 1 /* RENAME_NOREPLACE */), -EEXIST);
	assert_int_equal(run_two_paths(rig, ZOK_OP_FILE_RENAME, place.dir, "d/b", "c", 0), 0);
	assert_int_equal(run_stat(rig, place.dir, "c", &facts), 0);
	assert_int_equal(facts.stx_nlink, 2);
	assert_int_equal(run_stat(rig, place.dir, "d/b", &facts), -ENOENT);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_UNLINK, place.dir, "d", 0, 0), -EISDIR);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_UNLINK, place.dir, "d", AT_REMOVEDIR, 0), 0);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_UNLINK, place.dir, "c", 0, 0), 0);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static void folders_are_listed(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	_Alignas(8) char entries[1024];
	int fds[2], left = 0;
	int32_t n;

	place_open(&place);
	fds[0] = create(rig, &place, "first");
	fds[1] = create(rig, &place, "second");
	while ((n = run_data(rig, ZOK_OP_FILE_LIST, place.dir, entries, sizeof entries, 0)) > 0)
		left += n;
	assert_int_equal(n, 0);
	assert_true(left > 0);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_LIST, fds[0], entries, sizeof entries, 0), -ENOTDIR);
	discard(rig, &place, fds[0], "first");
	discard(rig, &place, fds[1], "second");
	place_close(&place);
}

static void bytes_are_copied_between_files(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call call;
	char buf[8] = "";
	int from, to;

	place_open(&place);
	from = create(rig, &place, "from");
	to = create(rig, &place, "to");
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE, from, "0123456789", 10, 0), 10);
	call_prepare(&call, rig, ZOK_OP_FILE_COPY, from);
	call.op.arg.copy.fd_to = to;
	call.op.arg.copy.offset = 2;
	call.op.arg.copy.offset_to = 1;
	call.op.arg.copy.len = 4;
	assert_int_equal(call_run(&call), 4);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, to, buf, sizeof buf, 1), 4);
	assert_memory_equal(buf, "2345", 4);
	discard(rig, &place, from, "from");
	discard(rig, &place, to, "to");
	place_close(&place);
}

static void mappings_are_populated_and_unmapped(void **state)
{
	struct rig *rig = rig_of(state);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char is_there[2] = {0};

	assert_true(memory != MAP_FAILED);
	assert_int_equal(run_range(rig, ZOK_OP_MEMORY_ADVISE, AT_FDCWD, (uintptr_t)memory, 8192, 23 /* MADV_POPULATE_WRITE */), 0);
	assert_int_equal(mincore(memory, 8192, is_there), 0);
	assert_int_equal(is_there[0] & is_there[1] & 1, 1);
	assert_int_equal(run_range(rig, ZOK_OP_MEMORY_UNMAP, AT_FDCWD, (uintptr_t)memory, 8192, 0), 0);
	assert_int_equal(mincore(memory, 8192, is_there), -1);
	assert_int_equal(run_range(rig, ZOK_OP_MEMORY_ADVISE, AT_FDCWD, (uintptr_t)memory, 8192, 9999), -EINVAL);
}

static int32_t run_register(struct rig *rig, const void *base, size_t len)
{
	return run_range(rig, ZOK_OP_MEMORY_REGISTER, AT_FDCWD, (uintptr_t)base, len, 0);
}

static char *map_at(char *where, size_t len)
{
	char *memory = mmap(where, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

/* Whether what is read at `to` goes to pages that are no longer there: those that were registered. */
static bool is_read_into_pinned(struct rig *rig, int fd, char *to)
{
	map_at(to, 4096);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, to, 4096, 0), 4096);
	return to[0] == 0;
}

/* Where an engine knows registered memory it is used by its address, and what lies across its end is not; where not it says so. */
static void memory_is_registered(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	char *memory = map_at(NULL, 5 * 4096);
	int32_t first = run_register(rig, memory, 8192), second = run_register(rig, memory + 12288, 4096);
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	assert_true((first >= 0 && second >= 0) || (first == -EOPNOTSUPP && second == first));
	memset(memory, 7, 8192);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE, fd, memory, 8192, 0), 8192);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fd, memory, 4096, 4096), 0);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, memory + 4096, 8192, 0), 8192);
	assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fd, memory + 12288, 4096, 0), 4096);
	assert_memory_equal(memory, memory + 4096, 8192);
	assert_memory_equal(memory, memory + 12288, 4096);
	assert_int_equal(is_read_into_pinned(rig, fd, memory), first >= 0);
	if (first >= 0) {
		assert_int_equal(run_range(rig, ZOK_OP_MEMORY_UNREGISTER, AT_FDCWD, 0, 0, (uint32_t)first), 0);
		assert_int_equal(run_range(rig, ZOK_OP_MEMORY_UNREGISTER, AT_FDCWD, 0, 0, (uint32_t)first), -EINVAL);
		assert_int_equal(run_register(rig, memory, 0), -EINVAL);
		assert_int_equal(run_register(rig, (void *)4096, 4096), -EFAULT);
	}
	assert_false(is_read_into_pinned(rig, fd, memory));
	munmap(memory, 5 * 4096);
	discard(rig, &place, fd, "a");
	place_close(&place);
}

/* More than an SQE's length can say: the last page is reached, too. */
static void advice_for_more_than_four_gigabytes(void **state)
{
	const size_t len = (4ull << 30) + 8192;
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		print_message("no room for a mapping of four gigabytes\n");
		skip();
	}
	memory[len - 1] = 7;
	assert_int_equal(run_range(rig_of(state), ZOK_OP_MEMORY_ADVISE, AT_FDCWD, (uintptr_t)memory, len, MADV_DONTNEED), 0);
	assert_int_equal(memory[len - 1], 0);
	munmap(memory, len);
}

static void changes_are_watched(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call read;
	_Alignas(struct inotify_event) char events[512];
	const struct inotify_event *event = (const void *)events;
	int watch = inotify_init1(IN_CLOEXEC), fd;

	assert_true(watch >= 0);
	place_open(&place);
	assert_true(run_path(rig, ZOK_OP_FILE_WATCH, watch, place.path, IN_CREATE, 0) >= 0);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_WATCH, watch, "/tmp/zokio/there/is/none", IN_CREATE, 0), -ENOENT);
	prepare_read(&read, rig, watch, events, sizeof events, UINT64_MAX);
	call_submit(&read);
	rig_turn(rig, 0);
	assert_false(read.is_done);
	fd = create(rig, &place, "new");
	assert_true(call_await(&read) > 0);
	assert_int_equal(event->mask, IN_CREATE);
	assert_string_equal(event->name, "new");
	run_close(rig, watch);
	discard(rig, &place, fd, "new");
	place_close(&place);
}

static void bad_descriptors_are_results(void **state)
{
	struct rig *rig = rig_of(state);
	char buf[4];
	static const int fds[2] = {-1, 1000000};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_data(rig, ZOK_OP_FILE_READ, fds[i], buf, 4, 0), -EBADF);
		assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE, fds[i], buf, 4, 0), -EBADF);
		assert_int_equal(run_data(rig, ZOK_OP_FILE_WRITE_SYNC, fds[i], buf, 4, 0), -EBADF);
		assert_int_equal(run_range(rig, ZOK_OP_FILE_SYNC, fds[i], 0, 0, 0), -EBADF);
		assert_int_equal(run_data(rig, ZOK_OP_FILE_LIST, fds[i], buf, 4, 0), -EBADF);
	}
}

/* A pipe that is read as a file waits as a pipe, and can be called back. */
static void pipes_are_waited_for(void **state)
{
	struct rig *rig = rig_of(state);
	struct call read;
	char buf[8];
	int fds[2];

	make_pipe(fds);
	prepare_data(&read, rig, ZOK_OP_FILE_READ, fds[0], buf, sizeof buf, UINT64_MAX);
	call_submit(&read);
	rig_turn(rig, 0);
	assert_false(read.is_done);
	call_cancel(&read);
	assert_int_equal(call_await(&read), -ECANCELED);
	prepare_data(&read, rig, ZOK_OP_FILE_READ, fds[0], buf, sizeof buf, 12345); /* a place means nothing to it */
	call_submit(&read);
	assert_int_equal(write(fds[1], "pipe", 4), 4);
	assert_int_equal(call_await(&read), 4);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(opens_and_says_why_not),
	CONTRACT_TEST(reads_and_writes_at_offsets),
	CONTRACT_TEST(vectors_scatter_and_gather),
	CONTRACT_TEST(write_flags_reach_the_kernel),
	CONTRACT_TEST(nowait_never_waits),
	CONTRACT_TEST(write_and_sync_are_one),
	CONTRACT_TEST(short_write_is_not_synced),
	CONTRACT_TEST(sync_waits_for_its_write),
	CONTRACT_TEST(sizes_and_syncs),
	CONTRACT_TEST(paths_are_changed),
	CONTRACT_TEST(folders_are_listed),
	CONTRACT_TEST(bytes_are_copied_between_files),
	CONTRACT_TEST(mappings_are_populated_and_unmapped),
	CONTRACT_TEST(memory_is_registered),
	CONTRACT_TEST(advice_for_more_than_four_gigabytes),
	CONTRACT_TEST(changes_are_watched),
	CONTRACT_TEST(bad_descriptors_are_results),
	CONTRACT_TEST(pipes_are_waited_for),
};

CONTRACT_MAIN(tests)
