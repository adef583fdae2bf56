/*
 * The search: runs a program's threads as contexts on one real thread, from access to access, and branches on who goes next and on what a
 * load returns. Depth first, by replay: the path of choices is kept, its last choice is advanced, and the program runs again from its
 * beginning.
 *
 * Sleep sets (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996) leave out interleavings that differ only
 * in the order of accesses that do not touch each other; nothing else is left out.
 */
#include "tests/model/model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "tests/model/memory.h"

enum { STACK_SIZE = 64 * 1024, PATH_MAX = 512 };

enum kind { KIND_LOAD, KIND_WRITE, KIND_FENCE };

/* What a thread is about to do. */
struct pending {
	enum kind kind;
	const void *address;
};

struct thread {
	struct zok__context context;
	struct pending pending;
	bool is_over;
};

/* A choice on the path: which thread goes next (with the set that sleeps there), or which store a load reads. */
struct choice {
	bool is_value;
	unsigned taken, count;
	unsigned asleep;
};

static struct {
	const struct model_program *program;
	unsigned thread_count, running, asleep;
	struct thread threads[MODEL_THREADS_MAX];
	struct zok__context scheduler;
	struct choice path[PATH_MAX];
	unsigned depth, length;
	bool is_concurrent; /* false in begin() and end(), and while a path that leads nowhere new is run to its end */
	const char *violation;
	struct model_site *sites, *weakened;
	unsigned long executions;
} search;

static _Alignas(64) unsigned char stacks[MODEL_THREADS_MAX][STACK_SIZE];

void model_fail(const char *what)
{
	if (!search.violation)
		search.violation = what;
	search.is_concurrent = false;
}

static enum model_order order_of(struct model_site *site)
{
	if (!site->is_listed) {
		site->is_listed = true;
		site->next = search.sites;
		search.sites = site;
	}
	return site == search.weakened ? site->weakened : site->order;
}

/* Threads. */

static void suspend(void)
{
	zok__context_switch(&search.threads[search.running].context, &search.scheduler);
}

static void thread_main(void *arg)
{
	struct thread *thread = arg;

	search.program->threads[thread - search.threads]();
	thread->is_over = true;
	suspend();
}

/* Runs a thread to its next access, or through it to the one after. */
static void resume(unsigned index)
{
	search.running = index;
	zok__context_switch(&search.scheduler, &search.threads[index].context);
}

/* Before each access: lets the scheduler choose. False when the access is to be done on plain memory. */
static bool announce(enum kind kind, const void *address)
{
	if (!search.is_concurrent)
		return false;
	search.threads[search.running].pending = (struct pending){.kind = kind, .address = address};
	suspend();
	return search.is_concurrent;
}

/* Choices. */

static struct choice *next_choice(bool is_value, unsigned count, unsigned asleep)
{
	struct choice *choice = &search.path[search.depth++];

	assert(search.depth <= PATH_MAX);
	if (search.depth > search.length) {
		search.length = search.depth;
		*choice = (struct choice){.is_value = is_value, .count = count, .asleep = asleep};
		while (!is_value && choice->taken < count && (asleep >> choice->taken & 1))
			choice->taken++;
	}
	assert(choice->is_value == is_value);
	return choice;
}

static unsigned choose_value(unsigned count)
{
	return count > 1 ? next_choice(true, count, 0)->taken : 0;
}

/* Moves the last choice that has another way on; false when there is none: all was seen. */
static bool advance(void)
{
	for (; search.length > 0; search.length--) {
		struct choice *last = &search.path[search.length - 1];

		if (!last->is_value && last->taken < last->count)
			last->asleep |= 1u << last->taken;
		do
			last->taken++;
		while (!last->is_value && last->taken < last->count && (last->asleep >> last->taken & 1));
		if (last->taken < last->count)
			return true;
	}
	return false;
}

static bool are_independent(struct pending left, struct pending right)
{
	if (left.kind == KIND_FENCE || right.kind == KIND_FENCE)
		return left.kind != right.kind;
	return left.address != right.address || (left.kind == KIND_LOAD && right.kind == KIND_LOAD);
}

/* Which threads sleep after `index` has made its access: those that slept and do not mind it. */
static unsigned sleepers_after(unsigned asleep, unsigned index)
{
	unsigned left = 0;

	for (unsigned i = 0; i < search.thread_count; i++)
		if ((asleep >> i & 1) && i != index && are_independent(search.threads[i].pending, search.threads[index].pending))
			left |= 1u << i;
	return left;
}

