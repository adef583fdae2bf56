#include "perf/hlog.h"

#include "perf/payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void format_date(char *text, size_t size, double seconds)
{
	time_t when = (time_t)seconds;
	struct tm parts;

	if (!gmtime_r(&when, &parts) || strftime(text, size, "%a %b %d %H:%M:%S UTC %Y", &parts) == 0)
		text[0] = '\0';
}

void perf_hlog_write_head(FILE *out, double start_s, const char *note)
{
	char date[64];

	format_date(date, sizeof date, start_s);
	if (note)
		fprintf(out, "#[%s]\n", note);
	fprintf(out, "#[Histogram log format version 1.3]\n");
	fprintf(out, "#[BaseTime: %.3f (seconds since epoch)]\n", start_s);
	fprintf(out, "#[StartTime: %.3f (seconds since epoch), %s]\n", start_s, date);
	fprintf(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
}

int perf_hlog_write(FILE *out, const char *tag, double start_s, double length_s, const struct perf_histogram *histogram)
{
	char *payload;
	int rc;

	if (tag && tag[strcspn(tag, ", \t\r\n")])
		return -EINVAL;
	rc = perf_payload_encode(histogram, &payload);
	if (rc < 0)
		return rc;
	if (tag)
		fprintf(out, "Tag=%s,", tag);
	fprintf(out, "%.3f,%.3f,%.3f,%s\n", start_s, length_s, (double)perf_histogram_max(histogram) / 1e6, payload);
	free(payload);
	return 0;
}

static bool is_data(const char *text)
{
	return text[0] != '#' && text[0] != '"' && text[0] != '\0';
}

/* Takes the tag off the front of a line; returns what follows, or NULL. */
static const char *parse_tag(const char *text, struct perf_hlog_line *line)
{
	size_t length;

	line->tag[0] = '\0';
	if (strncmp(text, "Tag=", 4) != 0)
		return text;
	text += 4;
	length = strcspn(text, ",");
	if (text[length] != ',' || length >= sizeof line->tag)
		return NULL;
	memcpy(line->tag, text, length);
	line->tag[length] = '\0';
	return text + length + 1;
}

static const char *parse_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return end != text && *end == ',' ? end + 1 : NULL;
}

static int parse_line(const char *text, struct perf_hlog_line *line)
{
	struct perf_hlog_line parsed;
	double max_ms;
	int rc;

	text = parse_tag(text, &parsed);
	text = text ? parse_number(text, &parsed.start_s) : NULL;
	text = text ? parse_number(text, &parsed.length_s) : NULL;
	text = text ? parse_number(text, &max_ms) : NULL;
	if (!text)
		return -EBADMSG;
	rc = perf_payload_decode(text, strlen(text), &parsed.histogram);
	if (rc < 0)
		return rc;
	*line = parsed;
	return 1;
}

int perf_hlog_read(FILE *in, struct perf_hlog_line *line, unsigned *line_number)
{
	char *text = NULL;
	size_t room = 0;
	int rc = 0;

	while (rc == 0 && getline(&text, &room, in) >= 0) {
		++*line_number;
		text[strcspn(text, "\r\n")] = '\0';
		if (is_data(text))
			rc = parse_line(text, line);
	}
	if (rc == 0 && ferror(in))
		rc = -EIO;
	free(text);
	return rc;
}
