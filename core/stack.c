#include "core/stack.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/sanitizer.h"
#include "core/valgrind.h"

/* Linux 6.13; Debian 12's headers do not have it yet. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* Slabs are of this size, or one stack where that is larger. Enough that a system call is rare, few enough that a lone fiber does not matter. */
#define SLAB_SIZE_AIMED ((size_t)1 << 20)

#define COLOUR_STEP ((size_t)ZOK_CACHE_LINE)
#define PAINT	    UINT64_C(0x5a6f6b5061696e74)

/* At the head of its mapping, on a page of its own; the stacks follow, each with its guard below. */
struct zok__stack_slab {
	struct zok_list link; /* in `partial`, or alone */
	struct zok__stack_list *list;
	struct zok__stack *free;
	size_t mapped_size;
	size_t stride;
	size_t guard_size;
	size_t class_size;
	unsigned carved_count;
	unsigned capacity;
	unsigned out_count; /* neither in `free` nor uncarved: acquired, or cached in the list */
};

static void *os_map(void *arg, size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	/* A huge page would make memory of all that one touched stack has below it. EINVAL where the kernel has none: as good. */
	(void)madvise(base, size, MADV_NOHUGEPAGE);
	return base;
}

static void os_unmap(void *arg, void *base, size_t size)
{
	int rc = munmap(base, size);

	assert(rc == 0);
	(void)rc;
}

/* EINVAL: an older kernel, or memory that is locked. Then the guard is a mapping of its own. */
static int os_guard(void *arg, void *base, size_t size)
{
	if (madvise(base, size, MADV_GUARD_INSTALL) == 0 || mprotect(base, size, PROT_NONE) == 0)
		return 0;
	return -errno;
}

const struct zok__stack_source zok__stack_os_source = {.map = os_map, .unmap = os_unmap, .guard = os_guard};

static size_t round_up(size_t size, size_t unit)
{
	assert(unit != 0);
	return (size + unit - 1) / unit * unit;
}

static unsigned class_of(size_t size)
{
	return size <= ZOK__STACK_SIZE_MIN ? 0 : (unsigned)(64 - __builtin_clzll(size - 1)) - 12;
}

void zok__stack_cache_init(struct zok__stack_cache *cache, const struct zok__stack_cache_options *options)
{
	_Static_assert(ZOK__STACK_SIZE_MIN << (ZOK__STACK_CLASS_COUNT - 1) == ZOK__STACK_SIZE_MAX, "a list for each class");
	static const struct zok__stack_cache_options defaults;

	if (options == NULL)
		options = &defaults;
	*cache = (struct zok__stack_cache){
		.source = options->source != NULL ? *options->source : zok__stack_os_source,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
		.cached_bytes_max = options->cached_bytes_max != 0 ? options->cached_bytes_max : ZOK__STACK_CACHED_BYTES_MAX,
	};
	for (unsigned i = 0; i < 2 * ZOK__STACK_CLASS_COUNT; i++)
		zok_list_init(&cache->lists[i / ZOK__STACK_CLASS_COUNT][i % ZOK__STACK_CLASS_COUNT].partial);
}

static struct zok__stack_slab *slab_create(struct zok__stack_cache *cache, struct zok__stack_list *list, unsigned class, bool is_guarded)
{
	size_t class_size = ZOK__STACK_SIZE_MIN << class;
	size_t guard_size = is_guarded ? cache->page_size : 0;
	size_t stride = is_guarded ? round_up(class_size, cache->page_size) + guard_size : class_size;
	unsigned capacity = class_size < SLAB_SIZE_AIMED ? (unsigned)(SLAB_SIZE_AIMED / class_size) : 1;
	size_t mapped_size = round_up(cache->page_size + capacity * stride, cache->page_size);
	struct zok__stack_slab *slab = cache->source.map(cache->source.arg, mapped_size);

	if (slab == NULL)
		return NULL;
	*slab = (struct zok__stack_slab){.list = list,
					 .mapped_size = mapped_size,
					 .stride = stride,
					 .guard_size = guard_size,
					 .class_size = class_size,
					 .capacity = capacity};
	zok_list_push_front(&list->partial, &slab->link);
	cache->mapped_bytes += mapped_size;
	return slab;
}

static char *slab_stride(struct zok__stack_cache *cache, struct zok__stack_slab *slab, unsigned index)
{
	return (char *)slab + cache->page_size + index * slab->stride;
}

/* The descriptor's place within the upper end of the stack. Neighbours differ, as far as a sixteenth of the class allows. */
static struct zok__stack *place_descriptor(struct zok__stack_slab *slab, char *end)
{
	size_t colours = slab->class_size / 16 / COLOUR_STEP;
	size_t colour = slab->carved_count % (colours < 64 ? colours : 64);

