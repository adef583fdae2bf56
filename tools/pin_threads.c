/* The threads of a process: found, placed by rules, read back. */
#include "tools/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "numa/file.h"

static struct pin_thread *find(struct pin *pin, pid_t tid)
{
	for (size_t i = 0; i < pin->thread_count; i++)
		if (pin->thread[i].tid == tid)
			return &pin->thread[i];
	return NULL;
}

static struct pin_thread *add(struct pin *pin, pid_t tid)
{
	if (pin->thread_count == pin->thread_room) {
		size_t room = pin->thread_room > 0 ? 2 * pin->thread_room : 16;
		struct pin_thread *grown = realloc(pin->thread, room * sizeof *grown);

		if (grown == NULL)
			return NULL;
		pin->thread = grown;
		pin->thread_room = room;
	}
	pin->thread[pin->thread_count] = (struct pin_thread){.tid = tid, .want = pin->want};
	return &pin->thread[pin->thread_count++];
}

static void read_name(const struct pin *pin, struct pin_thread *thread)
{
	int length = zok__file_read(thread->name, sizeof thread->name, "", "/proc/%d/task/%d/comm", (int)pin->pid, (int)thread->tid);

	if (length > 0 && thread->name[length - 1] == '\n')
		thread->name[length - 1] = '\0';
	else if (length < 0)
		thread->name[0] = '\0';
}

static void set_affinity(struct pin_thread *thread)
{
	thread->error = sched_setaffinity(thread->tid, sizeof thread->want, (const cpu_set_t *)(const void *)&thread->want) < 0 ? errno : 0;
}

static void read_affinity(struct pin_thread *thread)
{
	struct zok__bitset got = {{0}};

	if (sched_getaffinity(thread->tid, sizeof got, (cpu_set_t *)(void *)&got) < 0) {
		thread->error = errno;
		return;
	}
	thread->got = got;
}

static struct pin_rule *find_rule(struct pin *pin, const char *name)
{
	for (size_t i = 0; i < pin->rule_count; i++)
		if (fnmatch(pin->rule[i].pattern, name, 0) == 0)
			return &pin->rule[i];
	return NULL;
}

/* A thread gets its name after it was born: until a rule fits, it is asked again at each look. */
static void place(struct pin *pin, struct pin_thread *thread, bool is_new)
{
	struct pin_rule *rule = thread->rule == NULL ? find_rule(pin, thread->name) : NULL;

	if (rule != NULL) {
		const struct zok__place *core = &rule->cores.place[rule->next++ % rule->cores.count];

		thread->rule = rule;
		thread->want = (struct zok__bitset){{0}};
		zok__bitset_add(&thread->want, core->cpu);
	}
	if (!pin->only_looks && (rule != NULL || (is_new && pin->sets_threads && pin->cores.count > 0)))
		set_affinity(thread);
}

static void forget_ended(struct pin *pin)
{
	size_t kept = 0;

	for (size_t i = 0; i < pin->thread_count; i++)
		if (pin->thread[i].seen_at == pin->looks)
			pin->thread[kept++] = pin->thread[i];
	pin->thread_count = kept;
}

static int look_at(struct pin *pin, pid_t tid)
{
	struct pin_thread *thread = find(pin, tid);
	bool is_new = thread == NULL;

	if (is_new)
		thread = add(pin, tid);
	if (thread == NULL)
		return -ENOMEM;
	thread->seen_at = pin->looks;
	if (thread->rule == NULL)
		read_name(pin, thread);
	place(pin, thread, is_new);
	read_affinity(thread);
	return 0;
}

int pin_threads_look(struct pin *pin)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;
	int rc = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pin->pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return errno == ENOENT ? -ESRCH : -errno;
	pin->looks++;
	while (rc == 0 && (entry = readdir(tasks)) != NULL)
		if (entry->d_name[0] != '.')
			rc = look_at(pin, (pid_t)atoi(entry->d_name));
	closedir(tasks);
	forget_ended(pin);
	return rc;
}

bool pin_thread_is_placed(const struct pin_thread *thread)
{
	struct zok__bitset both = thread->got;

	/* Nothing was asked of it. */
	if (zok__bitset_is_empty(&thread->want))
		return true;
	zok__bitset_intersect(&both, &thread->want);
	return !zok__bitset_is_empty(&both) && memcmp(&both, &thread->got, sizeof both) == 0;
}
