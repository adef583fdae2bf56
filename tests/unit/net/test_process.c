/* Processes on both engines: how they end, what they get and what not, streams that push back, children that will not go, and nothing left behind. */
#include "tests/unit/net/process_rig.h"

#include "core/sanitizer.h"

#if defined(ZOK__SANITIZER_ADDRESS) || defined(ZOK__SANITIZER_THREAD)
enum { MANY = 200 };
#else
enum { MANY = 2000 };
#endif

/* ---- Ends ---- */

CASE(tells_how_it_ended)
{
	struct zok_process *process = spawn(SHELL("exit 7"), NULL);

	check_exit(process, false, 7);
	check_exit(process, false, 7);
	assert_int_equal(zok_process_kill(process, SIGTERM), -ESRCH);
	assert_int_equal(zok_process_close(process), 0);
	process = spawn(SHELL("kill -USR2 $$"), NULL);
	check_exit(process, true, SIGUSR2);
	assert_int_equal(zok_process_close(process), 0);
	assert_int_equal(zok_process_close(NULL), 0);
	return 0;
}

struct waiting {
	struct zok_process *process;
	struct zok_process_exit how;
	int result;
};

static int waits(void *arg)
{
	struct waiting *waiting = arg;

	waiting->result = zok_process_wait(waiting->process, &waiting->how);
	return 0;
}

CASE(several_wait)
{
	struct zok_process *process = spawn((const char *const[]){"sleep", "1000", NULL}, NULL);
	struct waiting waiting[3] = {{process, {0}, 1}, {process, {0}, 1}, {process, {0}, 1}};
	struct zok_scope *scope = zok_scope_open(NULL), *brief;

	for (int i = 0; i < 3; i++)
		assert_int_equal(zok_spawn(scope, waits, &waiting[i], NULL), 0);
	zok_yield();
	brief = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	assert_int_equal(zok_process_wait(process, NULL), -ETIMEDOUT);
	zok_scope_close(brief, 0);
	assert_int_equal(zok_process_kill(process, 1000), -EINVAL);
	assert_int_equal(zok_process_kill(process, SIGUSR1), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(waiting[i].result, 0);
		assert_true(waiting[i].how.is_signaled && waiting[i].how.code == SIGUSR1);
	}
	return zok_process_close(process);
}

CASE(closed_under_a_waiter)
{
	struct zok_process *process =
		spawn((const char *const[]){"sleep", "1000", NULL}, &(struct zok_process_options){.end = ZOK_PROCESS_KILL});
	struct waiting waiting = {process, {0}, 1};
	struct zok_scope *scope = zok_scope_open(NULL);
	int pid = zok_process_id(process);

	assert_int_equal(zok_spawn(scope, waits, &waiting, NULL), 0);
	zok_yield();
	assert_int_equal(zok_process_close(process), 0);
	assert_true(is_gone(pid));
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(waiting.result, -EBADF);
	return 0;
}

/* ---- What it gets ---- */

static char cpus_before[256];

/* 32 and 33, which glibc uses between its threads and ignores in what it spawns. */
#define LIBC_SIGNALS 0x180000000ul

static void read_cpus(char *line, size_t size)
{
	FILE *status = fopen("/proc/self/status", "re");

	assert_non_null(status);
	while (fgets(line, (int)size, status) && strncmp(line, "Cpus_allowed:", 13) != 0) {
	}
	fclose(status);
}

CASE(is_born_clean)
{
	static const char script[] = "grep -E '^(SigBlk|SigIgn|Cpus_allowed):' /proc/self/status; ls /proc/self/fd";
	struct zok_socket *out = NULL;
	char text[1024], expected[1024];
	unsigned long ignored = 0;
	struct zok_process *process;
	int kept = fcntl(STDERR_FILENO, F_DUPFD, 50); /* not close-on-exec */

	assert_true(kept >= 50);
	process = spawn(SHELL(script), &(struct zok_process_options){.in = {ZOK_STREAM_NULL}, .out = {ZOK_STREAM_SOCKET, .socket = &out}});
	read_text(out, text, sizeof text);
	close(kept);
	assert_int_equal(sscanf(text, "SigBlk:\t0000000000000000\nSigIgn:\t%lx\n", &ignored), 1);
	assert_int_equal(ignored & ~LIBC_SIGNALS, 0);
	snprintf(expected, sizeof expected, "SigBlk:\t0000000000000000\nSigIgn:\t%016lx\n%s0\n1\n2\n3\n", ignored,
		 cpus_before); /* 3: ls's own */
	assert_string_equal(text, expected);
	check_exit(process, false, 0);
	return zok_process_close(process);
}