	return (struct zok__stack *)(void *)(end - round_up(sizeof(struct zok__stack), COLOUR_STEP) - colour * COLOUR_STEP);
}

static int slab_carve(struct zok__stack_cache *cache, struct zok__stack_slab *slab, struct zok__stack **out)
{
	char *base = slab_stride(cache, slab, slab->carved_count);
	struct zok__stack *stack = place_descriptor(slab, base + slab->stride);
	int rc = slab->guard_size != 0 ? cache->source.guard(cache->source.arg, base, slab->guard_size) : 0;

	if (rc < 0)
		return rc;
	base += slab->guard_size;
	*stack = (struct zok__stack){.base = base,
				     .size = (size_t)((char *)stack - base),
				     .slab = slab,
				     .class_index = (uint8_t)class_of(slab->class_size),
				     .is_guarded = slab->guard_size != 0};
	stack->valgrind_id = zok__valgrind_stack_register(stack->base, stack->size);
	slab->carved_count++;
	*out = stack;
	return 0;
}

/* `slab` has nothing out and nothing cached. */
static void slab_destroy(struct zok__stack_cache *cache, struct zok__stack_slab *slab)
{
	assert(slab->out_count == 0);
	zok_list_remove(&slab->link);
	for (struct zok__stack *stack = slab->free; stack != NULL; stack = stack->next) {
		zok__valgrind_stack_deregister(stack->valgrind_id);
		zok__sanitizer_stack_acquired(stack->base, stack->size);
	}
	cache->mapped_bytes -= slab->mapped_size;
	cache->source.unmap(cache->source.arg, slab, slab->mapped_size);
}

static bool slab_is_full(const struct zok__stack_slab *slab)
{
	return slab->out_count == slab->capacity;
}

static int slab_take(struct zok__stack_cache *cache, struct zok__stack_slab *slab, struct zok__stack **out)
{
	int rc = 0;

	if (slab->free != NULL) {
		*out = slab->free;
		slab->free = slab->free->next;
	} else {
		rc = slab_carve(cache, slab, out);
	}
	if (rc < 0)
		return rc;
	slab->out_count++;
	if (slab_is_full(slab))
		zok_list_remove(&slab->link);
	return 0;
}

static void slab_give(struct zok__stack_cache *cache, struct zok__stack *stack)
{
	struct zok__stack_slab *slab = stack->slab;

	if (slab_is_full(slab))
		zok_list_push_front(&slab->list->partial, &slab->link);
	stack->next = slab->free;
	slab->free = stack;
	if (--slab->out_count == 0)
		slab_destroy(cache, slab);
}

/* Off the warm path: from a slab with room, or from a new one. */
static __attribute__((noinline)) int acquire_cold(struct zok__stack_cache *cache, unsigned class, bool is_guarded, struct zok__stack **out)
{
	struct zok__stack_list *list = &cache->lists[!is_guarded][class];
	struct zok__stack_slab *slab;
	int rc;

	cache->was_short = true;
	if (!zok_list_is_empty(&list->partial))
		slab = ZOK_CONTAINER_OF(list->partial.next, struct zok__stack_slab, link);
	else
		slab = slab_create(cache, list, class, is_guarded);
	if (slab == NULL)
		return -ENOMEM;
	rc = slab_take(cache, slab, out);
	if (rc < 0 && slab->out_count == 0)
		slab_destroy(cache, slab);
	return rc;
}

static __attribute__((noinline)) void paint(struct zok__stack *stack)
{
	uint64_t *words = (uint64_t *)(void *)stack->base;

	for (size_t i = 0; i < stack->size / sizeof *words; i++)
		words[i] = PAINT;
}

int zok__stack_acquire(struct zok__stack_cache *cache, size_t size, unsigned flags, struct zok__stack **out)
{
	unsigned class = class_of(size);
	bool is_guarded = (flags & ZOK__STACK_NO_GUARD) == 0;
	struct zok__stack *stack;
	int rc;

	if (ZOK_UNLIKELY(size > ZOK__STACK_SIZE_MAX))
		return -EINVAL;
	stack = cache->lists[!is_guarded][class].free;
	if (ZOK_LIKELY(stack != NULL)) {
		cache->lists[!is_guarded][class].free = stack->next;
		cache->cached_bytes -= ZOK__STACK_SIZE_MIN << class;
	} else {
		rc = acquire_cold(cache, class, is_guarded, &stack);
		if (rc < 0)
			return rc;
	}
	cache->acquired_count++;
	zok__sanitizer_stack_acquired(stack->base, stack->size);
	stack->is_painted = (flags & ZOK__STACK_PAINT) != 0;
	if (ZOK_UNLIKELY(stack->is_painted))
		paint(stack);
	*out = stack;
	return 0;
}

