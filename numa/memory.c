#include "numa/memory.h"

#include <assert.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "numa/node.h"

/* Linux 5.14. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define PAGE_2M (2 * MIB)
#define PAGE_1G GIB

/* From mman.h's encoding: the page size's logarithm above MAP_HUGE_SHIFT. */
#define FLAGS_2M (MAP_HUGETLB | (21 << MAP_HUGE_SHIFT))
#define FLAGS_1G (MAP_HUGETLB | (30 << MAP_HUGE_SHIFT))

/* One call of zok__region_map() on its way. */
struct attempt {
	const struct zok__region_wish *wish;
	const struct zok__memory_calls *calls;
	const char *root;
	struct zok__region region;
	struct zok__bitset nodes; /* that the policy will name; empty: no policy */
	struct zok__bitset usable;
	bool knows_nodes; /* `usable` could be read */
	char error[ZOK__MEMORY_TEXT_SIZE];
};

/* ---- Words ---- */

static ZOK_PRINTF(2, 3) void note(struct attempt *attempt, const char *format, ...)
{
	char *why = attempt->region.why;
	size_t used = strlen(why);
	va_list args;

	if (used > 0)
		used += (size_t)snprintf(why + used, sizeof attempt->region.why - used, "; ");
	if (used >= sizeof attempt->region.why)
		return;
	va_start(args, format);
	vsnprintf(why + used, sizeof attempt->region.why - used, format, args);
	va_end(args);
}

/* Fails the whole call with a line. */
static ZOK_PRINTF(3, 4) int refuse(struct attempt *attempt, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(attempt->error, sizeof attempt->error, format, args);
	va_end(args);
	return rc;
}

struct size_text {
	char text[32];
};

/* In the largest unit that keeps it whole, or almost: free memory is never a round figure. */
static struct size_text size_text(uint64_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	struct size_text out;
	size_t unit = 0;

	for (; unit < 4 && size >= KIB && (size % KIB == 0 || size >= 64 * KIB); unit++)
		size /= KIB;
	snprintf(out.text, sizeof out.text, "%llu %s", (unsigned long long)size, units[unit]);
	return out;
}

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

/* ---- Which nodes ---- */

static bool is_strict(const struct attempt *attempt)
{
	return attempt->wish->policy == ZOK__MEMORY_STRICT;
}

static void aim_at(struct attempt *attempt, int node)
{
	attempt->nodes = (struct zok__bitset){{0}};
	zok__bitset_add(&attempt->nodes, node);
	attempt->region.node_got = node;
}

/* The node exists and gives nothing: the firmware says who is near. */
static int aim_at_neighbour(struct attempt *attempt, int node)
{
	int distance, nearest = zok__node_nearest(attempt->root, node, &attempt->usable, &distance);

	if (nearest < 0)
		return refuse(attempt, -ENOMEM, "node %d: no node has memory that this process may use", node);
	if (is_strict(attempt))
		return refuse(attempt, -ENOMEM, "node %d has no memory that this process may use; the nearest that has is node %d", node,
			      nearest);
	note(attempt, "node %d has no memory that this process may use: took node %d, the nearest that has (distance %d)", node, nearest,
	     distance);
	aim_at(attempt, nearest);
	return 0;
}

static int aim_at_nothing(struct attempt *attempt, int node)
{
	char there[64];

	zok__bitset_format(&attempt->usable, there, sizeof there);
	if (is_strict(attempt))
		return refuse(attempt, -EINVAL, "node %d: no such node here; memory is on %s", node, there);
	note(attempt, "node %d: no such node here, memory is on %s: left to the kernel", node, there);
	return 0;
}

static int choose_node(struct attempt *attempt)
{
	struct zok__bitset online;
	int node = attempt->wish->node;

	if (node < 0)
		return 0;
	if (node >= ZOK__BITSET_MAX)
		return aim_at_nothing(attempt, node);
	if (!attempt->knows_nodes || zok__bitset_has(&attempt->usable, node)) {
		aim_at(attempt, node); /* not known: the kernel will say */
		return 0;
	}
	if (zok__nodes_online(attempt->root, &online) == 0 && zok__bitset_has(&online, node))
		return aim_at_neighbour(attempt, node);
	return aim_at_nothing(attempt, node);
}

static int choose_nodes(struct attempt *attempt)
{
	attempt->knows_nodes = zok__nodes_usable(attempt->root, &attempt->usable) == 0;
	if (attempt->wish->policy != ZOK__MEMORY_INTERLEAVE)
		return choose_node(attempt);
	if (!attempt->knows_nodes)
		note(attempt, "interleave: /sys shows no nodes: left to the kernel");
	attempt->nodes = attempt->usable;
	return 0;
}

