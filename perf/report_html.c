#include "perf/report.h"

#include "perf/report_plot.h"

#include <time.h>

static const char style[] =
	":root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--mute:#5f6b7a;--line:#dfe3e8;--faint:#eef0f3;"
	"--valid:#0a7d45;--suspect:#a86200;--invalid:#c62828;"
	"--r0:#1f6feb;--r1:#d9730d;--r2:#0b8a6a;--r3:#c2255c;--r4:#7048c8;--r5:#0b8fa8;--r6:#8a6d00;--r7:#5c6773}\n"
	"@media(prefers-color-scheme:dark){:root{--page:#0f1318;--card:#171c23;--ink:#e8ecf1;--mute:#97a3b2;--line:#2d3541;--faint:#222933;"
	"--valid:#46c98b;--suspect:#e8a33d;--invalid:#ff7b72;"
	"--r0:#5ea2ff;--r1:#ff9d4d;--r2:#3ecfa4;--r3:#ff7ba6;--r4:#b294ff;--r5:#4fd0e6;--r6:#d9bd4a;--r7:#a6b1bf}}\n"
	"*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
	"font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif}\n"
	"main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}h1{font-size:26px;margin:0}h2{font-size:17px;margin:0 0 10px}"
	"h3{font-size:14px;margin:14px 0 4px}p{margin:4px 0}.mute{color:var(--mute)}\n"
	"section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:18px}"
	".wide{overflow-x:auto}svg{width:100%;height:auto;display:block}\n"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:6px 10px;text-align:right;"
	"white-space:nowrap;border-bottom:1px solid var(--faint)}th{color:var(--mute);font-weight:600;font-size:13px}"
	"th:first-child,td:first-child{text-align:left}tr.raw td{color:var(--mute)}tr.first td{border-bottom:0}"
	"table.facts td{text-align:left;white-space:normal;vertical-align:top}table.facts th{text-align:left}\n"
	".chip{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:8px;vertical-align:-1px;background:currentColor}"
	".badge{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:0 9px;font-size:12px;font-weight:700;"
	"letter-spacing:.03em}.VALID{color:var(--valid)}.SUSPECT{color:var(--suspect)}.INVALID{color:var(--invalid)}\n"
	"ul{margin:6px 0 12px;padding-left:20px}.legend "
	"span{margin-right:18px;white-space:nowrap}.key{display:inline-block;width:26px;height:0;"
	"border-top:2.5px solid var(--ink);vertical-align:4px;margin-right:7px}.key.dash{border-top-style:dashed;border-top-width:1.6px}"
	".key.thin{border-top-width:1.2px;opacity:.65}.key.dots{border-top-style:dotted}\n"
	".rule{stroke:var(--line);stroke-width:1}.faint{stroke:var(--faint)}.tick{fill:var(--mute);font-size:12.5px}"
	".axis{fill:var(--mute);font-size:13px}.curve,.series{fill:none;stroke:currentColor;stroke-width:2.4;stroke-linejoin:round}"
	".raw.curve{stroke-width:1.5;stroke-dasharray:6 4}.few{opacity:.4}.p50{stroke-width:1.4;stroke-dasharray:2 "
	"4}.max{stroke-width:1.3;opacity:.65}"
	".mark{fill:var(--card);stroke:currentColor;stroke-width:2}.dot{fill:currentColor}\n";

static void put_colours(FILE *out)
{
	for (int i = 0; i < PERF_PLOT_COLOURS; i++)
		fprintf(out, ".r%d{color:var(--r%d)}", i, i);
}

static void put_badge(FILE *out, enum perf_verdict verdict)
{
	fprintf(out, "<span class=\"badge %s\">%s</span>", perf_verdict_name(verdict), perf_verdict_name(verdict));
}

static void put_label(FILE *out, const struct perf_result *results, size_t index)
{
	fprintf(out, "<span class=\"chip r%zu\"></span>", index % PERF_PLOT_COLOURS);
	perf_html_text(out, results[index].label);
}

static void put_head(FILE *out, const struct perf_result *results)
{
	char date[64] = "";
	time_t when = (time_t)results[0].started_s;
	struct tm parts;

	if (gmtime_r(&when, &parts))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &parts);
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Tail latency: ",
	      out);
	perf_html_text(out, results[0].label);
	fputs("</title>\n<style>\n", out);
	fputs(style, out);
	put_colours(out);
	fputs("\n</style></head><body><main>\n<h1>Tail latency</h1>\n<p class=\"mute\">", out);
	perf_html_text(out, results[0].machine.host);
	fprintf(out, ", %s, zok perf ", date);
	perf_html_text(out, results[0].version);
	fputs("</p>\n", out);
}

