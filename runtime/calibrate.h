/* Which way of waking a parked core is the faster one on this machine: measured once at the start, between the first two cores. */
#ifndef RUNTIME_CALIBRATE_H
#define RUNTIME_CALIBRATE_H

#include "zokio/base.h"

struct zok_runtime;

struct zok__calibration {
	_Alignas(ZOK_FALSE_SHARING) uint32_t ping; /* atomic: number and way of the last question; 0: none yet */
	_Alignas(ZOK_FALSE_SHARING) uint32_t pong; /* atomic: the question that was answered last */
	_Alignas(ZOK_FALSE_SHARING) bool is_over;  /* atomic */
	bool is_by_ring; /* what was chosen; by the first core, read by the others once they have passed the gate */
	char text[96];	 /* what was found, for the report */
};

/*
 * Called by each core on its thread, once all engines are there and before any loop runs. The first two measure, if there is something to
 * choose; it takes less than 5 ms.
 */
void zok__calibrate(struct zok_runtime *runtime, unsigned index);

#endif
