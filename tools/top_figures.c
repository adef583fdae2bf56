#include "tools/top.h"

#include <string.h>

static const struct top_core nothing;

static uint64_t delta_of(uint64_t before, uint64_t now)
{
	if (now == TOP_ABSENT || before == TOP_ABSENT)
		return TOP_ABSENT;
	return now > before ? now - before : 0;
}

static double share(uint64_t ns, double span_ns)
{
	return ns == TOP_ABSENT || span_ns <= 0 ? 0 : (double)ns / span_ns;
}

/*
 * A core tells its time when it comes by: a sleep or a task that lasts is not told yet, and is told all at once when it is over. What is not told
 * is the task's where the core is not idle; what is told too late is cut to the time between the looks.
 *
 * The system call in which a core sleeps also works for it, and the core cannot tell how long. Where it does not spin the kernel can: what
 * the thread had of a processor and its tasks did not use.
 */
static void divide_time(struct top_row *row, double span_ns, bool parks)
{
	double told = share(row->delta[TOP_TIME_TOTAL], span_ns);
	bool is_idle = row->value[TOP_IS_IDLE] != 0; /* also where it does not say */

	row->callbacks = share(row->delta[TOP_TIME_CALLBACKS], span_ns);
	row->kernel = share(row->delta[TOP_TIME_KERNEL], span_ns);
	if (!is_idle && told < 1)
		row->callbacks += 1 - told;
	row->callbacks = row->callbacks > 1 ? 1 : row->callbacks;
	if (parks && share(row->delta[TOP_ON_CPU_NS], span_ns) - row->callbacks > row->kernel)
		row->kernel = share(row->delta[TOP_ON_CPU_NS], span_ns) - row->callbacks;
	if (row->kernel > 1 - row->callbacks)
		row->kernel = 1 - row->callbacks;
	row->idle = 1 - row->callbacks - row->kernel;
	row->is_stuck = !is_idle && row->delta[TOP_LOOPS] == 0;
}

static void make_row(struct top_row *row, const struct top_core *before, const struct top_core *now, double span_ns, bool parks)
{
	memcpy(row->value, now->value, sizeof row->value);
	for (int i = 0; i < TOP_FIELD_COUNT; i++)
		row->delta[i] = delta_of(before->value[i], now->value[i]);
	for (int i = 0; i < TOP_CLASS_COUNT; i++) {
		row->latency[i] = now->latency[i];
		zok_latency_subtract(&row->latency[i], &before->latency[i]);
	}
	divide_time(row, span_ns, parks);
}

static bool is_greatest(enum top_field field)
{
	return field == TOP_STACK_USED_MAX || field == TOP_MAIL_DEPTH_MAX;
}

static void add_value(uint64_t *sum, uint64_t value, bool takes_greatest)
{
	if (value == TOP_ABSENT)
		*sum = TOP_ABSENT;
	else if (*sum != TOP_ABSENT && takes_greatest)
		*sum = value > *sum ? value : *sum;
	else if (*sum != TOP_ABSENT)
		*sum += value;
}

/* Sums; the greatest of what is a maximum; the mean of the shares; histograms are merged, for percentiles cannot be. */
static void add_row(struct top_row *total, const struct top_row *row, unsigned core_count)
{
	for (int i = 0; i < TOP_FIELD_COUNT; i++) {
		add_value(&total->value[i], row->value[i], is_greatest((enum top_field)i));
		add_value(&total->delta[i], row->delta[i], is_greatest((enum top_field)i));
	}
	for (int i = 0; i < TOP_CLASS_COUNT; i++)
		zok_latency_add(&total->latency[i], &row->latency[i]);
	total->callbacks += row->callbacks / core_count;
	total->kernel += row->kernel / core_count;
	total->idle += row->idle / core_count;
	total->is_stuck |= row->is_stuck;
}

void top_figures_make(struct top_figures *figures, const struct top_look *before, const struct top_look *now,
		      const struct zok_export_header *header)
{
	uint64_t since_ns = before ? before->at_ns : header->began_ns;
	unsigned core_count = header->core_count;
	bool parks = strcmp(header->mode, "park") == 0;
	double span_ns = now->at_ns > since_ns ? (double)(now->at_ns - since_ns) : 1;

	figures->seconds = span_ns / 1e9;
	figures->is_total = !before;
	figures->core_count = core_count;
	memset(&figures->total, 0, sizeof figures->total);
	for (unsigned i = 0; i < core_count; i++) {
		struct top_row *row = &figures->rows[i];

		row->index = i;
		make_row(row, before ? &before->cores[i] : &nothing, &now->cores[i], span_ns, parks);
		add_row(&figures->total, row, core_count);
	}
}
