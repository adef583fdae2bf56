#include "net/steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CPUS_MAX = (BPF_MAXINSNS - 3) / 2 };

/* One comparison a CPU and what it returns, behind the load of the CPU's number and before what is done for all others. */
static unsigned write_program(struct sock_filter *code, const int *cpus, unsigned count)
{
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
	for (unsigned i = 0; i < count; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)cpus[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, i);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return n;
}

int zok__steer_by_cpu(int fd, const int *cpus, unsigned count)
{
	struct sock_fprog program;
	struct sock_filter *code;
	int rc;

	if (count == 0 || count > CPUS_MAX)
		return -EINVAL;
	code = malloc((3 + 2 * (size_t)count) * sizeof *code);
	if (!code)
		return -ENOMEM;
	program = (struct sock_fprog){.len = (unsigned short)write_program(code, cpus, count), .filter = code};
	rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0 ? -errno : 0;
	free(code);
	return rc;
}
