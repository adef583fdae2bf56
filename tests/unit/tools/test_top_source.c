/* Reading another process's file: whatever it holds, a wrong one is refused in one line, and names decide where a figure is. */
#include "tools/top.h"
#include "zokio/runtime.h"
#include "zokio/timer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 65536 };

static char folder[] = "/tmp/zok-top-XXXXXX", path[128];
static const char name[] = "zokio-1-2-3";

static const struct zok_export_header good = {
	.magic = {'z', 'o', 'k', 'i', 'o', 't', 'o', 'p'},
	.version = ZOK_EXPORT_VERSION,
	.header_size = sizeof good,
	.field_size = sizeof(struct zok_export_field),
	.field_count = 4,
	.core_offset = 4096,
	.core_size = 8192,
	.core_count = 2,
	.pid_namespace = 3, /* another: so its process is not looked up */
	.pid = 1,
};

static struct zok_export_field rows[4];
static char why[TOP_TEXT_SIZE];

static int make_folder(void **state)
{
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	rows[0] = (struct zok_export_field){.name = "loops", .kind = ZOK_EXPORT_COUNTER, .offset = 64, .count = 1};
	rows[1] = (struct zok_export_field){.name = "ops_recv", .kind = ZOK_EXPORT_COUNTER, .offset = 8, .count = 1};
	rows[2] = (struct zok_export_field){.name = "ops_of_tomorrow", .kind = ZOK_EXPORT_COUNTER, .offset = 16, .count = 1};
	rows[3] = (struct zok_export_field){
		.name = "wake_to_run_normal", .kind = ZOK_EXPORT_LATENCY, .offset = 128, .count = ZOK_LATENCY_BUCKETS};
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	return rmdir(folder);
}

static void write_file(const struct zok_export_header *header, off_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	uint64_t words[2][3] = {{1000, 5, 7}, {2000, 50, 70}};

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, header, sizeof *header, 0), sizeof *header);
	assert_int_equal(pwrite(fd, rows, sizeof rows, sizeof *header), sizeof rows);
	for (off_t core = 0; core < 2; core++) {
		assert_int_equal(pwrite(fd, &words[core][0], 8, 4096 + core * 8192 + 64), 8);
		assert_int_equal(pwrite(fd, &words[core][1], 16, 4096 + core * 8192 + 8), 16);
	}
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* One line, which says something; and no descriptor stays open. */
static void is_refused(const struct zok_export_header *header, off_t size, const char *word)
{
	struct top_source source;

	write_file(header, size);
	why[0] = '\0';
	assert_true(top_source_open(&source, folder, name, why) < 0);
	assert_int_equal(source.fd, -1);
	assert_null(strchr(why, '\n'));
	if (!strstr(why, word))
		fail_msg("'%s' does not say '%s'", why, word);
}

static void test_a_good_file_is_read_by_names(void **state)
{
	static struct top_look look;
	struct top_source source;

	write_file(&good, SIZE);
	assert_int_equal(top_source_open(&source, folder, name, why), 0);
	assert_int_equal(top_source_look(&source, &look), 0);
	assert_int_equal(look.cores[0].value[TOP_LOOPS], 1000);
	assert_int_equal(look.cores[1].value[TOP_LOOPS], 2000);
	assert_int_equal(look.cores[0].value[TOP_OPS], 12);
	assert_int_equal(look.cores[1].value[TOP_OPS], 120);
	assert_true(look.cores[0].value[TOP_WAKES] == TOP_ABSENT);
	assert_int_equal(zok_latency_count(&look.cores[0].latency[1]), 0);
	unlink(path); /* as a runtime does that ends */
	assert_int_equal(top_source_look(&source, &look), -ESRCH);
	top_source_close(&source);
	/* Cut short while it is watched: an end, no signal. */
	write_file(&good, SIZE);
	assert_int_equal(top_source_open(&source, folder, name, why), 0);
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(top_source_look(&source, &look), -ESRCH);
	top_source_close(&source);
}

static void test_headers_that_lie_are_refused(void **state)
{
	struct zok_export_header header = good;

	header.magic[0] = 'Z';
	is_refused(&header, SIZE, "zokiotop");
	header = good;
	header.version = 2;
	is_refused(&header, SIZE, "layout 2");
	is_refused(&good, 0, "short");
	is_refused(&good, 100, "short");
	is_refused(&good, 4096 + 8192, "bytes");
	header.version = 1;
	header.core_count = 0;
	is_refused(&header, SIZE, "0 cores");
	header.core_count = UINT32_MAX;
	is_refused(&header, SIZE, "cores");
	header = good;
	header.core_size = UINT32_MAX - 7;
	is_refused(&header, SIZE, "core has");
	header.core_size = 8191;
	is_refused(&header, SIZE, "core has");
	header = good;
	header.core_offset = UINT32_MAX;
	is_refused(&header, SIZE, "bytes");
	header.core_offset = 8;
	is_refused(&header, SIZE, "bytes");
	header = good;
	header.header_size = 8;
	is_refused(&header, SIZE, "header");
	header.header_size = UINT32_MAX;
	is_refused(&header, SIZE, "header");
	header = good;
	header.field_count = UINT32_MAX;
	is_refused(&header, SIZE, "fields");
	header.field_count = 4;
	header.field_size = UINT32_MAX;
	is_refused(&header, SIZE, "fields");
	header.field_size = 8;
	is_refused(&header, SIZE, "fields");
	header = good;
	header.pid = 0;
	is_refused(&header, SIZE, "process");
	header.pid = UINT64_MAX;
	is_refused(&header, SIZE, "process");
}