static size_t node_count(const struct zok__bitset *nodes)
{
	size_t count = 0;

	for (int node = -1; (node = zok__bitset_next(nodes, node)) >= 0;)
		count++;
	return count;
}

/* ---- The policy ---- */

static int mode_of(enum zok__memory_policy policy)
{
	static const int modes[] = {
		[ZOK__MEMORY_PREFERRED] = MPOL_PREFERRED,
		[ZOK__MEMORY_STRICT] = MPOL_BIND,
		[ZOK__MEMORY_INTERLEAVE] = MPOL_INTERLEAVE,
	};

	return modes[policy];
}

/* With one node that has memory, there is nowhere else for it to come from. */
static bool is_only_node(const struct attempt *attempt)
{
	return attempt->knows_nodes && node_count(&attempt->usable) == 1 &&
	       zok__bitset_next(&attempt->usable, -1) == zok__bitset_next(&attempt->nodes, -1);
}

static int bind_refused(struct attempt *attempt, int rc)
{
	attempt->region.is_refused = true;
	if (is_strict(attempt) && !is_only_node(attempt))
		return refuse(attempt, rc, "node %d: strict memory is not to be had: mbind: %s", attempt->wish->node, strerror(-rc));
	if (attempt->region.node_got >= 0 || attempt->wish->policy == ZOK__MEMORY_INTERLEAVE)
		note(attempt, "mbind: %s: left to the kernel", strerror(-rc));
	attempt->region.node_got = -1;
	attempt->nodes = (struct zok__bitset){{0}};
	return 0;
}

static int bind_region(struct attempt *attempt, void *memory, size_t size)
{
	int rc;

	if (zok__bitset_is_empty(&attempt->nodes))
		return 0;
	rc = attempt->calls->bind(memory, size, mode_of(attempt->wish->policy), &attempt->nodes);
	return rc < 0 ? bind_refused(attempt, rc) : 0;
}

/* MPOL_BIND on a short node ends with the OOM killer, not with an errno: so look first. What is taken in between is a race that we lose. */
static int check_room(struct attempt *attempt, size_t size)
{
	int node = zok__bitset_next(&attempt->nodes, -1);
	int64_t free_bytes;

	if (!is_strict(attempt) || node < 0)
		return 0;
	free_bytes = zok__node_free_bytes(attempt->root, node);
	if (free_bytes < 0 || (uint64_t)free_bytes >= size)
		return 0;
	return refuse(attempt, -ENOMEM, "node %d: %s of strict memory asked for, %s free there", node, size_text(size).text,
		      size_text((uint64_t)free_bytes).text);
}

/* ---- Touching ---- */

static void touch(void *memory, size_t size, size_t page_size)
{
	for (size_t offset = 0; offset < size; offset += page_size)
		*(volatile char *)((char *)memory + offset) = 0;
}

static int populate(struct attempt *attempt, void *memory, size_t size)
{
	int rc = attempt->calls->advise(memory, size, MADV_POPULATE_WRITE);

	/* An older kernel, or a sandbox that knows none newer. Normal pages may be touched by hand. */
	if (rc == -EINVAL || rc == -ENOSYS || rc == -EPERM) {
		touch(memory, size, (size_t)sysconf(_SC_PAGESIZE));
		return 0;
	}
	if (rc < 0)
		return refuse(attempt, -ENOMEM, "%s could not be faulted in: %s", size_text(size).text, strerror(-rc));
	return 0;
}

/* ---- Reserved huge pages ---- */

/* Whether each node has its part free. A look, not a claim: populating decides. */
static int check_reserved(struct attempt *attempt, size_t count, size_t page_size)
{
	size_t nodes = node_count(&attempt->nodes);
	size_t each = nodes > 1 ? (count + nodes - 1) / nodes : count;

	for (int node = -1; (node = zok__bitset_next(&attempt->nodes, node)) >= 0;) {
		int64_t free_count = zok__node_huge_free(attempt->root, node, page_size);

		if (free_count < 0 || (uint64_t)free_count >= each)
			continue; /* not shown: the mapping will tell */
		note(attempt, "%s pages: %zu needed on node %d, %lld free", size_text(page_size).text, each, node, (long long)free_count);
		return -ENOMEM;
	}
	return 0;
}

