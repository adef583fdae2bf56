/* The calls of liburing that test_faults.c makes fail: the kernel without memory, or a ring that is refused in part. */
#include "tests/contract/faults.h"

#include <errno.h>
#include <liburing.h>

#define WRAP(name, parameters, arguments, can_be_interrupted, error) \
	int __real_##name parameters;                                \
	int __wrap_##name parameters;                                \
	int __wrap_##name parameters                                 \
	{                                                            \
		if (!fault_is_due(#name, can_be_interrupted))        \
			return __real_##name arguments;              \
		return fault_is_interrupt() ? -EINTR : -(error);     \
	}

WRAP(io_uring_queue_init_params, (unsigned entries, struct io_uring *ring, struct io_uring_params *params), (entries, ring, params), false,
     ENOMEM)
WRAP(io_uring_register, (unsigned fd, unsigned opcode, const void *arg, unsigned count), (fd, opcode, arg, count), false, ENOMEM)
WRAP(io_uring_register_ring_fd, (struct io_uring * ring), (ring), false, EINVAL)
WRAP(io_uring_register_buf_ring, (struct io_uring * ring, struct io_uring_buf_reg *registration, unsigned flags),
     (ring, registration, flags), false, ENOMEM)
WRAP(io_uring_enter2, (unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags, sigset_t *arg, size_t size),
     (fd, fault_cut(to_submit), min_complete, flags, arg, size), true, EAGAIN)
