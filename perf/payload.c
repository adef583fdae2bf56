#include "perf/payload.h"

#include "perf/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COOKIE_V2	   UINT32_C(0x1c849313)
#define COOKIE_V2_DEFLATED UINT32_C(0x1c849314)
#define HEADER_SIZE	   40
#define OUTER_SIZE	   8
#define NUMBER_SIZE_MAX	   9

/* A payload that decodes to more than this is refused: the largest layout that perf_histogram_create takes, every counter at its longest. */
#define INFLATED_SIZE_MAX (HEADER_SIZE + (size_t)NUMBER_SIZE_MAX * 64 * 262144)

struct reader {
	const uint8_t *at, *end;
};

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(value >> shift);
	return at;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
	at = put_u32(at, (uint32_t)(value >> 32));
	return put_u32(at, (uint32_t)value);
}

/* ZigZag keeps small negative numbers short; the ninth byte carries eight bits, so that 64 bits fit into nine bytes. */
static uint8_t *put_number(uint8_t *at, int64_t number)
{
	uint64_t left = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);

	for (int i = 0; i < NUMBER_SIZE_MAX - 1 && left > 127; i++, left >>= 7)
		*at++ = (uint8_t)(left | 128);
	*at++ = (uint8_t)left;
	return at;
}

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get_u64(const uint8_t *at)
{
	return (uint64_t)get_u32(at) << 32 | get_u32(at + 4);
}

static int get_number(struct reader *in, int64_t *number)
{
	uint64_t bits = 0;

	for (int i = 0; i < NUMBER_SIZE_MAX; i++) {
		uint8_t byte;
		bool is_last = i == NUMBER_SIZE_MAX - 1;

		if (in->at == in->end)
			return -EBADMSG;
		byte = *in->at++;
		bits |= (uint64_t)(is_last ? byte : byte & 127) << 7 * i;
		if (is_last || byte < 128)
			break;
	}
	*number = (int64_t)(bits >> 1 ^ -(bits & 1));
	return 0;
}

static uint8_t *put_counts(uint8_t *at, const struct perf_histogram *h)
{
	size_t length = h->total > 0 ? perf_histogram_index(h, h->max) + 1 : 0;

	for (size_t i = 0; i < length;) {
		size_t run = i;

		while (run < length && h->counts[run] == 0)
			run++;
		if (run - i > 1) {
			at = put_number(at, -(int64_t)(run - i));
			i = run;
		} else {
			at = put_number(at, (int64_t)h->counts[i++]);
		}
	}
	return at;
}

static size_t put_histogram(uint8_t *bytes, const struct perf_histogram *h)
{
	uint8_t *end = put_counts(bytes + HEADER_SIZE, h), *at;

	at = put_u32(bytes, COOKIE_V2);
	at = put_u32(at, (uint32_t)(end - bytes - HEADER_SIZE));
	at = put_u32(at, 0); /* no normalizing offset */
	at = put_u32(at, (uint32_t)h->significant_digits);
	at = put_u64(at, h->lowest);
	at = put_u64(at, h->highest);
	put_u64(at, UINT64_C(0x3ff0000000000000)); /* 1.0: integers stand for themselves */
	return (size_t)(end - bytes);
}

/* `scratch` has room for both stages; see perf_payload_encode. */
static int deflate_to_text(const uint8_t *plain, size_t plain_size, uint8_t *packed, uLongf packed_size, char **text)
{
	if (compress2(packed + OUTER_SIZE, &packed_size, plain, plain_size, Z_DEFAULT_COMPRESSION) != Z_OK)
		return -ENOMEM;
	put_u32(put_u32(packed, COOKIE_V2_DEFLATED), (uint32_t)packed_size);
	*text = malloc(PERF_BASE64_LENGTH(packed_size + OUTER_SIZE) + 1);
	if (!*text)
		return -ENOMEM;
	perf_base64_encode(packed, packed_size + OUTER_SIZE, *text);
	return 0;
}

