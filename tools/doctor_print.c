/* What the doctor found, for people and for programs. */
#include "tools/doctor.h"

#include "perf/json.h"

#include <string.h>
#include <unistd.h>

/* ---- Text ---- */

static const char *mark(enum doctor_severity severity, bool has_colour)
{
	static const char *const plain[] = {"ok  ", "?   ", "note", "WARN", "FAIL"};
	static const char *const coloured[] = {"\033[32mok  \033[0m", "?   ", "note", "\033[33mWARN\033[0m", "\033[31mFAIL\033[0m"};

	return (has_colour ? coloured : plain)[severity];
}

enum { WIDTH = 98, INDENT = 22 };

/* Words from column INDENT on, a label before the first line. */
static void print_words(FILE *out, const char *label, const char *text)
{
	size_t at = 0;

	fprintf(out, "%*s%-8s", INDENT - 8, "", label);
	while (*text) {
		size_t word = strcspn(text, " ");

		if (at > 0 && at + 1 + word > WIDTH - INDENT) {
			fprintf(out, "\n%*s", INDENT, "");
			at = 0;
		}
		at += (size_t)fprintf(out, "%s%.*s", at ? " " : "", (int)word, text);
		text += word + (text[word] == ' ');
	}
	fputc('\n', out);
}

static void print_finding(FILE *out, const struct doctor_finding *finding, bool has_colour)
{
	fprintf(out, "%s  %-15s %s%s\n", mark(finding->is_fixed ? DOCTOR_OK : finding->severity, has_colour), finding->check, finding->saw,
		finding->is_fixed ? " (mended now)" : "");
	if (finding->severity <= DOCTOR_UNKNOWN || finding->is_fixed)
		return;
	if (finding->why[0])
		print_words(out, "why", finding->why);
	if (finding->mend[0])
		print_words(out, finding->needs_reboot ? "reboot" : "mend", finding->mend);
	if (finding->undo[0])
		print_words(out, "undo", finding->undo);
}

static unsigned count_of(const struct doctor *doctor, enum doctor_severity severity)
{
	unsigned count = 0;

	for (size_t i = 0; i < doctor->finding_count; i++)
		count += !doctor->finding[i].is_fixed && doctor->finding[i].severity == severity;
	return count;
}

void doctor_print(FILE *out, const struct doctor *doctor, bool shows_all)
{
	bool has_colour = isatty(fileno(out));

	for (int severity = DOCTOR_FAILURE; severity >= DOCTOR_OK; severity--)
		for (size_t i = 0; i < doctor->finding_count; i++) {
			const struct doctor_finding *finding = &doctor->finding[i];

			if ((int)finding->severity == severity && (shows_all || severity > DOCTOR_OK))
				print_finding(out, finding, has_colour);
		}
	fprintf(out, "CPUs %s: %u failures, %u warnings, %u notes, %u not known, %u well%s\n", doctor->cpu_list,
		count_of(doctor, DOCTOR_FAILURE), count_of(doctor, DOCTOR_WARNING), count_of(doctor, DOCTOR_NOTE),
		count_of(doctor, DOCTOR_UNKNOWN), count_of(doctor, DOCTOR_OK), shows_all ? "" : " (--all shows them)");
}

/* ---- JSON ---- */

static void write_changes(struct perf_json *json, const struct doctor *doctor, size_t finding)
{
	perf_json_open(json, "changes", '[');
	for (size_t i = 0; i < doctor->change_count; i++) {
		const struct doctor_change *change = &doctor->change[i];

		if (change->finding != finding)
			continue;
		perf_json_open(json, NULL, '{');
		perf_json_text(json, "path", change->path);
		perf_json_text(json, "value", change->value);
		perf_json_text(json, "before", change->before);
		perf_json_text(json, "error", change->error < 0 ? strerror(-change->error) : "");
		perf_json_close(json, '}');
	}
	perf_json_close(json, ']');
}

void doctor_print_json(FILE *out, const struct doctor *doctor)
{
	struct perf_json json;

	perf_json_init(&json, out);
	perf_json_open(&json, NULL, '{');
	perf_json_text(&json, "format", "zok-doctor-1");
	perf_json_text(&json, "cpus", doctor->cpu_list);
	perf_json_text(&json, "worst", doctor_severity_name(doctor_worst(doctor)));
	perf_json_open(&json, "findings", '[');
	for (size_t i = 0; i < doctor->finding_count; i++) {
		const struct doctor_finding *finding = &doctor->finding[i];

		perf_json_open(&json, NULL, '{');
		perf_json_text(&json, "check", finding->check);
		perf_json_text(&json, "severity", doctor_severity_name(finding->severity));
		perf_json_text(&json, "saw", finding->saw);
		perf_json_text(&json, "why", finding->why);
		perf_json_text(&json, "mend", finding->mend);
		perf_json_text(&json, "undo", finding->undo);
		perf_json_bool(&json, "needs_reboot", finding->needs_reboot);
		perf_json_bool(&json, "is_fixed", finding->is_fixed);
		write_changes(&json, doctor, i);
		perf_json_close(&json, '}');
	}
	perf_json_close(&json, ']');
	perf_json_close(&json, '}');
	fputc('\n', out);
}