static void put_percentiles(FILE *out, const struct perf_histogram *h)
{
	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++) {
		fputs("<td>", out);
		if (perf_percentile_is_supported(h->total, perf_percentiles_shown[i]))
			perf_html_ns(out, perf_histogram_percentile(h, perf_percentiles_shown[i]));
		else
			fputs("<span title=\"too few samples\">–</span>", out);
		fputs("</td>", out);
	}
}

static void put_run_row(FILE *out, const struct perf_result *results, size_t index)
{
	const struct perf_result *r = &results[index];
	bool is_open = r->loop == PERF_LOOP_OPEN;

	fprintf(out, "<tr%s><td>", is_open ? " class=\"first\"" : "");
	put_label(out, results, index);
	fputs("</td><td>", out);
	put_badge(out, r->verdict);
	if (is_open)
		fprintf(out, "</td><td>%.0f</td>", r->rate_asked);
	else
		fputs("</td><td>closed loop</td>", out);
	fprintf(out, "<td>%.0f</td><td>%llu</td>", perf_result_rate(r), (unsigned long long)perf_result_error_sum(r));
	put_percentiles(out, perf_result_headline(r));
	fputs("</tr>\n", out);
	if (!is_open)
		return;
	fputs("<tr class=\"raw\"><td colspan=\"5\" style=\"padding-left:30px\">raw, from the real send</td>", out);
	put_percentiles(out, &r->latency[PERF_RAW]);
	fputs("</tr>\n", out);
}

static void put_table(FILE *out, const struct perf_result *results, size_t count)
{
	fputs("<section><h2>Runs</h2><div "
	      "class=\"wide\"><table><tr><th>run</th><th>verdict</th><th>asked/s</th><th>reached/s</th><th>errors</th>",
	      out);
	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++)
		fprintf(out, "<th>%s</th>", perf_percentile_name(i));
	fputs("</tr>\n", out);
	for (size_t i = 0; i < count; i++)
		put_run_row(out, results, i);
	fputs("</table></div></section>\n", out);
}

static void put_legend(FILE *out, const struct perf_result *results, size_t count)
{
	fputs("<p class=\"legend mute\">", out);
	for (size_t i = 0; i < count; i++) {
		fputs("<span>", out);
		put_label(out, results, i);
		fputs("</span>", out);
	}
	fputs("</p>\n<p class=\"legend mute\"><span><i class=\"key\"></i>corrected: from the planned send</span>"
	      "<span><i class=\"key dash\"></i>raw: from the real send</span>"
	      "<span style=\"opacity:.6\"><i class=\"key thin\"></i>pale: fewer than ten samples beyond</span></p>\n",
	      out);
}

static void put_plots(FILE *out, const struct perf_result *results, size_t count)
{
	fputs("<section><h2>Latency by percentile</h2>\n", out);
	put_legend(out, results, count);
	perf_plot_percentiles(out, results, count);
	fputs("</section>\n<section><h2>Latency over time</h2>\n<p class=\"legend mute\"><span><i class=\"key thin\"></i>max</span>"
	      "<span><i class=\"key\"></i>p99</span><span><i class=\"key dash dots\"></i>p50</span>of each interval</p>\n",
	      out);
	for (size_t i = 0; i < count; i++) {
		if (count > 1) {
			fputs("<h3>", out);
			put_label(out, results, i);
			fputs("</h3>\n", out);
		}
		perf_plot_time(out, results, count, i);
	}
	fputs("</section>\n", out);
}

static void put_verdicts(FILE *out, const struct perf_result *results, size_t count)
{
	fputs("<section><h2>Can these figures be believed?</h2>\n", out);
	for (size_t i = 0; i < count; i++) {
		const struct perf_result *r = &results[i];

		fputs("<p>", out);
		put_label(out, results, i);
		fputs(" &nbsp;", out);
		put_badge(out, r->verdict);
		fputs(r->reason_count
			      ? "</p>\n<ul>"
			      : "</p>\n<ul><li class=\"mute\">No objection: the rate was reached, the generator was on time and alone on "
				"its processor.</li>",
		      out);
		for (size_t k = 0; k < r->reason_count; k++) {
			fprintf(out, "<li><b class=\"%s\">%s</b> ", perf_verdict_name(r->reasons[k].level),
				perf_verdict_name(r->reasons[k].level));
			perf_html_text(out, r->reasons[k].text);
			fputs("</li>", out);
		}
		fputs("</ul>\n", out);
	}
	fputs("</section>\n", out);
}

/* The facts of a run, a row each. A row prints one cell. */

static void cell_load(FILE *out, const struct perf_result *r)
{
	perf_html_text(out, r->target);
	fprintf(out, "<br>%s, %llu bytes", r->protocol, (unsigned long long)r->size);
}

