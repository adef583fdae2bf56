/* Small files of /proc and /sys, under a prefix that tests replace by a directory of their own. */
#ifndef ZOK_NUMA_FILE_H
#define ZOK_NUMA_FILE_H

#include "numa/bitset.h"

/*
 * Reads the whole file `root` + the formatted path into `text`, NUL-terminated. Returns the length, or -EFBIG when it does not fit,
 * -ENAMETOOLONG, or what open() or read() said.
 */
ZOK_NODISCARD int zok__file_read(char *text, size_t size, const char *root, const char *format, ...) ZOK_PRINTF(4, 5);

/* The same for a file that holds one set in the kernel's list format; -EINVAL when it holds something else. */
ZOK_NODISCARD int zok__file_read_set(struct zok__bitset *out, const char *root, const char *format, ...) ZOK_PRINTF(3, 4);

#endif
