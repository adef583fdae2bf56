#include "core/context.h"

/* makecontext() passes ints only: the address comes in two halves. */
static void start(unsigned high, unsigned low)
{
	struct zok__context *context = (struct zok__context *)((uintptr_t)high << 16 << 16 | low);

	context->entry(context->arg);
	abort(); /* the entry returned */
}

void zok__context_init(struct zok__context *context, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg)
{
	uintptr_t address = (uintptr_t)context;

	assert(entry != NULL);
	context->entry = entry;
	context->arg = arg;
	if (getcontext(&context->state) != 0)
		abort();
	context->state.uc_stack.ss_sp = stack_base;
	context->state.uc_stack.ss_size = stack_size;
	context->state.uc_link = NULL;
	makecontext(&context->state, (void (*)(void))(uintptr_t)start, 2, (unsigned)(address >> 16 >> 16), (unsigned)address);
}
