/*
 * Random reads of 4 KiB from a file, a second a round: how many a second through zokio/fs.h from fibers, on a bare ring, and by fio's io_uring engine with
 * the same options; one and 32 at a time, past the page cache (O_DIRECT) and out of it. "-fixed": with registered buffers, which fio has as --fixedbufs.
 *
 * The file, 256 MiB of bytes that do not compress, is made in $BENCH_FILE_DIR (default /var/tmp) and removed at the end.
 */
#include "perf/bench/bench.h"
#include "zokio/zokio.h"

#include <fcntl.h>
#include <liburing.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCK_COUNT = 65536, DEPTH_MAX = 32 };

#define ROUND_NS ZOK_S

struct job {
	unsigned depth;
	bool is_direct, is_fixed;
};

static char path[256];
static char cpu[16];

static void fail(const char *what, int error)
{
	fprintf(stderr, "bench_file: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t next_offset(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return (uint64_t)(*seed % BLOCK_COUNT) * BLOCK;
}

/* ---- Ours: a fiber for each read that is under way ---- */

struct ours {
	const struct job *job;
	struct zok_file *file;
	uint64_t end_ns, count;
	uint8_t *plain;
	struct zok_file_buffers *fixed;
};

struct reader {
	struct ours *ours;
	void *buf;
	uint32_t seed;
};

/* The clock is read now and then: as fio without its time keeping, which is the way it is run here. */
static int reads(void *arg)
{
	struct reader *reader = arg;
	struct ours *ours = reader->ours;

	for (uint64_t i = 0; i % 16 != 0 || bench_now_ns() < ours->end_ns; i++) {
		ssize_t n = zok_file_read_at(ours->file, reader->buf, BLOCK, next_offset(&reader->seed));

		if (n != BLOCK)
			fail("read", n < 0 ? (int)-n : EIO);
		ours->count++;
		zok_yield_if_due();
	}
	return 0;
}

static void *buffer_of(struct ours *ours, unsigned i)
{
	return ours->job->is_fixed ? zok_file_buffers_get(ours->fixed) : ours->plain + (size_t)i * BLOCK;
}

static int ours_main(void *arg)
{
	struct ours *ours = arg;
	struct reader readers[DEPTH_MAX];
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc = zok_file_open(&ours->file, NULL, path, O_RDONLY | (ours->job->is_direct ? O_DIRECT : 0), 0);

	if (rc == 0 && ours->job->is_fixed)
		rc = zok_file_buffers_create(&ours->fixed, DEPTH_MAX, BLOCK);
	if (rc < 0)
		fail("open", -rc);
	ours->end_ns = bench_now_ns() + ROUND_NS;
	for (unsigned i = 0; i < ours->job->depth; i++) {
		readers[i] = (struct reader){ours, buffer_of(ours, i), 0x9e3779b9u * (i + 1)};
		zok_spawn(scope, reads, &readers[i], NULL);
	}
	rc = zok_scope_close(scope, 0);
	for (unsigned i = 0; i < ours->job->depth && ours->fixed; i++)
		zok_file_buffers_put(ours->fixed, readers[i].buf);
	zok_file_buffers_destroy(ours->fixed);
	zok_file_close(ours->file);
	return rc;
}

static double run_ours(void *arg)
{
	struct ours ours = {.job = arg, .plain = aligned_alloc(BLOCK, (size_t)DEPTH_MAX * BLOCK)};
	int rc;

	if (!ours.plain)
		fail("buffers", ENOMEM);
	bench_unpin();
	rc = zok_run(&(struct zok_options){.cores = cpu, .engine = "uring", .no_export = true}, ours_main, &ours);
	bench_pin(1);
	free(ours.plain);
	return rc == 0 ? (double)ours.count / ((double)ROUND_NS / 1e9) / 1e3 : NAN;
}

/* ---- A bare ring of the same flags ---- */

struct bare {
	struct io_uring ring;
	const struct job *job;
	uint8_t *memory;
	int fd;
	uint32_t seed;
};

static void bare_read(struct bare *bare, unsigned slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&bare->ring);
	uint8_t *buf = bare->memory + (size_t)slot * BLOCK;

	if (bare->job->is_fixed)
		io_uring_prep_read_fixed(sqe, bare->fd, buf, BLOCK, next_offset(&bare->seed), 0);
	else
		io_uring_prep_read(sqe, bare->fd, buf, BLOCK, next_offset(&bare->seed));
	sqe->user_data = slot;
}

