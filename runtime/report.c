/* What the engine found on its live ring, as text. */
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t append(char *text, size_t size, size_t used, const char *a, const char *b, const char *c)
{
	int more = used < size ? snprintf(text + used, size - used, "%-24s %-4s %s\n", a, b, c) : 0;

	return more > 0 ? used + (size_t)more : used;
}

/* Also in modes that do not spin: what they would do. */
static size_t report_spin(struct zok_runtime *runtime, size_t used)
{
	bool spins = runtime->config.core.mode == ZOK__MODE_SPIN || runtime->config.core.mode == ZOK__MODE_ADAPTIVE;
	char text[120];

	zok__spin_describe(runtime->config.spin, zok__cpu_waits_here(), runtime->core_count, text, sizeof text);
	return append(runtime->report, sizeof runtime->report, used, "spin", spins ? "on" : "off", text);
}

void zok__report_take(struct zok_runtime *runtime)
{
	struct zok__engine *engine = runtime->cores[0]->engine;
	struct zok__engine_report report = {0};
	char stalls[160], priority[80];
	bool has_priority = zok__priority_describe(&runtime->seats[0], priority, sizeof priority);
	bool is_watched = zok__stalls_describe(runtime->stalls, 0, stalls, sizeof stalls);
	size_t used = 0;

	engine->ops->report(engine, &report);
	used = append(runtime->report, sizeof runtime->report, used, "engine", "", report.engine);
	used = append(runtime->report, sizeof runtime->report, used, "mode", "", report.mode);
	for (size_t i = 0; i < report.feature_count; i++)
		used = append(runtime->report, sizeof runtime->report, used, report.features[i].name,
			      report.features[i].is_active ? "on" : "off", report.features[i].reason);
	if (runtime->sqpoll) {
		char threads[160];

		zok__sqpoll_describe(runtime->sqpoll, runtime->core_count, threads, sizeof threads);
		used = append(runtime->report, sizeof runtime->report, used, "sqpoll threads", "", threads);
	}
	used = append(runtime->report, sizeof runtime->report, used, "wake", "", runtime->calibration.text);
	used = report_spin(runtime, used);
	used = append(runtime->report, sizeof runtime->report, used, "stall detector", is_watched ? "on" : "off", stalls);
	append(runtime->report, sizeof runtime->report, used, "real-time priority", has_priority ? "on" : "off", priority);
	zok__export_publish(&runtime->export, &report, runtime->config.core.budget_ns);
}

int zok_engine_report(char *text, size_t size)
{
	struct zok_runtime *runtime = zok__runtime();

	if (!runtime)
		return -EINVAL;
	return snprintf(text, size, "%s", runtime->report);
}
