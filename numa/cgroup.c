#include "numa/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What two line readers look for and fill. */
struct search {
	const char *controller;
	int version;	   /* 0 until the first reader has found the group */
	char *group;	   /* the group's path inside its hierarchy, owned */
	char *mount_root;  /* the part of the hierarchy that is mounted, owned */
	char *mount_point; /* owned */
};

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; at != NULL; at = strchr(at, ','), at += at != NULL)
		if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* mountinfo writes a blank, a newline and a backslash as \040 and so on. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static int replace(char **text, const char *by)
{
	free(*text);
	*text = strdup(by);
	return *text != NULL ? 0 : -ENOMEM;
}

/* "4:cpu,cpuacct:/a/b" or "0::/a/b". A version 1 hierarchy with the controller wins: then version 2 does not have it. */
static int read_group_line(struct search *search, char *line)
{
	char *controllers = strchr(line, ':');
	char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

	if (path == NULL)
		return 0;
	*controllers++ = '\0';
	*path++ = '\0';
	if (has_word(controllers, search->controller))
		search->version = 1;
	else if (search->version == 0 && strcmp(line, "0") == 0 && *controllers == '\0')
		search->version = 2;
	else
		return 0;
	return replace(&search->group, path);
}

/* "31 23 0:28 ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER_OPTIONS"; see proc(5). */
static int read_mount_line(struct search *search, char *line)
{
	char root[PATH_MAX], point[PATH_MAX], type[32], options[512];
	const char *tail = strstr(line, " - ");
	int rc;

	/* The widths are those of the arrays less one; PATH_MAX is 4096. */
	if (search->mount_point != NULL || tail == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 ||
	    sscanf(tail, " - %31s %*s %511s", type, options) != 2)
		return 0;
	if (search->version == 2 ? strcmp(type, "cgroup2") != 0 : strcmp(type, "cgroup") != 0 || !has_word(options, search->controller))
		return 0;
	unescape(root);
	unescape(point);
	rc = replace(&search->mount_root, root);
	return rc < 0 ? rc : replace(&search->mount_point, point);
}

static int for_each_line(struct search *search, const char *root, const char *name, int (*read_line)(struct search *, char *))
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	FILE *file;
	int rc = 0;

	if ((size_t)snprintf(path, sizeof path, "%s/proc/self/%s", root, name) >= sizeof path)
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	while (rc == 0 && getline(&line, &size, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		rc = read_line(search, line);
	}
	free(line);
	fclose(file);
	return rc;
}

/* The group's path below the mount point: "" where it is the mounted one itself, or is outside of what is mounted. */
static const char *below_mount(const struct search *search)
{
	const char *mounted = strcmp(search->mount_root, "/") == 0 ? "" : search->mount_root;
	size_t length = strlen(mounted);
	const char *rest = search->group + length;

	if (strncmp(search->group, mounted, length) != 0 || *rest != '/' || rest[1] == '\0' || strstr(rest, "/..") != NULL)
		return "";
	return rest;
}

static int fill(const struct search *search, struct zok__cgroup *out)
{
	const char *below = below_mount(search);

	if (strlen(search->mount_point) + strlen(below) >= sizeof out->path)
		return -ENAMETOOLONG;
	out->version = search->version;
	out->top_length = strlen(search->mount_point);
	strcpy(out->path, search->mount_point);
	strcat(out->path, below);
	return 0;
}

int zok__cgroup_find(const char *root, const char *controller, struct zok__cgroup *out)
{
	struct search search = {.controller = controller};
	int rc = for_each_line(&search, root, "cgroup", read_group_line);

	if (rc == 0 && search.version != 0)
		rc = for_each_line(&search, root, "mountinfo", read_mount_line);
	if (rc == 0)
		rc = search.mount_point != NULL ? fill(&search, out) : -ENOENT;
	free(search.group);
	free(search.mount_root);
	free(search.mount_point);
	return rc;
}

bool zok__cgroup_ascend(struct zok__cgroup *group)
{
	char *below = group->path + group->top_length;
	char *slash = strrchr(below, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}
