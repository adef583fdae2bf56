/*
 * Where the kernel shows it: the directory of a device lies in /sys/devices below the bus device that carries it, and that one has `numa_node` and
 * `local_cpulist` (Documentation/ABI/testing/sysfs-bus-pci).
 */
#include "numa/device.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa/file.h"

/* Bonds stand on VLANs on NICs, volumes on RAIDs on disks: no sane stack is higher. */
enum { STACK_MAX = 8 };

static const struct {
	enum zok__device_kind kind;
	const char *folder;
} classes[] = {
	{ZOK__DEVICE_NIC, "/sys/class/net"},
	{ZOK__DEVICE_DISK, "/sys/block"},
};

struct zok__device *zok__devices_add(struct zok__devices *devices)
{
	struct zok__device *grown = realloc(devices->device, (devices->count + 1) * sizeof *grown);

	if (grown == NULL)
		return NULL;
	devices->device = grown;
	grown[devices->count] = (struct zok__device){.node = -1};
	return &grown[devices->count++];
}

/* Cut to what fits: the kernel's names are shorter. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

static bool exists(const char *directory, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof path, "%s/%s", directory, name) < sizeof path && access(path, F_OK) == 0;
}

/* The last part of what a link points to; false when there is no link. */
static bool read_link_name(const char *directory, const char *name, char *text, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
		return false;
	length = readlink(path, target, sizeof target - 1);
	if (length <= 0)
		return false;
	target[length] = '\0';
	slash = strrchr(target, '/');
	copy_text(text, size, slash != NULL ? slash + 1 : target);
	return true;
}

static int64_t read_number(const char *directory, const char *name, int64_t otherwise)
{
	char text[32];

	return zok__file_read(text, sizeof text, directory, "/%s", name) < 0 ? otherwise : strtoll(text, NULL, 10);
}

static bool is_pci_address(const char *text)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return sscanf(text, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 && text[end] == '\0';
}

/* `path` is the bus device. */
static void take_place(struct zok__device *device, const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	if (is_pci_address(name))
		copy_text(device->address, sizeof device->address, name);
	if (device->driver[0] == '\0')
		read_link_name(path, "driver", device->driver, sizeof device->driver);
	device->node = (int)read_number(path, "numa_node", -1);
	/* Without a node the kernel lists the CPUs of the whole machine: that is no place. */
	if (device->node < 0 || zok__file_read_set(&device->near, path, "/local_cpulist") < 0)
		device->near = (struct zok__bitset){{0}};
}

/* Climbs from the device's own directory to the one that knows its place. Changes `path`. */
static void find_place(struct zok__device *device, char *path)
{
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL && slash != path) {
		if (exists(path, "numa_node") || exists(path, "local_cpulist")) {
			take_place(device, path);
			return;
		}
		*slash = '\0';
	}
}

static void describe(struct zok__device *device, const char *directory)
{
	char path[PATH_MAX];

	if (realpath(directory, path) == NULL)
		return;
	device->is_virtual = strstr(path, "/devices/virtual/") != NULL;
	if (device->kind == ZOK__DEVICE_NIC) {
		int64_t speed_mbit = read_number(directory, "speed", 0); /* -1, or an error, while the link is down */

		device->speed_mbit = speed_mbit > 0 ? (uint64_t)speed_mbit : 0;
	} else {
		device->size_bytes = (uint64_t)read_number(directory, "size", 0) * 512;
	}
	if (device->is_virtual)
		return;
	if ((size_t)snprintf(path, sizeof path, "%s/device", directory) < sizeof path)
		read_link_name(path, "driver", device->driver, sizeof device->driver);
	if (realpath(directory, path) != NULL)
		find_place(device, path);
}

static int read_class(struct zok__devices *devices, const char *root, size_t class)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;
	int rc = 0;

	snprintf(path, sizeof path, "%s%s", root, classes[class].folder);
	folder = opendir(path);
	if (folder == NULL)
		return 0;
	while (rc == 0 && (entry = readdir(folder)) != NULL) {
		struct zok__device *device;

		if (entry->d_name[0] == '.' ||
		    (size_t)snprintf(path, sizeof path, "%s%s/%s", root, classes[class].folder, entry->d_name) >= sizeof path)
			continue;
		device = zok__devices_add(devices);
		if (device == NULL) {
			rc = -ENOMEM;
			break;
		}
		device->kind = classes[class].kind;
		copy_text(device->name, sizeof device->name, entry->d_name);
		describe(device, path);
	}
	closedir(folder);
	return rc;
}

static struct zok__device *find_by_name(const struct zok__devices *devices, const char *name, size_t length)
{
	for (size_t i = 0; i < devices->count; i++)
		if (strlen(devices->device[i].name) == length && memcmp(devices->device[i].name, name, length) == 0)
			return &devices->device[i];
	return NULL;
}

