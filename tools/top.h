/*
 * `zok top`: what a running runtime shows of itself, read from outside. top_source.c finds and reads the files of <zokio/export.h>, top_figures.c
 * makes rates and percentiles of two looks, top_table.c says which columns there are and how a figure is written; what shows them are
 * top_text.c, top_json.c and top_view.c.
 *
 * Everything has a fixed size and is static: once started nothing is allocated, however many cores are watched and for however long.
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include "zokio/export.h"
#include "zokio/latency.h"

#include <stdio.h>

enum { TOP_CORES_MAX = 1024, TOP_FOUND_MAX = 64, TOP_TEXT_SIZE = 256, TOP_CLASS_COUNT = 3 };

/* What we look for in a core's block; top_source.c has the names. */
enum top_field {
	TOP_CPU,
	TOP_THREAD,
	TOP_TIME_TOTAL,
	TOP_TIME_KERNEL,
	TOP_TIME_CALLBACKS,
	TOP_LOOPS,
	TOP_IS_IDLE,
	TOP_RUNQ_LATENCY,
	TOP_RUNQ_NORMAL,
	TOP_RUNQ_BULK,
	TOP_MAIL_DEPTH,
	TOP_MAIL_DEPTH_MAX,
	TOP_TASKS_SPAWNED,
	TOP_TASKS_FINISHED,
	TOP_TASKS_POLLED,
	TOP_WAKES,
	TOP_WAKES_REMOTE,
	TOP_YIELDS,
	TOP_BUDGET_OVERRUNS,
	TOP_STALLS,
	TOP_WAKES_BY_RING,
	TOP_STEAL_ATTEMPTS,
	TOP_STEALS,
	TOP_STEALS_SMT,
	TOP_STEALS_CACHE,
	TOP_STEALS_NODE,
	TOP_STEALS_FAR,
	TOP_SWEEPS_FAILED,
	TOP_TASKS_STOLEN,
	TOP_TASKS_RESCUED,
	TOP_TASKS_INJECTED,
	TOP_TASKS_RETURNED,
	TOP_TASKS_ADOPTED,
	TOP_STUCK,
	TOP_FIBERS_ALIVE,
	TOP_STACK_USED_MAX,
	TOP_COMPLETIONS,
	TOP_CANCELS,
	TOP_SUBMITS,
	TOP_WAITS,
	TOP_SQE_SHORTAGES,
	TOP_CQ_OVERFLOWS,
	TOP_BUFFER_SHORTAGES,
	TOP_FD_SHORTAGES,
	TOP_SOCKETS_OPENED,
	TOP_SOCKETS_CLOSED,
	TOP_CONNECTIONS_MOVED_IN,
	TOP_CONNECTIONS_MOVED_OUT,
	TOP_CONNECTIONS_OPEN,
	TOP_BYTES_RECEIVED,
	TOP_BYTES_SENT,
	TOP_TIMERS_EXPIRED,
	TOP_MESSAGES_SENT,
	TOP_MESSAGES_RECEIVED,
	TOP_READ_COUNT, /* so many are read; what follows is made of them */
	TOP_OPS = TOP_READ_COUNT,
	TOP_ON_CPU_NS, /* of the thread, as the kernel tells */
	TOP_TASKS_ALIVE,
	TOP_SOCKETS_ALIVE,
	TOP_FIELD_COUNT,
};

/* The runtime is older than we are: it does not have this figure. */
#define TOP_ABSENT UINT64_MAX

struct top_core {
	uint64_t value[TOP_FIELD_COUNT];
	struct zok_latency latency[TOP_CLASS_COUNT];
};

struct top_look {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	struct top_core cores[TOP_CORES_MAX];
};

/* ---- top_source.c ---- */

struct top_found {
	char name[128]; /* of the file */
	uint64_t pid;
	unsigned uid, core_count;
	char program[64], engine[16], mode[32];
	bool is_elsewhere; /* in another PID namespace */
};

struct top_list {
	struct top_found found[TOP_FOUND_MAX];
	unsigned count;
	unsigned hidden_count;	     /* of other users */
	char refused[TOP_TEXT_SIZE]; /* the last file that was none, and why; "" */
};

struct top_source {
	int fd;
	const char *folder;
	struct zok_export_header header;
	uint32_t offsets[TOP_FIELD_COUNT]; /* in a core's block; 0 with `is_there` false: absent */
	bool is_there[TOP_FIELD_COUNT];
	uint32_t op_offsets[64];
	unsigned op_count;
	uint32_t latency_offsets[TOP_CLASS_COUNT];
	bool has_latency[TOP_CLASS_COUNT];
	bool is_newer; /* the runtime's library is newer than we are: it may have figures that we do not know */
};

/* Finds what may be watched in `folder`, after removing what dead processes left. Negative errno where the folder cannot be read. */
int top_find(const char *folder, struct top_list *list);

