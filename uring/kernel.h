/*
 * What newer kernels know and liburing 2.3's headers do not; each with the kernel that brought it. All of it is tried before it is relied on.
 */
#ifndef URING_KERNEL_H
#define URING_KERNEL_H

#include <liburing.h>

#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7) /* 6.15: a sleeping core is idle, not "waiting for I/O" */
#endif

#endif
