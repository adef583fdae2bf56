/*
 * When descriptors are short: connects that were told to wait for one, and what is held back for them.
 *
 * A door could take every descriptor there is, and then no client that it let in could be joined with anything. So each door holds one descriptor
 * back, its spare, and accepts only while it has it. While a connect waits the doors rest: what is freed goes to those who wait, in their order,
 * then the spares are taken again, then the doors go on. As long as one of those who were let in ends some day, all are served.
 */
#ifndef NET_SHORTAGE_H
#define NET_SHORTAGE_H

#include "net/door.h"

static inline bool zok__shortage_is(int result)
{
	return result == -EMFILE || result == -ENFILE;
}

/* Whether connects wait. */
static inline bool zok__shortage_is_on(const struct zok__net *net)
{
	return !zok_list_is_empty(&net->shortage.waiting);
}

void zok__shortage_init(struct zok__net *net);

/* The connect goes on by zok__connect_go_on() once there is a descriptor. */
void zok__shortage_wait(struct zok__net *net, struct zok_connect *connect);

/* It does not wait any longer. */
void zok__shortage_leave(struct zok__net *net, struct zok_connect *connect);

/* A descriptor was freed, or a door has come to rest: who waits may go on. */
void zok__shortage_feed(struct zok__net *net);

/* Sees to it that the door has its spare. 0, -EMFILE… */
int zok__shortage_take_spare(struct zok__door *door);
void zok__shortage_drop_spare(struct zok__door *door);

#endif
