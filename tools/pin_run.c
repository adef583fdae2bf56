/* A program started in its place: the child puts itself there and becomes the program, the parent watches its threads and passes signals on. */
#include "tools/pin.h"

#include "tools/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* As env(1) has them. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* Looks come fast while a program starts, and rarely later: at most one a second. */
#define LOOK_NS_MIN (5 * ZOK_MS)
#define LOOK_NS_MAX (1 * ZOK_S)

enum step { STEP_AFFINITY, STEP_MEMORY, STEP_EXEC };

/* What the child says before it is the program. Nothing: all went well, and exec closed the pipe. */
struct message {
	enum step step;
	int error;
};

/* How the signals stood when we were started: the program finds them so. */
struct inherited {
	sigset_t mask;
	struct sigaction child_action;
};

struct watch {
	struct pin *pin;
	uint64_t verify_ns, started_ns, look_ns;
	void (*report)(const struct pin *pin, FILE *out);
	FILE *out;
	bool has_reported;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

/* ---- the child ---- */

static void say(int pipe_fd, enum step step, int error)
{
	const struct message message = {step, error};

	/* The parent is there, and the pipe is empty enough. */
	if (write(pipe_fd, &message, sizeof message) < 0)
		_exit(EXIT_CANNOT_RUN);
}

static int set_own_affinity(const struct pin *pin)
{
	if (pin->cores.count == 0)
		return 0;
	return sched_setaffinity(0, sizeof pin->want, (const cpu_set_t *)(const void *)&pin->want) < 0 ? -errno : 0;
}

_Noreturn static void become(const struct pin *pin, char **argv, const struct inherited *inherited, int pipe_fd)
{
	int rc = set_own_affinity(pin);

	if (rc < 0) {
		say(pipe_fd, STEP_AFFINITY, -rc);
		_exit(EXIT_CANNOT_RUN);
	}
	rc = pin->policy != PIN_MEMORY_DEFAULT ? pin_memory_set(pin->policy, &pin->nodes) : 0;
	if (rc < 0)
		say(pipe_fd, STEP_MEMORY, -rc);
	if (rc < 0 && pin->policy == PIN_MEMORY_STRICT)
		_exit(EXIT_CANNOT_RUN);
	sigaction(SIGCHLD, &inherited->child_action, NULL);
	sigprocmask(SIG_SETMASK, &inherited->mask, NULL);
	execvp(argv[0], argv);
	rc = errno;
	say(pipe_fd, STEP_EXEC, rc);
	_exit(rc == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/* ---- the parent ---- */

static void note_memory(struct pin *pin, int error)
{
	static char note[128];

	char nodes[48];

	zok__bitset_format(&pin->nodes, nodes, sizeof nodes);
	if (error == EINVAL)
		snprintf(note, sizeof note, "node %s has no memory that this process may use", nodes);
	else
		snprintf(note, sizeof note, "set_mempolicy(2) %s", error == ENOTSUP ? "set something else" : strerror(error));
	pin->policy_note = note;
}

/* 0 when the child has become the program, or its exit code-to-be after a line that says why not. */
static int hear(struct pin *pin, const char *program, int pipe_fd)
{
	struct message message;

	while (read(pipe_fd, &message, sizeof message) == sizeof message) {
		switch (message.step) {
		case STEP_AFFINITY:
			fprintf(stderr, "zok pin: --cores: the kernel refuses: %s\n", strerror(message.error));
			return EXIT_CANNOT_RUN;
		case STEP_MEMORY:
			note_memory(pin, message.error);
			if (pin->policy != PIN_MEMORY_STRICT)
				break;
			fprintf(stderr, "zok pin: --memory strict: %s; preferred goes on without\n", pin->policy_note);
			return EXIT_CANNOT_RUN;
		default:
			fprintf(stderr, "zok pin: %s: %s\n", program, strerror(message.error));
			return message.error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
		}
	}
	return 0;
}

static void report_once(struct watch *watch)
{
	struct pin *pin = watch->pin;

	if (watch->has_reported)
		return;
	watch->has_reported = true;
	if (!pin->pages.is_known)
		pin_memory_count(pin->pid, &pin->nodes, &pin->pages);
	if (watch->report != NULL)
		watch->report(pin, watch->out);
}

static bool is_watching(const struct watch *watch)
{
	return !watch->has_reported || watch->pin->rule_count > 0;
}

/* The child that has ended and is not waited for yet still has a directory, but none of what we read. */
static void look(struct watch *watch)
{
	if (pin_threads_look(watch->pin) < 0)
		return;
	watch->look_ns = watch->look_ns * 5 / 4 < LOOK_NS_MAX ? watch->look_ns * 5 / 4 : LOOK_NS_MAX;
	if (now_ns() - watch->started_ns >= watch->verify_ns)
		report_once(watch);
}

static int exit_code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A signal of the terminal has reached the program by itself, for it is in our group; one that was sent to us has not. */
static void pass_on(const struct pin *pin, const siginfo_t *info)
{
	if (info->si_code <= 0)
		kill(pin->pid, info->si_signo);
}

static int wait_for_signal(const struct watch *watch, const sigset_t *signals, siginfo_t *info)
{
	struct timespec timeout = {.tv_sec = (time_t)(watch->look_ns / ZOK_S), .tv_nsec = (long)(watch->look_ns % ZOK_S)};

	return is_watching(watch) ? sigtimedwait(signals, info, &timeout) : sigwaitinfo(signals, info);
}

static int attend(struct watch *watch, const sigset_t *signals)
{
	int status;

	for (;;) {
		siginfo_t info;
		int number = wait_for_signal(watch, signals, &info);

		if (number == SIGCHLD && waitpid(watch->pin->pid, &status, WNOHANG) == watch->pin->pid)
			break;
		if (number > 0 && number != SIGCHLD)
			pass_on(watch->pin, &info);
		if (number < 0 && is_watching(watch))
			look(watch);
	}
	report_once(watch);
	return exit_code_of(status);
}

/* Who starts us may ignore SIGCHLD, and that passes through exec: the kernel would then tell nobody that the program has ended, nor how. */
static void take_signals(sigset_t *signals, struct inherited *inherited)
{
	static const struct sigaction by_default = {.sa_handler = SIG_DFL};
	static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGALRM};

	sigemptyset(signals);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaddset(signals, numbers[i]);
	sigprocmask(SIG_BLOCK, signals, &inherited->mask);
	sigaction(SIGCHLD, &by_default, &inherited->child_action);
}

static int fail(const char *what)
{
	fprintf(stderr, "zok pin: %s: %s\n", what, strerror(errno));
	return ZOK_EXIT_FAILED;
}

int pin_run(struct pin *pin, char **argv, uint64_t verify_ns, void (*report)(const struct pin *pin, FILE *out), FILE *out)
{
	struct watch watch = {.pin = pin, .verify_ns = verify_ns, .look_ns = LOOK_NS_MIN, .report = report, .out = out};
	struct inherited inherited;
	sigset_t signals;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail("pipe");
	take_signals(&signals, &inherited);
	pin->pid = fork();
	if (pin->pid < 0)
		return fail("fork");
	if (pin->pid == 0)
		become(pin, argv, &inherited, fds[1]);
	close(fds[1]);
	rc = hear(pin, argv[0], fds[0]);
	close(fds[0]);
	if (rc != 0) {
		waitpid(pin->pid, NULL, 0);
		return rc;
	}
	watch.started_ns = now_ns();
	look(&watch);
	return attend(&watch, &signals);
}
