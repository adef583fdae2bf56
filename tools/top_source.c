#include "tools/top.h"
#include "zokio/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Above these nothing is read: a file of ours is far below. */
enum { CORE_SIZE_MAX = 65536, HEADER_SIZE_MAX = 4096, FIELDS_MAX = 512, FIELD_SIZE_MAX = 256 };

static const char *const names[TOP_READ_COUNT] = {
	[TOP_CPU] = "cpu",
	[TOP_THREAD] = "thread",
	[TOP_TIME_TOTAL] = "time_total_ns",
	[TOP_TIME_KERNEL] = "time_kernel_ns",
	[TOP_TIME_CALLBACKS] = "time_callbacks_ns",
	[TOP_LOOPS] = "loops",
	[TOP_IS_IDLE] = "is_idle",
	[TOP_RUNQ_LATENCY] = "runq_depth_latency",
	[TOP_RUNQ_NORMAL] = "runq_depth_normal",
	[TOP_RUNQ_BULK] = "runq_depth_bulk",
	[TOP_MAIL_DEPTH] = "mail_depth",
	[TOP_MAIL_DEPTH_MAX] = "mail_depth_max",
	[TOP_TASKS_SPAWNED] = "tasks_spawned",
	[TOP_TASKS_FINISHED] = "tasks_finished",
	[TOP_TASKS_POLLED] = "tasks_polled",
	[TOP_WAKES] = "wakes",
	[TOP_WAKES_REMOTE] = "wakes_remote",
	[TOP_YIELDS] = "yields",
	[TOP_BUDGET_OVERRUNS] = "budget_overruns",
	[TOP_STALLS] = "stalls",
	[TOP_WAKES_BY_RING] = "wakes_by_ring",
	[TOP_STEAL_ATTEMPTS] = "steal_attempts",
	[TOP_STEALS] = "steals",
	[TOP_STEALS_SMT] = "steals_smt",
	[TOP_STEALS_CACHE] = "steals_cache",
	[TOP_STEALS_NODE] = "steals_node",
	[TOP_STEALS_FAR] = "steals_far",
	[TOP_SWEEPS_FAILED] = "sweeps_failed",
	[TOP_TASKS_STOLEN] = "tasks_stolen",
	[TOP_TASKS_RESCUED] = "tasks_rescued",
	[TOP_TASKS_INJECTED] = "tasks_injected",
	[TOP_TASKS_RETURNED] = "tasks_returned",
	[TOP_TASKS_ADOPTED] = "tasks_adopted",
	[TOP_STUCK] = "stuck",
	[TOP_FIBERS_ALIVE] = "fibers_alive",
	[TOP_STACK_USED_MAX] = "stack_used_max",
	[TOP_COMPLETIONS] = "completions",
	[TOP_CANCELS] = "cancels",
	[TOP_SUBMITS] = "submits",
	[TOP_WAITS] = "waits",
	[TOP_SQE_SHORTAGES] = "sqe_shortages",
	[TOP_CQ_OVERFLOWS] = "cq_overflows",
	[TOP_BUFFER_SHORTAGES] = "buffer_shortages",
	[TOP_FD_SHORTAGES] = "fd_shortages",
	[TOP_SOCKETS_OPENED] = "sockets_opened",
	[TOP_SOCKETS_CLOSED] = "sockets_closed",
	[TOP_CONNECTIONS_MOVED_IN] = "connections_moved_in",
	[TOP_CONNECTIONS_MOVED_OUT] = "connections_moved_out",
	[TOP_CONNECTIONS_OPEN] = "connections_open",
	[TOP_BYTES_RECEIVED] = "bytes_received",
	[TOP_BYTES_SENT] = "bytes_sent",
	[TOP_TIMERS_EXPIRED] = "timers_expired",
	[TOP_MESSAGES_SENT] = "messages_sent",
	[TOP_MESSAGES_RECEIVED] = "messages_received",
};

static const char *const latency_names[TOP_CLASS_COUNT] = {"wake_to_run_latency", "wake_to_run_normal", "wake_to_run_bulk"};

ZOK_PRINTF(2, 3) static int refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, TOP_TEXT_SIZE, format, args);
	va_end(args);
	return -EBADMSG;
}

uint64_t top_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

/* ---- What a file says, checked ---- */

