/* Folders: every name once, also of many; one that vanishes; one listing at a time. */
#include "tests/unit/fs/rig.h"

#include <dirent.h>

RIG_CASE(every_name_once)
{
	enum { COUNT = 3000 };
	struct zok_dir_entry entry;
	struct zok_dir *dir = NULL;
	bool *seen = calloc(COUNT, sizeof *seen);
	char name[64];
	int rc, count = 0;

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "a-rather-long-name-of-a-file-%d", i);
		assert_int_equal(mkdirat(zok_file_fd(rig->dir), name, 0700), 0);
	}
	assert_int_equal(zok_dir_begin(&dir, rig->dir), 0);
	while ((rc = zok_dir_next(dir, &entry)) == 1) {
		int i = atoi(strrchr(entry.name, '-') + 1);

		assert_in_range(i, 0, COUNT - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_true(entry.type == DT_DIR || entry.type == DT_UNKNOWN);
		count++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(count, COUNT);
	assert_int_equal(zok_dir_next(dir, &entry), 0);
	zok_dir_end(dir);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "a-rather-long-name-of-a-file-%d", i);
		unlinkat(zok_file_fd(rig->dir), name, AT_REMOVEDIR);
	}
	free(seen);
	return 0;
}

RIG_CASE(an_empty_one_ends_at_once)
{
	struct zok_dir_entry entry;
	struct zok_dir *dir = NULL;
	struct zok_dir_next next;

	assert_int_equal(zok_dir_begin(&dir, rig->dir), 0);
	zok_dir_next_prepare(&next, dir, &entry);
	assert_int_equal(zok_await(&next.op.future), 0);
	zok_dir_end(dir);
	zok_dir_end(NULL);
	return 0;
}

RIG_CASE(vanishes_while_it_is_listed)
{
	struct zok_file *folder = NULL;
	struct zok_dir_entry entry;
	struct zok_dir *dir = NULL;

	assert_int_equal(zok_path_mkdir(rig->dir, "d", 0700), 0);
	assert_int_equal(zok_file_open(&folder, rig->dir, "d", O_RDONLY | O_DIRECTORY, 0), 0);
	assert_int_equal(zok_dir_begin(&dir, folder), 0);
	assert_int_equal(zok_path_unlink(rig->dir, "d", AT_REMOVEDIR), 0);
	assert_int_equal(zok_dir_next(dir, &entry), -ENOENT);
	zok_dir_end(dir);
	assert_int_equal(zok_file_close(folder), 0);
	return 0;
}

RIG_CASE(a_file_is_no_folder)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_dir_entry entry;
	struct zok_dir *dir = NULL;

	assert_int_equal(zok_dir_begin(&dir, file), 0);
	assert_int_equal(zok_dir_next(dir, &entry), -ENOTDIR);
	zok_dir_end(dir);
	rig_remove(file, "a");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(every_name_once),
		RIG_ROW(an_empty_one_ends_at_once),
		RIG_ROW(vanishes_while_it_is_listed),
		RIG_ROW(a_file_is_no_folder),
	};

	return cmocka_run_group_tests_name("fs/dir", tests, NULL, NULL);
}
