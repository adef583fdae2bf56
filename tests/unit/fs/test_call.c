/* Syncs, sizes and paths: each does what its POSIX call does, by both faces. */
#include "tests/unit/fs/rig.h"

RIG_CASE(sizes)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_file_facts facts;

	assert_int_equal(zok_file_allocate(file, 0, 0, 65536), 0);
	assert_int_equal(zok_file_stat(file, &facts), 0);
	assert_int_equal(facts.size, 65536);
	assert_int_equal(zok_file_allocate(file, 1 << 30, 0, 1), -EOPNOTSUPP);
	assert_int_equal(zok_file_truncate(file, 10), 0);
	assert_int_equal(zok_file_stat(file, &facts), 0);
	assert_int_equal(facts.size, 10);
	assert_int_equal(zok_file_truncate(rig->dir, 10), -EINVAL);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(syncs_and_advice)
{
	struct zok_file *file = rig_create("a", 0);

	assert_int_equal(zok_file_write_at(file, "abc", 3, 0), 3);
	assert_int_equal(zok_file_sync(file), 0);
	assert_int_equal(zok_file_sync_data(file), 0);
	assert_int_equal(zok_file_sync_range(file, 0, 3, false), 0);
	assert_int_equal(zok_file_sync_range(file, 0, 0, true), 0);
	assert_int_equal(zok_file_sync_range(file, 0, 6ull << 30, true), 0);
	assert_int_equal(zok_file_advise(file, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	assert_int_equal(zok_file_advise(file, 0, 0, 77), -EINVAL);
	assert_int_equal(zok_file_sync(rig->dir), 0); /* the names in it */
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(paths)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_file_facts facts;

	assert_int_equal(zok_path_mkdir(rig->dir, "d", 0700), 0);
	assert_int_equal(zok_path_mkdir(rig->dir, "d", 0700), -EEXIST);
	assert_int_equal(zok_path_link(rig->dir, "a", rig->dir, "d/b", 0), 0);
	assert_int_equal(zok_path_rename(rig->dir, "d/b", rig->dir, "a", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(zok_path_rename(rig->dir, "d/b", rig->dir, "c", 0), 0);
	assert_int_equal(zok_path_stat(rig->dir, "c", 0, &facts), 0);
	assert_int_equal(facts.link_count, 2);
	assert_int_equal(zok_path_unlink(rig->dir, "d", AT_REMOVEDIR), 0);
	assert_int_equal(zok_path_unlink(rig->dir, "c", 0), 0);
	assert_int_equal(zok_path_unlink(rig->dir, "c", 0), -ENOENT);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(futures)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_file_call calls[4];
	struct zok_future *parts[4];
	struct zok_join join;
	struct zok_file_facts facts;

	zok_path_mkdir_prepare(&calls[0], rig->dir, "d", 0700);
	zok_file_truncate_prepare(&calls[1], file, 77);
	zok_file_sync_prepare(&calls[2], file);
	zok_path_link_prepare(&calls[3], rig->dir, "a", rig->dir, "b", 0);
	for (int i = 0; i < 4; i++)
		parts[i] = &calls[i].op.future;
	zok_join_prepare(&join, parts, 4);
	assert_int_equal(zok_await(&join.future), 0);
	assert_int_equal(zok_path_stat(rig->dir, "b", 0, &facts), 0);
	assert_int_equal(facts.size, 77);
	zok_path_unlink_prepare(&calls[0], rig->dir, "d", AT_REMOVEDIR);
	zok_path_rename_prepare(&calls[1], rig->dir, "b", rig->dir, "a", 0); /* the same file: stays both */
	zok_file_allocate_prepare(&calls[2], file, 0, 0, 4096);
	zok_file_advise_prepare(&calls[3], file, 0, 0, POSIX_FADV_RANDOM);
	zok_join_prepare(&join, parts, 4);
	assert_int_equal(zok_await(&join.future), 0);
	assert_int_equal(zok_path_unlink(rig->dir, "b", 0), 0);
	rig_remove(file, "a");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(sizes), RIG_ROW(syncs_and_advice), RIG_ROW(paths), RIG_ROW(futures)};

	return cmocka_run_group_tests_name("fs/call", tests, NULL, NULL);
}