static void test_fields_that_lie_are_refused(void **state)
{
	rows[1].offset = 8192;
	is_refused(&good, SIZE, "field 1");
	rows[1].offset = UINT32_MAX - 7;
	is_refused(&good, SIZE, "field 1");
	rows[1].offset = 12;
	is_refused(&good, SIZE, "field 1");
	rows[1].offset = 8;
	rows[3].count = UINT32_MAX;
	is_refused(&good, SIZE, "field 3");
	rows[3].count = ZOK_LATENCY_BUCKETS;
	rows[3].offset = 8192 - 8;
	is_refused(&good, SIZE, "field 3");
	rows[3].offset = 128;
	memset(rows[2].name, 'x', sizeof rows[2].name);
	is_refused(&good, SIZE, "field 2");
}

static void test_what_a_terminal_would_obey_is_not_shown(void **state)
{
	struct zok_export_header header = good;
	struct top_source source;

	memcpy(header.program, "\033[2Jx\x80", 7);
	memset(header.mode, 'm', sizeof header.mode);
	write_file(&header, SIZE);
	assert_int_equal(top_source_open(&source, folder, name, why), 0);
	assert_string_equal(source.header.program, "?[2Jx?");
	assert_int_equal(strlen(source.header.mode), sizeof header.mode - 1);
	top_source_close(&source);
}

static void test_what_is_no_plain_file_is_refused(void **state)
{
	struct top_source source;

	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(top_source_open(&source, folder, name, why) < 0);
	assert_non_null(strstr(why, "link"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(top_source_open(&source, folder, name, why) < 0); /* and does not wait for a writer */
}

static void test_the_list_tells_what_was_refused(void **state)
{
	static struct top_list list;
	struct zok_export_header header = good;

	write_file(&good, SIZE);
	assert_int_equal(top_find(folder, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.found[0].pid, 1);
	assert_true(list.found[0].is_elsewhere);
	header.magic[3] = 0;
	write_file(&header, SIZE);
	assert_int_equal(top_find(folder, &list), 0);
	assert_int_equal(list.count, 0);
	assert_non_null(strstr(list.refused, name));
	assert_int_equal(top_find("/nowhere", &list), -ENOENT);
}

/* Anybody may make files in /dev/shm, and root looks: a terminal must not get their orders. */
static void test_what_others_wrote_gives_a_terminal_no_orders(void **state)
{
	static const char *const odd[] = {"zokio-1-2-3\033[2J", "zokio-\n", "zokio-1-2-3.txt", "zokio-x"};
	static struct top_list list;
	struct zok_export_header header = good;
	char other[160];

	strcpy(header.program, "a\033[2Jb\x9b");
	write_file(&header, SIZE);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		snprintf(other, sizeof other, "%s/%s", folder, odd[i]);
		close(open(other, O_CREAT | O_WRONLY, 0600));
	}
	assert_int_equal(top_find(folder, &list), 0);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		snprintf(other, sizeof other, "%s/%s", folder, odd[i]);
		unlink(other);
	}
	assert_int_equal(list.count, 1);
	assert_string_equal(list.found[0].program, "a?[2Jb?");
	assert_string_equal(list.refused, "");
}

/* ---- A runtime of this process ---- */

static int is_seen_from_outside(void *arg)
{
	static struct top_list list;
	static struct top_look look;
	struct top_source source;
	struct zok_core_stats stats;

	assert_int_equal(top_find(folder, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.found[0].pid, getpid());
	assert_int_equal(top_source_open(&source, folder, list.found[0].name, why), 0);
	assert_false(source.is_newer);
	zok_sleep(10 * ZOK_US);
	assert_int_equal(top_source_look(&source, &look), 0);
	for (int i = 0; i < TOP_READ_COUNT; i++)
		if (look.cores[0].value[i] == TOP_ABSENT)
			fail_msg("figure %d is not exported by this library", i);
	assert_int_equal(zok_stats(0, &stats), 0);
	assert_int_equal(look.cores[0].value[TOP_LOOPS], stats.loops);
	assert_int_equal(look.cores[0].value[TOP_WAKES], stats.wakes);
	assert_int_equal(look.cores[0].value[TOP_TASKS_ALIVE], stats.tasks_alive);
	assert_true(zok_latency_count(&look.cores[0].latency[1]) > 0);
	assert_true(look.cores[0].value[TOP_ON_CPU_NS] > 0);
	top_source_close(&source);
	return 0;
}

static void test_our_own_runtime_is_read_as_zok_stats_tells_it(void **state)
{
	setenv("ZOK_EXPORT", folder, 1);
	assert_int_equal(zok_run(NULL, is_seen_from_outside, NULL), 0);
	unsetenv("ZOK_EXPORT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_good_file_is_read_by_names, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_headers_that_lie_are_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_fields_that_lie_are_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_what_a_terminal_would_obey_is_not_shown, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_what_is_no_plain_file_is_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_the_list_tells_what_was_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_what_others_wrote_gives_a_terminal_no_orders, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_our_own_runtime_is_read_as_zok_stats_tells_it, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
