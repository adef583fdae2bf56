#include "numa/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int make_path(char path[PATH_MAX], const char *root, const char *format, va_list args)
{
	int used = snprintf(path, PATH_MAX, "%s", root);
	int length;

	if (used < 0 || used >= PATH_MAX)
		return -ENAMETOOLONG;
	length = vsnprintf(path + used, PATH_MAX - (size_t)used, format, args);
	return length < 0 || length >= PATH_MAX - used ? -ENAMETOOLONG : 0;
}

static int read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n = 1;

	while (n != 0 && used < size) {
		n = read(fd, text + used, size - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			used += (size_t)n;
	}
	if (used == size)
		return -EFBIG;
	text[used] = '\0';
	return (int)used;
}

static int read_file(char *text, size_t size, const char *root, const char *format, va_list args)
{
	char path[PATH_MAX];
	int fd, rc = make_path(path, root, format, args);

	if (rc < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = read_all(fd, text, size);
	close(fd);
	return rc;
}

int zok__file_read(char *text, size_t size, const char *root, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = read_file(text, size, root, format, args);
	va_end(args);
	return rc;
}

int zok__file_read_set(struct zok__bitset *out, const char *root, const char *format, ...)
{
	char text[16384]; /* every second of 8192 numbers would be longer; no kernel gives its CPUs so */
	va_list args;
	int rc;

	va_start(args, format);
	rc = read_file(text, sizeof text, root, format, args);
	va_end(args);
	return rc < 0 ? rc : zok__bitset_parse(text, out);
}
