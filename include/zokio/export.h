/*
 * What a running runtime shows to other processes, and how to read it: `zok top` does, and so may any program.
 *
 * A runtime keeps its cores' counters in a file that it maps, /dev/shm/zokio-PID-START-NS (below), readable by its user only. Nothing is
 * copied to it: the counters live there, so being watched costs the cores nothing but a cache line that the reader took, once a look. The file
 * holds one struct zok_export_header, then field_count times struct zok_export_field, and at core_offset core_count blocks of core_size bytes,
 * one a core. A field says by name where in a block its counters lie; each is a uint64_t in the byte order of the machine.
 *
 * A reader looks fields up by name. So one that is older than the runtime misses what is new, one that is newer misses what the runtime does not
 * have yet, and neither is wrong. It refuses a version that it does not know. It reads with pread(2) rather than through a mapping, because a
 * file that another user cuts short would kill it; and it believes nothing that it has not checked: sizes, offsets, who owns file and process.
 *
 * The file is there when the cores run, and goes when they have ended. What a killed process leaves is removed by whoever comes next: any
 * runtime at its start, and `zok top`.
 */
#ifndef ZOKIO_EXPORT_H
#define ZOKIO_EXPORT_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

#define ZOK_EXPORT_MAGIC   "zokiotop"
#define ZOK_EXPORT_VERSION 1

/* Where the files are, unless the environment's ZOK_EXPORT names another folder. */
#define ZOK_EXPORT_FOLDER "/dev/shm"

/* "zokio-PID-START-NS": the process, when it was started (field 22 of /proc/PID/stat) and the inode of its PID namespace, all decimal. */
#define ZOK_EXPORT_NAME_PREFIX "zokio-"

enum zok_export_kind {
	ZOK_EXPORT_COUNTER = 1, /* only grows: a rate is the difference of two looks */
	ZOK_EXPORT_GAUGE,	/* how it is now */
	ZOK_EXPORT_MAX,		/* the greatest since the start */
	ZOK_EXPORT_LATENCY,	/* a struct zok_latency */
};

struct zok_export_field {
	char name[32];	 /* NUL-terminated: as in struct zok_core_stats, ops by kind as "ops_recv" */
	uint32_t kind;	 /* enum zok_export_kind; skip what you do not know */
	uint32_t offset; /* in a core's block; a multiple of 8 */
	uint32_t count;	 /* of uint64_t */
	uint32_t reserved;
};

struct zok_export_header {
	char magic[8]; /* ZOK_EXPORT_MAGIC without its NUL */
	uint32_t version;
	uint32_t header_size; /* where the fields begin */
	uint32_t field_size, field_count;
	uint32_t core_offset, core_size, core_count;
	uint32_t library_version; /* zok_version() */
	uint64_t pid, start_ticks, pid_namespace;
	uint64_t began_ns; /* on CLOCK_MONOTONIC: when the cores began to run */
	uint64_t budget_ns;
	char program[64];
	char engine[16]; /* what is really active */
	char mode[32];
};

ZOK_STATIC_ASSERT(sizeof(struct zok_export_field) == 48, "read by other versions");
ZOK_STATIC_ASSERT(sizeof(struct zok_export_header) == 192, "read by other versions");

/*
 * Removes from `folder` the files of processes that are no more, as far as this user may. Returns how many. Any thread, also off the cores; does
 * not allocate. A process of another PID namespace is left alone: it cannot be looked up from here. Errors as open(2).
 */
ZOK_API int zok_export_clean(const char *folder);

ZOK_END_DECLS

#endif
