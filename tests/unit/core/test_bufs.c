/* Receive buffers: dense, on cache lines, each given out once at a time and back to the engine that it came from. */
#include "core/bufs.h"
#include "core/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct zok_buf *released;
static struct zok__engine *released_to;

static void note_release(struct zok__engine *engine, struct zok_buf *buf)
{
	released = buf;
	released_to = engine;
}

static const struct zok__engine_ops engine_ops = {.name = "notes", .release = note_release};

static void test_what_init_refuses(void **state)
{
	struct zok__bufs bufs = {.count = 99};

	assert_int_equal(zok__bufs_init(&bufs, NULL, 0, 4096), -EINVAL);
	assert_int_equal(zok__bufs_init(&bufs, NULL, 3, 4096), -EINVAL);
	assert_int_equal(zok__bufs_init(&bufs, NULL, 65536, 4096), -EINVAL);
	assert_int_equal(zok__bufs_init(&bufs, NULL, 16, 0), -EINVAL);
	assert_int_equal(zok__bufs_init(&bufs, NULL, 16, UINT32_MAX), -EINVAL);
	assert_int_equal(bufs.count, 99);
}

static void check_layout(uint32_t count, uint32_t size)
{
	struct zok__bufs bufs;

	assert_int_equal(zok__bufs_init(&bufs, NULL, count, size), 0);
	assert_true(bufs.stride > size);
	for (uint32_t i = 0; i < count; i++) {
		struct zok_buf *buf = &bufs.bufs[i];

		assert_int_equal((uintptr_t)buf->data % ZOK_CACHE_LINE, 0);
		assert_ptr_equal(buf->data, bufs.memory + (size_t)i * bufs.stride);
		assert_ptr_equal(buf->bufs, &bufs);
		assert_int_equal(buf->id, i);
		assert_false(buf->is_out);
		memset(buf->data, 0xff, size);
	}
	zok__bufs_finish(&bufs);
	assert_null(bufs.memory);
	zok__bufs_finish(&bufs); /* of nothing */
}

static void test_buffers_lie_in_order_on_lines_of_their_own(void **state)
{
	check_layout(1, 1);
	check_layout(16, 4096);
	check_layout(64, 1500);
	check_layout(32768, 64);
}

/* The first lines of neighbours fall into different sets of a cache with 64 sets of lines. */
static void test_the_stride_is_an_odd_number_of_lines_more_than_a_page(void **state)
{
	struct zok__bufs bufs;

	assert_int_equal(zok__bufs_init(&bufs, NULL, 2, 4096), 0);
	assert_int_equal(bufs.stride % 4096, ZOK_CACHE_LINE);
	zok__bufs_finish(&bufs);
}

static void test_a_buffer_goes_out_and_comes_back(void **state)
{
	struct zok__engine engine = {.ops = &engine_ops};
	struct zok__bufs bufs;
	struct zok_buf *a, *b;

	assert_int_equal(zok__bufs_init(&bufs, NULL, 4, 128), 0);
	bufs.engine = &engine;
	a = zok__bufs_give(&bufs, 2, 100);
	b = zok__bufs_give(&bufs, 0, 128);
	assert_int_equal(bufs.out_count, 2);
	assert_ptr_equal(a, &bufs.bufs[2]);
	assert_int_equal(a->len, 100);
	assert_true(a->is_out && b->is_out);
	a->read_offset = 50;
	zok__buf_release(a);
	assert_ptr_equal(released, a);
	assert_ptr_equal(released_to, &engine);
	assert_false(a->is_out);
	assert_int_equal(bufs.out_count, 1);
	assert_ptr_equal(zok__bufs_give(&bufs, 2, 7), a);
	assert_int_equal(a->len, 7);
	assert_int_equal(a->read_offset, 0); /* a new receiver begins at its start */
	zok__buf_release(a);
	zok__buf_release(b);
	assert_int_equal(bufs.out_count, 0);
	zok__bufs_finish(&bufs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_init_refuses),
		cmocka_unit_test(test_buffers_lie_in_order_on_lines_of_their_own),
		cmocka_unit_test(test_the_stride_is_an_odd_number_of_lines_more_than_a_page),
		cmocka_unit_test(test_a_buffer_goes_out_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
