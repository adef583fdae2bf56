/* The columns of `zok top`, what goes on which page and what is left out where the terminal is narrow; and how a figure is written. */
#include "tools/top.h"

#include <math.h>
#include <string.h>

enum { WIDE_MIN = 120, BAR_WIDTH_WIDE = 20 };

/* A page is made of columns in the order in which they are shown; the lower the rank, the longer one stays. */
#define CORE_COLUMNS                                                                                                             \
	{"", "core", 4, .format = TOP_AS_CORE, .rank = 0}, {"", "cpu", 5, .format = TOP_AS_NUMBER, .field = TOP_CPU, .rank = 1}, \
	{                                                                                                                        \
		"", "busy", 5, .format = TOP_AS_BUSY, .rank = 0                                                                  \
	}
#define NUMBER(group, title, width, field_, rank_)                                           \
	{                                                                                    \
		group, title, width, .format = TOP_AS_NUMBER, .field = field_, .rank = rank_ \
	}
#define RATE(group, title, width, field_, rank_)                                           \
	{                                                                                  \
		group, title, width, .format = TOP_AS_RATE, .field = field_, .rank = rank_ \
	}
#define ALARM(group, title, width, field_, rank_)                                                            \
	{                                                                                                    \
		group, title, width, .format = TOP_AS_RATE, .field = field_, .rank = rank_, .is_alarm = true \
	}
#define BYTES(group, title, width, field_, rank_)                                           \
	{                                                                                   \
		group, title, width, .format = TOP_AS_BYTES, .field = field_, .rank = rank_ \
	}
#define BYTE_RATE(group, title, width, field_, rank_)                                           \
	{                                                                                       \
		group, title, width, .format = TOP_AS_BYTE_RATE, .field = field_, .rank = rank_ \
	}
#define LATENCY(group, title, class_, percentile_, rank_)                                                                    \
	{                                                                                                                    \
		group, title, 6, .format = TOP_AS_LATENCY, .latency_class = class_, .percentile = percentile_, .rank = rank_ \
	}
#define LATENCIES(group, class_, rank_)                                                         \
	LATENCY(group, "p50", class_, 50, rank_ + 1), LATENCY(group, "p99", class_, 99, rank_), \
		LATENCY(group, "p99.9", class_, 99.9, rank_ + 2), LATENCY(group, "max", class_, 100, rank_ + 3)

static const struct top_column overview[] = {
	CORE_COLUMNS,
	{"", "time", 8, .format = TOP_AS_BAR, .rank = 2},
	{"", "on cpu", 6, .format = TOP_AS_SHARE, .field = TOP_ON_CPU_NS, .rank = 6},
	NUMBER("run queue", "lat", 5, TOP_RUNQ_LATENCY, 3),
	NUMBER("run queue", "norm", 5, TOP_RUNQ_NORMAL, 3),
	NUMBER("run queue", "bulk", 5, TOP_RUNQ_BULK, 3),
	LATENCIES("latency wakes", 0, 4),
	LATENCIES("normal wakes", 1, 4),
	RATE("", "ops", 6, TOP_OPS, 4),
	RATE("", "compl", 6, TOP_COMPLETIONS, 9),
	RATE("", "loops", 6, TOP_LOOPS, 10),
	NUMBER("", "fibers", 6, TOP_FIBERS_ALIVE, 6),
	BYTE_RATE("bytes", "in", 6, TOP_BYTES_RECEIVED, 8),
	BYTE_RATE("bytes", "out", 6, TOP_BYTES_SENT, 8),
	NUMBER("", "mail", 5, TOP_MAIL_DEPTH, 9),
	RATE("stolen", "in", 6, TOP_TASKS_STOLEN, 10),
	RATE("stolen", "out", 6, TOP_TASKS_RETURNED, 10),
	ALARM("", "over", 5, TOP_BUDGET_OVERRUNS, 8),
	ALARM("", "no sqe", 6, TOP_SQE_SHORTAGES, 11),
	BYTES("", "stack", 6, TOP_STACK_USED_MAX, 11),
};