/* Parts on different nodes: near to both, at home on none. */
static void take_place_of_part(struct zok__device *device, const struct zok__device *part, bool is_first)
{
	if (is_first) {
		device->node = part->node;
		device->near = part->near;
		return;
	}
	if (part->node != device->node)
		device->node = -1;
	for (int cpu = -1; (cpu = zok__bitset_next(&part->near, cpu)) >= 0;)
		zok__bitset_add(&device->near, cpu);
}

/* "lower_eth0" in a NIC's directory, "sda" in a disk's `slaves`. */
static const char *part_name(enum zok__device_kind kind, const char *entry)
{
	static const char lower[] = "lower_";

	if (kind == ZOK__DEVICE_DISK)
		return entry;
	return strncmp(entry, lower, sizeof lower - 1) == 0 ? entry + sizeof lower - 1 : NULL;
}

static void place_by_parts(struct zok__devices *devices, struct zok__device *device, const char *root)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool is_first = true;
	DIR *folder;

	snprintf(path, sizeof path, "%s%s/%s%s", root, classes[device->kind].folder, device->name,
		 device->kind == ZOK__DEVICE_DISK ? "/slaves" : "");
	folder = opendir(path);
	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		const char *name = part_name(device->kind, entry->d_name);
		const struct zok__device *part = name != NULL ? zok__devices_find(devices, name, strlen(name)) : NULL;

		if (part == NULL || part->kind != device->kind || part->is_virtual)
			continue;
		take_place_of_part(device, part, is_first);
		is_first = false;
	}
	closedir(folder);
	device->is_virtual = is_first;
}

static int compare_devices(const void *left, const void *right)
{
	const struct zok__device *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strverscmp(a->name, b->name);
}

int zok__devices_read(struct zok__devices *devices, const char *root)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof classes / sizeof *classes; i++)
		rc = read_class(devices, root, i);
	if (rc < 0)
		return rc;
	if (devices->count > 0)
		qsort(devices->device, devices->count, sizeof *devices->device, compare_devices);
	for (int level = 0; level < STACK_MAX; level++)
		for (size_t i = 0; i < devices->count; i++)
			if (devices->device[i].is_virtual)
				place_by_parts(devices, &devices->device[i], root);
	return 0;
}

static const struct zok__device *find_by_address(const struct zok__devices *devices, const char *name, size_t length)
{
	static const char domain[] = "0000:";

	for (size_t i = 0; i < devices->count; i++) {
		const char *address = devices->device[i].address;

		if (strlen(address) == length && strncasecmp(address, name, length) == 0)
			return &devices->device[i];
		if (strncmp(address, domain, sizeof domain - 1) == 0 && strlen(address) - (sizeof domain - 1) == length &&
		    strncasecmp(address + sizeof domain - 1, name, length) == 0)
			return &devices->device[i];
	}
	return NULL;
}

/* "vda1" of vda, "nvme0n1p2" of nvme0n1: a disk whose name ends in a digit puts a "p" between. */
static const struct zok__device *find_by_partition(const struct zok__devices *devices, const char *name, size_t length)
{
	size_t stem = length;
	const struct zok__device *disk = NULL;

	while (stem > 0 && isdigit((unsigned char)name[stem - 1]))
		stem--;
	if (stem == length || stem < 2)
		return NULL;
	if (name[stem - 1] == 'p' && isdigit((unsigned char)name[stem - 2]))
		disk = find_by_name(devices, name, stem - 1);
	else if (!isdigit((unsigned char)name[stem - 1]))
		disk = find_by_name(devices, name, stem);
	return disk != NULL && disk->kind == ZOK__DEVICE_DISK ? disk : NULL;
}

static const struct zok__device *find_by_path(const struct zok__devices *devices, const char *name, size_t length)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;

	if (length >= sizeof path || strncmp(name, "/dev/", 5) != 0)
		return NULL;
	memcpy(path, name, length);
	path[length] = '\0';
	slash = strrchr(realpath(path, target) != NULL ? target : path, '/') + 1;
	return zok__devices_find(devices, slash, strlen(slash));
}

const struct zok__device *zok__devices_find(const struct zok__devices *devices, const char *name, size_t length)
{
	const struct zok__device *device;

	if (length == 0)
		return NULL;
	if (name[0] == '/')
		return find_by_path(devices, name, length);
	device = find_by_name(devices, name, length);
	if (device == NULL)
		device = find_by_address(devices, name, length);
	return device != NULL ? device : find_by_partition(devices, name, length);
}

void zok__devices_format(const struct zok__devices *devices, char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "none");
	for (size_t i = 0; i < devices->count; i++) {
		int length;

		if (devices->device[i].is_virtual)
			continue;
		length = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", devices->device[i].name);
		if (length < 0 || (size_t)length >= size - used) {
			strcpy(text + (used + 4 <= size ? used : size - 4), "...");
			return;
		}
		used += (size_t)length;
	}
}

void zok__devices_finish(struct zok__devices *devices)
{
	free(devices->device);
	*devices = (struct zok__devices){.count = 0};
}
