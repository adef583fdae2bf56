/* A word from the first core to another, and the answer. */
#ifndef RUNTIME_VISIT_H
#define RUNTIME_VISIT_H

#include "core/core.h"

enum zok__visit_purpose {
	ZOK__VISIT_CANCEL, /* cancels the root scope; the answer comes when that is empty */
	ZOK__VISIT_STOP,   /* lets the loop end: nothing may be sent there any more */
	ZOK__VISIT_DRAIN,
};

struct zok__visit_answer {
	bool was_alive;			/* somebody was, when the visit came */
	uint64_t notes_sent, notes_run; /* there, by the answer */
	uint64_t spawned;		/* tasks, ever */
};

/* Suspends until the answer is there, shielded. In a fiber; no memory is needed. */
struct zok__visit_answer zok__visit(struct zok_core *there, enum zok__visit_purpose purpose);

#endif
