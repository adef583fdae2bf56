/* A writer of JSON: commas, indentation and escapes are its business. Reading is jansson's. */
#ifndef PERF_JSON_H
#define PERF_JSON_H

#include "zokio/base.h"

#include <stdio.h>

struct perf_json {
	FILE *out;
	unsigned depth;
	bool has_member; /* something stands before, on this level */
};

void perf_json_init(struct perf_json *json, FILE *out);

/* `key` is NULL inside an array and at the top. */
void perf_json_open(struct perf_json *json, const char *key, char bracket);
void perf_json_close(struct perf_json *json, char bracket);
void perf_json_text(struct perf_json *json, const char *key, const char *text);
void perf_json_number(struct perf_json *json, const char *key, double number);
void perf_json_count(struct perf_json *json, const char *key, uint64_t count);
void perf_json_bool(struct perf_json *json, const char *key, bool value);
void perf_json_null(struct perf_json *json, const char *key);

#endif