static const struct top_column latencies[] = {
	CORE_COLUMNS,
	LATENCIES("latency wakes", 0, 2),
	LATENCIES("normal wakes", 1, 2),
	LATENCIES("bulk wakes", 2, 7),
	RATE("wakes", "all", 6, TOP_WAKES, 6),
	RATE("wakes", "remote", 6, TOP_WAKES_REMOTE, 11),
	RATE("wakes", "ring", 6, TOP_WAKES_BY_RING, 12),
	NUMBER("run queue", "lat", 5, TOP_RUNQ_LATENCY, 12),
	NUMBER("run queue", "norm", 5, TOP_RUNQ_NORMAL, 12),
	NUMBER("run queue", "bulk", 5, TOP_RUNQ_BULK, 12),
	ALARM("", "over", 5, TOP_BUDGET_OVERRUNS, 13),
	ALARM("", "stalls", 6, TOP_STALLS, 13),
};

static const struct top_column engine[] = {
	CORE_COLUMNS,
	{"", "on cpu", 6, .format = TOP_AS_SHARE, .field = TOP_ON_CPU_NS, .rank = 2},
	RATE("", "ops", 6, TOP_OPS, 1),
	RATE("", "compl", 6, TOP_COMPLETIONS, 1),
	RATE("", "cancel", 6, TOP_CANCELS, 6),
	RATE("", "loops", 6, TOP_LOOPS, 2),
	RATE("system calls", "submit", 6, TOP_SUBMITS, 2),
	RATE("system calls", "wait", 6, TOP_WAITS, 2),
	ALARM("short of", "sqe", 6, TOP_SQE_SHORTAGES, 2),
	ALARM("short of", "cqe", 6, TOP_CQ_OVERFLOWS, 3),
	ALARM("short of", "bufs", 6, TOP_BUFFER_SHORTAGES, 3),
	ALARM("short of", "files", 6, TOP_FD_SHORTAGES, 3),
	RATE("", "timers", 6, TOP_TIMERS_EXPIRED, 7),
};

static const struct top_column tasks[] = {
	CORE_COLUMNS,
	NUMBER("tasks", "alive", 6, TOP_TASKS_ALIVE, 1),
	RATE("tasks", "new", 6, TOP_TASKS_SPAWNED, 2),
	RATE("tasks", "runs", 6, TOP_TASKS_POLLED, 2),
	NUMBER("", "fibers", 6, TOP_FIBERS_ALIVE, 1),
	BYTES("", "stack", 6, TOP_STACK_USED_MAX, 1),
	RATE("", "yields", 6, TOP_YIELDS, 3),
	RATE("", "wakes", 6, TOP_WAKES, 3),
	RATE("stolen", "in", 6, TOP_TASKS_STOLEN, 4),
	RATE("stolen", "out", 6, TOP_TASKS_RETURNED, 4),
	ALARM("", "over", 5, TOP_BUDGET_OVERRUNS, 2),
	ALARM("", "stalls", 6, TOP_STALLS, 5),
};

static const struct top_column network[] = {
	CORE_COLUMNS,
	NUMBER("sockets", "open", 6, TOP_SOCKETS_ALIVE, 1),
	RATE("sockets", "new", 6, TOP_SOCKETS_OPENED, 2),
	NUMBER("conns", "open", 6, TOP_CONNECTIONS_OPEN, 1),
	RATE("moved", "in", 6, TOP_CONNECTIONS_MOVED_IN, 5),
	RATE("moved", "out", 6, TOP_CONNECTIONS_MOVED_OUT, 5),
	BYTE_RATE("bytes", "in", 6, TOP_BYTES_RECEIVED, 1),
	BYTE_RATE("bytes", "out", 6, TOP_BYTES_SENT, 1),
	RATE("messages", "in", 6, TOP_MESSAGES_RECEIVED, 2),
	RATE("messages", "out", 6, TOP_MESSAGES_SENT, 2),
	NUMBER("mail", "now", 6, TOP_MAIL_DEPTH, 3),
	NUMBER("mail", "most", 6, TOP_MAIL_DEPTH_MAX, 3),
	RATE("", "timers", 6, TOP_TIMERS_EXPIRED, 4),
};

