#include "perf/json.h"

#include <math.h>

static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fputc('\\', out);
		if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void begin_value(struct perf_json *json, const char *key)
{
	if (json->has_member)
		fputc(',', json->out);
	if (json->depth > 0)
		fprintf(json->out, "\n%*s", (int)json->depth, "");
	json->has_member = true;
	if (key) {
		put_text(json->out, key);
		fputs(": ", json->out);
	}
}

void perf_json_init(struct perf_json *json, FILE *out)
{
	*json = (struct perf_json){.out = out};
}

void perf_json_open(struct perf_json *json, const char *key, char bracket)
{
	begin_value(json, key);
	fputc(bracket, json->out);
	json->depth++;
	json->has_member = false;
}

void perf_json_close(struct perf_json *json, char bracket)
{
	json->depth--;
	if (json->has_member)
		fprintf(json->out, "\n%*s", (int)json->depth, "");
	fputc(bracket, json->out);
	json->has_member = true;
	if (json->depth == 0)
		fputc('\n', json->out);
}

void perf_json_text(struct perf_json *json, const char *key, const char *text)
{
	begin_value(json, key);
	put_text(json->out, text);
}

void perf_json_number(struct perf_json *json, const char *key, double number)
{
	begin_value(json, key);
	if (isfinite(number))
		fprintf(json->out, "%.10g", number);
	else
		fputs("null", json->out); /* JSON knows no infinity */
}

void perf_json_count(struct perf_json *json, const char *key, uint64_t count)
{
	begin_value(json, key);
	fprintf(json->out, "%llu", (unsigned long long)count);
}

void perf_json_bool(struct perf_json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void perf_json_null(struct perf_json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->out);
}
