/* Addresses get names: static functions by the file's own table, exported ones by the linker's, the kernel's by its list; nonsense gets none. */
#include "runtime/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static __attribute__((noinline, aligned(16))) int a_static_function(int a)
{
	__asm__ volatile("");
	return a + 1;
}

static void a_static_function_has_its_name_and_place(void **state)
{
	const char *address = (const char *)(uintptr_t)a_static_function;
	struct zok__symbol symbol;

	zok__symbol_find(&symbol, address + 1);
	assert_string_equal(symbol.name, "a_static_function");
	assert_int_equal(symbol.offset, 1);
	assert_non_null(strstr(symbol.module, "test_runtime_symbols"));
	assert_true(symbol.module_offset > 0);
	assert_int_equal(a_static_function(1), 2);
}

static void a_function_of_a_library_has_its_name(void **state)
{
	struct zok__symbol symbol;

	zok__symbol_find(&symbol, (const char *)(uintptr_t)qsort + 1);
	assert_non_null(strstr(symbol.name, "qsort"));
	assert_true(symbol.module[0] == '/');
}

static void an_address_of_nothing_has_no_name(void **state)
{
	struct zok__symbol symbol;
	char on_the_stack = 0;

	zok__symbol_find(&symbol, NULL);
	assert_string_equal(symbol.name, "");
	assert_string_equal(symbol.module, "");
	zok__symbol_find(&symbol, &on_the_stack);
	assert_string_equal(symbol.name, "");
}

/* The third line that is a function, with a real address: only root sees those. */
static uint64_t some_kernel_function(char *name)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long long value = 0;
	char type;

	for (int seen = 0; file && seen < 3 && fscanf(file, "%llx %c %63s%*[^\n]", &value, &type, name) == 3;)
		seen += value != 0 && (type == 't' || type == 'T');
	if (file)
		fclose(file);
	return value;
}

static void a_kernel_function_has_its_name(void **state)
{
	char name[ZOK__SYMBOL_NAME_SIZE] = "";
	uint64_t addresses[2] = {some_kernel_function(name), 16};
	struct zok__symbol symbols[2];

	zok__symbol_find_kernel(symbols, addresses, 2);
	assert_string_equal(symbols[1].name, "");
	if (addresses[0] == 0) {
		print_message("skipped: /proc/kallsyms shows no addresses here\n");
		skip();
	}
	assert_true(symbols[0].name[0] != '\0');
	assert_int_equal(symbols[0].offset, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_function_has_its_name_and_place),
		cmocka_unit_test(a_function_of_a_library_has_its_name),
		cmocka_unit_test(an_address_of_nothing_has_no_name),
		cmocka_unit_test(a_kernel_function_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