/* Opens a file and checks every word of its header. Negative, with one line in `why`: nothing in the file is believed unchecked. */
int top_source_open(struct top_source *source, const char *folder, const char *name, char why[TOP_TEXT_SIZE]);
void top_source_close(struct top_source *source);

/* Reads all cores' counters as they are now. -ESRCH: the runtime has ended. */
int top_source_look(struct top_source *source, struct top_look *look);

/* The header and the rows behind it: separate for the tests. `size`: the file's. */
int top_check_header(const struct zok_export_header *header, uint64_t size, char why[TOP_TEXT_SIZE]);
int top_take_fields(struct top_source *source, const struct zok_export_field *fields, unsigned count, char why[TOP_TEXT_SIZE]);

/* ---- top_figures.c ---- */

struct top_row {
	uint64_t value[TOP_FIELD_COUNT];	     /* as it is now */
	uint64_t delta[TOP_FIELD_COUNT];	     /* since the look before */
	struct zok_latency latency[TOP_CLASS_COUNT]; /* of the time between */
	double callbacks, kernel, idle;		     /* shares of that time; their sum is 1 */
	bool is_stuck;				     /* its loop has not turned, and it is not idle */
	unsigned index;				     /* the core's */
};

struct top_figures {
	double seconds; /* between the looks */
	bool is_total;	/* since the start of the runtime, not since a look */
	unsigned core_count;
	struct top_row rows[TOP_CORES_MAX];
	unsigned order[TOP_CORES_MAX]; /* in which they are shown: indices of rows */
	struct top_row total;
};

/* `before` NULL: since the start of the runtime. */
void top_figures_make(struct top_figures *figures, const struct top_look *before, const struct top_look *now,
		      const struct zok_export_header *header);

/* ---- top_table.c ---- */

enum { TOP_PAGE_COUNT = 6, TOP_COLUMNS_MAX = 48, TOP_CELL_SIZE = 16, TOP_BAR_MAX = 40 };

enum top_format {
	TOP_AS_CORE,
	TOP_AS_BUSY,
	TOP_AS_BAR,
	TOP_AS_NUMBER,
	TOP_AS_RATE,
	TOP_AS_BYTES,
	TOP_AS_BYTE_RATE,
	TOP_AS_SHARE,
	TOP_AS_LATENCY
};

struct top_column {
	const char *group, *title; /* what stands over it, in two lines */
	int width;
	enum top_format format;
	enum top_field field;
	int latency_class;
	double percentile;
	bool is_alarm; /* more than nothing of it is bad */
	int rank;      /* on a page too narrow for all, the highest numbers go first */
};

struct top_layout {
	const struct top_column *columns[TOP_COLUMNS_MAX];
	unsigned count;
	int bar_width, width; /* of all, the blanks between them included */
};

extern const char *const top_page_names[TOP_PAGE_COUNT];

/* The columns of a page that fit `width`. */
void top_layout_make(struct top_layout *layout, unsigned page, int width);

/* A figure as text, at most as wide as its column; the bar has none. */
void top_cell(char cell[TOP_CELL_SIZE], const struct top_column *column, const struct top_row *row, const struct top_figures *figures);

/* Whether a cell tells of something bad. */
bool top_is_alarm(const struct top_column *column, const struct top_row *row);

/* Orders the rows: the busiest, those with most ops or the longest waits first, or by core. */
enum top_order { TOP_BY_CORE, TOP_BY_BUSY, TOP_BY_OPS, TOP_BY_WAIT, TOP_ORDER_COUNT };

extern const char *const top_order_names[TOP_ORDER_COUNT];

void top_sort(struct top_figures *figures, enum top_order order);

/* Three digits and a unit: at most six characters. */
void top_format_count(char text[TOP_CELL_SIZE], double count);
void top_format_ns(char text[TOP_CELL_SIZE], uint64_t ns);
void top_format_bytes(char text[TOP_CELL_SIZE], double bytes);

/* "00:12:31", "3d 04:00:00" */
void top_format_uptime(char text[32], uint64_t ns);

/* How the shares of the bar divide `width` cells. */
void top_bar_cells(const struct top_row *row, int width, int *callbacks, int *kernel);

/* ---- top_text.c, top_json.c ---- */

void top_print_list(FILE *out, const struct top_list *list);
void top_print_text(FILE *out, const struct top_source *source, const struct top_figures *figures, int width);
void top_print_json(FILE *out, const struct top_source *source, const struct top_figures *figures);

/* ---- top_view.c, or top_view_none.c without ncurses ---- */

struct top_options {
	uint64_t pid; /* 0: none chosen */
	double interval_s;
	bool is_once, is_json, is_list;
	const char *folder;
};

/* The live view of list->found[chosen], or where that is negative of the one that the user chooses; returns the exit code. */
int top_view(const struct top_options *options, struct top_list *list, struct top_source *source, int chosen);

uint64_t top_now_ns(void);

#endif
