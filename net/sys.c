#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int result_of(int rc)
{
	return rc < 0 ? -errno : rc;
}

static const struct sockaddr *sockaddr_of(const struct zok__address *address)
{
	return (const struct sockaddr *)(const void *)&address->storage;
}

int zok__sys_socket(int family)
{
	return result_of(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int zok__sys_bind(int fd, const struct zok__address *address)
{
	return result_of(bind(fd, sockaddr_of(address), address->len));
}

int zok__sys_listen(int fd, int backlog)
{
	return result_of(listen(fd, backlog));
}

int zok__sys_accept_now(int fd)
{
	int rc;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	do /* who has left the line again is passed over */
		rc = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	while (rc < 0 && (errno == EINTR || errno == ECONNABORTED));
	return result_of(rc);
}

void zok__sys_shut(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

void zok__sys_close(int fd)
{
	close(fd);
}

int zok__sys_option_set(int fd, int level, int name, int value)
{
	return result_of(setsockopt(fd, level, name, &value, sizeof value));
}

int zok__sys_option_get(int fd, int level, int name, int *value)
{
	socklen_t len = sizeof *value;

	return result_of(getsockopt(fd, level, name, value, &len));
}

static int named_by(int (*call)(int, struct sockaddr *, socklen_t *), int fd, struct zok__address *address)
{
	address->len = sizeof address->storage;
	return result_of(call(fd, (struct sockaddr *)(void *)&address->storage, &address->len));
}

int zok__sys_local_address(int fd, struct zok__address *address)
{
	return named_by(getsockname, fd, address);
}

int zok__sys_peer_address(int fd, struct zok__address *address)
{
	return named_by(getpeername, fd, address);
}

int zok__sys_adopt(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Non-blocking: a listener whose queue is full says EAGAIN, and so it is there. */
int zok__sys_probe(const struct zok__address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	rc = result_of(connect(fd, sockaddr_of(address), address->len));
	close(fd);
	return rc == -EAGAIN ? 0 : rc;
}

int zok__sys_file_identity(const char *path, struct zok__sys_file *file)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	*file = (struct zok__sys_file){status.st_dev, status.st_ino};
	return 0;
}

/* FNV-1a (Fowler, Noll, Vo). Two names with one hash would only have to start one after the other. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	return hash;
}

static int stat_folder(const char *path, size_t len, struct stat *status)
{
	char folder[PATH_MAX] = ".";

	if (len >= sizeof folder)
		return -ENAMETOOLONG;
	if (len > 0) {
		memcpy(folder, path, len);
		folder[len] = '\0';
	}
	return result_of(stat(folder, status));
}

/* An abstract name made of the folder's identity and the file's name, so that it does not matter how the path is spelled. */
int zok__sys_path_claim(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct zok__address address = {.storage.ss_family = AF_UNIX};
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&address.storage;
	struct stat folder;
	int fd, len, rc = stat_folder(path, (size_t)(name - path), &folder);

	if (rc < 0)
		return rc;
	len = snprintf(un->sun_path + 1, sizeof un->sun_path - 1, "zokio-door-%llx-%llx-%llx", (unsigned long long)folder.st_dev,
		       (unsigned long long)folder.st_ino, (unsigned long long)hash_of(name));
	address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
	fd = zok__sys_socket(AF_UNIX);
	if (fd < 0)
		return fd;
	rc = zok__sys_bind(fd, &address);
	if (rc < 0)
		zok__sys_close(fd);
	return rc < 0 ? rc : fd;
}

void zok__sys_unlink_if_same(const char *path, const struct zok__sys_file *file)
{
	struct zok__sys_file now = {0};

	if (zok__sys_file_identity(path, &now) == 0 && now.device == file->device && now.inode == file->inode)
		unlink(path);
}