/* A page that is not there would be SIGBUS at its first touch; a kernel that cannot say so beforehand gets no huge pages from us. */
static int fault_in_reserved(struct attempt *attempt, void *memory, size_t size, size_t page_size)
{
	int rc = attempt->calls->advise(memory, size, MADV_POPULATE_WRITE);

	if (rc < 0)
		note(attempt, "%s pages: not to be had on touch: %s", size_text(page_size).text, strerror(-rc));
	return rc;
}

/* 1: got; 0: not, and why is noted; negative: the call is refused. */
static int try_reserved(struct attempt *attempt, size_t page_size, int flags)
{
	size_t size = round_up(attempt->wish->size, page_size);
	void *memory;
	int rc;

	if (check_reserved(attempt, size / page_size, page_size) < 0)
		return 0;
	rc = attempt->calls->map(size, flags, &memory);
	if (rc < 0) {
		note(attempt, "%s pages: %s", size_text(page_size).text, rc == -ENOMEM ? "not enough are reserved" : strerror(-rc));
		return 0;
	}
	rc = bind_region(attempt, memory, size);
	if (rc < 0 || fault_in_reserved(attempt, memory, size, page_size) < 0) {
		munmap(memory, size);
		return rc;
	}
	attempt->region.memory = memory;
	attempt->region.size = size;
	attempt->region.page_size = page_size;
	attempt->region.kind = ZOK__PAGES_RESERVED;
	return 1;
}

/* Asked for by name a size is used whatever it wastes; by itself, only where an eighth at most is. */
static bool is_wished(const struct attempt *attempt, size_t page_size)
{
	enum zok__page_wish pages = attempt->wish->pages;
	size_t size = attempt->wish->size;

	if (pages == ZOK__PAGES_AUTO)
		return round_up(size, page_size) - size <= size / 8;
	return pages == ZOK__PAGES_1G || (pages == ZOK__PAGES_2M && page_size == PAGE_2M);
}

/* ---- Other pages ---- */

/* Cuts what sticks out of an aligned piece. */
static void *trim(void *memory, size_t mapped_size, size_t size, size_t alignment)
{
	uintptr_t from = (uintptr_t)memory, begin = round_up(from, alignment), end = from + mapped_size;

	if (begin > from)
		munmap(memory, begin - from);
	if (end > begin + size)
		munmap((void *)(begin + size), end - begin - size);
	return (void *)begin;
}

static int map_aligned(struct attempt *attempt, size_t size, size_t alignment, void **out)
{
	size_t slack = alignment > (size_t)sysconf(_SC_PAGESIZE) ? alignment : 0;
	int rc = attempt->calls->map(size + slack, 0, out);

	if (rc < 0)
		return refuse(attempt, rc, "%s could not be mapped: %s", size_text(size).text, strerror(-rc));
	if (slack > 0)
		*out = trim(*out, size + slack, size, alignment);
	return 0;
}

static bool wants_transparent(struct attempt *attempt)
{
	if (attempt->wish->pages == ZOK__PAGES_OFF || attempt->wish->size < PAGE_2M)
		return false;
	if (zok__transparent_is_on(attempt->root))
		return true;
	note(attempt, "transparent huge pages are off");
	return false;
}

static int prepare_pages(struct attempt *attempt, void *memory, size_t size, bool is_transparent)
{
	int rc = bind_region(attempt, memory, size);

	if (rc < 0)
		return rc;
	attempt->region.kind = is_transparent ? ZOK__PAGES_TRANSPARENT : ZOK__PAGES_NORMAL;
	rc = attempt->calls->advise(memory, size, is_transparent ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	/* EINVAL without transparent huge pages in the kernel: then normal ones are what there is. */
	if (rc < 0 && is_transparent) {
		note(attempt, "transparent huge pages: %s", strerror(-rc));
		attempt->region.kind = ZOK__PAGES_NORMAL;
	}
	return attempt->wish->is_populated || is_strict(attempt) ? populate(attempt, memory, size) : 0;
}

static int map_pages(struct attempt *attempt)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	bool is_transparent = wants_transparent(attempt);
	size_t size = round_up(attempt->wish->size, is_transparent ? PAGE_2M : page_size);
	void *memory = NULL;
	int rc = check_room(attempt, size);

	if (rc == 0)
		rc = map_aligned(attempt, size, is_transparent ? PAGE_2M : page_size, &memory);
	if (rc < 0)
		return rc;
	rc = prepare_pages(attempt, memory, size, is_transparent);
	if (rc < 0) {
		munmap(memory, size);
		return rc;
	}
	attempt->region.memory = memory;
	attempt->region.size = size;
	attempt->region.page_size = attempt->region.kind == ZOK__PAGES_TRANSPARENT ? PAGE_2M : page_size;
	return 0;
}

