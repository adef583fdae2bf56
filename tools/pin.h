/* `zok pin`: what is asked for a program's threads and memory, and what the kernel made of it. */
#ifndef TOOLS_PIN_H
#define TOOLS_PIN_H

#include <stdio.h>
#include <sys/types.h>

#include "numa/select.h"

enum pin_policy { PIN_MEMORY_DEFAULT, PIN_MEMORY_PREFERRED, PIN_MEMORY_STRICT, PIN_MEMORY_INTERLEAVE, PIN_MEMORY_LOCAL };

/* Threads whose name matches go each to one core, in the order in which they appear and round the list again. */
struct pin_rule {
	char pattern[64]; /* glob(7) */
	struct zok__core_set cores;
	size_t next;
};

struct pin_thread {
	pid_t tid;
	char name[20];
	const struct pin_rule *rule; /* NULL: the process's cores */
	struct zok__bitset want, got;
	int error;	  /* of setting or reading its affinity; 0: none */
	uint64_t seen_at; /* the number of the look that saw it last */
};

/* Pages of the process by the node that they lie on. */
struct pin_pages {
	bool is_known;
	uint64_t on_wanted, elsewhere;
	char text[160]; /* "node 0: 1234, node 1: 5" */
};

enum { PIN_RULES_MAX = 32 };

struct pin {
	pid_t pid;
	struct zok__core_set cores; /* count 0: not asked */
	struct zok__bitset want;    /* the same, as a set */
	struct zok__bitset nodes;   /* of these cores */
	enum pin_policy policy;
	const char *policy_note; /* why the policy is not what was asked; NULL: it is */
	struct pin_rule rule[PIN_RULES_MAX];
	size_t rule_count;
	struct pin_thread *thread; /* owned */
	size_t thread_count, thread_room;
	uint64_t looks;
	bool only_looks;   /* --check: change nothing */
	bool sets_threads; /* --pid: a running thread has not inherited anything */
	struct pin_pages pages;
};

/* "preferred" … */
const char *pin_policy_name(enum pin_policy policy);

/* ---- pin_threads.c ---- */

/*
 * Looks at every thread of pin->pid: places those that a rule names and has not placed yet, and reads back where each may run. Threads that
 * ended are forgotten. -ESRCH: the process is gone; -ENOMEM.
 */
ZOK_NODISCARD int pin_threads_look(struct pin *pin);

/* Whether a thread runs where it was asked to, or on a part of that. */
bool pin_thread_is_placed(const struct pin_thread *thread);

/* ---- pin_memory.c ---- */

/* Sets the calling thread's policy, which what it starts inherits, and reads it back. 0 or what the kernel said; -ENOTSUP: it did something else. */
ZOK_NODISCARD int pin_memory_set(enum pin_policy policy, const struct zok__bitset *nodes);

/* Moves the pages that a running process has to `nodes`. The number of pages that could not be moved, or what the kernel said. */
ZOK_NODISCARD long pin_memory_move(pid_t pid, const struct zok__bitset *nodes);

/* Counts the process's pages by node. */
void pin_memory_count(pid_t pid, const struct zok__bitset *nodes, struct pin_pages *out);

/* ---- pin_run.c ---- */

/* Runs argv with what is asked; the exit code of `zok pin`: the program's own, 128 + the signal that ended it, 127 or 126 when it cannot be run. */
int pin_run(struct pin *pin, char **argv, uint64_t verify_ns, void (*report)(const struct pin *pin, FILE *out), FILE *out);

/* ---- pin_report.c ---- */

/* Whether every thread is where it was asked to be, and all memory too where that was asked strictly. */
bool pin_is_as_asked(const struct pin *pin);
void pin_report_text(const struct pin *pin, FILE *out);
void pin_report_json(const struct pin *pin, FILE *out);

#endif