static unsigned over_mask(void)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < search.thread_count; i++)
		mask |= (unsigned)search.threads[i].is_over << i;
	return mask;
}

static void begin(void)
{
	search.depth = search.asleep = 0;
	memory_reset();
	search.program->begin();
	search.is_concurrent = true;
	for (unsigned i = 0; i < search.thread_count; i++) {
		search.threads[i].is_over = false;
		zok__context_init(&search.threads[i].context, stacks[i], STACK_SIZE, thread_main, &search.threads[i]);
		resume(i);
	}
}

/* Threads in mid-path end on plain memory, so that no stack is left behind; what they find then means nothing. */
static void drain(unsigned all)
{
	const char *violation = search.violation;

	search.is_concurrent = false;
	while (over_mask() != all)
		for (unsigned i = 0; i < search.thread_count; i++)
			if (!search.threads[i].is_over)
				resume(i);
	search.violation = violation;
}

/* Once through the program, along the path and then on its first new branches. */
static void execute(void)
{
	const unsigned all = (1u << search.thread_count) - 1;

	begin();
	while (search.is_concurrent && over_mask() != all) {
		struct choice *choice = next_choice(false, search.thread_count, search.asleep | over_mask());

		/* If all that could go on sleeps, the rest of this path has been seen in another order. */
		if (choice->taken == search.thread_count)
			break;
		search.asleep = sleepers_after(choice->asleep & ~over_mask(), choice->taken);
		resume(choice->taken);
	}
	if (search.is_concurrent && over_mask() == all) {
		search.is_concurrent = false;
		search.executions++;
		search.program->end();
	}
	drain(all);
}

void model_pause(void)
{
	search.is_concurrent = false;
	suspend();
}

/* Accesses. */

void model_load(const void *address, void *value, size_t size, struct model_site *site)
{
	enum model_order order = order_of(site);
	unsigned location;

	if (!announce(KIND_LOAD, address)) {
		memcpy(value, address, size);
		return;
	}
	location = memory_location(address, size);
	memory_load(search.running, location, choose_value(memory_readable(search.running, location)), order, value, size);
}

static void write_now(void *address, const void *value, size_t size, enum model_order order, bool is_update)
{
	unsigned location = memory_location(address, size);

	if (!is_update && !search.program->has_blind_stores && !memory_has_seen_all(search.running, location))
		model_fail("two stores to one place are not ordered by happens-before");
	memory_store(search.running, location, value, size, order, is_update);
}

void model_store(void *address, const void *value, size_t size, struct model_site *site)
{
	enum model_order order = order_of(site);

	if (announce(KIND_WRITE, address))
		write_now(address, value, size, order, false);
	else
		memcpy(address, value, size);
}

void model_exchange(void *address, const void *value, void *old, size_t size, struct model_site *site)
{
	enum model_order order = order_of(site);
	bool is_modelled = announce(KIND_WRITE, address);

	memcpy(old, address, size);
	if (is_modelled)
		write_now(address, value, size, order, true);
	else
		memcpy(address, value, size);
}

static bool is_updating_modelled;

void model_begin_update(void *address, void *old, size_t size)
{
	is_updating_modelled = announce(KIND_WRITE, address);
	memcpy(old, address, size);
}

/* No other thread runs since the beginning. */
void model_end_update(void *address, const void *value, size_t size, struct model_site *site)
{
	enum model_order order = order_of(site);

	if (is_updating_modelled)
		write_now(address, value, size, order, true);
	else
		memcpy(address, value, size);
}

/* Fails, relaxed, on any store that may be read and is not as expected; succeeds only on the newest. */
static bool swap_now(void *address, void *expected, const void *desired, size_t size, enum model_order order)
{
	unsigned location = memory_location(address, size), ways[STORES_MAX], count = 0;
	uint64_t wanted = 0;

	memcpy(&wanted, expected, size);
	for (unsigned choice = 0; choice < memory_readable(search.running, location); choice++)
		if (choice == 0 || memory_value(search.running, location, choice) != wanted)
			ways[count++] = choice;
	count = choose_value(count);
	if (memory_value(search.running, location, ways[count]) == wanted) {
		write_now(address, desired, size, order, true);
		return true;
	}
	memory_load(search.running, location, ways[count], MODEL_RELAXED, expected, size);
	return false;
}