CASE(folder_environment_and_streams)
{
	static const char *const environment[] = {"WORD=hello", NULL};
	struct zok_socket *out = NULL;
	char text[256];
	struct zok_process *process;
	int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	process = spawn(SHELL("pwd; echo $WORD; echo oops >&2; head -c 3 | tr '\\0' z"),
			&(struct zok_process_options){.environment = environment,
						      .directory = "/usr",
						      .in = {ZOK_STREAM_FD, .fd = file},
						      .out = {ZOK_STREAM_SOCKET, .socket = &out},
						      .err = {ZOK_STREAM_AS_OUT}});
	close(file);
	assert_int_equal(zok_write_all(out, "x", 1), -EPIPE); /* it goes one way */
	read_text(out, text, sizeof text);
	assert_string_equal(text, "/usr\nhello\noops\nzzz");
	check_exit(process, false, 0);
	return zok_process_close(process);
}

/* Two that were made at one time know nothing of each other's streams: else closing one's input would not end it. */
CASE(input_ends_for_each_alone)
{
	struct zok_socket *in[2] = {NULL, NULL};
	struct zok_process *cats[2];

	for (int i = 0; i < 2; i++)
		cats[i] = spawn((const char *const[]){"cat", NULL},
				&(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &in[i]}, .out = {ZOK_STREAM_NULL}});
	for (int i = 0; i < 2; i++) {
		assert_int_equal(zok_close(in[i]), 0);
		check_exit(cats[i], false, 0);
		assert_int_equal(zok_process_close(cats[i]), 0);
	}
	return 0;
}

/* ---- Streams ---- */

enum { MUCH = 4 << 20 };

struct feeding {
	struct zok_socket *in;
	const char *bytes;
	ssize_t result;
};

static int feeds(void *arg)
{
	struct feeding *feeding = arg;

	feeding->result = zok_write_all(feeding->in, feeding->bytes, MUCH);
	return zok_close(feeding->in);
}

/* More than all buffers hold goes in while it comes out. */
CASE(through_and_back)
{
	char *sent = malloc(MUCH), *back = malloc(MUCH + 1);
	struct feeding feeding = {.bytes = sent};
	struct zok_socket *out = NULL;
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_process *cat =
		spawn((const char *const[]){"cat", NULL}, &(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &feeding.in},
											.out = {ZOK_STREAM_SOCKET, .socket = &out}});

	for (size_t i = 0; i < MUCH; i++)
		sent[i] = (char)(i * 2654435761u >> 13);
	assert_int_equal(zok_spawn(scope, feeds, &feeding, NULL), 0);
	assert_int_equal(zok_read_all(out, back, MUCH + 1), MUCH);
	assert_memory_equal(sent, back, MUCH);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(feeding.result, MUCH);
	assert_int_equal(zok_close(out), 0);
	check_exit(cat, false, 0);
	free(sent);
	free(back);
	return zok_process_close(cat);
}

/* What nobody reads stops the child, not the core; it goes on when somebody does. */
CASE(a_full_stream_holds_the_child)
{
	struct zok_socket *out = NULL;
	struct zok_process *head = spawn((const char *const[]){"head", "-c", "4194304", "/dev/zero", NULL},
					 &(struct zok_process_options){.out = {ZOK_STREAM_SOCKET, .socket = &out}});
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 50 * ZOK_MS});
	char *bytes = malloc(MUCH + 1);

	assert_int_equal(zok_process_wait(head, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	assert_int_equal(read_text(out, bytes, MUCH + 1), MUCH);
	check_exit(head, false, 0);
	free(bytes);
	return zok_process_close(head);
}

/* A write to a child that has gone is an error, and no signal. */
CASE(writing_to_the_dead)
{
	struct zok_socket *in = NULL;
	struct zok_process *process = spawn(SHELL("exit 0"), &(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &in}});
	char byte = 0;

	check_exit(process, false, 0);
	assert_int_equal(zok_write_all(in, &byte, 1), -EPIPE);
	assert_int_equal(zok_close(in), 0);
	return zok_process_close(process);
}

/* ---- Children that do not go ---- */

/* It has set its trap when it says so. */
static struct zok_process *spawn_stubborn(struct zok_socket **out, uint64_t grace_ns)
{
	struct zok_process *process = spawn(SHELL("trap '' TERM; echo r; exec sleep 1000"),
					    &(struct zok_process_options){.out = {ZOK_STREAM_SOCKET, .socket = out}, .grace_ns = grace_ns});
	char byte;

	assert_int_equal(zok_read(*out, &byte, 1), 1);
	return process;
}

CASE(ignores_sigterm)
{
	struct zok_socket *out = NULL;
	struct zok_process *process = spawn_stubborn(&out, 20 * ZOK_MS);
	int pid = zok_process_id(process);
	uint64_t began_ns = zok_now_ns();

	assert_int_equal(zok_process_close(process), 0);
	assert_true(zok_now_ns() - began_ns >= 20 * ZOK_MS);
	assert_true(is_gone(pid));
	return zok_close(out);
}