int top_check_header(const struct zok_export_header *header, uint64_t size, char why[TOP_TEXT_SIZE])
{
	uint64_t fields_end = header->header_size + (uint64_t)header->field_count * header->field_size;
	uint64_t end = header->core_offset + (uint64_t)header->core_count * header->core_size;

	if (memcmp(header->magic, ZOK_EXPORT_MAGIC, sizeof header->magic) != 0)
		return refuse(why, "is no file of a runtime: its first bytes are not " ZOK_EXPORT_MAGIC);
	if (header->version != ZOK_EXPORT_VERSION)
		return refuse(why, "has layout %u, of another version of Zokio; this zok top reads layout %d", header->version,
			      ZOK_EXPORT_VERSION);
	if (header->header_size < sizeof *header || header->header_size > HEADER_SIZE_MAX)
		return refuse(why, "says that its header has %u bytes", header->header_size);
	if (header->field_size < sizeof(struct zok_export_field) || header->field_size > FIELD_SIZE_MAX || header->field_count == 0 ||
	    header->field_count > FIELDS_MAX)
		return refuse(why, "says that it has %u fields of %u bytes", header->field_count, header->field_size);
	if (header->core_count == 0 || header->core_count > TOP_CORES_MAX)
		return refuse(why, "says that it has %u cores; 1 to %d can be shown", header->core_count, TOP_CORES_MAX);
	if (header->core_size == 0 || header->core_size > CORE_SIZE_MAX || header->core_size % 8 != 0)
		return refuse(why, "says that a core has %u bytes", header->core_size);
	if (fields_end > header->core_offset || end > size)
		return refuse(why, "has %llu bytes where its header speaks of %llu", (unsigned long long)size, (unsigned long long)end);
	if (header->pid == 0 || header->pid > INT32_MAX)
		return refuse(why, "says that its process is %llu", (unsigned long long)header->pid);
	return 0;
}

static void take_field(struct top_source *source, const struct zok_export_field *field)
{
	if (field->kind == ZOK_EXPORT_LATENCY && field->count == ZOK_LATENCY_BUCKETS) {
		for (int i = 0; i < TOP_CLASS_COUNT; i++) {
			if (strcmp(field->name, latency_names[i]) != 0)
				continue;
			source->latency_offsets[i] = field->offset;
			source->has_latency[i] = true;
			return;
		}
	}
	if (field->count == 1 && strncmp(field->name, "ops_", 4) == 0) {
		if (source->op_count < sizeof source->op_offsets / sizeof *source->op_offsets)
			source->op_offsets[source->op_count++] = field->offset;
		return;
	}
	for (int i = 0; field->count == 1 && i < TOP_READ_COUNT; i++) {
		if (strcmp(field->name, names[i]) != 0)
			continue;
		source->offsets[i] = field->offset;
		source->is_there[i] = true;
		return;
	}
}

int top_take_fields(struct top_source *source, const struct zok_export_field *fields, unsigned count, char why[TOP_TEXT_SIZE])
{
	const char *at = (const char *)fields;

	for (unsigned i = 0; i < count; i++, at += source->header.field_size) {
		struct zok_export_field field;

		memcpy(&field, at, sizeof field);
		if (!memchr(field.name, '\0', sizeof field.name))
			return refuse(why, "has a field %u without an end to its name", i);
		if (field.offset % 8 != 0 || field.count == 0 || field.offset + 8 * (uint64_t)field.count > source->header.core_size)
			return refuse(why, "has a field %u that lies outside of its core", i);
		take_field(source, &field);
	}
	return 0;
}

/* What comes from another process may hold anything; a terminal obeys some of it. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

/* ---- Whose a file is ---- */