static int map_largest(struct attempt *attempt)
{
	int rc = 0;

	if (is_wished(attempt, PAGE_1G))
		rc = try_reserved(attempt, PAGE_1G, FLAGS_1G);
	if (rc == 0 && is_wished(attempt, PAGE_2M))
		rc = try_reserved(attempt, PAGE_2M, FLAGS_2M);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return map_pages(attempt);
}

static struct attempt begin(const struct zok__region_wish *wish)
{
	return (struct attempt){
		.wish = wish,
		.calls = wish->calls != NULL ? wish->calls : &zok__memory_calls,
		.root = wish->root != NULL ? wish->root : "",
		.region = {.policy = wish->policy, .node_asked = wish->node, .node_got = -1},
	};
}

int zok__region_map(const struct zok__region_wish *wish, struct zok__region *out, char *error, size_t error_size)
{
	struct attempt attempt = begin(wish);
	int rc;

	assert(wish->policy <= ZOK__MEMORY_INTERLEAVE && wish->pages <= ZOK__PAGES_1G);
	if (wish->size == 0)
		rc = refuse(&attempt, -EINVAL, "0 bytes of memory asked for");
	else if (wish->size > SIZE_MAX / 2)
		rc = refuse(&attempt, -ENOMEM, "%zu bytes of memory asked for: no machine has them", wish->size);
	else
		rc = choose_nodes(&attempt);
	if (rc == 0)
		rc = map_largest(&attempt);
	if (rc < 0) {
		snprintf(error, error_size, "%s", attempt.error);
		return rc;
	}
	*out = attempt.region;
	return 0;
}

void zok__region_unmap(struct zok__region *region)
{
	int rc = region->memory != NULL ? munmap(region->memory, region->size) : 0;

	/* Fails only for a pointer or a size that is not ours. */
	assert(rc == 0);
	(void)rc;
	*region = (struct zok__region){.memory = NULL};
}

int zok__region_bind(const struct zok__region_wish *wish, void *memory)
{
	struct attempt attempt = begin(wish);
	int rc = choose_nodes(&attempt);

	if (rc == 0)
		rc = check_room(&attempt, wish->size);
	return rc < 0 ? rc : bind_region(&attempt, memory, wish->size);
}

/* ---- Reading back ---- */

static void count_pages(const struct zok__region *region, const int *nodes, size_t count, struct zok__residence *out)
{
	for (size_t i = 0; i < count; i++) {
		if (nodes[i] < 0)
			out->absent++; /* -ENOENT; -EFAULT for the page of zeroes that was only read */
		else if (region->node_got < 0 || nodes[i] == region->node_got)
			out->on_node++;
		else
			out->elsewhere++;
	}
}

int zok__region_where(const struct zok__region *region, const struct zok__memory_calls *calls, struct zok__residence *out)
{
	enum { WINDOW = 512 };
	/* Transparent pages come and go: each normal page of them is asked about. */
	size_t step = region->kind == ZOK__PAGES_RESERVED ? region->page_size : (size_t)sysconf(_SC_PAGESIZE);
	struct zok__residence residence = {0};
	void *pages[WINDOW];
	int nodes[WINDOW];

	if (calls == NULL)
		calls = &zok__memory_calls;
	for (size_t offset = 0; offset < region->size;) {
		size_t count = 0;
		int rc;

		for (; count < WINDOW && offset < region->size; offset += step)
			pages[count++] = (char *)region->memory + offset;
		rc = calls->where(pages, nodes, count);
		if (rc < 0)
			return rc;
		count_pages(region, nodes, count, &residence);
	}
	*out = residence;
	return 0;
}

int zok__region_describe(const struct zok__region *region, char *text, size_t size)
{
	static const char *const kinds[] = {
		[ZOK__PAGES_NORMAL] = "pages",
		[ZOK__PAGES_TRANSPARENT] = "transparent pages",
		[ZOK__PAGES_RESERVED] = "reserved pages",
	};
	char where[48] = "on no node in particular";

	if (region->policy == ZOK__MEMORY_INTERLEAVE && !region->is_refused)
		snprintf(where, sizeof where, "interleaved");
	else if (region->node_got >= 0)
		snprintf(where, sizeof where, "on node %d", region->node_got);
	return snprintf(text, size, "%s %s, %s %s", size_text(region->size).text, where, size_text(region->page_size).text,
			kinds[region->kind]);
}
