#include "runtime/export.h"

#include "core/clock.h"
#include "core/log.h"
#include "zokio/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Each core's block begins a page of its own: it may then lie on its core's node, and no two cores share a line. */
enum { BLOCK_ALIGNMENT = 4096 };

static size_t round_up(size_t size)
{
	return (size + BLOCK_ALIGNMENT - 1) & ~(size_t)(BLOCK_ALIGNMENT - 1);
}

static size_t core_size(void)
{
	return round_up(sizeof(struct zok__export_core));
}

/* ---- The file ---- */

static int make_names(struct zok__export *export, const char *folder)
{
	char name[96];
	int length;

	snprintf(name, sizeof name, ZOK_EXPORT_NAME_PREFIX "%ld-%llu-%llu", (long)export->owner,
		 (unsigned long long)zok__process_start_ticks(0), (unsigned long long)zok__pid_namespace());
	length = snprintf(export->hidden, sizeof export->hidden, "%s/.%s", folder, name);
	if (length < 0 || (size_t)length >= sizeof export->hidden)
		return -ENAMETOOLONG;
	snprintf(export->path, sizeof export->path, "%s/%s", folder, name);
	return 0;
}

static int open_new(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* What stands there under our name is left from before an exec(2). */
static int make_file(const char *path)
{
	int fd = open_new(path);

	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open_new(path);
	return fd < 0 ? -errno : fd;
}

/* On a disk, storing into the mapping would sometimes wait for that disk. A folder that somebody named is their business. */
static int check_kind(int fd, bool is_folder_given)
{
	struct statfs status;

	if (is_folder_given)
		return 0;
	if (fstatfs(fd, &status) < 0)
		return -errno;
	return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC ? 0 : -ENOTSUP;
}

/* A store into a page that is not there for want of space would be a SIGBUS, so they are all asked for now; over the limit a SIGXFSZ. */
static int reserve(int fd, size_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	return -posix_fallocate(fd, 0, (off_t)size);
}

static int map(struct zok__export *export, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
	void *memory = mmap(NULL, export->size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	export->memory = memory;
	return 0;
}

static int map_file(struct zok__export *export, const char *folder, bool is_folder_given)
{
	int rc = make_names(export, folder), fd;

	if (rc < 0)
		return rc;
	fd = make_file(export->hidden);
	if (fd < 0)
		return fd;
	rc = check_kind(fd, is_folder_given);
	if (rc == 0)
		rc = reserve(fd, export->size);
	if (rc == 0)
		rc = map(export, fd);
	close(fd);
	if (rc < 0)
		unlink(export->hidden);
	export->is_in_file = rc == 0;
	return rc;
}

/* ---- Life ---- */

static void fill_header(struct zok__export *export, unsigned core_count)
{
	struct zok_export_header *header = (struct zok_export_header *)(void *)export->memory;

	*header = (struct zok_export_header){
		.version = ZOK_EXPORT_VERSION,
		.header_size = sizeof *header,
		.field_size = sizeof *zok__export_fields,
		.field_count = zok__export_field_count,
		.core_offset = export->core_offset,
		.core_size = (uint32_t)core_size(),
		.core_count = core_count,
		.library_version = zok_version(),
		.pid = (uint64_t) export->owner,
		.start_ticks = zok__process_start_ticks(0),
		.pid_namespace = zok__pid_namespace(),
	};
	memcpy(header->magic, ZOK_EXPORT_MAGIC, sizeof header->magic);
	snprintf(header->program, sizeof header->program, "%s", program_invocation_short_name);
	memcpy(export->memory + sizeof *header, zok__export_fields, zok__export_field_count * sizeof *zok__export_fields);
}

int zok__export_create(struct zok__export *export, const char *folder, bool is_folder_given, unsigned core_count)
{
	int rc;

	*export = (struct zok__export){.owner = getpid()};
	export->core_offset = (uint32_t)round_up(sizeof(struct zok_export_header) + zok__export_field_count * sizeof *zok__export_fields);
	export->size = export->core_offset + core_count * core_size();
	if (folder) {
		zok_export_clean(folder);
		rc = map_file(export, folder, is_folder_given);
		if (rc < 0)
			zok__log(is_folder_given ? ZOK_LOG_WARN : ZOK_LOG_DEBUG, "counters are not shown to other processes: %s: %s",
				 folder, strerror(-rc));
	}
	if (!export->memory) {
		rc = map(export, -1);
		if (rc < 0)
			return rc;
	}
	fill_header(export, core_count);
	return 0;
}

struct zok__export_core *zok__export_core(const struct zok__export *export, unsigned index)
{
	return (struct zok__export_core *)(void *)(export->memory + export->core_offset + index * core_size());
}

void zok__export_publish(struct zok__export *export, const struct zok__engine_report *report, uint64_t budget_ns)
{
	struct zok_export_header *header = (struct zok_export_header *)(void *)export->memory;

	header->began_ns = zok__clock_os_ns();
	header->budget_ns = budget_ns;
	snprintf(header->engine, sizeof header->engine, "%s", report->engine);
	snprintf(header->mode, sizeof header->mode, "%s", report->mode);
	if (!export->is_in_file)
		return;
	/* A name in a folder of all users that is somebody else's file cannot be replaced. */
	if (rename(export->hidden, export->path) < 0)
		zok__log(ZOK_LOG_WARN, "counters are not shown to other processes: %s: %s", export->path, strerror(errno));
	else
		__atomic_store_n(&export->is_published, true, __ATOMIC_RELEASE); /* pairs with withdraw() on another thread */
}

void zok__export_withdraw(struct zok__export *export)
{
	int saved_errno = errno;

	if (export->is_in_file && export->owner == getpid())
		unlink(__atomic_load_n(&export->is_published, __ATOMIC_ACQUIRE) ? export->path : export->hidden);
	errno = saved_errno;
}

void zok__export_destroy(struct zok__export *export)
{
	zok__export_withdraw(export);
	if (export->memory)
		munmap(export->memory, export->size);
	*export = (struct zok__export){.memory = NULL};
}
