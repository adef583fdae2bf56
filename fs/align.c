/*
 * What O_DIRECT needs: multiples of which size. statx(2) tells it since 6.1 (STATX_DIOALIGN); before, a block device tells its sector, and of a
 * regular file nobody knows: then nothing is checked, and the kernel's own -EINVAL is explained.
 */
#include "fs/file.h"

#include "core/log.h"

#include <errno.h>
#include <sys/stat.h>

enum { DIOALIGN = 0x2000 }; /* STATX_DIOALIGN */

struct zok_file_alignment zok__align_find(int fd, uint32_t mode)
{
	struct statx facts;
	uint32_t sector;

	if (zok__fs_sys_facts(fd, &facts) == 0 && facts.stx_mask & DIOALIGN)
		return (struct zok_file_alignment){facts.stx_dio_mem_align, facts.stx_dio_offset_align};
	sector = S_ISBLK(mode) ? zok__fs_sys_sector_size(fd) : 0;
	return (struct zok_file_alignment){sector, sector};
}

static bool is_off(uint64_t value, uint32_t align)
{
	return align > 1 && value % align != 0;
}

static int refuse(const struct zok_file *file, const char *what, uint64_t value, uint32_t align)
{
	zok__log(ZOK_LOG_ERROR,
		 "file %d, O_DIRECT: the %s 0x%llx is no multiple of %u: this file takes buffers at multiples of %u bytes, and "
		 "offsets and lengths in multiples of %u",
		 file->fd, what, (unsigned long long)value, align, file->align.memory, file->align.offset);
	return -EINVAL;
}

static int check_offset(const struct zok_file *file, uint64_t offset)
{
	if (offset != UINT64_MAX && is_off(offset, file->align.offset))
		return refuse(file, "offset", offset, file->align.offset);
	return 0;
}

static int check_buffer(const struct zok_file *file, const void *base, size_t len)
{
	if (is_off((uintptr_t)base, file->align.memory))
		return refuse(file, "buffer", (uintptr_t)base, file->align.memory);
	return is_off(len, file->align.offset) ? refuse(file, "length", len, file->align.offset) : 0;
}

int zok__align_check(const struct zok_file *file, const void *base, size_t len, uint64_t offset)
{
	int rc = check_offset(file, offset);

	return rc < 0 ? rc : check_buffer(file, base, len);
}

int zok__align_check_vector(const struct zok_file *file, const struct iovec *vector, int count, uint64_t offset)
{
	int rc = check_offset(file, offset);

	for (int i = 0; i < count && rc == 0; i++)
		rc = check_buffer(file, vector[i].iov_base, vector[i].iov_len);
	return rc;
}

void zok__align_explain(const struct zok_file *file, int error)
{
	if (error == -EINVAL && file->is_direct && file->align.offset == 0)
		zok__log(ZOK_LOG_ERROR,
			 "file %d, O_DIRECT: the kernel refuses it and does not say what it needs (STATX_DIOALIGN, Linux 6.1): "
			 "try buffers, offsets and lengths in multiples of 4096",
			 file->fd);
}

struct zok_file_alignment zok_file_alignment(const struct zok_file *file)
{
	return file->align;
}
