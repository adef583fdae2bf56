/* A report in words: who, for how long, how many were left out, and where; in order, each once, and all of them before the end. */
#include "runtime/stall.h"

#include "zokio/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CORES = 2 };

static char said[32768];

static void keep(void *arg, enum zok_log_level level, const char *text)
{
	size_t length = strlen(said);

	assert_int_equal(level, ZOK_LOG_WARN);
	snprintf(said + length, sizeof said - length, "%s\n", text);
}

static struct zok__stalls *stalls;

static int set_up(void **state)
{
	stalls = calloc(1, sizeof *stalls + CORES * sizeof *stalls->of);
	assert_non_null(stalls);
	stalls->core_count = CORES;
	stalls->options.threshold_ns = 25 * ZOK_MS;
	stalls->is_ending = true; /* the reporter goes through all rings once */
	assert_int_equal(sem_init(&stalls->written, 0, 1), 0);
	said[0] = '\0';
	zok_log_set(keep, NULL);
	return 0;
}

static int tear_down(void **state)
{
	zok_log_set(NULL, NULL);
	sem_destroy(&stalls->written);
	free(stalls);
	return 0;
}

static struct zok__stall_report *write_down(unsigned core, const char *task)
{
	struct zok__stall *self = &stalls->of[core];
	struct zok__stall_report *report = &self->reports[self->head++ % ZOK__STALL_RING];

	*report = (struct zok__stall_report){.task_class = 2, .ran_ns = 40 * ZOK_MS};
	snprintf(report->task, sizeof report->task, "%s", task);
	return report;
}

static void tell(void)
{
	assert_null(zok__stall_reporter(stalls));
}

static void each_is_told_of_with_its_kind_and_class(void **state)
{
	static const char *const classes[] = {"", "latency", "normal", "bulk", ""};

	for (uint8_t class = 1; class < 5; class ++) {
		char line[160];
		struct zok__stall_report *report;

		said[0] = '\0';
		report = write_down(1, "cruncher");
		report->task_class = class;
		report->is_fiber = class % 2 == 0;
		assert_int_equal(sem_post(&stalls->written), 0);
		tell();
		snprintf(line, sizeof line,
			 "stall: core 1: %s 'cruncher' (%s) has run for 40.0 ms without an await; 25.0 ms are the limit\n",
			 report->is_fiber ? "fiber" : "task", classes[class]);
		assert_string_equal(said, line);
	}
}

static void what_was_left_out_is_told_first(void **state)
{
	write_down(0, "one")->suppressed_count = 7;
	tell();
	assert_memory_equal(said, "stall: core 0: 7 more were not told\nstall: core 0: task 'one'", 61);
}

/* The rings of all cores, oldest first, also where a ring has come round. */
static void all_that_is_written_is_told_in_order(void **state)
{
	const char *last = said;

	stalls->of[0].head = stalls->of[0].tail = ZOK__STALL_RING - 1;
	write_down(0, "first");
	write_down(0, "second");
	write_down(1, "third");
	tell();
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"'first'", "'second'", "'third'"};

		last = strstr(last, names[i]);
		assert_non_null(last);
	}
	assert_int_equal(stalls->of[0].tail, ZOK__STALL_RING + 1);
	assert_int_equal(stalls->of[1].tail, 1);
	said[0] = '\0';
	assert_int_equal(sem_post(&stalls->written), 0);
	tell();
	assert_string_equal(said, "");
}

/* ---- Where ---- */

static __attribute__((noinline, aligned(64))) int a_function_of_ours(int a)
{
	__asm__ volatile("");
	return a * 3 + 1;
}

/* The first is the interrupted instruction itself; a return address may be the first of the next function. */
static void a_return_address_belongs_to_its_call(void **state)
{
	char *here = (char *)(uintptr_t)a_function_of_ours;
	struct zok__stall_report *report = write_down(0, "one");

	assert_int_equal(a_function_of_ours(1), 4);
	report->frames[report->frame_count++] = here;
	report->frames[report->frame_count++] = here + 2;
	tell();
	assert_non_null(strstr(said, " a_function_of_ours+0x0 (test_runtime_stall_report+0x"));
	assert_non_null(strstr(said, " a_function_of_ours+0x1 (test_runtime_stall_report+0x"));
	assert_non_null(strstr(said, "stall: core 0:   #0 0x"));
	assert_non_null(strstr(said, "stall: core 0:   #1 0x"));
}

/* A command a module, with the places in it. */
static void the_commands_name_the_lines(void **state)
{
	char *here = (char *)(uintptr_t)a_function_of_ours;
	struct zok__stall_report *report = write_down(0, "one");
	const char *command, *other;

	report->frames[report->frame_count++] = here + 1;
	report->frames[report->frame_count++] = (char *)(uintptr_t)qsort + 1;
	report->frames[report->frame_count++] = here + 3;
	report->frames[report->frame_count++] = (void *)16; /* nothing's */
	tell();
	assert_non_null(strstr(said, "#3 0x10 ? (+0x0)\n"));
	command = strstr(said, "addr2line -Cfpie /");
	assert_non_null(command);
	other = strstr(command + 1, "addr2line -Cfpie /");
	assert_non_null(other);
	assert_null(strstr(other + 1, "addr2line"));
	/* Ours with two places, the library's with one. */
	assert_non_null(strstr(command, "test_runtime_stall_report 0x"));
	assert_true(strstr(command, "test_runtime_stall_report 0x") < other);
	command = strstr(strstr(command, " 0x") + 1, " 0x");
	assert_true(command != NULL && command < other);
	other = strstr(other, " 0x");
	assert_non_null(other);
	assert_null(strstr(other + 1, " 0x"));
}

/* However many frames there are the line holds: what does not fit is left out. */
static void a_command_does_not_outgrow_its_line(void **state)
{
	struct zok__stall_report *report = write_down(0, "one");
	const char *command, *end;

	while (report->frame_count < ZOK__STALL_FRAMES_MAX)
		report->frames[report->frame_count++] = (char *)(uintptr_t)a_function_of_ours + 1;
	tell();
	assert_non_null(strstr(said, "stall: core 0:   #39 0x"));
	command = strstr(said, "addr2line");
	assert_non_null(command);
	end = strchr(command, '\n');
	assert_non_null(end);
	assert_in_range(end - command, 300, 447);
	assert_true(end[-1] != ' ' && end[-1] != 'x');
}

static void the_kernels_frames_come_first(void **state)
{
	struct zok__stall_report *report = write_down(1, "one");
	const char *kernel, *user;

	report->kernel_frames[report->kernel_count++] = 16; /* no function's */
	report->frames[report->frame_count++] = (char *)(uintptr_t)a_function_of_ours;
	tell();
	kernel = strstr(said, "stall: core 1:   kernel #0 0x10 ?+0x0\n");
	user = strstr(said, "stall: core 1:   #0 0x");
	assert_true(kernel != NULL && user != NULL && kernel < user);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_is_told_of_with_its_kind_and_class),
		CASE(what_was_left_out_is_told_first),
		CASE(all_that_is_written_is_told_in_order),
		CASE(a_return_address_belongs_to_its_call),
		CASE(the_commands_name_the_lines),
		CASE(a_command_does_not_outgrow_its_line),
		CASE(the_kernels_frames_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
