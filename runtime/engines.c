#include "runtime/engines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zok_config.h> /* made by meson in the build folder */

/* In the order of preference, ended by NULL; a second one, because the last of them has no fallback. */
static const struct zok__engine_ops *const engines[] = {
#ifdef ZOK_HAVE_URING
	&zok__engine_uring,
#endif
#ifdef ZOK_HAVE_EPOLL
	&zok__engine_epoll,
#endif
	NULL,
	NULL,
};

static int refuse(const char *source, const char *name, char *error, size_t error_size)
{
	int used = snprintf(error, error_size, "%s: %.40s: no such engine in this build; there are auto", source, name);

	for (size_t i = 0; engines[i] && used > 0 && (size_t)used < error_size; i++)
		used += snprintf(error + used, error_size - (size_t)used, ", %s", engines[i]->name);
	return -EINVAL;
}

static bool is_auto(const char *name)
{
	return !name || strcmp(name, "auto") == 0;
}

int zok__engines_choose(const char *name, const struct zok__engine_ops **engine, const struct zok__engine_ops **fallback, char *error,
			size_t error_size)
{
	const char *source = "engine";

	if (is_auto(name)) {
		name = getenv("ZOK_ENGINE");
		source = "ZOK_ENGINE";
	}
	if (is_auto(name) || *name == '\0') {
		*engine = engines[0];
		*fallback = *engine ? engines[1] : NULL;
		return *engine ? 0 : refuse("engine", "auto", error, error_size);
	}
	for (size_t i = 0; engines[i]; i++) {
		if (strcmp(name, engines[i]->name) == 0) {
			*engine = engines[i];
			*fallback = NULL;
			return 0;
		}
	}
	return refuse(source, name, error, error_size);
}