void zok__stack_release(struct zok__stack_cache *cache, struct zok__stack *stack)
{
	size_t class_size = ZOK__STACK_SIZE_MIN << stack->class_index;
	struct zok__stack_list *list = &cache->lists[!stack->is_guarded][stack->class_index];

	assert(cache->acquired_count > 0);
	cache->acquired_count--;
	zok__sanitizer_stack_released(stack->base, stack->size);
	if (ZOK_UNLIKELY(cache->cached_bytes + class_size > cache->cached_bytes_max)) {
		slab_give(cache, stack);
		return;
	}
	stack->next = list->free;
	list->free = stack;
	cache->cached_bytes += class_size;
}

/* Keeps the head of the list as far as `budget` goes, and returns what is left of it. */
static size_t trim_list(struct zok__stack_cache *cache, struct zok__stack_list *list, size_t class_size, size_t budget)
{
	struct zok__stack **link = &list->free;
	struct zok__stack *stack, *next;

	for (; *link != NULL && budget >= class_size; budget -= class_size)
		link = &(*link)->next;
	stack = *link;
	*link = NULL;
	for (; stack != NULL; stack = next) {
		next = stack->next;
		cache->cached_bytes -= class_size;
		slab_give(cache, stack);
	}
	return budget;
}

void zok__stack_cache_trim(struct zok__stack_cache *cache, size_t cached_bytes)
{
	size_t budget = cached_bytes;

	for (unsigned class = 0; class < ZOK__STACK_CLASS_COUNT; class ++)
		for (unsigned kind = 0; kind < 2; kind++)
			budget = trim_list(cache, &cache->lists[kind][class], ZOK__STACK_SIZE_MIN << class, budget);
	assert(cache->cached_bytes <= cached_bytes);
}

/* The largest first: the fewest slabs for the most memory. */
static struct zok__stack_list *largest(struct zok__stack_cache *cache)
{
	for (unsigned i = 2 * ZOK__STACK_CLASS_COUNT; i-- > 0;)
		if (cache->lists[i % 2][i / 2].free != NULL)
			return &cache->lists[i % 2][i / 2];
	return NULL;
}

static void give_first(struct zok__stack_cache *cache, struct zok__stack_list *list)
{
	struct zok__stack *stack = list->free;

	list->free = stack->next;
	cache->cached_bytes -= ZOK__STACK_SIZE_MIN << stack->class_index;
	slab_give(cache, stack);
}

bool zok__stack_cache_age(struct zok__stack_cache *cache)
{
	size_t end = cache->cached_bytes > ZOK__STACK_AGED_BYTES ? cache->cached_bytes - ZOK__STACK_AGED_BYTES : 0;
	bool was_short = cache->was_short;

	cache->was_short = false;
	if (was_short || cache->cached_bytes <= ZOK__STACK_KEPT_BYTES)
		return false;
	while (cache->cached_bytes > end && cache->cached_bytes > ZOK__STACK_KEPT_BYTES)
		give_first(cache, largest(cache));
	return cache->cached_bytes > ZOK__STACK_KEPT_BYTES;
}

void zok__stack_cache_finish(struct zok__stack_cache *cache)
{
	assert(cache->acquired_count == 0);
	zok__stack_cache_trim(cache, 0);
	assert(cache->mapped_bytes == 0);
}

/* Reads what fibers have left, also where a sanitizer holds it for poisoned. */
static __attribute__((no_sanitize("address"))) size_t untouched_words(const struct zok__stack *stack)
{
	const uint64_t *words = (const uint64_t *)(const void *)stack->base;
	size_t i = 0;

	while (i < stack->size / sizeof *words && words[i] == PAINT)
		i++;
	return i * sizeof *words;
}

/* The pages of the stack from below, a window at a time, up to the first that is in memory. */
static ssize_t untouched_pages(const struct zok__stack *stack)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t count = round_up(stack->size, page) / page;
	unsigned char is_resident[256];

	for (size_t i = 0; i < count; i++) {
		if (i % sizeof is_resident == 0) {
			size_t window = count - i < sizeof is_resident ? count - i : sizeof is_resident;

			if (mincore(stack->base + i * page, window * page, is_resident) != 0)
				return -errno;
		}
		if (is_resident[i % sizeof is_resident] & 1)
			return (ssize_t)(i * page);
	}
	return (ssize_t)stack->size;
}

ssize_t zok__stack_high_water(const struct zok__stack *stack)
{
	ssize_t untouched = stack->is_painted ? (ssize_t)untouched_words(stack) : untouched_pages(stack);

	return untouched < 0 ? untouched : (ssize_t)stack->size - untouched;
}
