/*
 * The cores' counters in a file that other processes read: <zokio/export.h> says what it looks like.
 *
 * The memory is there from create() on, the file can be found from publish() on: made under a hidden name and then renamed, so that nobody sees
 * half a file. Where it cannot be made the counters stand in memory of our own, and nothing else changes.
 */
#ifndef RUNTIME_EXPORT_H
#define RUNTIME_EXPORT_H

#include "core/counters.h"
#include "core/engine.h"
#include "zokio/export.h"

#include <sys/types.h>

enum { ZOK__EXPORT_PATH_SIZE = 256 };

struct zok__export {
	char *memory; /* the file's mapping, or anonymous; NULL: none */
	size_t size;
	uint32_t core_offset;
	pid_t owner;	   /* a child that was forked removes nothing */
	bool is_in_file;   /* under `hidden`, or under `path` once it was published */
	bool is_published; /* atomic: also a signal handler withdraws */
	char hidden[ZOK__EXPORT_PATH_SIZE], path[ZOK__EXPORT_PATH_SIZE];
};

/* A core's block. */
struct zok__export_core {
	struct zok__counters counters;
	uint64_t cpu;	 /* where it is pinned */
	uint64_t thread; /* its number, by which /proc tells of it */
};

/* `folder` NULL: in memory of our own. -ENOMEM; whatever else goes wrong is said in the log and survived. */
int zok__export_create(struct zok__export *export, const char *folder, bool is_folder_given, unsigned core_count);

/* Removes the file and gives the memory back. Zeroed is fine. */
void zok__export_destroy(struct zok__export *export);

struct zok__export_core *zok__export_core(const struct zok__export *export, unsigned index);

/* The cores are about to run: what they are goes into the header, and the file gets its name. */
void zok__export_publish(struct zok__export *export, const struct zok__engine_report *report, uint64_t budget_ns);

/* Removes the file; the memory stays. Async-signal-safe, any number of times. */
void zok__export_withdraw(struct zok__export *export);

/* ---- export_fields.c ---- */

extern const struct zok_export_field zok__export_fields[];
extern const unsigned zok__export_field_count;

/* ---- export_clean.c ---- */

/* When the process was started, in ticks since boot; 0: it is not there or not to be seen. `pid` 0: this one. */
uint64_t zok__process_start_ticks(pid_t pid);

/* The PID namespace of this process; 0: unknown. */
uint64_t zok__pid_namespace(void);

#endif
