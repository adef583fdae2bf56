/* Which door of a SO_REUSEPORT group takes a connection. */
#ifndef NET_STEER_H
#define NET_STEER_H

#include "zokio/base.h"

/*
 * From here on the connection goes to the door at the place in the group that the receiving CPU has in `cpus`; from any other CPU to the one at its number
 * modulo `count`. `fd` is any door of the group; places are in the order of listening. -EINVAL: more CPUs than a program has room for; what the
 * kernel refuses: -ENOPROTOOPT, -EPERM…
 */
int zok__steer_by_cpu(int fd, const int *cpus, unsigned count);

#endif
