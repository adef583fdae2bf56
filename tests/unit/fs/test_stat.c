/* Facts: what statx tells, in our units. */
#include "tests/unit/fs/rig.h"

RIG_CASE(facts_are_those_of_stat)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_file_facts facts;
	struct stat posix;

	assert_int_equal(zok_file_write_at(file, "abc", 3, 0), 3);
	assert_int_equal(fstat(zok_file_fd(file), &posix), 0);
	assert_int_equal(zok_file_stat(file, &facts), 0);
	assert_int_equal(facts.size, 3);
	assert_int_equal(facts.inode, posix.st_ino);
	assert_int_equal(facts.mode, posix.st_mode);
	assert_int_equal(facts.user, posix.st_uid);
	assert_int_equal(facts.allocated, (uint64_t)posix.st_blocks * 512);
	assert_int_equal(facts.modified_ns, posix.st_mtim.tv_sec * (int64_t)ZOK_S + posix.st_mtim.tv_nsec);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(a_link_is_followed_or_not)
{
	struct zok_file_facts facts;
	struct zok_file_stat stat;

	assert_int_equal(symlinkat("/dev/null", zok_file_fd(rig->dir), "l"), 0);
	assert_int_equal(zok_path_stat(rig->dir, "l", 0, &facts), 0);
	assert_true(S_ISCHR(facts.mode));
	zok_path_stat_prepare(&stat, rig->dir, "l", AT_SYMLINK_NOFOLLOW, &facts);
	assert_int_equal(zok_await(&stat.op.future), 0);
	assert_true(S_ISLNK(facts.mode));
	facts.size = 99;
	assert_int_equal(zok_path_stat(rig->dir, "none", 0, &facts), -ENOENT);
	assert_int_equal(facts.size, 99); /* untouched */
	assert_int_equal(zok_path_unlink(rig->dir, "l", 0), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(facts_are_those_of_stat), RIG_ROW(a_link_is_followed_or_not)};

	return cmocka_run_group_tests_name("fs/stat", tests, NULL, NULL);
}
