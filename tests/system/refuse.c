/*
 * `refuse eperm|enosys PROGRAM ARGUMENT…`: runs a program under a seccomp filter that takes io_uring away. EPERM is what containers and
 * kernel.io_uring_disabled say, ENOSYS what a kernel without it does.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int install(int error)
{
	/* The three calls of io_uring have consecutive numbers, the same on every architecture. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, __NR_io_uring_setup, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, __NR_io_uring_register, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 3 || (strcmp(argv[1], "eperm") != 0 && strcmp(argv[1], "enosys") != 0)) {
		fprintf(stderr, "usage: %s eperm|enosys PROGRAM ARGUMENT...\n", argv[0]);
		return 125;
	}
	rc = install(strcmp(argv[1], "eperm") == 0 ? EPERM : ENOSYS);
	if (rc < 0) {
		fprintf(stderr, "seccomp: %s\n", strerror(-rc));
		return 77;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
	return 126;
}
