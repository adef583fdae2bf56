/* Mappings: populated without touching them, changed, unmapped; what is not theirs is refused. */
#include "tests/unit/fs/rig.h"

#include <sys/mman.h>

RIG_CASE(is_populated_and_written)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_mapping map;
	unsigned char is_there[4] = {0};
	char buf[4];

	assert_int_equal(zok_file_truncate(file, 16384), 0);
	assert_int_equal(zok_file_map(&map, file, 0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED), 0);
	assert_int_equal(zok_mapping_populate(&map, 0, 16384, true), 0);
	assert_int_equal(mincore(map.base, 16384, is_there), 0);
	for (int i = 0; i < 4; i++)
		assert_true(is_there[i] & 1);
	memcpy((char *)map.base + 100, "abcd", 4);
	assert_int_equal(zok_file_sync(file), 0);
	assert_int_equal(zok_file_read_at(file, buf, 4, 100), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(zok_mapping_advise(&map, 0, 4096, MADV_SEQUENTIAL), 0);
	assert_int_equal(zok_mapping_close(&map), 0);
	assert_null(map.base);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(bounds_and_flags)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_mapping map = {0};

	assert_int_equal(zok_file_truncate(file, 4096), 0);
	assert_int_equal(zok_file_map(&map, file, 0, 4096, PROT_READ, MAP_SHARED | MAP_POPULATE), -EINVAL);
	assert_int_equal(zok_file_map(&map, file, 100, 4096, PROT_READ, MAP_SHARED), -EINVAL);
	assert_null(map.base);
	assert_int_equal(zok_file_map(&map, file, 0, 8192, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(zok_mapping_advise(&map, 4096, 8192, MADV_WILLNEED), -EINVAL);
	assert_int_equal(zok_mapping_advise(&map, 12288, 0, MADV_WILLNEED), -EINVAL);
	assert_int_equal(zok_mapping_populate(&map, 0, 8192, false), -EFAULT); /* behind the file's end */
	assert_int_equal(zok_mapping_close(&map), 0);
	rig_remove(file, "a");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(is_populated_and_written), RIG_ROW(bounds_and_flags)};

	return cmocka_run_group_tests_name("fs/map", tests, NULL, NULL);
}
