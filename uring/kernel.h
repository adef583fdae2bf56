/*
 * What newer kernels know and liburing 2.3's headers do not; each with the kernel that brought it. All of it is tried before it is relied on.
 */
#ifndef URING_KERNEL_H
#define URING_KERNEL_H

#include <liburing.h>

#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7) /* 6.15: a sleeping core is idle, not "waiting for I/O" */
#endif

/* 6.9: a wait polls the devices of its sockets before it sleeps. The opcode is an enumerator in newer headers, so it has a name of ours. */
enum { ZOK__URING_REGISTER_NAPI = 27 };

struct zok__uring_napi {
	uint32_t busy_poll_to; /* µs */
	uint8_t prefer_busy_poll;
	uint8_t pad[3];
	uint64_t reserved;
};

#endif