/* One that heeds it is not waited for longer: the grace here is longer than the test may take. */
CASE(heeds_sigterm)
{
	struct zok_process *process =
		spawn((const char *const[]){"sleep", "1000", NULL}, &(struct zok_process_options){.grace_ns = 1000 * ZOK_S});
	int pid = zok_process_id(process);

	assert_int_equal(zok_process_close(process), 0);
	assert_true(is_gone(pid));
	return 0;
}

CASE(a_deadline_ends_the_child)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 30 * ZOK_MS});
	struct zok_process_exit how = {.code = -1};
	int before = descriptors();

	assert_int_equal(zok_process_run((const char *const[]){"sleep", "1000", NULL}, NULL, &how), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	assert_int_equal(how.code, -1);
	assert_int_equal(descriptors(), before);
	assert_int_equal(zok_process_run(SHELL("exit 3"), NULL, &how), 0);
	assert_int_equal(how.code, 3);
	return 0;
}

CASE(is_left_and_reaped)
{
	struct zok_socket *in = NULL;
	struct zok_process *cat = spawn((const char *const[]){"cat", NULL},
					&(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &in}, .end = ZOK_PROCESS_LEAVE});
	int pid = zok_process_id(cat);

	assert_int_equal(zok_process_close(cat), 0);
	assert_false(is_gone(pid));
	assert_int_equal(zok_close(in), 0);
	await_gone(pid);
	return 0;
}

static int left_pid, kept_pid;

CASE(leaves_two_open)
{
	static struct zok_socket *in;

	left_pid = zok_process_id(spawn((const char *const[]){"sleep", "1000", NULL}, NULL));
	kept_pid = zok_process_id(
		spawn((const char *const[]){"cat", NULL}, &(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &in},
											.out = {ZOK_STREAM_NULL},
											.end = ZOK_PROCESS_LEAVE}));
	return 0;
}

/* When the core ends, one is killed and one goes on, until its input ends with us. */
static void left_open_at_the_end(void **state)
{
	leaves_two_open(state);
	assert_true(is_gone(left_pid));
	assert_false(is_gone(kept_pid));
	assert_non_null(strstr(log_lines, "2 processes were left open"));
}

/* ---- Many ---- */

static int left_to_spawn;

static int spawns(void *arg)
{
	struct zok_process_exit how;

	while (left_to_spawn-- > 0) {
		assert_int_equal(zok_process_run((const char *const[]){"/bin/true", NULL}, NULL, &how), 0);
		assert_int_equal(how.code, 0);
	}
	return 0;
}

CASE(thousands)
{
	struct zok_scope *scope;
	int before;

	left_to_spawn = 8;
	spawns(NULL);
	before = descriptors();
	left_to_spawn = MANY;
	scope = zok_scope_open(NULL);
	for (int i = 0; i < 16; i++)
		assert_int_equal(zok_spawn(scope, spawns, NULL, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(descriptors(), before);
	return 0;
}

/* ---- Stackless ---- */

struct running {
	struct zok_task task;
	struct zok_process_spawn spawn;
	struct zok_process_wait wait;
	struct zok_process_close close;
	ssize_t rc;
};

static int runs(struct zok_task *task)
{
	static const char *const argv[] = {"/bin/sh", "-c", "exit 9", NULL};
	struct running *frame = ZOK_CONTAINER_OF(task, struct running, task);

	ZOK_BEGIN(&task->async);
	zok_process_spawn_prepare(&frame->spawn, argv, NULL);
	ZOK_AWAIT(frame->rc, &frame->spawn.future);
	if (frame->rc < 0)
		ZOK_RETURN((int)frame->rc);
	zok_process_wait_prepare(&frame->wait, frame->spawn.process);
	ZOK_AWAIT(frame->rc, &frame->wait.future);
	zok_process_close_prepare(&frame->close, frame->spawn.process);
	ZOK_AWAIT(frame->rc, &frame->close.future);
	ZOK_END((int)frame->rc);
}

CASE(in_a_stackless_task)
{
	static struct running running;
	struct zok_scope *scope = zok_scope_open(NULL);

	running = (struct running){0};
	assert_int_equal(zok_task_spawn(scope, &running.task, runs, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(running.wait.how.code, 9);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(tells_how_it_ended),
		ROW(several_wait),
		ROW(closed_under_a_waiter),
		ROW(is_born_clean),
		ROW(folder_environment_and_streams),
		ROW(input_ends_for_each_alone),
		ROW(through_and_back),
		ROW(a_full_stream_holds_the_child),
		ROW(writing_to_the_dead),
		ROW(ignores_sigterm),
		ROW(heeds_sigterm),
		ROW(a_deadline_ends_the_child),
		ROW(is_left_and_reaped),
		ROW(left_open_at_the_end),
		ROW(thousands),
		ROW(in_a_stackless_task),
	};
	sigset_t blocked;

	/* What a child must not inherit. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGPIPE, SIG_IGN);
	read_cpus(cpus_before, sizeof cpus_before);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
