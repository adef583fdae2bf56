/* A directory of files that stand for /proc and /sys. Its name is the root that numa/ takes as a prefix. */
#ifndef TESTS_NUMA_FAKE_TREE_H
#define TESTS_NUMA_FAKE_TREE_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka.h must have been included before: its own includes come first. */

static inline char *fake_tree_create(void)
{
	char *root = strdup("/tmp/zokio-tree-XXXXXX");

	assert_non_null(root);
	assert_non_null(mkdtemp(root));
	return root;
}

static inline int fake_tree_remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	return remove(path);
}

static inline void fake_tree_destroy(char *root)
{
	assert_int_equal(nftw(root, fake_tree_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(root);
}

static inline void fake_tree_write(const char *root, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof path, "%s%s", root, name);
	for (char *slash = path + strlen(root); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#endif
