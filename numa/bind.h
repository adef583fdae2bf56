/* Puts the calling thread on its CPU, and looks whether it is there. */
#ifndef ZOK_NUMA_BIND_H
#define ZOK_NUMA_BIND_H

#include "zokio/base.h"

/*
 * Pins the calling thread to one CPU and reads the affinity mask back. Before the thread touches memory of its own: pages go to the node that
 * touches them first. -EINVAL: the CPU does not exist, is offline or is outside the cpuset (which may have shrunk since the selection); -EPERM: refused
 * by a sandbox; -ENOTSUP: the kernel said yes and did something else, as emulators do. The thread runs where it did.
 */
ZOK_NODISCARD int zok__bind_thread(int cpu);

#endif
