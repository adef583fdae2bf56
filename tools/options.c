#include "tools/options.h"

#include <string.h>

static int refuse(const char *command, const char *name, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", command, name, why);
	return -1;
}

static int refuse_unknown(const char *command, const struct zok_option *options, const char *word)
{
	fprintf(stderr, "%s: %s: no such option; there are", command, word);
	for (const struct zok_option *option = options; option->name != NULL; option++)
		fprintf(stderr, "%s %s%s%s", option == options ? "" : ",", option->name, option->value != NULL ? " " : "",
			option->value != NULL ? option->value : "");
	fputc('\n', stderr);
	return -1;
}

/* `length` bytes of the word are the option's name. */
static const struct zok_option *find(const struct zok_option *options, const char *word, size_t length)
{
	for (; options->name != NULL; options++)
		if (strlen(options->name) == length && memcmp(options->name, word, length) == 0)
			return options;
	return NULL;
}

static int take_value(const char *command, const struct zok_option *option, const char *value)
{
	char why[256];
	const char *accepted;

	if (value == NULL || *value == '\0') {
		snprintf(why, sizeof why, "takes a value: %s", option->value);
		return refuse(command, option->name, why);
	}
	if (option->text != NULL) {
		*option->text = value;
		return 0;
	}
	accepted = option->take(option->arg, value);
	if (accepted == NULL)
		return 0;
	snprintf(why, sizeof why, "'%.64s' will not do; it takes %.160s", value, accepted);
	return refuse(command, option->name, why);
}

int zok_options_parse(const char *command, const struct zok_option *options, int argc, char **argv)
{
	int at = 1;

	while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
		char *word = argv[at++], *equals = strchr(word, '=');
		const struct zok_option *option;

		if (strcmp(word, "--") == 0)
			return at;
		option = find(options, word, equals != NULL ? (size_t)(equals - word) : strlen(word));
		if (option == NULL)
			return refuse_unknown(command, options, word);
		if (option->flag != NULL) {
			if (equals != NULL)
				return refuse(command, option->name, "takes no value");
			*option->flag = true;
		} else if (take_value(command, option, equals != NULL ? equals + 1 : at < argc ? argv[at++] : NULL) < 0) {
			return -1;
		}
	}
	return at;
}

void zok_options_print(FILE *out, const struct zok_option *options)
{
	for (; options->name != NULL; options++) {
		int width = fprintf(out, "  %s%s%s", options->name, options->value != NULL ? " " : "",
				    options->value != NULL ? options->value : "");

		fprintf(out, "%*s %s\n", width < 26 ? 26 - width : 0, "", options->help);
	}
}
