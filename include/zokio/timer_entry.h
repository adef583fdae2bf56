/*
 * The node by which something waits in a core's timer wheel. It is part of public structs so that a timer needs no allocation: its size and
 * alignment are public, its fields are not. Zeroes are a valid entry that is not pending.
 */
#ifndef ZOKIO_TIMER_ENTRY_H
#define ZOKIO_TIMER_ENTRY_H

#include "zokio/list.h"

ZOK_BEGIN_DECLS

struct zok_timer_entry {
	/* Private. */
	struct zok_list link;
	uint64_t deadline_ns; /* as asked for, unless it had passed by then */
	void *owner;	      /* free for the struct that embeds the entry; the wheel neither reads nor writes it */
};

ZOK_STATIC_ASSERT(sizeof(struct zok_timer_entry) == 4 * sizeof(uint64_t), "two timer entries share a cache line");

ZOK_END_DECLS

#endif
