/* What the kernel made of it, in words and for programs. */
#include "tools/pin.h"

#include <string.h>

#include "perf/json.h"

enum { DIFFERENCES_MAX = 16 };

static size_t count_misplaced(const struct pin *pin)
{
	size_t count = 0;

	for (size_t i = 0; i < pin->thread_count; i++)
		count += !pin_thread_is_placed(&pin->thread[i]);
	return count;
}

static bool has_memory_nodes(const struct pin *pin)
{
	return pin->policy == PIN_MEMORY_PREFERRED || pin->policy == PIN_MEMORY_STRICT || pin->policy == PIN_MEMORY_INTERLEAVE;
}

bool pin_is_as_asked(const struct pin *pin)
{
	if (pin->policy_note != NULL || count_misplaced(pin) > 0)
		return false;
	/* What is mapped of files lies where somebody read it first: only anonymous memory follows the policy, so a few pages elsewhere are no fault. */
	return pin->policy != PIN_MEMORY_STRICT || !pin->pages.is_known || pin->pages.on_wanted > 0;
}

static void print_thread(const struct pin_thread *thread, FILE *out)
{
	char want[64], got[64];

	zok__bitset_format(&thread->want, want, sizeof want);
	zok__bitset_format(&thread->got, got, sizeof got);
	fprintf(out, "zok pin: thread %d (%s): asked for CPU %s, may run on %s%s%s\n", (int)thread->tid, thread->name, want, got,
		thread->error != 0 ? ": " : "", thread->error != 0 ? strerror(thread->error) : "");
}

static void print_differences(const struct pin *pin, size_t count, FILE *out)
{
	size_t shown = 0;

	for (size_t i = 0; i < pin->thread_count && shown < DIFFERENCES_MAX; i++) {
		if (pin_thread_is_placed(&pin->thread[i]))
			continue;
		print_thread(&pin->thread[i], out);
		shown++;
	}
	if (count > shown)
		fprintf(out, "zok pin: and %zu threads more\n", count - shown);
}

static void print_rules(const struct pin *pin, FILE *out)
{
	for (size_t r = 0; r < pin->rule_count; r++) {
		size_t count = 0;

		for (size_t i = 0; i < pin->thread_count; i++)
			count += pin->thread[i].rule == &pin->rule[r];
		fprintf(out, "zok pin: %zu thread%s match '%s'\n", count, count == 1 ? "" : "s", pin->rule[r].pattern);
	}
}

static void print_memory(const struct pin *pin, FILE *out)
{
	char nodes[64];

	zok__bitset_format(&pin->nodes, nodes, sizeof nodes);
	fprintf(out, "zok pin: memory %s", pin_policy_name(pin->policy));
	if (has_memory_nodes(pin))
		fprintf(out, " on node %s", nodes);
	if (pin->policy_note != NULL)
		fprintf(out, ": not so: %s", pin->policy_note);
	if (pin->pages.is_known)
		fprintf(out, "; pages by node: %s", pin->pages.text);
	fputc('\n', out);
}

void pin_report_text(const struct pin *pin, FILE *out)
{
	size_t misplaced = count_misplaced(pin);
	char cores[64];

	zok__bitset_format(&pin->want, cores, sizeof cores);
	if (pin->cores.count > 0)
		fprintf(out, "zok pin: process %d: %zu of %zu threads run where asked, CPU %s\n", (int)pin->pid,
			pin->thread_count - misplaced, pin->thread_count, cores);
	else
		fprintf(out, "zok pin: process %d: %zu of %zu threads run where asked\n", (int)pin->pid, pin->thread_count - misplaced,
			pin->thread_count);
	print_rules(pin, out);
	print_differences(pin, misplaced, out);
	if (pin->policy != PIN_MEMORY_DEFAULT)
		print_memory(pin, out);
}

static void write_set(struct perf_json *json, const char *key, const struct zok__bitset *set)
{
	char text[4096];

	zok__bitset_format(set, text, sizeof text);
	perf_json_text(json, key, zok__bitset_is_empty(set) ? "" : text);
}

static void write_thread(struct perf_json *json, const struct pin_thread *thread)
{
	perf_json_open(json, NULL, '{');
	perf_json_count(json, "tid", (uint64_t)thread->tid);
	perf_json_text(json, "name", thread->name);
	perf_json_text(json, "rule", thread->rule != NULL ? thread->rule->pattern : "");
	write_set(json, "asked", &thread->want);
	write_set(json, "got", &thread->got);
	perf_json_bool(json, "as_asked", pin_thread_is_placed(thread));
	perf_json_text(json, "error", thread->error != 0 ? strerror(thread->error) : "");
	perf_json_close(json, '}');
}

static void write_memory(struct perf_json *json, const struct pin *pin)
{
	perf_json_open(json, "memory", '{');
	perf_json_text(json, "policy", pin_policy_name(pin->policy));
	write_set(json, "nodes", &pin->nodes);
	perf_json_text(json, "note", pin->policy_note != NULL ? pin->policy_note : "");
	perf_json_bool(json, "pages_known", pin->pages.is_known);
	perf_json_count(json, "pages_on_nodes", pin->pages.on_wanted);
	perf_json_count(json, "pages_elsewhere", pin->pages.elsewhere);
	perf_json_close(json, '}');
}

void pin_report_json(const struct pin *pin, FILE *out)
{
	struct perf_json json;

	perf_json_init(&json, out);
	perf_json_open(&json, NULL, '{');
	perf_json_count(&json, "schema", 1);
	perf_json_count(&json, "pid", (uint64_t)pin->pid);
	perf_json_bool(&json, "as_asked", pin_is_as_asked(pin));
	write_set(&json, "cores", &pin->want);
	write_memory(&json, pin);
	perf_json_open(&json, "threads", '[');
	for (size_t i = 0; i < pin->thread_count; i++)
		write_thread(&json, &pin->thread[i]);
	perf_json_close(&json, ']');
	perf_json_close(&json, '}');
	fputc('\n', out);
}
