/* Which exported files belong to processes that are no more. */
#include "runtime/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Field 22 of /proc/PID/stat (proc(5)). The name in the second field may hold anything, its last parenthesis ends it. */
static uint64_t start_ticks_of(const char *stat)
{
	const char *field = strrchr(stat, ')');

	for (int i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field + 1, NULL, 10) : 0;
}

uint64_t zok__process_start_ticks(pid_t pid)
{
	char path[64], text[1024];
	ssize_t length;
	int fd;

	if (pid == 0)
		snprintf(path, sizeof path, "/proc/self/stat");
	else
		snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	return start_ticks_of(text);
}

uint64_t zok__pid_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

struct origin {
	uint64_t pid, start_ticks, pid_namespace;
};

static bool read_number(const char **text, char end, uint64_t *number)
{
	char *rest;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &rest, 10);
	*text = rest + 1;
	return errno == 0 && *rest == end;
}

/* Also the hidden name, which a process leaves that was killed before its cores ran. */
static bool read_name(const char *name, struct origin *origin)
{
	name += *name == '.';
	if (strncmp(name, ZOK_EXPORT_NAME_PREFIX, sizeof ZOK_EXPORT_NAME_PREFIX - 1) != 0)
		return false;
	name += sizeof ZOK_EXPORT_NAME_PREFIX - 1;
	return read_number(&name, '-', &origin->pid) && read_number(&name, '-', &origin->start_ticks) &&
	       read_number(&name, '\0', &origin->pid_namespace) && origin->pid > 0 && origin->pid <= INT32_MAX;
}

/* A process that is not to be seen (hidepid) is not taken for dead. */
static bool is_dead(const struct origin *origin)
{
	pid_t pid = (pid_t)origin->pid;
	uint64_t start_ticks;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	start_ticks = zok__process_start_ticks(pid);
	return start_ticks != 0 && start_ticks != origin->start_ticks;
}

static bool is_ours_to_remove(int folder_fd, const char *name)
{
	struct stat status;

	if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return S_ISREG(status.st_mode) && (status.st_uid == geteuid() || geteuid() == 0);
}

static int clean_entry(int folder_fd, const char *name, uint64_t pid_namespace)
{
	struct origin origin;

	if (!read_name(name, &origin) || origin.pid_namespace != pid_namespace || pid_namespace == 0)
		return 0;
	return is_dead(&origin) && is_ours_to_remove(folder_fd, name) && unlinkat(folder_fd, name, 0) == 0;
}

/* getdents64(2) rather than readdir(3), which allocates. */
int zok_export_clean(const char *folder)
{
	_Alignas(struct dirent64) char entries[4096];
	uint64_t pid_namespace = zok__pid_namespace();
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int removed = 0;
	ssize_t length;

	if (fd < 0)
		return -errno;
	while ((length = getdents64(fd, entries, sizeof entries)) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);

			removed += clean_entry(fd, entry->d_name, pid_namespace);
			at += entry->d_reclen;
		}
	}
	close(fd);
	return removed;
}