int perf_payload_encode(const struct perf_histogram *histogram, char **text)
{
	size_t plain_size_max = HEADER_SIZE + NUMBER_SIZE_MAX * histogram->counts_length;
	uLongf packed_size_max = compressBound(plain_size_max);
	uint8_t *plain = malloc(plain_size_max);
	uint8_t *packed = malloc(OUTER_SIZE + packed_size_max);
	int rc = -ENOMEM;

	if (plain && packed)
		rc = deflate_to_text(plain, put_histogram(plain, histogram), packed, packed_size_max, text);
	free(plain);
	free(packed);
	return rc;
}

/* Reads the counts into a histogram that has its layout. A run or a counter beyond the layout is a damaged payload. */
static int get_counts(struct reader *in, struct perf_histogram *h)
{
	size_t index = 0;

	while (in->at < in->end) {
		int64_t number;
		int rc = get_number(in, &number);

		if (rc < 0)
			return rc;
		if (number < 0) {
			if (number < -(int64_t)(h->counts_length - index))
				return -EBADMSG;
			index += (size_t)-number;
			continue;
		}
		if (index >= h->counts_length)
			return -EBADMSG;
		/* A counter can stand for values above `highest`: the layout rounds up. Recording its lowest value keeps it in its place. */
		if (number > 0) {
			uint64_t value = perf_histogram_value_low(h, index);

			perf_histogram_record(h, value <= h->highest ? value : h->highest, (uint64_t)number);
		}
		index++;
	}
	return 0;
}

static int get_histogram(const uint8_t *bytes, size_t size, struct perf_histogram *histogram)
{
	struct perf_histogram made = {0};
	struct reader in = {bytes + HEADER_SIZE, bytes + size};
	int rc;

	if (size < HEADER_SIZE || get_u32(bytes) != COOKIE_V2 || get_u32(bytes + 4) != size - HEADER_SIZE || get_u32(bytes + 8) != 0)
		return -EBADMSG;
	rc = perf_histogram_create(&made, get_u64(bytes + 16), get_u64(bytes + 24), (int)get_u32(bytes + 12));
	if (rc < 0)
		return rc == -EINVAL ? -EBADMSG : rc;
	rc = get_counts(&in, &made);
	if (rc < 0) {
		perf_histogram_destroy(&made);
		return rc;
	}
	*histogram = made;
	return 0;
}

/* Inflates into a buffer that grows, so that a forged length cannot make us allocate more than the payload really holds. */
static int inflate_all(const uint8_t *packed, size_t packed_size, uint8_t **plain, size_t *plain_size)
{
	size_t room = 16384 + packed_size * 4;

	for (;;) {
		uint8_t *bytes = malloc(room);
		uLongf size = room;
		int rc;

		if (!bytes)
			return -ENOMEM;
		rc = uncompress(bytes, &size, packed, packed_size);
		if (rc == Z_OK) {
			*plain = bytes;
			*plain_size = size;
			return 0;
		}
		free(bytes);
		if (rc == Z_MEM_ERROR)
			return -ENOMEM;
		if (rc != Z_BUF_ERROR || room >= INFLATED_SIZE_MAX)
			return -EBADMSG;
		room *= 4;
	}
}

static int unpack(const uint8_t *bytes, size_t size, struct perf_histogram *histogram)
{
	uint8_t *plain;
	size_t plain_size;
	int rc;

	if (size < OUTER_SIZE || get_u32(bytes) != COOKIE_V2_DEFLATED || get_u32(bytes + 4) != size - OUTER_SIZE)
		return -EBADMSG;
	rc = inflate_all(bytes + OUTER_SIZE, size - OUTER_SIZE, &plain, &plain_size);
	if (rc < 0)
		return rc;
	rc = get_histogram(plain, plain_size, histogram);
	free(plain);
	return rc;
}

int perf_payload_decode(const char *text, size_t length, struct perf_histogram *histogram)
{
	uint8_t *bytes = malloc(PERF_BASE64_SIZE_MAX(length) + 1);
	ssize_t size;
	int rc;

	if (!bytes)
		return -ENOMEM;
	size = perf_base64_decode(text, length, bytes);
	rc = size < 0 ? (int)size : unpack(bytes, (size_t)size, histogram);
	free(bytes);
	return rc;
}
