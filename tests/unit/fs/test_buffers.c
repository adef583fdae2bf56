/* Buffers for direct I/O: aligned, apart, registered where the engine can, and usable where it cannot. */
#include "tests/unit/fs/rig.h"

RIG_CASE(are_aligned_and_apart)
{
	struct zok_file_buffers *buffers = NULL;
	uint8_t *bufs[8];

	assert_int_equal(zok_file_buffers_create(&buffers, 0, 4096), -EINVAL);
	assert_int_equal(zok_file_buffers_create(&buffers, 1, 0), -EINVAL);
	assert_int_equal(zok_file_buffers_create(&buffers, 1, SIZE_MAX), -EINVAL);
	assert_int_equal(zok_file_buffers_create(&buffers, UINT32_MAX, 4096), -EINVAL);
	assert_null(buffers);
	assert_int_equal(zok_file_buffers_create(&buffers, 8, 5000), 0);
	for (int i = 0; i < 8; i++) {
		bufs[i] = zok_file_buffers_get(buffers);
		assert_non_null(bufs[i]);
		assert_int_equal((uintptr_t)bufs[i] % 4096, 0);
		memset(bufs[i], i, 5000);
	}
	assert_null(zok_file_buffers_get(buffers));
	for (int i = 0; i < 8; i++)
		assert_int_equal(bufs[i][4999], i);
	zok_file_buffers_put(buffers, bufs[3]);
	assert_ptr_equal(zok_file_buffers_get(buffers), bufs[3]);
	for (int i = 0; i < 8; i++)
		zok_file_buffers_put(buffers, bufs[i]);
	zok_file_buffers_destroy(buffers);
	zok_file_buffers_destroy(NULL);
	return 0;
}

/* Direct and buffered, read, written, and written with a sync, all through registered memory on io_uring. */
RIG_CASE(are_read_into_and_written_from)
{
	struct zok_file_buffers *buffers = NULL;
	struct zok_file *files[2] = {rig_create("a", 0), rig_create_direct("b")};
	uint8_t *out, *in;

	assert_int_equal(zok_file_buffers_create(&buffers, 2, 16384), 0);
	assert_int_equal(zok_file_buffers_are_registered(buffers), strcmp(rig->engine, "uring") == 0);
	out = zok_file_buffers_get(buffers);
	in = zok_file_buffers_get(buffers);
	for (int i = 0; i < 2 && files[i]; i++) {
		for (size_t k = 0; k < 16384; k++)
			out[k] = (uint8_t)(k * 31 + (size_t)i);
		assert_int_equal(zok_file_write_at(files[i], out, 8192, 0), 8192);
		assert_int_equal(zok_file_write_sync(files[i], out + 8192, 8192, 8192), 8192);
		memset(in, 0, 16384);
		assert_int_equal(zok_file_read_at(files[i], in, 16384, 0), 16384);
		assert_memory_equal(in, out, 16384);
		assert_int_equal(zok_file_read_at(files[i], in, 16384, 12288), 4096);
		assert_memory_equal(in, out + 12288, 4096);
	}
	zok_file_buffers_put(buffers, out);
	zok_file_buffers_put(buffers, in);
	zok_file_buffers_destroy(buffers);
	rig_remove(files[0], "a");
	if (files[1])
		rig_remove(files[1], "b");
	return 0;
}

/* The table of the engine has its end; those behind it are plain, and a place that is given back is taken again. */
RIG_CASE(more_than_the_engine_takes)
{
	enum { MANY = 20 };
	struct zok_file_buffers *buffers[MANY];
	unsigned registered = 0;
	bool is_uring = strcmp(rig->engine, "uring") == 0;

	for (int i = 0; i < MANY; i++) {
		assert_int_equal(zok_file_buffers_create(&buffers[i], 1, 4096), 0);
		registered += zok_file_buffers_are_registered(buffers[i]);
	}
	assert_int_equal(registered, is_uring ? 16 : 0);
	zok_file_buffers_destroy(buffers[5]);
	assert_int_equal(zok_file_buffers_create(&buffers[5], 1, 4096), 0);
	assert_int_equal(zok_file_buffers_are_registered(buffers[5]), is_uring);
	for (int i = 0; i < MANY; i++)
		zok_file_buffers_destroy(buffers[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(are_aligned_and_apart), RIG_ROW(are_read_into_and_written_from),
					   RIG_ROW(more_than_the_engine_takes)};

	return cmocka_run_group_tests_name("fs/buffers", tests, NULL, NULL);
}
