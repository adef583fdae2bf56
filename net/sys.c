#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
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

/* ".NAME.zokio" beside the file. */
static int name_claim(const char *path, struct zok__sys_claim *claim)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int len = snprintf(claim->path, sizeof claim->path, "%.*s.%s.zokio", (int)(name - path), path, name);

	return len < (int)sizeof claim->path ? 0 : -ENAMETOOLONG;
}

/* A descriptor of the file, locked; it may be one that its holder has just removed. */
static int lock_file(const char *path)
{
	/* For writing, although nothing is written: a network file system locks nothing else. Without waiting, for a FIFO may stand there. */
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), rc;

	if (fd < 0)
		return -errno;
	rc = result_of(flock(fd, LOCK_EX | LOCK_NB));
	if (rc == 0)
		return fd;
	close(fd);
	return rc == -EWOULDBLOCK ? -EADDRINUSE : rc;
}

static bool is_named(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

int zok__sys_path_claim(const char *path, struct zok__sys_claim *claim)
{
	int rc = name_claim(path, claim);

	claim->fd = -1;
	while (rc == 0) {
		rc = lock_file(claim->path);
		if (rc < 0)
			break;
		if (is_named(rc, claim->path)) {
			claim->fd = rc;
			return 0;
		}
		/* Somebody was done with it between our open and our lock. Who comes now makes a new one, and so do we. */
		close(rc);
		rc = 0;
	}
	return rc;
}

bool zok__sys_claim_is_fatal(int rc)
{
	return rc == -EADDRINUSE || rc == -EMFILE || rc == -ENFILE || rc == -ENOENT || rc == -ENOTDIR;
}

void zok__sys_path_unclaim(struct zok__sys_claim *claim)
{
	if (claim->fd < 0)
		return;
	/* Removed before it is unlocked: who gets the lock after us sees that the name is gone, or another's. */
	unlink(claim->path);
	close(claim->fd);
	claim->fd = -1;
}

void zok__sys_unlink_if_same(const char *path, const struct zok__sys_file *file)
{
	struct zok__sys_file now = {0};

	if (zok__sys_file_identity(path, &now) == 0 && now.device == file->device && now.inode == file->inode)
		unlink(path);
}
