/*
 * A stack onto which any thread pushes chains, and of which its owner takes all at once. The accesses, and nothing else, so that the model check
 * (tests/model/model_chain.c) runs these very functions. Elements are linked through a field of the user's:
 *
 *	under = zok__chain_look(&stack);                    any thread
 *	do
 *		last->next = under;
 *	while (!zok__chain_swap(&stack, &under, first));
 *	if (!under)                                         it was empty: the owner may be asleep
 *		wake(owner);
 *
 *	for (element = zok__chain_take(&stack); element; …) the owner: the chains, the newest first
 *
 * Who finds the stack empty wakes the owner for all who come before the owner has taken them. As nothing is ever taken but all, an address that
 * comes back does no harm.
 */
#ifndef CORE_CHAIN_H
#define CORE_CHAIN_H

#include "zokio/atomic.h"

/* Relaxed: a hint; the swap decides, and before sleeping a fence stands between (core/park.h). */
static inline void *zok__chain_look(void *const *stack)
{
	return ZOK__LOAD(stack, RELAXED);
}

/* Release pairs with zok__chain_take(): the owner sees what the elements have become. */
static inline bool zok__chain_swap(void **stack, void **under, void *first)
{
	return ZOK__CAS(stack, under, first, RELEASE);
}

/* Acquire pairs with zok__chain_swap(). The swaps of others between continue its release. */
static inline void *zok__chain_take(void **stack)
{
	return ZOK__EXCHANGE(stack, NULL, ACQUIRE);
}

#endif
