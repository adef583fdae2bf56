/* The memory of the model: stores, views, and races between plain accesses. */
#include "tests/model/memory.h"

#include <assert.h>
#include <string.h>

struct store {
	uint64_t value;
	struct view carries; /* what an acquiring reader gains */
};

struct location {
	const void *address;
	size_t size;
	unsigned count;
	struct store stores[STORES_MAX]; /* in modification order, which is the order of execution */
};

struct knower {
	struct view current;
	struct view pending;  /* what relaxed loads read: an acquire fence would join it */
	struct view released; /* at the last fence: what relaxed stores carry */
};

/* The plain accesses to one address so far: the clock of the last write, and of each thread's last read. */
struct cell {
	const void *address;
	bool is_written;
	unsigned writer;
	uint8_t written;
	uint8_t read[MODEL_THREADS_MAX];
};

static struct {
	struct location locations[LOCATIONS_MAX];
	unsigned location_count;
	struct cell cells[CELLS_MAX];
	unsigned cell_count;
	struct knower threads[MODEL_THREADS_MAX];
	struct view fences; /* the global view of seq_cst fences */
} memory;

void memory_reset(void)
{
	memory.location_count = memory.cell_count = 0;
	memset(memory.threads, 0, sizeof memory.threads);
	memset(&memory.fences, 0, sizeof memory.fences);
	for (unsigned thread = 0; thread < MODEL_THREADS_MAX; thread++)
		memory.threads[thread].current.clock[thread] = 1;
}

static void join(struct view *view, const struct view *other)
{
	for (unsigned i = 0; i < memory.location_count; i++)
		if (view->seen[i] < other->seen[i])
			view->seen[i] = other->seen[i];
	for (unsigned i = 0; i < MODEL_THREADS_MAX; i++)
		if (view->clock[i] < other->clock[i])
			view->clock[i] = other->clock[i];
}

unsigned memory_location(const void *address, size_t size)
{
	struct location *location;
	unsigned i;

	for (i = 0; i < memory.location_count; i++)
		if (memory.locations[i].address == address)
			return i;
	assert(i < LOCATIONS_MAX && size <= sizeof(uint64_t));
	location = &memory.locations[memory.location_count++];
	location->address = address;
	location->size = size;
	location->count = 1;
	memset(&location->stores[0], 0, sizeof location->stores[0]);
	memcpy(&location->stores[0].value, address, size);
	return i;
}

static const struct store *readable(unsigned thread, unsigned location, unsigned choice)
{
	const struct location *at = &memory.locations[location];

	assert(choice < memory_readable(thread, location));
	return &at->stores[at->count - 1 - choice];
}

unsigned memory_readable(unsigned thread, unsigned location)
{
	return memory.locations[location].count - memory.threads[thread].current.seen[location];
}

uint64_t memory_value(unsigned thread, unsigned location, unsigned choice)
{
	return readable(thread, location, choice)->value;
}

static bool is_acquire(enum model_order order)
{
	return order == MODEL_ACQUIRE || order == MODEL_ACQ_REL || order == MODEL_SEQ_CST;
}

static bool is_release(enum model_order order)
{
	return order == MODEL_RELEASE || order == MODEL_ACQ_REL || order == MODEL_SEQ_CST;
}

static void read_store(unsigned thread, unsigned location, const struct store *store, enum model_order order)
{
	struct knower *knower = &memory.threads[thread];

	knower->current.seen[location] = (uint8_t)(store - memory.locations[location].stores);
	join(is_acquire(order) ? &knower->current : &knower->pending, &store->carries);
}

void memory_load(unsigned thread, unsigned location, unsigned choice, enum model_order order, void *value, size_t size)
{
	const struct store *store = readable(thread, location, choice);

	assert(size == memory.locations[location].size);
	memcpy(value, &store->value, size);
	read_store(thread, location, store, order);
}

bool memory_has_seen_all(unsigned thread, unsigned location)
{
	return memory_readable(thread, location) == 1;
}

void memory_store(unsigned thread, unsigned location, const void *value, size_t size, enum model_order order, bool is_update)
{
	struct location *at = &memory.locations[location];
	struct knower *knower = &memory.threads[thread];
	struct store *last = &at->stores[at->count - 1], *store = last + 1;

	assert(at->count < STORES_MAX && size == at->size);
	if (is_update)
		read_store(thread, location, last, order);
	at->count++;
	store->value = 0;
	memcpy(&store->value, value, size);
	memcpy((void *)(uintptr_t)at->address, value, size);
	knower->current.seen[location] = (uint8_t)(at->count - 1);
	store->carries = is_release(order) ? knower->current : knower->released;
	if (is_update)
		join(&store->carries, &last->carries);
	if (is_release(order))
		knower->current.clock[thread]++;
}

void memory_fence(unsigned thread, enum model_order order)
{
	struct knower *knower = &memory.threads[thread];

	if (is_acquire(order))
		join(&knower->current, &knower->pending);
	if (order == MODEL_SEQ_CST) {
		/* Only which stores must be seen passes from fence to fence, no happens-before. */
		for (unsigned i = 0; i < memory.location_count; i++)
			if (knower->current.seen[i] < memory.fences.seen[i])
				knower->current.seen[i] = memory.fences.seen[i];
		memcpy(memory.fences.seen, knower->current.seen, sizeof memory.fences.seen);
	}
	if (is_release(order)) {
		knower->released = knower->current;
		knower->current.clock[thread]++;
	}
}

static struct cell *cell_at(const void *address)
{
	for (unsigned i = 0; i < memory.cell_count; i++)
		if (memory.cells[i].address == address)
			return &memory.cells[i];
	assert(memory.cell_count < CELLS_MAX);
	memory.cells[memory.cell_count] = (struct cell){.address = address};
	return &memory.cells[memory.cell_count++];
}

bool memory_plain_races(unsigned thread, const void *address, bool is_write)
{
	struct cell *cell = cell_at(address);
	const uint8_t *clock = memory.threads[thread].current.clock;
	bool is_racing = cell->is_written && cell->written > clock[cell->writer];

	for (unsigned i = 0; i < MODEL_THREADS_MAX && is_write; i++)
		is_racing |= cell->read[i] > clock[i];
	if (is_write) {
		cell->is_written = true;
		cell->writer = thread;
		cell->written = clock[thread];
	} else {
		cell->read[thread] = clock[thread];
	}
	return is_racing;
}