static const struct top_column stealing[] = {
	CORE_COLUMNS,
	RATE("steals", "looks", 6, TOP_STEAL_ATTEMPTS, 3),
	RATE("steals", "all", 6, TOP_STEALS, 1),
	RATE("steals", "smt", 5, TOP_STEALS_SMT, 2),
	RATE("steals", "cache", 5, TOP_STEALS_CACHE, 2),
	RATE("steals", "node", 5, TOP_STEALS_NODE, 2),
	RATE("steals", "far", 5, TOP_STEALS_FAR, 2),
	RATE("sweeps", "failed", 6, TOP_SWEEPS_FAILED, 5),
	RATE("tasks", "in", 6, TOP_TASKS_STOLEN, 1),
	RATE("tasks", "out", 6, TOP_TASKS_RETURNED, 1),
	RATE("tasks", "adopt", 6, TOP_TASKS_ADOPTED, 7),
	RATE("tasks", "inject", 6, TOP_TASKS_INJECTED, 6),
	ALARM("tasks", "rescue", 6, TOP_TASKS_RESCUED, 4),
	ALARM("", "stuck", 5, TOP_STUCK, 4),
	NUMBER("run queue", "norm", 5, TOP_RUNQ_NORMAL, 8),
	NUMBER("run queue", "bulk", 5, TOP_RUNQ_BULK, 8),
	RATE("wakes", "all", 6, TOP_WAKES, 9),
	RATE("wakes", "remote", 6, TOP_WAKES_REMOTE, 9),
	RATE("wakes", "ring", 6, TOP_WAKES_BY_RING, 9),
};

#define PAGE(columns)                                        \
	{                                                    \
		columns, sizeof(columns) / sizeof *(columns) \
	}

static const struct {
	const struct top_column *columns;
	unsigned count;
} pages[TOP_PAGE_COUNT] = {PAGE(overview), PAGE(latencies), PAGE(engine), PAGE(tasks), PAGE(network), PAGE(stealing)};

const char *const top_page_names[TOP_PAGE_COUNT] = {"overview", "latency", "engine", "tasks", "network", "stealing"};

/* ---- Which columns there are ---- */

/* The bar gets finer where there is room for it. */
static int width_in(const struct top_column *column, int width)
{
	return column->format == TOP_AS_BAR && width >= WIDE_MIN ? BAR_WIDTH_WIDE : column->width;
}

static void include_rank(bool *is_in, unsigned page, int rank, int width, int *used)
{
	for (unsigned i = 0; i < pages[page].count; i++) {
		const struct top_column *column = &pages[page].columns[i];

		if (column->rank != rank || *used + width_in(column, width) + 1 > width + 1)
			continue;
		*used += width_in(column, width) + 1;
		is_in[i] = true;
	}
}

void top_layout_make(struct top_layout *layout, unsigned page, int width)
{
	bool is_in[TOP_COLUMNS_MAX] = {false};
	int used = 0, spare;

	*layout = (struct top_layout){.count = 0};
	for (int rank = 0; rank < 32; rank++)
		include_rank(is_in, page, rank, width, &used);
	for (unsigned i = 0; i < pages[page].count; i++) {
		if (!is_in[i])
			continue;
		layout->columns[layout->count++] = &pages[page].columns[i];
		if (pages[page].columns[i].format == TOP_AS_BAR)
			layout->bar_width = width_in(&pages[page].columns[i], width);
	}
	layout->width = used > 0 ? used - 1 : 0;
	if (layout->bar_width == 0)
		return;
	spare = width - layout->width;
	if (spare > TOP_BAR_MAX - layout->bar_width)
		spare = TOP_BAR_MAX - layout->bar_width;
	layout->bar_width += spare;
	layout->width += spare;
}

/* ---- How a figure is written ---- */

/* Three digits of `value` times a power of `base`, with its letter. */
static void format_scaled(char text[TOP_CELL_SIZE], double value, double base)
{
	static const char *const letters[] = {"", "k", "M", "G", "T", "P", "E"};
	unsigned power = 0;

	while (value >= 999.5 && power + 1 < sizeof letters / sizeof *letters) {
		value /= base;
		power++;
	}
	if ((power == 0 && value == floor(value)) || value >= 99.95)
		snprintf(text, TOP_CELL_SIZE, "%.0f%s", value, letters[power]);
	else
		snprintf(text, TOP_CELL_SIZE, "%.*f%s", value >= 9.995 ? 1 : 2, value, letters[power]);
}

void top_format_count(char text[TOP_CELL_SIZE], double count)
{
	if (count < 9999.5 && count >= 99.95)
		snprintf(text, TOP_CELL_SIZE, "%.0f", count); /* four digits need no letter */
	else
		format_scaled(text, count, 1000);
}

void top_format_bytes(char text[TOP_CELL_SIZE], double bytes)
{
	format_scaled(text, bytes, 1024);
}

void top_format_ns(char text[TOP_CELL_SIZE], uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(text, TOP_CELL_SIZE, "%.*f%s", unit > 0 && value < 9.95 ? 1 : 0, value, units[unit]);
}

