/* Tells in words what the handlers of the stall detector have written down. On a thread of its own: a core that stalls says nothing itself. */
#include "runtime/stall.h"

#include "core/log.h"
#include "runtime/symbols.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { COMMANDS_MAX = 3, COMMAND_SIZE = 448 };

static const char *class_name(unsigned task_class)
{
	static const char *const names[] = {"", "latency", "normal", "bulk"};

	return task_class < sizeof names / sizeof *names ? names[task_class] : "";
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A return address is that of the next line: the call lies before it. */
static const void *code_of(const struct zok__stall_report *report, unsigned frame)
{
	return (const char *)report->frames[frame] - (frame > 0 ? 1 : 0);
}

static void tell_frame(unsigned core, unsigned number, const void *address, const struct zok__symbol *symbol)
{
	char name[ZOK__SYMBOL_NAME_SIZE + 24] = "?";

	if (symbol->name[0] != '\0')
		snprintf(name, sizeof name, "%s+0x%llx", symbol->name, (unsigned long long)symbol->offset);
	zok__log(ZOK_LOG_WARN, "stall: core %u:   #%u %p %s (%s+0x%llx)", core, number, address, name, base_name(symbol->module),
		 (unsigned long long)symbol->module_offset);
}

/* The command that names files and lines, a module each. */
struct command {
	char module[ZOK__SYMBOL_PATH_SIZE];
	char text[COMMAND_SIZE];
	size_t used;
};

static struct command *command_of(struct command *commands, const char *module)
{
	for (int i = 0; i < COMMANDS_MAX; i++) {
		if (commands[i].used == 0) {
			snprintf(commands[i].module, sizeof commands[i].module, "%s", module);
			commands[i].used = (size_t)snprintf(commands[i].text, COMMAND_SIZE, "addr2line -Cfpie %s", module);
			return &commands[i];
		}
		if (strcmp(commands[i].module, module) == 0)
			return &commands[i];
	}
	return NULL;
}

static void add_to_command(struct command *commands, const struct zok__symbol *symbol)
{
	/* The kernel's own module in our address space has no path. */
	struct command *command = symbol->module[0] == '/' ? command_of(commands, symbol->module) : NULL;

	if (!command || command->used > COMMAND_SIZE - 24)
		return;
	command->used += (size_t)snprintf(command->text + command->used, COMMAND_SIZE - command->used, " 0x%llx",
					  (unsigned long long)symbol->module_offset);
}

static void tell_frames(unsigned core, const struct zok__stall_report *report)
{
	struct command commands[COMMANDS_MAX] = {0};
	struct zok__symbol symbol;

	for (unsigned i = 0; i < report->frame_count; i++) {
		zok__symbol_find(&symbol, code_of(report, i));
		tell_frame(core, i, report->frames[i], &symbol);
		add_to_command(commands, &symbol);
	}
	for (int i = 0; i < COMMANDS_MAX && commands[i].used > 0; i++)
		zok__log(ZOK_LOG_WARN, "stall: core %u:   %s", core, commands[i].text);
}

static void tell_kernel_frames(unsigned core, const struct zok__stall_report *report)
{
	struct zok__symbol symbols[ZOK__STALL_KERNEL_FRAMES_MAX];

	zok__symbol_find_kernel(symbols, report->kernel_frames, report->kernel_count);
	for (unsigned i = 0; i < report->kernel_count; i++)
		zok__log(ZOK_LOG_WARN, "stall: core %u:   kernel #%u 0x%llx %s+0x%llx", core, i,
			 (unsigned long long)report->kernel_frames[i], symbols[i].name[0] != '\0' ? symbols[i].name : "?",
			 symbols[i].name[0] != '\0' ? (unsigned long long)symbols[i].offset : 0);
}

static void tell(unsigned core, uint64_t threshold_ns, const struct zok__stall_report *report)
{
	if (report->suppressed_count > 0)
		zok__log(ZOK_LOG_WARN, "stall: core %u: %llu more were not told", core, (unsigned long long)report->suppressed_count);
	zok__log(ZOK_LOG_WARN, "stall: core %u: %s '%s' (%s) has run for %.1f ms without an await; %.1f ms are the limit", core,
		 report->is_fiber ? "fiber" : "task", report->task, class_name(report->task_class), (double)report->ran_ns / (double)ZOK_MS,
		 (double)threshold_ns / (double)ZOK_MS);
	tell_kernel_frames(core, report);
	tell_frames(core, report);
}

/* Copied out first: symbols take longer to find than the ring may be kept. */
static void tell_all(struct zok__stalls *stalls, unsigned core)
{
	struct zok__stall *self = &stalls->of[core];
	struct zok__stall_report report;

	/* Acquire pairs with the handler's release. */
	while (self->tail != __atomic_load_n(&self->head, __ATOMIC_ACQUIRE)) {
		report = self->reports[self->tail % ZOK__STALL_RING];
		/* Release pairs with the handler's acquire: the slot has been read. */
		__atomic_store_n(&self->tail, self->tail + 1, __ATOMIC_RELEASE);
		tell(core, stalls->options.threshold_ns, &report);
	}
}

void *zok__stall_reporter(void *arg)
{
	struct zok__stalls *stalls = arg;
	bool is_ending;

	do {
		while (sem_wait(&stalls->written) < 0 && errno == EINTR)
			;
		is_ending = __atomic_load_n(&stalls->is_ending, __ATOMIC_RELAXED);
		for (unsigned core = 0; core < stalls->core_count; core++)
			tell_all(stalls, core);
	} while (!is_ending);
	return NULL;
}
