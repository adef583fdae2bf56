/* A set of CPU or node numbers, of fixed size so that no machine that Linux runs on needs an allocation, and its text form "0-3,8". */
#ifndef ZOK_NUMA_BITSET_H
#define ZOK_NUMA_BITSET_H

#include "zokio/base.h"

/* The largest NR_CPUS that the kernel can be built for (x86-64, MAXSMP). */
#define ZOK__BITSET_MAX	  8192
#define ZOK__BITSET_WORDS (ZOK__BITSET_MAX / (8 * sizeof(unsigned long)))

/* Bit n is bit n % 64 of word n / 64: the layout of cpu_set_t and of the kernel's CPU and node masks. All zero is the empty set. */
struct zok__bitset {
	unsigned long word[ZOK__BITSET_WORDS];
};

/* Numbers outside 0…ZOK__BITSET_MAX - 1 are never in a set; adding or removing one does nothing. */
void zok__bitset_add(struct zok__bitset *set, int number);
void zok__bitset_remove(struct zok__bitset *set, int number);
bool zok__bitset_has(const struct zok__bitset *set, int number);

/* The smallest member above `after` (-1 to begin), or -1 when there is none. */
int zok__bitset_next(const struct zok__bitset *set, int after);

bool zok__bitset_is_empty(const struct zok__bitset *set);
void zok__bitset_intersect(struct zok__bitset *set, const struct zok__bitset *with);

/*
 * Reads the kernel's list format ("0-3,8\n", also empty) as in cpulist and cpuset.cpus files. -EINVAL: it is something else; -ERANGE: a
 * number does not fit the set. `*out` is then untouched.
 */
ZOK_NODISCARD int zok__bitset_parse(const char *text, struct zok__bitset *out);

/* Writes the list format, "none" for the empty set; what does not fit ends in "...". Always NUL-terminated; size must be at least 8. */
void zok__bitset_format(const struct zok__bitset *set, char *text, size_t size);

#endif
