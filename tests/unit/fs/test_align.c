/* O_DIRECT: the alignment is found out, and what keeps to less is refused with a line that names what is needed. */
#include "tests/unit/fs/rig.h"

static void expect_line(const char *words)
{
	if (!strstr(rig_log, words))
		fail_msg("the log does not say \"%s\": %s", words, rig_log);
	rig_log[0] = '\0';
}

RIG_CASE(direct_reads_and_writes)
{
	struct zok_file *file = rig_create_direct("a");
	uint8_t *buf = NULL;

	if (!file)
		return 0;
	assert_int_equal(posix_memalign((void **)&buf, 4096, 16384), 0);
	memset(buf, 7, 16384);
	assert_int_equal(zok_file_write_at(file, buf, 16384, 0), 16384);
	memset(buf, 0, 16384);
	assert_int_equal(zok_file_read_at(file, buf, 8192, 4096), 8192);
	assert_int_equal(buf[0], 7);
	/* the end, within what was asked for: short, and not refused for the rest */
	assert_int_equal(zok_file_truncate(file, 5000), 0);
	assert_int_equal(zok_file_read_at(file, buf, 16384, 0), 5000);
	assert_int_equal(zok_file_read_at(file, buf, 4096, 8192), 0);
	free(buf);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(unaligned_is_refused_in_words)
{
	struct zok_file *file = rig_create_direct("a");
	struct zok_file_alignment align;
	struct iovec vector[2];
	uint8_t *buf = NULL;
	char words[64];

	if (!file)
		return 0;
	assert_int_equal(posix_memalign((void **)&buf, 4096, 8192), 0);
	align = zok_file_alignment(file);
	if (align.memory < 2 || align.offset < 2) {
		print_message("nobody says what is needed here\n");
	} else {
		snprintf(words, sizeof words, "multiples of %u bytes", align.memory);
		assert_int_equal(zok_file_read_at(file, buf + 1, 4096, 0), -EINVAL);
		expect_line(words);
		snprintf(words, sizeof words, "lengths in multiples of %u", align.offset);
		assert_int_equal(zok_file_write_at(file, buf, 100, 0), -EINVAL);
		expect_line(words);
		assert_int_equal(zok_file_write_sync(file, buf, 4096, 8), -EINVAL);
		expect_line("offset");
		vector[0] = (struct iovec){buf, 4096};
		vector[1] = (struct iovec){buf + 3, 4096};
		assert_int_equal(zok_file_readv_at(file, vector, 2, 0, 0), -EINVAL);
		expect_line("buffer");
		assert_int_equal(zok_file_read(file, buf + 1, 4096), -EINVAL);
		expect_line("buffer");
		assert_int_equal(zok_file_read(file, buf, 4096), 0); /* and the position is free again */
	}
	free(buf);
	rig_remove(file, "a");
	return 0;
}

/* Where nobody knows, the kernel's refusal is explained. */
RIG_CASE(unknown_alignment_is_explained)
{
	struct zok_file *file = rig_create_direct("a");
	uint8_t *buf = NULL;

	if (!file)
		return 0;
	assert_int_equal(posix_memalign((void **)&buf, 4096, 8192), 0);
	file->align = (struct zok_file_alignment){0};
	if (zok_file_write_at(file, buf, 100, 0) == -EINVAL) /* some file systems take it all the same */
		expect_line("4096");
	free(buf);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(buffered_files_take_anything)
{
	struct zok_file *file = rig_create("a", 0);
	char buf[8];

	assert_int_equal(zok_file_alignment(file).memory, 0);
	assert_int_equal(zok_file_write_at(file, "abc", 3, 1), 3);
	assert_int_equal(zok_file_read_at(file, buf + 1, 3, 1), 3);
	assert_string_equal(rig_log, "");
	rig_remove(file, "a");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(direct_reads_and_writes),
		RIG_ROW(unaligned_is_refused_in_words),
		RIG_ROW(unknown_alignment_is_explained),
		RIG_ROW(buffered_files_take_anything),
	};

	return cmocka_run_group_tests_name("fs/align", tests, NULL, NULL);
}
