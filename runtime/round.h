/* What the conductor finds in a round of visits to all cores, and which round is the last (stop.c). */
#ifndef RUNTIME_ROUND_H
#define RUNTIME_ROUND_H

#include <stdbool.h>
#include <stdint.h>

/* Sums over all cores, which are not visited at one instant. */
struct zok__round {
	bool was_alive;			/* somebody was, or something injected waited */
	uint64_t notes_sent, notes_run; /* ever */
	uint64_t spawned;		/* tasks, ever */
};

/*
 * Whether nothing is alive and no note is on its way. A round's sums alone prove nothing: the same sums twice, sent and run alike, do (Mattern,
 * "Algorithms for distributed termination detection", 1987: four counters). Life moves without a note, too: a task that was taken spawns in the root of
 * the core that it is on. So nothing may have been spawned between two rounds that found nothing.
 */
static inline bool zok__round_is_last(const struct zok__round *last, const struct zok__round *round)
{
	return !round->was_alive && !last->was_alive && round->spawned == last->spawned && round->notes_run == round->notes_sent &&
	       round->notes_sent == last->notes_sent && round->notes_run == last->notes_run;
}

#endif
