/*
 * `refuse eperm|enosys[:WHAT,…] PROGRAM ARGUMENT…`: runs a program under a seccomp filter that takes something away: io_uring (also where nothing is
 * named), mbind, move_pages, huge-pages, perf, realtime. EPERM is what containers and kernel.io_uring_disabled say, ENOSYS what a kernel without it does.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *what;
	unsigned first, last; /* numbers of calls */
	unsigned flag;	      /* only with one of these in the fourth argument; 0: always */
} table[] = {
	/* The three calls of io_uring have consecutive numbers, the same on every architecture. */
	{"io_uring", __NR_io_uring_setup, __NR_io_uring_register, 0}, {"mbind", __NR_mbind, __NR_mbind, 0},
	{"move_pages", __NR_move_pages, __NR_move_pages, 0},	      {"huge-pages", __NR_mmap, __NR_mmap, MAP_HUGETLB},
	{"perf", __NR_perf_event_open, __NR_perf_event_open, 0},      {"realtime", __NR_sched_setscheduler, __NR_sched_setscheduler, 0},
};

enum { WHAT_COUNT = sizeof table / sizeof *table, STEPS_EACH = 6 };

struct program {
	struct sock_filter step[WHAT_COUNT * STEPS_EACH + 2];
	unsigned short count;
	unsigned error;
};

static void add(struct program *program, struct sock_filter step)
{
	program->step[program->count++] = step;
}

/* The low half of the fourth argument: where the flags of mmap are. */
#define FLAGS_AT (offsetof(struct seccomp_data, args[3]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))

static void refuse_row(struct program *program, size_t row)
{
	unsigned answer = SECCOMP_RET_ERRNO | program->error;

	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, table[row].first, 0, table[row].flag ? 5 : 2));
	if (!table[row].flag) {
		add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, table[row].last, 1, 0));
		add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
		return;
	}
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, table[row].last, 4, 0));
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_AT));
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, table[row].flag, 0, 1));
	add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
}

/* Whether a list has a name. */
static int has(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == '\0'))
			return 1;
	return 0;
}

/* -EINVAL: a name that is none. */
static int write_program(struct program *program, const char *list)
{
	size_t names = 1, found = 0;

	for (const char *at = list; *at; at++)
		names += *at == ',';
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	for (size_t row = 0; row < WHAT_COUNT; row++) {
		if (!has(list, table[row].what))
			continue;
		refuse_row(program, row);
		found++;
	}
	add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	return found == names ? 0 : -EINVAL;
}

static int install(struct program *program)
{
	struct sock_fprog filter = {.len = program->count, .filter = program->step};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0 ? -errno : 0;
}

/* The word up to the colon. */
static unsigned error_of(const char *text)
{
	size_t length = strcspn(text, ":");

	if (length == 5 && memcmp(text, "eperm", 5) == 0)
		return EPERM;
	return length == 6 && memcmp(text, "enosys", 6) == 0 ? ENOSYS : 0;
}

int main(int argc, char **argv)
{
	struct program program = {.error = argc < 3 ? 0 : error_of(argv[1])};
	int rc = -EINVAL;

	if (program.error)
		rc = write_program(&program, strchr(argv[1], ':') ? strchr(argv[1], ':') + 1 : "io_uring");
	if (rc < 0) {
		fprintf(stderr, "usage: %s eperm|enosys[:io_uring,mbind,move_pages,huge-pages,perf,realtime] PROGRAM ARGUMENT...\n",
			argv[0]);
		return 125;
	}
	rc = install(&program);
	if (rc < 0) {
		fprintf(stderr, "seccomp: %s\n", strerror(-rc));
		return 77;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
	return 126;
}
