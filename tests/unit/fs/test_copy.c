/* Copies: in the kernel, through a buffer where it cannot, the end of the source, ranges that overlap. */
#include "tests/unit/fs/rig.h"

enum { LEN = 300000 };

static uint8_t *pattern(void)
{
	uint8_t *bytes = malloc(LEN);

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	return bytes;
}

static void expect(struct zok_file *file, const uint8_t *bytes, size_t len)
{
	uint8_t *back = malloc(LEN + 1);

	assert_int_equal(zok_file_read_at(file, back, LEN + 1, 0), len);
	assert_memory_equal(back, bytes, len);
	free(back);
}

RIG_CASE(within_a_file_system)
{
	struct zok_file *from = rig_create("from", 0), *to = rig_create("to", 0);
	uint8_t *bytes = pattern();

	assert_int_equal(zok_file_write_at(from, bytes, LEN, 0), LEN);
	assert_int_equal(zok_file_copy(from, 1, to, 0, UINT32_MAX), LEN - 1); /* up to the end */
	expect(to, bytes + 1, LEN - 1);
	assert_int_equal(zok_file_copy(from, LEN, to, 0, 100), 0);
	assert_int_equal(zok_file_copy(from, 0, to, 0, 0), 0);
	assert_int_equal(zok_file_copy(from, 0, from, 10, 11), -EINVAL);
	assert_int_equal(zok_file_copy(from, 0, from, LEN, 100), 100);
	assert_int_equal(zok_file_copy(from, 0, to, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(zok_file_copy(from, UINT64_MAX, to, 0, 4), -EINVAL);
	assert_int_equal(zok_file_copy(from, 0, to, UINT64_MAX, 4), -EINVAL);
	assert_int_equal(zok_file_copy(from, INT64_MAX - 3ll, to, 0, 4), -EINVAL);
	assert_int_equal(zok_file_copy(from, INT64_MAX - 4ll, to, 0, 4), 0); /* behind the end */
	expect(to, bytes + 1, LEN - 1);
	free(bytes);
	rig_remove(from, "from");
	rig_remove(to, "to");
	return 0;
}

/* Opened twice, or by another name: the same bytes. */
RIG_CASE(one_file_twice)
{
	struct zok_file *file = rig_create("a", 0), *again = NULL, *other = NULL;

	assert_int_equal(zok_file_write_at(file, "0123456789", 10, 0), 10);
	assert_int_equal(zok_file_open(&again, rig->dir, "a", O_RDWR, 0), 0);
	assert_int_equal(zok_path_link(rig->dir, "a", rig->dir, "b", 0), 0);
	assert_int_equal(zok_file_open(&other, rig->dir, "b", O_RDWR, 0), 0);
	assert_int_equal(zok_file_copy(file, 0, again, 2, 8), -EINVAL);
	assert_int_equal(zok_file_copy(other, 2, file, 0, 8), -EINVAL);
	expect(file, (const uint8_t *)"0123456789", 10);
	assert_int_equal(zok_file_copy(again, 0, other, 5, 5), 5); /* side by side */
	expect(file, (const uint8_t *)"0123401234", 10);
	assert_int_equal(zok_file_close(again), 0);
	rig_remove(other, "b");
	rig_remove(file, "a");
	return 0;
}

/* What no file system copies for us: from a pipe of the kernel's making, and into a file that appends. */
RIG_CASE(through_a_buffer)
{
	struct zok_file *from = rig_create("from", 0), *to = NULL, *made = NULL;
	uint8_t *bytes = pattern();
	char line[16];

	assert_int_equal(zok_file_write_at(from, bytes, LEN, 0), LEN);
	assert_int_equal(zok_file_open(&to, rig->dir, "to", O_RDWR | O_CREAT | O_APPEND, 0600), 0);
	assert_int_equal(zok_file_copy(from, 0, to, 0, LEN + 5), LEN);
	expect(to, bytes, LEN);
	assert_int_equal(zok_file_truncate(to, 0), 0);
	assert_int_equal(zok_file_open(&made, NULL, "/proc/self/comm", O_RDONLY, 0), 0);
	assert_true(zok_file_copy(made, 0, to, 0, 100) > 0);
	assert_true(zok_file_read_at(to, line, sizeof line, 0) > 0);
	assert_int_equal(zok_file_close(made), 0);
	free(bytes);
	rig_remove(from, "from");
	rig_remove(to, "to");
	return 0;
}

RIG_CASE(an_error_says_how_far_it_came)
{
	struct zok_file *from = rig_create("from", 0), *full = NULL;
	struct zok_file_copy copy;

	assert_int_equal(zok_file_write_at(from, "abc", 3, 0), 3);
	assert_int_equal(zok_file_open(&full, NULL, "/dev/full", O_WRONLY, 0), 0);
	zok_file_copy_prepare(&copy, from, 0, full, 0, 3);
	assert_int_equal(zok_await(&copy.op.future), -ENOSPC);
	assert_int_equal(copy.done, 0);
	assert_int_equal(zok_file_copy(full, 0, from, 0, 3), -EBADF); /* not open for reading */
	assert_int_equal(zok_file_close(full), 0);
	rig_remove(from, "from");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(within_a_file_system), RIG_ROW(one_file_twice), RIG_ROW(through_a_buffer),
					   RIG_ROW(an_error_says_how_far_it_came)};

	return cmocka_run_group_tests_name("fs/copy", tests, NULL, NULL);
}
