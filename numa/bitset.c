#include "numa/bitset.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS ((int)(8 * sizeof(unsigned long)))

static bool fits(int number)
{
	return number >= 0 && number < ZOK__BITSET_MAX;
}

void zok__bitset_add(struct zok__bitset *set, int number)
{
	if (fits(number))
		set->word[number / WORD_BITS] |= 1ul << (number % WORD_BITS);
}

void zok__bitset_remove(struct zok__bitset *set, int number)
{
	if (fits(number))
		set->word[number / WORD_BITS] &= ~(1ul << (number % WORD_BITS));
}

bool zok__bitset_has(const struct zok__bitset *set, int number)
{
	return fits(number) && (set->word[number / WORD_BITS] >> (number % WORD_BITS) & 1) != 0;
}

int zok__bitset_next(const struct zok__bitset *set, int after)
{
	int from = after + 1;

	assert(after >= -1);
	while (from < ZOK__BITSET_MAX) {
		unsigned long rest = set->word[from / WORD_BITS] >> (from % WORD_BITS);

		if (rest != 0)
			return from + __builtin_ctzl(rest);
		from += WORD_BITS - from % WORD_BITS;
	}
	return -1;
}

bool zok__bitset_is_empty(const struct zok__bitset *set)
{
	return zok__bitset_next(set, -1) < 0;
}

void zok__bitset_intersect(struct zok__bitset *set, const struct zok__bitset *with)
{
	for (size_t i = 0; i < ZOK__BITSET_WORDS; i++)
		set->word[i] &= with->word[i];
}

static int parse_number(const char **text, int *out)
{
	char *end;
	long value;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	value = strtol(*text, &end, 10);
	if (errno == ERANGE || value >= ZOK__BITSET_MAX)
		return -ERANGE;
	*text = end;
	*out = (int)value;
	return 0;
}

/* One "3" or "0-3". */
static int parse_range(const char **text, struct zok__bitset *set)
{
	int first, last, rc = parse_number(text, &first);

	if (rc < 0)
		return rc;
	last = first;
	if (**text == '-') {
		++*text;
		rc = parse_number(text, &last);
		if (rc < 0)
			return rc;
	}
	if (last < first)
		return -EINVAL;
	for (int number = first; number <= last; number++)
		zok__bitset_add(set, number);
	return 0;
}

int zok__bitset_parse(const char *text, struct zok__bitset *out)
{
	struct zok__bitset set = {{0}};
	bool is_more = *text != '\0' && *text != '\n';

	while (is_more) {
		int rc = parse_range(&text, &set);

		if (rc < 0)
			return rc;
		is_more = *text == ',';
		text += is_more;
	}
	if (strcmp(text, "") != 0 && strcmp(text, "\n") != 0)
		return -EINVAL;
	*out = set;
	return 0;
}

/* The last member of the run that begins at `first`. */
static int run_end(const struct zok__bitset *set, int first)
{
	while (zok__bitset_has(set, first + 1))
		first++;
	return first;
}

void zok__bitset_format(const struct zok__bitset *set, char *text, size_t size)
{
	size_t used = 0;

	assert(size >= sizeof "none...");
	snprintf(text, size, "none");
	for (int first = zok__bitset_next(set, -1), last; first >= 0; first = zok__bitset_next(set, last)) {
		char run[32];
		int length;

		last = run_end(set, first);
		length = snprintf(run, sizeof run, first == last ? "%s%d" : "%s%d-%d", used > 0 ? "," : "", first, last);
		if (used + (size_t)length + sizeof "..." > size) {
			memcpy(text + used, "...", sizeof "...");
			return;
		}
		memcpy(text + used, run, (size_t)length + 1);
		used += (size_t)length;
	}
}
