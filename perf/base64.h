/* Base64 of RFC 4648, section 4, with padding. */
#ifndef PERF_BASE64_H
#define PERF_BASE64_H

#include "zokio/base.h"

/* Characters for `size` bytes, without a NUL; bytes that `length` characters hold at most. */
#define PERF_BASE64_LENGTH(size)     (((size) + 2) / 3 * 4)
#define PERF_BASE64_SIZE_MAX(length) ((length) / 4 * 3)

/* Writes PERF_BASE64_LENGTH(size) characters and a NUL. */
void perf_base64_encode(const uint8_t *bytes, size_t size, char *text);

/* Returns how many bytes `text` held, or -EBADMSG: not base64, or not a multiple of four long. `bytes` has PERF_BASE64_SIZE_MAX room. */
ssize_t perf_base64_decode(const char *text, size_t length, uint8_t *bytes);

#endif