/* The effective user of a process; -1: unknown. */
static long uid_of_process(uint64_t pid)
{
	char path[64], text[2048], *line;
	unsigned long real, effective;
	ssize_t length;
	int fd;

	snprintf(path, sizeof path, "/proc/%llu/status", (unsigned long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	line = strstr(text, "\nUid:");
	if (!line)
		return -1;
	real = strtoul(line + 5, &line, 10);
	effective = strtoul(line, NULL, 10);
	(void)real;
	return (long)effective;
}

static uint64_t namespace_here(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

/* A file that says it is of another user's process is a lie, but for root's, from which a process may have come down. */
static int check_owner(const struct zok_export_header *header, const struct stat *status, char why[TOP_TEXT_SIZE])
{
	long uid = header->pid_namespace == namespace_here() ? uid_of_process(header->pid) : -1;

	if (!S_ISREG(status->st_mode))
		return refuse(why, "is no plain file");
	if (geteuid() != 0 && status->st_uid != geteuid())
		return refuse(why, "belongs to user %u: only that user and root may look", (unsigned)status->st_uid);
	if (uid >= 0 && status->st_uid != 0 && (long)status->st_uid != uid)
		return refuse(why, "belongs to user %u, and process %llu to user %ld", (unsigned)status->st_uid,
			      (unsigned long long)header->pid, uid);
	return 0;
}

/* ---- Opening and reading ---- */

static bool read_whole(int fd, void *to, size_t size, uint64_t offset)
{
	return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static int read_fields(struct top_source *source, char why[TOP_TEXT_SIZE])
{
	static _Alignas(8) char fields[FIELDS_MAX * FIELD_SIZE_MAX];
	size_t size = (size_t)source->header.field_count * source->header.field_size;

	if (!read_whole(source->fd, fields, size, source->header.header_size))
		return refuse(why, "was cut short");
	return top_take_fields(source, (const struct zok_export_field *)(const void *)fields, source->header.field_count, why);
}

static int read_header(struct top_source *source, char why[TOP_TEXT_SIZE])
{
	struct zok_export_header *header = &source->header;
	struct stat status;
	int rc;

	if (fstat(source->fd, &status) < 0)
		return refuse(why, "%s", strerror(errno));
	if (!read_whole(source->fd, header, sizeof *header, 0))
		return refuse(why, "is too short for a file of a runtime");
	rc = top_check_header(header, (uint64_t)status.st_size, why);
	if (rc == 0)
		rc = check_owner(header, &status, why);
	source->is_newer = header->library_version > zok_version();
	make_printable(header->program, sizeof header->program);
	make_printable(header->engine, sizeof header->engine);
	make_printable(header->mode, sizeof header->mode);
	return rc;
}

int top_source_open(struct top_source *source, const char *folder, const char *name, char why[TOP_TEXT_SIZE])
{
	char path[1024];
	int rc;

	*source = (struct top_source){.fd = -1, .folder = folder};
	snprintf(path, sizeof path, "%s/%s", folder, name);
	/* Not blocking: somebody may have put a pipe there. */
	source->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (source->fd < 0)
		return refuse(why, "%s", errno == ELOOP ? "is a link, which no runtime makes" : strerror(errno));
	rc = read_header(source, why);
	if (rc == 0)
		rc = read_fields(source, why);
	if (rc < 0)
		top_source_close(source);
	return rc;
}

void top_source_close(struct top_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

static uint64_t word_at(const char *block, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, block + offset, sizeof word);
	return word;
}

static uint64_t difference(uint64_t more, uint64_t less)
{
	if (more == TOP_ABSENT || less == TOP_ABSENT)
		return TOP_ABSENT;
	return more > less ? more - less : 0;
}

/* A runtime that is older than moves has moved nothing. */
static uint64_t with_moved(uint64_t count, uint64_t moved)
{
	return count == TOP_ABSENT || moved == TOP_ABSENT ? count : count + moved;
}

static void take_core(const struct top_source *source, const char *block, struct top_core *core)
{
	uint64_t *value = core->value;

	for (int i = 0; i < TOP_READ_COUNT; i++)
		value[i] = source->is_there[i] ? word_at(block, source->offsets[i]) : TOP_ABSENT;
	value[TOP_OPS] = source->op_count ? 0 : TOP_ABSENT;
	for (unsigned i = 0; i < source->op_count; i++)
		value[TOP_OPS] += word_at(block, source->op_offsets[i]);
	value[TOP_TASKS_ALIVE] = difference(value[TOP_TASKS_SPAWNED], value[TOP_TASKS_FINISHED]);
	value[TOP_SOCKETS_ALIVE] = difference(with_moved(value[TOP_SOCKETS_OPENED], value[TOP_CONNECTIONS_MOVED_IN]),
					      with_moved(value[TOP_SOCKETS_CLOSED], value[TOP_CONNECTIONS_MOVED_OUT]));
	for (int i = 0; i < TOP_CLASS_COUNT; i++) {
		if (source->has_latency[i])
			memcpy(&core->latency[i], block + source->latency_offsets[i], sizeof core->latency[i]);
		else
			core->latency[i] = (struct zok_latency){{0}};
	}
}

/* How long a thread had a processor (proc(5): schedstat). The kernel counts it anyway; the core does not. */
static uint64_t on_cpu_ns(const struct zok_export_header *header, uint64_t thread)
{
	char path[80], text[64];
	ssize_t length;
	int fd;

	if (thread == TOP_ABSENT || header->pid_namespace != namespace_here())
		return TOP_ABSENT;
	snprintf(path, sizeof path, "/proc/%llu/task/%llu/schedstat", (unsigned long long)header->pid, (unsigned long long)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return TOP_ABSENT;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return TOP_ABSENT;
	text[length] = '\0';
	return strtoull(text, NULL, 10);
}

/* A runtime that has ended has removed its file; one that was killed has its file removed here. */
static bool has_ended(const struct top_source *source)
{
	struct stat status;

	zok_export_clean(source->folder);
	return fstat(source->fd, &status) < 0 || status.st_nlink == 0;
}

int top_source_look(struct top_source *source, struct top_look *look)
{
	static _Alignas(8) char block[CORE_SIZE_MAX];
	const struct zok_export_header *header = &source->header;

	if (has_ended(source))
		return -ESRCH;
	look->at_ns = top_now_ns();
	for (unsigned i = 0; i < header->core_count; i++) {
		if (!read_whole(source->fd, block, header->core_size, header->core_offset + (uint64_t)i * header->core_size))
			return -ESRCH;
		take_core(source, block, &look->cores[i]);
		look->cores[i].value[TOP_ON_CPU_NS] = on_cpu_ns(header, look->cores[i].value[TOP_THREAD]);
	}
	return 0;
}

/* ---- Finding ---- */

/* Numbers with dashes between them: anybody may make files there, and what is refused is printed with its name. */
static bool is_ours(const char *name)
{
	const size_t prefix = sizeof ZOK_EXPORT_NAME_PREFIX - 1, length = strlen(name);

	return strncmp(name, ZOK_EXPORT_NAME_PREFIX, prefix) == 0 && prefix + strspn(name + prefix, "0123456789-") == length &&
	       length < sizeof((struct top_found *)NULL)->name;
}

static void add_found(struct top_list *list, const struct top_source *source, const char *name)
{
	struct top_found *found = &list->found[list->count++];
	struct stat status;

	*found = (struct top_found){.pid = source->header.pid,
				    .core_count = source->header.core_count,
				    .is_elsewhere = source->header.pid_namespace != namespace_here()};
	snprintf(found->name, sizeof found->name, "%s", name);
	memcpy(found->program, source->header.program, sizeof found->program);
	memcpy(found->engine, source->header.engine, sizeof found->engine);
	memcpy(found->mode, source->header.mode, sizeof found->mode);
	if (fstat(source->fd, &status) == 0)
		found->uid = status.st_uid;
}

static void look_at(struct top_list *list, const char *folder, int folder_fd, const char *name)
{
	struct top_source source;
	char why[TOP_TEXT_SIZE];
	struct stat status;

	if (!is_ours(name) || list->count == TOP_FOUND_MAX || fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (geteuid() != 0 && status.st_uid != geteuid()) {
		list->hidden_count++;
		return;
	}
	if (top_source_open(&source, folder, name, why) < 0) {
		snprintf(list->refused, sizeof list->refused, "%.60s/%.60s %.120s", folder, name, why);
		return;
	}
	add_found(list, &source, name);
	top_source_close(&source);
}

/* By number of process; not with qsort(3), which allocates. */
static void sort_found(struct top_list *list)
{
	for (unsigned i = 1; i < list->count; i++) {
		struct top_found found = list->found[i];
		unsigned k = i;

		for (; k > 0 && list->found[k - 1].pid > found.pid; k--)
			list->found[k] = list->found[k - 1];
		list->found[k] = found;
	}
}

int top_find(const char *folder, struct top_list *list)
{
	_Alignas(struct dirent64) char entries[4096];
	ssize_t length;
	int fd;

	*list = (struct top_list){.count = 0};
	zok_export_clean(folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((length = getdents64(fd, entries, sizeof entries)) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);

			look_at(list, folder, fd, entry->d_name);
			at += entry->d_reclen;
		}
	}
	close(fd);
	sort_found(list);
	return 0;
}
