/* NICs and disks, and which CPUs each is near: the ones that its interrupts and its DMA reach without crossing to another node. */
#ifndef ZOK_NUMA_DEVICE_H
#define ZOK_NUMA_DEVICE_H

#include "numa/bitset.h"

enum zok__device_kind { ZOK__DEVICE_NIC, ZOK__DEVICE_DISK };

struct zok__device {
	enum zok__device_kind kind;
	bool is_virtual;	 /* no hardware, nor anything that stands on some: loopback, veth, loop */
	int node;		 /* -1: nobody says */
	char name[32];		 /* "eth0", "nvme0n1" */
	char address[32];	 /* on the PCI bus, "0000:41:00.0"; "" elsewhere */
	char driver[32];	 /* "" when not known */
	uint64_t speed_mbit;	 /* of a NIC whose link is up; else 0 */
	uint64_t size_bytes;	 /* of a disk */
	struct zok__bitset near; /* empty when nobody says */
};

struct zok__devices {
	struct zok__device *device; /* owned: zok__devices_finish() */
	size_t count;
};

/*
 * Reads root/sys/class/net and root/sys/block: hardware, and virtual devices too. What a bond, a VLAN, a device mapper or a software RAID stands on decides where it
 * is. A directory that is missing or refused gives no device. -ENOMEM.
 */
ZOK_NODISCARD int zok__devices_read(struct zok__devices *devices, const char *root);

/* A zeroed device at the end of the table, or NULL: out of memory. It belongs to the table, and stays where it is until the next. */
struct zok__device *zok__devices_add(struct zok__devices *devices);

/*
 * By name, by PCI address (with or without the domain "0000:"), by a path under /dev (links are followed), or by the name of a partition. NULL: none.
 * `length` bytes of `name` count.
 */
const struct zok__device *zok__devices_find(const struct zok__devices *devices, const char *name, size_t length);

/* The names of all that is hardware, "eth0, vda", or "none"; what does not fit ends in "...". size must be at least 8. */
void zok__devices_format(const struct zok__devices *devices, char *text, size_t size);

void zok__devices_finish(struct zok__devices *devices);

#endif
