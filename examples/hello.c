/* The smallest program: one core, one fiber. */
#include <stdio.h>
#include <zokio/zokio.h>

static int hello(void *arg)
{
	printf("hello from core %d of Zokio %s\n", zok_core_index(), zok_version_text());
	return 0;
}

int main(void)
{
	return zok_run(NULL, hello, NULL) != 0;
}