bool model_swap(void *address, void *expected, const void *desired, size_t size, struct model_site *site)
{
	enum model_order order = order_of(site);

	if (announce(KIND_WRITE, address))
		return swap_now(address, expected, desired, size, order);
	if (memcmp(address, expected, size) != 0) {
		memcpy(expected, address, size);
		return false;
	}
	memcpy(address, desired, size);
	return true;
}

void model_fence(struct model_site *site)
{
	enum model_order order = order_of(site);

	if (announce(KIND_FENCE, NULL))
		memory_fence(search.running, order);
}

void model_plain_write(const void *address)
{
	if (search.is_concurrent && memory_plain_races(search.running, address, true))
		model_fail("a plain write races with another access");
}

void model_plain_read(const void *address)
{
	if (search.is_concurrent && memory_plain_races(search.running, address, false))
		model_fail("a plain read races with a write");
}

/* The test. */

const char *model_explore(const struct model_program *program, unsigned long *executions)
{
	search.program = program;
	search.thread_count = 0;
	while (search.thread_count < MODEL_THREADS_MAX && program->threads[search.thread_count])
		search.thread_count++;
	search.violation = NULL;
	search.length = 0;
	search.executions = 0;
	do
		execute();
	while (!search.violation && advance());
	*executions = search.executions;
	return search.violation;
}

static const struct model_excuse *excuse_of(const struct model_site *site, const struct model_excuse *excuses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(excuses[i].function, site->function) == 0 && strcmp(excuses[i].what, site->what) == 0)
			return &excuses[i];
	return NULL;
}

/* Whether all is as expected when one ordering is weakened: a program fails, or, if it is excused, none does. */
static bool weaken(struct model_site *site, enum model_order order, const struct model_program *programs, size_t count,
		   const struct model_excuse *excuse)
{
	static const char *const names[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
	const char *violation = NULL;
	unsigned long executions = 0;
	size_t i;

	search.weakened = site;
	site->weakened = order;
	for (i = 0; i < count && !violation; i++)
		violation = model_explore(&programs[i], &executions);
	search.weakened = NULL;
	printf("  %s of %s, line %d, %s to %s: ", site->what, site->function, site->line, names[site->order], names[order]);
	if (violation)
		printf("%s: %s, after %lu executions%s\n", programs[i - 1].name, violation, executions, excuse ? " ALTHOUGH EXCUSED" : "");
	else
		printf("%s%s\n", excuse ? "not seen; " : "NOT SEEN", excuse ? excuse->reason : "");
	return !violation == !!excuse;
}

static bool weaken_each_way(struct model_site *site, const struct model_program *programs, size_t count, const struct model_excuse *excuse)
{
	switch (site->order) {
	case MODEL_RELAXED: break;
	case MODEL_ACQUIRE:
	case MODEL_RELEASE: return weaken(site, MODEL_RELAXED, programs, count, excuse);
	case MODEL_ACQ_REL:
		return weaken(site, MODEL_ACQUIRE, programs, count, excuse) & weaken(site, MODEL_RELEASE, programs, count, excuse);
	case MODEL_SEQ_CST:
		return strcmp(site->what, "fence") == 0 ? weaken(site, MODEL_ACQ_REL, programs, count, excuse)
							: weaken(site, MODEL_RELAXED, programs, count, excuse);
	}
	return true;
}

static const char *weakened_part;

void model_weaken_only(const char *part)
{
	weakened_part = part;
}

static bool is_to_be_weakened(const struct model_site *site)
{
	if (weakened_part)
		return strstr(site->file, weakened_part) != NULL;
	return strstr(site->file, "include/zokio/") || strstr(site->file, "core/");
}

int model_main(const struct model_program *programs, size_t program_count, const struct model_excuse *excuses, size_t excuse_count)
{
	bool is_right = true;

	for (size_t i = 0; i < program_count; i++) {
		unsigned long executions;
		const char *violation = model_explore(&programs[i], &executions);

		printf("%s: %lu executions, %s\n", programs[i].name, executions, violation ? violation : "all right");
		is_right &= !violation;
	}
	if (!is_right)
		return 1;
	printf("each ordering weakened in turn:\n");
	for (struct model_site *site = search.sites; site; site = site->next)
		if (is_to_be_weakened(site))
			is_right &= weaken_each_way(site, programs, program_count, excuse_of(site, excuses, excuse_count));
	return is_right ? 0 : 1;
}
