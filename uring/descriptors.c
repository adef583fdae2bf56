#include "uring/descriptors.h"

#include <stdlib.h>
#include <string.h>

/* Numbers beyond are a caller's mistake, or so rare that the slow way will do. */
enum { SIZE_MIN = 1024, NUMBER_MAX = 1 << 22 };

bool zok__descriptors_grow(struct zok__descriptors *descriptors, int fd)
{
	uint32_t size = descriptors->size ? descriptors->size : SIZE_MIN;
	struct zok__descriptor *table;

	if (fd < 0 || fd >= NUMBER_MAX)
		return false;
	while (size <= (uint32_t)fd)
		size *= 2;
	table = realloc(descriptors->table, size * sizeof *table);
	if (!table)
		return false;
	memset(table + descriptors->size, 0, (size - descriptors->size) * sizeof *table);
	descriptors->table = table;
	descriptors->size = size;
	return true;
}
