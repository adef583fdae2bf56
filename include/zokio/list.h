/*
 * A doubly linked list whose links lie in the caller's own structs: no allocation, removal in constant time from anywhere.
 *
 * The list and its members share one type. The list itself is a sentinel in a ring, so no operation has a case for the first or the last
 * member; it must be initialized before use and must not move in memory. A member needs no preparation but zeroes, is in one list at a time,
 * and has NULL links while it is in none, which is what zok_list_is_linked() reads. Not thread-safe: a list has one owner.
 */
#ifndef ZOKIO_LIST_H
#define ZOKIO_LIST_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

struct zok_list {
	struct zok_list *next, *prev;
};

/* Makes `list` an empty list. What was in it before is forgotten, not unlinked. */
static inline void zok_list_init(struct zok_list *list)
{
	list->next = list->prev = list;
}

static inline bool zok_list_is_empty(const struct zok_list *list)
{
	return list->next == list;
}

/* Whether `node` is a member of some list. */
static inline bool zok_list_is_linked(const struct zok_list *node)
{
	return node->next != NULL;
}

/* Makes `node`, which is in no list, the last member. */
static inline void zok_list_push_back(struct zok_list *list, struct zok_list *node)
{
	struct zok_list *last = list->prev;

	node->next = list;
	node->prev = last;
	last->next = node;
	list->prev = node;
}

/* Makes `node`, which is in no list, the first member. */
static inline void zok_list_push_front(struct zok_list *list, struct zok_list *node)
{
	zok_list_push_back(list->next, node);
}

/* Takes `node` out of the list that it is in. */
static inline void zok_list_remove(struct zok_list *node)
{
	struct zok_list *next = node->next, *prev = node->prev;

	next->prev = prev;
	prev->next = next;
	node->next = node->prev = NULL;
}

/* Takes out the first member and returns it; NULL from an empty list. */
static inline struct zok_list *zok_list_pop_front(struct zok_list *list)
{
	struct zok_list *node = list->next;

	if (node == list)
		return NULL;
	zok_list_remove(node);
	return node;
}

/* Moves all members of `from`, in their order, behind the last of `list`. Leaves `from` empty. Constant time. */
static inline void zok_list_splice(struct zok_list *list, struct zok_list *from)
{
	struct zok_list *first = from->next, *last = from->prev;

	if (first == from)
		return;
	first->prev = list->prev;
	list->prev->next = first;
	last->next = list;
	list->prev = last;
	zok_list_init(from);
}

/* Visits each member as `node`, which the macro declares. The body must not remove it. */
#define zok_list_for_each(node, list) for (struct zok_list *node = (list)->next; node != (list); node = node->next)

/*
 * The same, but the body may remove `node` (only that one: the member behind it is remembered). Where handling one member may remove
 * others, loop on zok_list_pop_front() instead.
 */
#define zok_list_for_each_safe(node, list) \
	for (struct zok_list *node = (list)->next, *node##_next = node->next; node != (list); node = node##_next, node##_next = node->next)

ZOK_END_DECLS

#endif
