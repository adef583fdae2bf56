/* The system calls of fs/ that do not pass through the engine: none waits for a device. One file, so that a simulator can own them. */
#include "fs/file.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/offload.h"

/* A network file system is not asked: it could be slow, and type and alignment do not change. */
int zok__fs_sys_facts(int fd, struct statx *facts)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, ZOK__FILE_STAT_MASK, facts) < 0 ? -errno : 0;
}

uint32_t zok__fs_sys_sector_size(int fd)
{
	int size = 0;

	return ioctl(fd, BLKSSZGET, &size) == 0 && size > 0 ? (uint32_t)size : 0;
}

int zok__fs_sys_adopt(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : flags;
}

int zok__fs_sys_map(void **base, int fd, uint64_t offset, size_t len, int prot, int flags)
{
	void *memory = mmap(NULL, len, prot, flags, fd, (off_t)offset);

	if (memory == MAP_FAILED)
		return -errno;
	*base = memory;
	return 0;
}

void zok__fs_sys_close(int fd)
{
	close(fd);
}

int zok__fs_sys_watch_open(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int zok__fs_sys_watch_remove(int fd, int number)
{
	return inotify_rm_watch(fd, number) < 0 ? -errno : 0;
}