void top_format_uptime(char text[32], uint64_t ns)
{
	unsigned long long s = ns / ZOK_S, days = s / 86400;
	int used = days ? snprintf(text, 32, "%llud ", days % 1000000) : 0;

	snprintf(text + used, 32 - (size_t)used, "%02llu:%02llu:%02llu", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void format_percent(char cell[TOP_CELL_SIZE], double percent)
{
	snprintf(cell, TOP_CELL_SIZE, percent > 0 && percent < 9.95 ? "%.1f%%" : "%.0f%%", percent);
}

static void format_latency(char cell[TOP_CELL_SIZE], const struct top_column *column, const struct top_row *row)
{
	const struct zok_latency *latency = &row->latency[column->latency_class];

	if (zok_latency_count(latency) == 0)
		snprintf(cell, TOP_CELL_SIZE, "-");
	else
		top_format_ns(cell, zok_latency_percentile_ns(latency, column->percentile));
}

static double rate_of(const struct top_column *column, const struct top_row *row, const struct top_figures *figures)
{
	return (double)row->delta[column->field] / (figures->is_total ? 1 : figures->seconds);
}

/* Of the time; of all cores together their mean. */
static double share_of(const struct top_column *column, const struct top_row *row, const struct top_figures *figures)
{
	double cores = row == &figures->total ? figures->core_count : 1;

	return 100 * (double)row->delta[column->field] / (figures->seconds * 1e9 * cores);
}

static void format_field(char cell[TOP_CELL_SIZE], const struct top_column *column, const struct top_row *row,
			 const struct top_figures *figures)
{
	if (row->value[column->field] == TOP_ABSENT || row->delta[column->field] == TOP_ABSENT)
		snprintf(cell, TOP_CELL_SIZE, "-");
	else if (column->format == TOP_AS_SHARE)
		format_percent(cell, share_of(column, row, figures));
	else if (column->format == TOP_AS_NUMBER)
		top_format_count(cell, (double)row->value[column->field]);
	else if (column->format == TOP_AS_BYTES)
		top_format_bytes(cell, (double)row->value[column->field]);
	else if (column->format == TOP_AS_BYTE_RATE)
		top_format_bytes(cell, rate_of(column, row, figures));
	else
		top_format_count(cell, rate_of(column, row, figures));
}

void top_cell(char cell[TOP_CELL_SIZE], const struct top_column *column, const struct top_row *row, const struct top_figures *figures)
{
	bool is_sum = row == &figures->total;

	*cell = '\0';
	if (column->format == TOP_AS_CORE)
		snprintf(cell, TOP_CELL_SIZE, is_sum ? "all" : "%u", row->index);
	else if (column->format == TOP_AS_BUSY)
		format_percent(cell, 100 * (row->callbacks + row->kernel));
	else if (column->format == TOP_AS_LATENCY)
		format_latency(cell, column, row);
	else if (column->format != TOP_AS_BAR && !(is_sum && column->field == TOP_CPU))
		format_field(cell, column, row, figures);
}

bool top_is_alarm(const struct top_column *column, const struct top_row *row)
{
	if (column->format == TOP_AS_BUSY)
		return row->is_stuck;
	return column->is_alarm && row->delta[column->field] != TOP_ABSENT && row->delta[column->field] > 0;
}

void top_bar_cells(const struct top_row *row, int width, int *callbacks, int *kernel)
{
	*callbacks = (int)lround(row->callbacks * width);
	*kernel = (int)lround((row->callbacks + row->kernel) * width) - *callbacks;
}

/* ---- Order ---- */

const char *const top_order_names[TOP_ORDER_COUNT] = {"core", "busy", "ops", "wait"};

static double weight(const struct top_row *row, enum top_order order)
{
	switch (order) {
	case TOP_BY_BUSY: return row->callbacks + row->kernel;
	case TOP_BY_OPS: return row->delta[TOP_OPS] == TOP_ABSENT ? 0 : (double)row->delta[TOP_OPS];
	case TOP_BY_WAIT: return (double)zok_latency_percentile_ns(&row->latency[1], 99);
	default: return 0;
	}
}

/* Insertion keeps equal rows in the order of their cores, and allocates nothing. */
void top_sort(struct top_figures *figures, enum top_order order)
{
	static double weights[TOP_CORES_MAX];

	for (unsigned i = 0; i < figures->core_count; i++) {
		unsigned k = i;

		weights[i] = weight(&figures->rows[i], order);
		for (; k > 0 && weights[figures->order[k - 1]] < weights[i]; k--)
			figures->order[k] = figures->order[k - 1];
		figures->order[k] = i;
	}
}
