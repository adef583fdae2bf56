/* Between select.c, which takes a list apart and chooses, and select_words.c, which knows what an item names. */
#ifndef ZOK_NUMA_SELECT_ITEM_H
#define ZOK_NUMA_SELECT_ITEM_H

#include "numa/select.h"

#define ZOK__CORES_ACCEPTED                                                                                                                \
	"accepted are N, N-M, all, isolated, node:N, package:N, cache:CPU, core:CPU, kind:K, near:DEVICE, with :COUNT and /core after, ! " \
	"before to leave out"

/* A part of the list: not NUL-terminated. */
struct zok__item {
	const char *text;
	size_t length;
};

/* What an item names. */
struct zok__named {
	struct zok__bitset cpus; /* that are online; whether allowed or not */
	bool is_minus;
	bool is_spread;	   /* one CPU of each physical core first */
	bool is_per_core;  /* "/core": and no more than that */
	int count;	   /* at most so many; -1: all */
	char meaning[128]; /* in words */
};

struct zok__selection {
	const struct zok__topology *topology;
	const struct zok__cores_watch *watch; /* NULL: nobody */
	struct zok__item list;
	struct zok__bitset allowed; /* and online */
	struct zok__bitset chosen;  /* what `place` holds */
	struct zok__bitset removed; /* by "!" */
	struct zok__place *place;   /* in the order chosen */
	size_t count;
	bool has_positive;
	char *error;
	size_t error_size;
};

/* Writes the error line: the option, the item (cut, and safe to print), the reason and, where they help, the cores that would do. -EINVAL. */
int zok__item_refuse(struct zok__selection *selection, struct zok__item item, bool show_allowed, const char *reason);

struct zok__item zok__item_trim(struct zok__item item);

/* Cuts `item` at the first `mark`; false when there is none, and all of it is before. */
bool zok__item_split(struct zok__item item, char mark, struct zok__item *before, struct zok__item *after);

/* Digits only. A number beyond any machine stays one: it is then "not here", as any other. */
bool zok__item_number(struct zok__item item, int *out);

/* What `item` (without its "!") names. -EINVAL, and the error line, when it names nothing that can be had. */
ZOK_NODISCARD int zok__item_name(struct zok__selection *selection, struct zok__item item, bool is_minus, struct zok__named *named);

#endif
