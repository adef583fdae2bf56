/* `zok top --once --json`: what docs/schemas/top.schema.json describes. */
#include "perf/json.h"
#include "tools/top.h"

static const char *const class_names[TOP_CLASS_COUNT] = {"latency", "normal", "bulk"};

/* What is counted: as a rate, and since the start. */
static const struct {
	const char *key;
	enum top_field field;
} counters[] = {
	{"loops", TOP_LOOPS},
	{"tasks_spawned", TOP_TASKS_SPAWNED},
	{"tasks_finished", TOP_TASKS_FINISHED},
	{"tasks_polled", TOP_TASKS_POLLED},
	{"wakes", TOP_WAKES},
	{"wakes_remote", TOP_WAKES_REMOTE},
	{"yields", TOP_YIELDS},
	{"budget_overruns", TOP_BUDGET_OVERRUNS},
	{"stalls", TOP_STALLS},
	{"wakes_by_ring", TOP_WAKES_BY_RING},
	{"steal_attempts", TOP_STEAL_ATTEMPTS},
	{"steals", TOP_STEALS},
	{"steals_smt", TOP_STEALS_SMT},
	{"steals_cache", TOP_STEALS_CACHE},
	{"steals_node", TOP_STEALS_NODE},
	{"steals_far", TOP_STEALS_FAR},
	{"sweeps_failed", TOP_SWEEPS_FAILED},
	{"tasks_stolen", TOP_TASKS_STOLEN},
	{"tasks_rescued", TOP_TASKS_RESCUED},
	{"tasks_injected", TOP_TASKS_INJECTED},
	{"tasks_returned", TOP_TASKS_RETURNED},
	{"tasks_adopted", TOP_TASKS_ADOPTED},
	{"stuck", TOP_STUCK},
	{"ops", TOP_OPS},
	{"completions", TOP_COMPLETIONS},
	{"cancels", TOP_CANCELS},
	{"submits", TOP_SUBMITS},
	{"waits", TOP_WAITS},
	{"sqe_shortages", TOP_SQE_SHORTAGES},
	{"cq_overflows", TOP_CQ_OVERFLOWS},
	{"buffer_shortages", TOP_BUFFER_SHORTAGES},
	{"fd_shortages", TOP_FD_SHORTAGES},
	{"sockets_opened", TOP_SOCKETS_OPENED},
	{"sockets_closed", TOP_SOCKETS_CLOSED},
	{"connections_moved_in", TOP_CONNECTIONS_MOVED_IN},
	{"connections_moved_out", TOP_CONNECTIONS_MOVED_OUT},
	{"bytes_received", TOP_BYTES_RECEIVED},
	{"bytes_sent", TOP_BYTES_SENT},
	{"timers_expired", TOP_TIMERS_EXPIRED},
	{"messages_sent", TOP_MESSAGES_SENT},
	{"messages_received", TOP_MESSAGES_RECEIVED},
};

/* How it is now. */
static const struct {
	const char *key;
	enum top_field field;
} gauges[] = {
	{"runq_depth_latency", TOP_RUNQ_LATENCY}, {"runq_depth_normal", TOP_RUNQ_NORMAL}, {"runq_depth_bulk", TOP_RUNQ_BULK},
	{"mail_depth", TOP_MAIL_DEPTH},		  {"mail_depth_max", TOP_MAIL_DEPTH_MAX}, {"tasks_alive", TOP_TASKS_ALIVE},
	{"fibers_alive", TOP_FIBERS_ALIVE},	  {"sockets_alive", TOP_SOCKETS_ALIVE},	  {"connections_open", TOP_CONNECTIONS_OPEN},
	{"stack_used_max", TOP_STACK_USED_MAX},
};

static void put_count(struct perf_json *json, const char *key, uint64_t value)
{
	if (value == TOP_ABSENT)
		perf_json_null(json, key);
	else
		perf_json_count(json, key, value);
}

static void put_latency(struct perf_json *json, const char *key, const struct zok_latency *latency)
{
	perf_json_open(json, key, '{');
	perf_json_count(json, "samples", zok_latency_count(latency));
	perf_json_count(json, "p50", zok_latency_percentile_ns(latency, 50));
	perf_json_count(json, "p99", zok_latency_percentile_ns(latency, 99));
	perf_json_count(json, "p99_9", zok_latency_percentile_ns(latency, 99.9));
	perf_json_count(json, "max", zok_latency_percentile_ns(latency, 100));
	perf_json_close(json, '}');
}

static void put_figures(struct perf_json *json, const struct top_row *row, double seconds)
{
	perf_json_bool(json, "is_stuck", row->is_stuck);
	perf_json_open(json, "time", '{');
	perf_json_number(json, "callbacks", row->callbacks);
	perf_json_number(json, "kernel", row->kernel);
	perf_json_number(json, "idle", row->idle);
	if (row->delta[TOP_ON_CPU_NS] == TOP_ABSENT)
		perf_json_null(json, "on_cpu");
	else
		perf_json_number(json, "on_cpu", (double)row->delta[TOP_ON_CPU_NS] / (seconds * 1e9));
	perf_json_close(json, '}');
	perf_json_open(json, "now", '{');
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
		put_count(json, gauges[i].key, row->value[gauges[i].field]);
	perf_json_close(json, '}');
	perf_json_open(json, "per_second", '{');
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
		uint64_t delta = row->delta[counters[i].field];

		if (delta == TOP_ABSENT)
			perf_json_null(json, counters[i].key);
		else
			perf_json_number(json, counters[i].key, (double)delta / seconds);
	}
	perf_json_close(json, '}');
	perf_json_open(json, "since_start", '{');
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		put_count(json, counters[i].key, row->value[counters[i].field]);
	perf_json_close(json, '}');
	perf_json_open(json, "wake_to_run_ns", '{');
	for (int i = 0; i < TOP_CLASS_COUNT; i++)
		put_latency(json, class_names[i], &row->latency[i]);
	perf_json_close(json, '}');
}

static void put_runtime(struct perf_json *json, const struct top_source *source)
{
	const struct zok_export_header *header = &source->header;

	perf_json_open(json, "runtime", '{');
	perf_json_count(json, "pid", header->pid);
	perf_json_text(json, "program", header->program);
	perf_json_text(json, "engine", header->engine);
	perf_json_text(json, "mode", header->mode);
	perf_json_count(json, "budget_ns", header->budget_ns);
	perf_json_number(json, "uptime_s", (double)(top_now_ns() - header->began_ns) / 1e9);
	perf_json_bool(json, "is_newer", source->is_newer);
	perf_json_close(json, '}');
}

void top_print_json(FILE *out, const struct top_source *source, const struct top_figures *figures)
{
	struct perf_json json;

	perf_json_init(&json, out);
	perf_json_open(&json, NULL, '{');
	perf_json_text(&json, "schema", "zok-top/1");
	put_runtime(&json, source);
	perf_json_number(&json, "interval_s", figures->seconds);
	perf_json_open(&json, "cores", '[');
	for (unsigned i = 0; i < figures->core_count; i++) {
		perf_json_open(&json, NULL, '{');
		perf_json_count(&json, "core", i);
		put_count(&json, "cpu", figures->rows[i].value[TOP_CPU]);
		put_figures(&json, &figures->rows[i], figures->seconds);
		perf_json_close(&json, '}');
	}
	perf_json_close(&json, ']');
	perf_json_open(&json, "total", '{');
	put_figures(&json, &figures->total, figures->seconds);
	perf_json_close(&json, '}');
	perf_json_close(&json, '}');
}
