/* A door of a group is chosen by the CPU that receives: the program loads, and says which. */
#include "net/steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int listener(struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
	return fd;
}

/* The loopback interface receives on the CPU that sends. */
static void the_cpu_chooses_the_door(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int doors[2] = {listener(&address), listener(&address)}, cpus[2] = {-1, -1}, peer, client;
	cpu_set_t all, one;

	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	for (int cpu = 0, n = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &all))
			cpus[n++] = cpu;
	if (cpus[1] < 0) {
		print_message("skipped: one CPU only\n");
		skip();
	}
	/* Against their order, so that a program which does nothing is found out. */
	assert_int_equal(zok__steer_by_cpu(doors[0], (int[]){cpus[1], cpus[0]}, 2), 0);
	for (int i = 0; i < 40; i++) {
		CPU_ZERO(&one);
		CPU_SET(cpus[i % 2], &one);
		assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
		client = connect_to(&address);
		peer = accept4(doors[1 - i % 2], NULL, NULL, SOCK_CLOEXEC);
		assert_true(peer >= 0);
		assert_int_equal(accept4(doors[i % 2], NULL, NULL, SOCK_CLOEXEC), -1);
		close(peer);
		close(client);
	}
	sched_setaffinity(0, sizeof all, &all);
	close(doors[0]);
	close(doors[1]);
}

static void what_is_refused_is_told(void **state)
{
	static int many[2047];
	int cpu = 0, ends[2];

	assert_int_equal(zok__steer_by_cpu(-1, &cpu, 1), -EBADF);
	assert_int_equal(zok__steer_by_cpu(0, &cpu, 0), -EINVAL);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(zok__steer_by_cpu(ends[0], &cpu, 1), -ENOTSOCK);
	/* Two instructions a CPU, three beside, and a program has 4096 at most. */
	assert_int_equal(zok__steer_by_cpu(ends[0], many, 2046), -ENOTSOCK);
	assert_int_equal(zok__steer_by_cpu(ends[0], many, 2047), -EINVAL);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cpu_chooses_the_door),
		cmocka_unit_test(what_is_refused_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
