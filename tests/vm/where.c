/*
 * Starts a runtime and says, a line a core, where the kernel has put what belongs to it, as move_pages(2) tells:
 *
 *	core 2: cpu 2, node 1, stack 1, record 1, mailboxes 1, buffers 1
 *
 * Each word's number is the node of its pages, "0+1" where they lie on several, "-" where none has been touched. What is right is for
 * scenarios.py to say. Usage: where CORES ENGINE
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NODES_MAX = 8, TEXT_SIZE = 64 };

/* The nodes of all pages of a range, as text. */
static const char *nodes_of(const void *memory, size_t size, char text[TEXT_SIZE])
{
	uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE), page = (uintptr_t)memory & ~(page_size - 1);
	bool has[NODES_MAX] = {false};
	size_t used = 0;

	for (; page < (uintptr_t)memory + size; page += page_size) {
		void *address = (void *)page;
		int node = -1;

		/* Without a target node the call moves nothing and tells where the page is. */
		if (syscall(SYS_move_pages, 0, 1UL, &address, NULL, &node, 0) < 0)
			return strerror(errno);
		if (node >= 0 && node < NODES_MAX)
			has[node] = true;
	}
	text[0] = '\0';
	for (int node = 0; node < NODES_MAX; node++)
		if (has[node])
			used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%d", used ? "+" : "", node);
	return used ? text : "-";
}

static int tell(void *arg)
{
	struct zok_core *core = zok__core();
	const struct zok__stack *stack = zok__fiber_of(core->current)->stack;
	char texts[4][TEXT_SIZE];
	unsigned cpu, node;

	if (getcpu(&cpu, &node) < 0)
		return -errno;
	printf("core %u: cpu %u, node %u, stack %s, record %s, mailboxes %s, buffers %s\n", core->options.index, cpu, node,
	       nodes_of(stack->base, stack->size, texts[0]), nodes_of(core, sizeof *core, texts[1]),
	       nodes_of(core->mail.boxes, core->options.core_count * sizeof *core->mail.boxes, texts[2]),
	       nodes_of(core->bufs.memory, (size_t)core->bufs.count * core->bufs.stride, texts[3]));
	return 0;
}

/* Nobody receives here. Where the pages of a core's buffers lie must not depend on who touches them first: here that is the first core. */
static void touch_all_buffers(void)
{
	for (unsigned i = 0; i < zok_core_count(); i++) {
		const struct zok__bufs *bufs = &zok__runtime()->cores[i]->bufs;

		memset(bufs->memory, 0, (size_t)bufs->count * bufs->stride);
	}
}

/* One core after another: lines do not mix. */
static int tell_all(void *arg)
{
	char report[4096];
	int rc = 0;

	if (zok_engine_report(report, sizeof report) > 0)
		fputs(report, stdout);
	touch_all_buffers();
	for (unsigned i = 0; rc == 0 && i < zok_core_count(); i++)
		rc = zok_call_on(i, tell, NULL);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: where CORES ENGINE\n");
		return 2;
	}
	return zok_run(&(struct zok_options){.cores = argv[1], .engine = argv[2]}, tell_all, NULL) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
