/*
 * What an allocation and its release cost where sizes are mixed and a thousand blocks live: our allocators behind struct zok_allocator, and the C
 * library's and others' malloc. The peers are opened at run time (their malloc stays theirs: this program's own is glibc's), so one that is not
 * installed, or that cannot be opened late, is left out.
 */
#include "perf/bench/bench.h"

#include "core/heap.h"
#include "zokio/allocators.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

enum { LIVE = 1024, TURNS = 2000000, SIZES = 4096 };

/* Requests of 16 bytes to 1 KiB, small ones more often; the same in every round and for everyone. */
static uint16_t sizes[SIZES];
static uint16_t places[SIZES];

static void draw(void)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (int i = 0; i < SIZES; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		sizes[i] = (uint16_t)(16 + (state >> 40) % (16u << ((state >> 33) % 7)));
		places[i] = (uint16_t)((state >> 20) % LIVE);
	}
}

struct block {
	void *memory;
	size_t size;
};

/* A release and an allocation a turn, in ns. The first word is written, as its owner would. */
static double churn(const struct zok_allocator *allocator)
{
	static struct block live[LIVE];
	uint64_t begun_ns;

	bench_pin(0);
	for (int i = 0; i < LIVE; i++)
		live[i] = (struct block){allocator->allocate(allocator->arg, sizes[i], 16), sizes[i]};
	begun_ns = bench_now_ns();
	for (unsigned i = 0; i < TURNS; i++) {
		struct block *block = &live[places[i % SIZES]];

		allocator->release(allocator->arg, block->memory, block->size);
		block->size = sizes[(i + i / SIZES) % SIZES];
		block->memory = allocator->allocate(allocator->arg, block->size, 16);
		if (!block->memory)
			return NAN;
		*(volatile char *)block->memory = 1;
	}
	begun_ns = bench_now_ns() - begun_ns;
	for (int i = 0; i < LIVE; i++)
		allocator->release(allocator->arg, live[i].memory, live[i].size);
	return (double)begun_ns / TURNS;
}

static double adaptive(void *arg)
{
	struct zok_adaptive_allocator allocator;
	double ns;

	zok_adaptive_allocator_init(&allocator, NULL);
	ns = churn(&allocator.face);
	zok_adaptive_allocator_finish(&allocator);
	return ns;
}

/* Every block of the largest size: what the pool's one size saves in time. */
static double pool(void *arg)
{
	const struct zok_pool_options options = {.object_size = 1040};
	struct zok_pool_allocator allocator;
	double ns;

	if (zok_pool_allocator_init(&allocator, &options) < 0)
		return NAN;
	ns = churn(&allocator.face);
	zok_pool_allocator_finish(&allocator);
	return ns;
}

static double heap(void *arg)
{
	const struct zok__heap_options options = {.node = -1};
	struct zok__heap *core_heap;
	double ns;

	if (zok__heap_create(&core_heap, &options) < 0)
		return NAN;
	ns = churn(zok__heap_allocator(core_heap));
	zok__heap_destroy(core_heap);
	return ns;
}

static double general(void *arg)
{
	struct zok_general_allocator allocator;

	zok_general_allocator_init(&allocator);
	return churn(&allocator.face);
}

/* ---- The peers: bare malloc and free behind the same two pointers ---- */

struct peer {
	const char *library, *allocate_name, *release_name;
	void *(*allocate)(size_t size);
	void (*release)(void *memory);
};

static void *peer_allocate(void *arg, size_t size, size_t alignment)
{
	return ((struct peer *)arg)->allocate(size);
}

static void peer_release(void *arg, void *memory, size_t size)
{
	((struct peer *)arg)->release(memory);
}

static bool open_peer(struct peer *peer)
{
	void *library;

	if (peer->allocate)
		return true;
	library = dlopen(peer->library, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
	*(void **)(void *)&peer->allocate = dlsym(library, peer->allocate_name);
	*(void **)(void *)&peer->release = dlsym(library, peer->release_name);
	return peer->allocate && peer->release;
}

static double theirs(void *arg)
{
	const struct zok_allocator face = {.allocate = peer_allocate, .release = peer_release, .arg = arg};

	return open_peer(arg) ? churn(&face) : NAN;
}

int main(int argc, char **argv)
{
	static struct peer glibc = {.allocate = malloc, .release = free};
	static struct peer jemalloc = {.library = "libjemalloc.so.2", .allocate_name = "malloc", .release_name = "free"};
	static struct peer tcmalloc = {.library = "libtcmalloc_minimal.so.4", .allocate_name = "tc_malloc", .release_name = "tc_free"};
	static struct peer mimalloc = {.library = "libmimalloc.so.2.0", .allocate_name = "mi_malloc", .release_name = "mi_free"};
	const struct bench_question question = {
		.name = "alloc_mixed", .unit = "ns", .subject = "zokio adaptive", .against = "glibc malloc"};
	const struct bench_case cases[] = {
		{"zokio adaptive", adaptive, NULL}, {"zokio pool", pool, NULL},	      {"zokio core heap", heap, NULL},
		{"zokio general", general, NULL},   {"glibc malloc", theirs, &glibc}, {"jemalloc", theirs, &jemalloc},
		{"tcmalloc", theirs, &tcmalloc},    {"mimalloc", theirs, &mimalloc},
	};

	bench_init(argc, argv);
	draw();
	bench_ask(&question, cases, sizeof cases / sizeof *cases);
	return 0;
}
