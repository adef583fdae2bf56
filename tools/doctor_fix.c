/* What --fix writes, and the script that writes back what was there. The script is on disk before anything changes. */
#include "tools/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void name_script(const char *wanted, char *path, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (wanted)
		snprintf(path, size, "%s", wanted);
	else if (strftime(path, size, "zok-doctor-undo-%Y%m%d-%H%M%S.sh", gmtime_r(&now, &tm)) == 0)
		path[0] = '\0';
}

static void write_lines(FILE *file, const struct doctor *doctor)
{
	fprintf(file, "#!/bin/sh\n# Puts back what zok doctor --fix has changed. Run it as root.\n");
	for (size_t i = doctor->change_count; i > 0; i--) {
		const struct doctor_change *change = &doctor->change[i - 1];

		fprintf(file, "echo '%s' > '%s%s' # %s\n", change->before, doctor->root, change->path,
			doctor->finding[change->finding].check);
	}
}

static int fill_script(const struct doctor *doctor, int fd)
{
	FILE *file = fdopen(fd, "w");
	int rc = 0;

	if (!file) {
		rc = -errno;
		close(fd);
		return rc;
	}
	write_lines(file, doctor);
	if (fflush(file) != 0 || fsync(fd) < 0)
		rc = -errno;
	else if (ferror(file)) /* one of the lines before the last */
		rc = -EIO;
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Half a script is none: nothing has changed that it could undo. */
static int write_script(const struct doctor *doctor, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755), rc;

	if (fd < 0)
		return -errno;
	rc = fill_script(doctor, fd);
	if (rc < 0)
		unlink(path);
	return rc;
}

static int apply(const struct doctor *doctor, const struct doctor_change *change)
{
	char path[PATH_MAX];
	size_t length = strlen(change->value);
	ssize_t written;
	int fd, rc = 0;

	snprintf(path, sizeof path, "%s%s", doctor->root, change->path);
	fd = open(path, O_WRONLY | O_CLOEXEC | (doctor->root[0] ? O_TRUNC : 0));
	if (fd < 0)
		return -errno;
	written = write(fd, change->value, length);
	if (written != (ssize_t)length)
		rc = written < 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

static void note_fixed(struct doctor *doctor)
{
	for (size_t f = 0; f < doctor->finding_count; f++) {
		unsigned tried = 0, failed = 0;

		for (size_t i = 0; i < doctor->change_count; i++) {
			tried += doctor->change[i].finding == f;
			failed += doctor->change[i].finding == f && doctor->change[i].error < 0;
		}
		doctor->finding[f].is_fixed = tried > 0 && failed == 0 && !doctor->finding[f].has_left_out;
	}
}

int doctor_fix(struct doctor *doctor, const char *undo_path, char *path, size_t path_size)
{
	int rc, failed = 0;

	path[0] = '\0';
	if (doctor->change_count == 0)
		return 0;
	name_script(undo_path, path, path_size);
	rc = write_script(doctor, path);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < doctor->change_count; i++) {
		doctor->change[i].error = apply(doctor, &doctor->change[i]);
		failed += doctor->change[i].error < 0;
	}
	note_fixed(doctor);
	return failed;
}