static void bare_open(struct bare *bare)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct iovec vector;
	int rc = io_uring_queue_init_params(2 * DEPTH_MAX, &bare->ring, &params);

	if (rc == 0)
		rc = io_uring_register_ring_fd(&bare->ring) == 1 ? 0 : -EINVAL;
	bare->memory = aligned_alloc(BLOCK, (size_t)DEPTH_MAX * BLOCK);
	bare->fd = open(path, O_RDONLY | O_CLOEXEC | (bare->job->is_direct ? O_DIRECT : 0));
	vector = (struct iovec){bare->memory, (size_t)DEPTH_MAX * BLOCK};
	if (rc == 0 && bare->job->is_fixed)
		rc = io_uring_register_buffers(&bare->ring, &vector, 1);
	if (rc < 0 || !bare->memory || bare->fd < 0)
		fail("bare ring", rc < 0 ? -rc : errno);
}

static uint64_t bare_turn(struct bare *bare)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_submit_and_wait(&bare->ring, 1);
	io_uring_for_each_cqe(&bare->ring, head, cqe)
	{
		if (cqe->res != BLOCK)
			fail("bare read", cqe->res < 0 ? -cqe->res : EIO);
		bare_read(bare, (unsigned)cqe->user_data);
		seen++;
	}
	io_uring_cq_advance(&bare->ring, seen);
	return seen;
}

static double run_bare(void *arg)
{
	struct bare bare = {.job = arg, .seed = 0x9e3779b9u};
	uint64_t end_ns, count = 0;

	bare_open(&bare);
	end_ns = bench_now_ns() + ROUND_NS;
	for (unsigned i = 0; i < bare.job->depth; i++)
		bare_read(&bare, i);
	for (uint64_t i = 0; i % 16 != 0 || bench_now_ns() < end_ns; i++)
		count += bare_turn(&bare);
	io_uring_queue_exit(&bare.ring);
	close(bare.fd);
	free(bare.memory);
	return (double)count / ((double)ROUND_NS / 1e9) / 1e3;
}

/* ---- fio ---- */

/* The first "iops" behind "read", in fio's JSON. */
static double parse_iops(const char *text)
{
	const char *read = strstr(text, "\"read\"");
	const char *iops = read ? strstr(read, "\"iops\"") : NULL;

	return iops ? strtod(strchr(iops, ':') + 1, NULL) / 1e3 : NAN;
}

static double run_fio(void *arg)
{
	const struct job *job = arg;
	static char text[65536];
	char command[640];
	size_t len;
	FILE *out;

	snprintf(command, sizeof command,
		 "fio --name=bench --filename=%s --ioengine=io_uring --rw=randread --bs=4k --size=256m --iodepth=%u --direct=%d "
		 "--fixedbufs=%d "
		 "--cpus_allowed=%s --thread --time_based --runtime=1 --norandommap --randrepeat=0 --gtod_reduce=1 --invalidate=0 "
		 "--output-format=json 2>/dev/null",
		 path, job->depth, job->is_direct, job->is_fixed, cpu);
	bench_unpin();
	out = popen(command, "re");
	len = out ? fread(text, 1, sizeof text - 1, out) : 0;
	text[len] = '\0';
	if (!out || pclose(out) != 0)
		text[0] = '\0';
	bench_pin(1);
	return parse_iops(text);
}

/* ---- The file, and the questions ---- */

static void remove_file(void)
{
	unlink(path);
}

static void make_file(void)
{
	const char *folder = getenv("BENCH_FILE_DIR");
	static uint32_t block[BLOCK / sizeof(uint32_t)];
	uint32_t seed = 1;
	int fd;

	snprintf(path, sizeof path, "%.200s/zokio-bench-file-%d", folder ? folder : "/var/tmp", (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(path, errno);
	atexit(remove_file);
	for (int i = 0; i < BLOCK_COUNT; i++) {
		for (size_t k = 0; k < BLOCK / sizeof(uint32_t); k++)
			block[k] = seed = seed * 1664525 + 1013904223;
		if (write(fd, block, BLOCK) != BLOCK)
			fail("the file to read", errno);
	}
	if (fsync(fd) < 0 || close(fd) < 0)
		fail("the file to read", errno);
}

static void ask(const char *name, struct job plain)
{
	struct job fixed = plain;
	const struct bench_case cases[] = {
		{"zokio", run_ours, &plain},	      {"zokio-fixed", run_ours, &fixed}, {"liburing", run_bare, &plain},
		{"liburing-fixed", run_bare, &fixed}, {"fio", run_fio, &plain},		 {"fio-fixed", run_fio, &fixed},
	};
	const struct bench_question question = {
		.name = name, .unit = "k/s", .is_higher_better = true, .rounds = 5, .subject = "zokio", .against = "fio"};

	fixed.is_fixed = true;
	bench_ask(&question, cases, sizeof cases / sizeof *cases);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	snprintf(cpu, sizeof cpu, "%d", bench_pin(1));
	make_file();
	ask("file_direct_1", (struct job){.depth = 1, .is_direct = true});
	ask("file_direct_32", (struct job){.depth = 32, .is_direct = true});
	ask("file_buffered_1", (struct job){.depth = 1});
	ask("file_buffered_32", (struct job){.depth = 32});
	return 0;
}
