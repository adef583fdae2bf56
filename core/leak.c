/* An open hash table of what is alive, under one lock: slabs and chunks are few, and a debug build may wait. */
#include "core/leak.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { ROOM_FIRST = 256 };

struct note {
	const void *memory; /* NULL: free */
	const void *site;
	size_t size;
	bool is_new; /* since begin() */
};

const bool zok__leak_is_watched = true;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct note *notes;
static size_t room, used; /* room: a power of two */

static size_t home_of(const void *memory)
{
	return ((uintptr_t)memory >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (room - 1);
}

/* The note of the memory, or the free place where it would stand. At most half of the table is ever full. */
static struct note *find(const void *memory)
{
	size_t at = home_of(memory);

	while (notes[at].memory != NULL && notes[at].memory != memory)
		at = (at + 1) & (room - 1);
	return &notes[at];
}

static bool grow(void)
{
	struct note *old = notes, *larger;
	size_t old_room = room;

	if (used * 2 < room)
		return true;
	larger = calloc(room ? room * 2 : ROOM_FIRST, sizeof *larger);
	if (larger == NULL)
		return false;
	notes = larger;
	room = room ? room * 2 : ROOM_FIRST;
	for (size_t i = 0; i < old_room; i++)
		if (old[i].memory != NULL)
			*find(old[i].memory) = old[i];
	free(old);
	return true;
}

void zok__leak_note(const void *memory, size_t size, const void *site)
{
	struct note *note;

	if (memory == NULL)
		return;
	pthread_mutex_lock(&lock);
	if (grow()) {
		note = find(memory);
		used += note->memory == NULL;
		*note = (struct note){.memory = memory, .site = site, .size = size, .is_new = true};
	}
	pthread_mutex_unlock(&lock);
}

/* Moves up those behind a gap that could no longer be found over it (Knuth 6.4, algorithm R). */
static void close_gap(size_t gap)
{
	for (size_t at = (gap + 1) & (room - 1); notes[at].memory != NULL; at = (at + 1) & (room - 1)) {
		size_t home = home_of(notes[at].memory);

		if (((at - home) & (room - 1)) < ((at - gap) & (room - 1)))
			continue;
		notes[gap] = notes[at];
		notes[at].memory = NULL;
		gap = at;
	}
}

void zok__leak_forget(const void *memory)
{
	pthread_mutex_lock(&lock);
	if (room > 0 && find(memory)->memory != NULL) {
		struct note *note = find(memory);

		note->memory = NULL;
		used--;
		close_gap((size_t)(note - notes));
	}
	pthread_mutex_unlock(&lock);
}

void zok__leak_begin(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < room; i++)
		notes[i].is_new = false;
	pthread_mutex_unlock(&lock);
}

static size_t add_to_sites(struct zok__leak_site *sites, size_t count, size_t max, const struct note *note)
{
	size_t i = 0;

	while (i < count && sites[i].site != note->site)
		i++;
	if (i == max)
		return count;
	if (i == count)
		sites[count++] = (struct zok__leak_site){.site = note->site};
	sites[i].count++;
	sites[i].bytes += note->size;
	return count;
}

static int compare_bytes(const void *a, const void *b)
{
	size_t first = ((const struct zok__leak_site *)a)->bytes, second = ((const struct zok__leak_site *)b)->bytes;

	return first < second ? 1 : first > second ? -1 : 0;
}

size_t zok__leak_sites(struct zok__leak_site *out, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < room; i++)
		if (notes[i].memory != NULL && notes[i].is_new)
			count = add_to_sites(out, count, max, &notes[i]);
	pthread_mutex_unlock(&lock);
	qsort(out, count, sizeof *out, compare_bytes);
	return count;
}
