#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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

void zok__sys_unlink_if_same(const char *path, const struct zok__sys_file *file)
{
	struct zok__sys_file now = {0};

	if (zok__sys_file_identity(path, &now) == 0 && now.device == file->device && now.inode == file->inode)
		unlink(path);
}