static void cell_arrivals(FILE *out, const struct perf_result *r)
{
	if (r->loop == PERF_LOOP_OPEN)
		fprintf(out, "open loop, %s arrivals, seed %llu", perf_arrivals_name(r->arrivals), (unsigned long long)r->seed);
	else
		fputs("closed loop", out);
}

static void cell_connections(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%u, depth %u", r->connections, r->depth);
}

static void cell_window(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%.4g s after %.4g s of warm-up", (double)r->duration_ns / 1e9, (double)r->warmup_ns / 1e9);
}

static void cell_requests(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%llu planned, %llu sent, %.2f %% reached", (unsigned long long)r->planned, (unsigned long long)r->sent,
		100 * perf_result_reached(r));
}

static void cell_errors(FILE *out, const struct perf_result *r)
{
	const char *comma = "";

	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		if (r->errors[i] > 0) {
			fprintf(out, "%s%llu %s", comma, (unsigned long long)r->errors[i], perf_error_name((enum perf_error)i));
			comma = ", ";
		}
	if (!*comma)
		fputs("none", out);
}

static void cell_generator(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%u thread%s, %s, %s%s", r->threads, r->threads == 1 ? "" : "s",
		r->wait == PERF_WAIT_SPIN ? "busy polling" : "blocking in epoll",
		r->machine.cpus_pinned[0] ? "pinned to processor " : "not pinned", r->machine.cpus_pinned);
}

static void cell_lateness(FILE *out, const struct perf_result *r)
{
	fputs("p50 ", out);
	perf_html_ns(out, perf_histogram_percentile(&r->lateness, 50));
	fputs(", p99 ", out);
	perf_html_ns(out, perf_histogram_percentile(&r->lateness, 99));
	fputs(", max ", out);
	perf_html_ns(out, perf_histogram_max(&r->lateness));
}

static void cell_pauses(FILE *out, const struct perf_result *r)
{
	perf_html_ns(out, r->pause_ns_total);
	fputs(" together, ", out);
	perf_html_ns(out, r->pause_ns_max);
	fputs(" at most", out);
}

static void cell_preempted(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%llu times, waited ", (unsigned long long)r->machine.involuntary_switches);
	perf_html_ns(out, r->machine.wait_ns);
}

static void cell_processor(FILE *out, const struct perf_result *r)
{
	perf_html_text(out, r->machine.cpu_model);
	fprintf(out, "<br>%u online, allowed %s", r->machine.cpu_count, r->machine.cpus_allowed);
}

static void cell_kernel(FILE *out, const struct perf_result *r)
{
	perf_html_text(out, r->machine.kernel);
}

static void cell_clock(FILE *out, const struct perf_result *r)
{
	perf_html_text(out, r->machine.clocksource[0] ? r->machine.clocksource : "unknown");
	fputs(", governor ", out);
	perf_html_text(out, r->machine.governor[0] ? r->machine.governor : "not readable");
}

static void cell_others(FILE *out, const struct perf_result *r)
{
	fprintf(out, "load average %.2f at the start, %.2f %% stolen", r->machine.load_average, 100 * r->machine.steal_fraction);
}

static const struct {
	const char *name;
	void (*put)(FILE *out, const struct perf_result *r);
} facts[] = {
	{"target", cell_load},
	{"arrivals", cell_arrivals},
	{"connections", cell_connections},
	{"window", cell_window},
	{"requests", cell_requests},
	{"errors", cell_errors},
	{"generator", cell_generator},
	{"sends late by", cell_lateness},
	{"generator paused", cell_pauses},
	{"generator preempted", cell_preempted},
	{"processor", cell_processor},
	{"kernel", cell_kernel},
	{"clock", cell_clock},
	{"machine", cell_others},
};

static void put_facts(FILE *out, const struct perf_result *results, size_t count)
{
	fputs("<section><h2>Load and machine</h2><div class=\"wide\"><table class=\"facts\"><tr><th></th>", out);
	for (size_t i = 0; i < count; i++) {
		fputs("<th>", out);
		put_label(out, results, i);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
	for (size_t k = 0; k < sizeof facts / sizeof facts[0]; k++) {
		fprintf(out, "<tr><td class=\"mute\">%s</td>", facts[k].name);
		for (size_t i = 0; i < count; i++) {
			fputs("<td>", out);
			facts[k].put(out, &results[i]);
			fputs("</td>", out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</table></div></section>\n", out);
}

void perf_report_html(FILE *out, const struct perf_result *results, size_t count)
{
	if (count == 0)
		return;
	put_head(out, results);
	put_table(out, results, count);
	put_plots(out, results, count);
	put_verdicts(out, results, count);
	put_facts(out, results, count);
	fputs("</main></body></html>\n", out);
}
