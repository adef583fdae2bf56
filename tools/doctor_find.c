/* Findings, and the files that checks read. */
#include "tools/doctor.h"

#include "numa/file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more at the end of an array that doubles; NULL without memory. */
static void *grow(void *array, size_t count, size_t size)
{
	return count == 0 || (count & (count - 1)) == 0 ? realloc(array, (count ? 2 * count : 1) * size) : array;
}

struct doctor_finding *doctor_add(struct doctor *doctor, const char *check, enum doctor_severity severity, const char *format, ...)
{
	static struct doctor_finding scratch;
	struct doctor_finding *grown = grow(doctor->finding, doctor->finding_count, sizeof *grown), *finding = &scratch;
	va_list args;

	if (grown) {
		doctor->finding = grown;
		finding = &grown[doctor->finding_count++];
	} else {
		doctor->has_memory = false;
	}
	*finding = (struct doctor_finding){.check = check, .severity = severity, .why = ""};
	va_start(args, format);
	vsnprintf(finding->saw, sizeof finding->saw, format, args);
	va_end(args);
	return finding;
}

void doctor_mend(struct doctor_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->mend, sizeof finding->mend, format, args);
	va_end(args);
}

void doctor_undo(struct doctor_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->undo, sizeof finding->undo, format, args);
	va_end(args);
}

static bool is_writable(const char *text)
{
	return strlen(text) < DOCTOR_VALUE_SIZE && !strpbrk(text, "'\n");
}

static void add_change(struct doctor *doctor, const struct doctor_change *change)
{
	struct doctor_change *grown = grow(doctor->change, doctor->change_count, sizeof *grown);

	if (!grown) {
		doctor->has_memory = false;
		return;
	}
	doctor->change = grown;
	grown[doctor->change_count++] = *change;
}

void doctor_change(struct doctor *doctor, const char *value, const char *before, const char *path_format, ...)
{
	struct doctor_change change = {.finding = doctor->finding_count - 1};
	va_list args;
	int length;

	if (doctor->finding_count == 0)
		return; /* the finding itself was lost for want of memory */
	va_start(args, path_format);
	length = vsnprintf(change.path, sizeof change.path, path_format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof change.path || !is_writable(value) || !is_writable(before)) {
		doctor->finding[change.finding].has_left_out = true;
		return;
	}
	snprintf(change.value, sizeof change.value, "%s", value);
	snprintf(change.before, sizeof change.before, "%s", before);
	add_change(doctor, &change);
}

static int read_line(const struct doctor *doctor, char *text, size_t size, const char *path)
{
	int n = zok__file_read(text, size, doctor->root, "%s", path);

	if (n < 0) {
		text[0] = '\0';
		return n;
	}
	text[strcspn(text, "\n")] = '\0';
	return (int)strlen(text);
}

int doctor_read(const struct doctor *doctor, char *text, size_t size, const char *format, ...)
{
	char path[DOCTOR_PATH_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof path, format, args);
	va_end(args);
	return read_line(doctor, text, size, path);
}

char *doctor_read_all(const struct doctor *doctor, const char *path)
{
	size_t size = 4096;
	char *text = NULL, *grown;
	int n = -EFBIG;

	while (n == -EFBIG && size <= (size_t)16 << 20) {
		size *= 4;
		grown = realloc(text, size);
		if (!grown)
			break;
		text = grown;
		n = zok__file_read(text, size, doctor->root, "%s", path);
	}
	if (n >= 0)
		return text;
	free(text);
	return NULL;
}

long doctor_read_number(const struct doctor *doctor, const char *format, ...)
{
	char path[DOCTOR_PATH_SIZE], text[64], *end;
	va_list args;
	long number;

	va_start(args, format);
	vsnprintf(path, sizeof path, format, args);
	va_end(args);
	if (read_line(doctor, text, sizeof text, path) <= 0)
		return -1;
	number = strtol(text, &end, 10);
	return end == text ? -1 : number;
}

bool doctor_read_choice(const struct doctor *doctor, char *text, size_t size, const char *path)
{
	char line[256], *from, *to;

	text[0] = '\0';
	if (read_line(doctor, line, sizeof line, path) <= 0)
		return false;
	from = strchr(line, '[');
	to = from ? strchr(from, ']') : NULL;
	if (!to)
		return false;
	*to = '\0';
	snprintf(text, size, "%s", from + 1);
	return true;
}

enum doctor_severity doctor_worst(const struct doctor *doctor)
{
	enum doctor_severity worst = DOCTOR_OK;

	for (size_t i = 0; i < doctor->finding_count; i++)
		if (!doctor->finding[i].is_fixed && doctor->finding[i].severity > worst)
			worst = doctor->finding[i].severity;
	return worst;
}

const char *doctor_severity_name(enum doctor_severity severity)
{
	static const char *const names[] = {"ok", "unknown", "note", "warning", "failure"};

	return names[severity];
}

void doctor_finish(struct doctor *doctor)
{
	free(doctor->finding);
	free(doctor->change);
	doctor->finding = NULL;
	doctor->change = NULL;
	doctor->finding_count = doctor->change_count = 0;
}
