/*
 * The first process of the test machine: makes a bare Debian kernel a place where test programs can run, runs those that /plan lists, and
 * switches the machine off. It is linked statically, and there is nothing else in the machine but the programs and their libraries.
 *
 * /plan, one step a line, words apart by one tab:
 *	write PATH VALUE                 what sysfs or procfs shall hold, read back
 *	run NAME SECONDS PATH WORD…      a program, killed with its children after so many seconds
 *
 * What the host hears on the second serial port (the first is the kernel's), one line each, whatever else the programs print:
 *	@ready RELEASE    the kernel that runs
 *	@begin NAME       a program's own output follows
 *	@where PID THREAD FILE: TEXT    a late program's threads, as /proc shows them
 *	@end NAME MILLISECONDS exit CODE | signal NUMBER | late SECONDS    (NAME has no blank)
 *	@refused STEP: WHY
 *	@off              the plan is done
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 32 };

static const struct {
	const char *what, *where, *options;
} mounts[] = {
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"tmpfs", "/dev/shm", "mode=1777"},
	{"hugetlbfs", "/dev/hugepages", ""},
};

/* One write a line, so that a program that is being killed does not tear it. Begins a line of its own in any case. */
__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	char line[512] = "\n";
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line + 1, sizeof line - 2, format, arguments) + 1;
	va_end(arguments);
	if (length > (int)sizeof line - 2)
		length = (int)sizeof line - 2;
	line[length++] = '\n';
	for (char *rest = line; length > 0;) {
		ssize_t written = write(STDOUT_FILENO, rest, (size_t)length);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			rest += written;
			length -= (int)written;
		}
	}
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		mkdir(mounts[i].where, 0755);
		/* The host has no such file system in its kernel: what needs it will say so. */
		if (mount(mounts[i].what, mounts[i].where, mounts[i].what, 0, mounts[i].options) < 0)
			tell("@refused mount %s: %s", mounts[i].where, strerror(errno));
	}
}

/* Raw: a terminal's line discipline would make two bytes of each newline. */
static void open_console(void)
{
	struct termios settings;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (tcgetattr(fd, &settings) == 0) {
		cfmakeraw(&settings);
		tcsetattr(fd, TCSANOW, &settings);
	}
	for (int target = 0; target < 3; target++)
		dup2(fd, target);
	if (fd > 2)
		close(fd);
}

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		tell("@refused loopback: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* ---- write ---- */

/* The kernel gives as many huge pages as it can and calls that a success: what it holds afterwards is what counts. */
static void write_value(const char *path, const char *value)
{
	char held[64] = "";
	size_t length = strlen(value);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || write(fd, value, length) != (ssize_t)length || pread(fd, held, sizeof held - 1, 0) < 0)
		tell("@refused write %s %s: %s", path, value, strerror(errno));
	else if (strncmp(held, value, length) != 0 || (held[length] != '\n' && held[length] != '\0'))
		tell("@refused write %s %s: it holds %s", path, value, held);
	if (fd >= 0)
		close(fd);
}

/* ---- run ---- */

static void become(char *const *words)
{
	static char path[] = "PATH=/bin", home[] = "HOME=/tmp", *const environment[] = {path, home, NULL};

	setsid();
	sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
	execve(words[0], words, environment);
	fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for `child` until `end_ms`; false when it still runs then. Whatever orphans end meanwhile are reaped, too. */
static bool await_end(pid_t child, long long end_ms, int *status)
{
	long long left_ms;
	pid_t ended;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		while ((ended = waitpid(-1, status, WNOHANG)) > 0)
			if (ended == child)
				return true;
		left_ms = end_ms - now_ms();
		if (left_ms <= 0)
			return false;
		/* SIGCHLD is blocked: one that came since waitpid() ends this wait at once. */
		sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000});
	}
}

/* The lines of a file of /proc; none where it cannot be read. */
static void tell_file(const char *thread, const char *name)
{
	char path[160], line[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", thread, name);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		tell("@where %s %s", path + strlen("/proc/"), line);
	}
	if (file)
		fclose(file);
}

/* Where every thread of a program that did not end is, in the kernel, too: a hang is understood from its first occurrence. */
static void tell_threads(void)
{
	static const char *const files[] = {"comm", "stat", "syscall", "stack"};
	glob_t threads;

	if (glob("/proc/[0-9]*/task/*", 0, NULL, &threads) != 0)
		return;
	for (size_t i = 0; i < threads.gl_pathc; i++) {
		char link[160], target[2];

		snprintf(link, sizeof link, "%.120s/exe", threads.gl_pathv[i]);
		/* A thread of the kernel's own has no program; this process is not of interest. */
		if (readlink(link, target, sizeof target) < 0 || strncmp(threads.gl_pathv[i], "/proc/1/", 8) == 0)
			continue;
		for (size_t f = 0; f < sizeof files / sizeof *files; f++)
			tell_file(threads.gl_pathv[i], files[f]);
	}
	globfree(&threads);
}

static void run(const char *name, unsigned seconds, char *const *words)
{
	long long began_ms = now_ms();
	const char *how = "exit";
	int status = 0, number;
	pid_t child;

	tell("@begin %s", name);
	child = fork();
	if (child == 0)
		become(words);
	if (child < 0)
		number = 126;
	else if (!await_end(child, began_ms + seconds * 1000LL, &status))
		tell_threads(), how = "late", number = (int)seconds;
	else if (WIFSIGNALED(status))
		how = "signal", number = WTERMSIG(status);
	else
		number = WEXITSTATUS(status);
	tell("@end %s %lld %s %d", name, now_ms() - began_ms, how, number);
	/* All that it left behind, and itself where it was late: every process but this one. */
	kill(-1, SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		;
}

/* ---- the plan ---- */

static void follow(char *line)
{
	char *words[WORDS_MAX + 1], *rest = line;
	size_t count = 0;

	for (char *word; count < WORDS_MAX && (word = strsep(&rest, "\t")) != NULL;)
		words[count++] = word;
	words[count] = NULL;
	if (count == 3 && strcmp(words[0], "write") == 0)
		write_value(words[1], words[2]);
	else if (count >= 4 && rest == NULL && strcmp(words[0], "run") == 0)
		run(words[1], (unsigned)strtoul(words[2], NULL, 10), words + 3);
	else
		tell("@refused %s: is no step of a plan", words[0]);
}

static void follow_plan(void)
{
	FILE *plan = fopen("/plan", "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!plan) {
		tell("@refused plan: %s", strerror(errno));
		return;
	}
	while ((length = getline(&line, &size, plan)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		follow(line);
	}
	free(line);
	fclose(plan);
	tell("@off");
}

int main(void)
{
	struct utsname machine;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	open_console();
	uname(&machine);
	tell("@ready %s", machine.release);
	mount_all();
	/* In the root, which is memory already: a mount would hide programs of a build that lies in /tmp. */
	mkdir("/tmp", 01777);
	mkdir("/run", 0755);
	raise_loopback();
	/* What a service of systemd gets. */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, 524288});
	follow_plan();
	reboot(RB_POWER_OFF);
	return 0;
}
