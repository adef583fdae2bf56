#include "perf/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void perf_base64_encode(const uint8_t *bytes, size_t size, char *text)
{
	for (size_t i = 0; i < size; i += 3, text += 4) {
		size_t left = size - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		text[0] = alphabet[group >> 18];
		text[1] = alphabet[group >> 12 & 63];
		text[2] = left > 1 ? alphabet[group >> 6 & 63] : '=';
		text[3] = left > 2 ? alphabet[group & 63] : '=';
	}
	*text = '\0';
}

static int value_of(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at ? (int)(at - alphabet) : -1;
}

/* The value of four characters of which the last `padding` are '='; -1 when one is none of the alphabet's. */
static int32_t group_of(const char *text, size_t padding)
{
	int32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;

		if (value < 0)
			return -1;
		group = group << 6 | value;
	}
	return group;
}

static size_t padding_of(const char *text, size_t length)
{
	if (length == 0 || text[length - 1] != '=')
		return 0;
	return text[length - 2] == '=' ? 2 : 1;
}

ssize_t perf_base64_decode(const char *text, size_t length, uint8_t *bytes)
{
	size_t padding, size = 0;

	if (length % 4 != 0)
		return -EBADMSG;
	padding = padding_of(text, length);
	for (size_t i = 0; i < length; i += 4) {
		size_t unused = i + 4 == length ? padding : 0;
		int32_t group = group_of(text + i, unused);

		if (group < 0)
			return -EBADMSG;
		for (size_t k = 0; k < 3 - unused; k++)
			bytes[size++] = (uint8_t)(group >> (16 - 8 * k));
	}
	return (ssize_t)size;
}
