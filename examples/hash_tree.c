/*
 * CRC-32 of every file under a folder, so many files at a time: one fiber walks the folders, a fiber hashes each file, and a semaphore bounds how
 * many of those there are, however large the tree. Each fiber is plain C that blocks only itself.
 *
 *	hash_tree [--engine uring|epoll|auto] [--at-once N] FOLDER
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zokio/zokio.h>

enum { AT_ONCE_DEFAULT = 64, AT_ONCE_MAX = 4096, READ_SIZE = 32768, STACK_SIZE = 65536 };

/* A folder that was found and not walked yet. */
struct folder {
	struct folder *next;
	char *path;
};

struct work {
	struct zok_options runtime;
	const char *folder;
	uint32_t at_once;
	struct zok_semaphore open; /* how many files may be */
	struct zok_scope *scope;
	struct folder *folders;
	uint64_t files, bytes, failed;
};

static struct work work = {.at_once = AT_ONCE_DEFAULT};

/* What cannot be read is told, and the others go on: files come and go under a walk. */
static void complain(const char *path, int rc)
{
	fprintf(stderr, "%s: %s\n", path, strerror(-rc));
	work.failed++;
}

static ssize_t hash(struct zok_file *file, uLong *crc)
{
	uint8_t buf[READ_SIZE];
	uint64_t offset = 0;
	ssize_t n;

	while ((n = zok_file_read_at(file, buf, sizeof buf, offset)) > 0) {
		*crc = crc32(*crc, buf, (uInt)n);
		offset += (uint64_t)n;
		zok_yield_if_due();
	}
	work.bytes += offset;
	return n;
}

/* A fiber a file; the path is its own, and so is the permit. */
static int hash_file(void *arg)
{
	char *path = arg;
	struct zok_file *file;
	uLong crc = 0;
	int rc = zok_file_open(&file, NULL, path, O_RDONLY | O_NOFOLLOW, 0);

	if (rc == 0) {
		rc = (int)hash(file, &crc);
		zok_file_close(file);
	}
	zok_semaphore_release(&work.open, 1);
	if (rc < 0) {
		complain(path, rc);
	} else {
		printf("%08lx  %s\n", crc, path);
		work.files++;
	}
	free(path);
	return 0;
}

/* File systems that do not tell a name's type are asked. */
static unsigned type_of(const char *path, unsigned type)
{
	struct zok_file_facts facts;

	if (type != DT_UNKNOWN)
		return type;
	return zok_path_stat(NULL, path, AT_SYMLINK_NOFOLLOW, &facts) == 0 ? IFTODT(facts.mode) : DT_UNKNOWN;
}

static int remember(char *path)
{
	struct folder *folder = malloc(sizeof *folder);

	if (!folder)
		return -ENOMEM;
	*folder = (struct folder){.next = work.folders, .path = path};
	work.folders = folder;
	return 0;
}

/* Waits until one more file may be open. */
static int begin_file(char *path)
{
	int rc = zok_semaphore_acquire(&work.open, 1);

	if (rc < 0)
		return rc;
	rc = zok_spawn(work.scope, hash_file, path, &(struct zok_spawn_options){.name = "file", .stack_size = STACK_SIZE});
	if (rc < 0)
		zok_semaphore_release(&work.open, 1);
	return rc;
}

static int visit(const char *folder, const struct zok_dir_entry *entry)
{
	unsigned type;
	char *path;
	int rc = 0;

	if (asprintf(&path, "%s/%s", folder, entry->name) < 0)
		return -ENOMEM;
	type = type_of(path, entry->type);
	if (type == DT_DIR)
		rc = remember(path);
	else if (type == DT_REG)
		rc = begin_file(path);
	if (rc < 0 || (type != DT_DIR && type != DT_REG))
		free(path);
	return rc;
}

static int list(const char *path, struct zok_file *folder)
{
	struct zok_dir *dir;
	struct zok_dir_entry entry;
	int rc = zok_dir_begin(&dir, folder);

	if (rc < 0)
		return rc;
	while ((rc = zok_dir_next(dir, &entry)) > 0 && (rc = visit(path, &entry)) == 0)
		;
	zok_dir_end(dir);
	return rc;
}

static int walk(const char *path)
{
	struct zok_file *folder;
	int rc = zok_file_open(&folder, NULL, path, O_RDONLY | O_DIRECTORY, 0);

	if (rc == 0) {
		rc = list(path, folder);
		zok_file_close(folder);
	}
	if (rc < 0 && rc != -ECANCELED)
		complain(path, rc);
	return rc == -ECANCELED || rc == -ENOMEM ? rc : 0;
}

/* After an error the rest is only forgotten. */
static int walk_all(void)
{
	int rc = 0;

	while (work.folders) {
		struct folder *folder = work.folders;

		work.folders = folder->next;
		if (rc == 0)
			rc = walk(folder->path);
		free(folder->path);
		free(folder);
	}
	return rc;
}

static int walk_tree(void)
{
	char *path = strdup(work.folder);
	int rc = path ? remember(path) : -ENOMEM;

	if (rc < 0) {
		free(path);
		return rc;
	}
	return walk_all();
}

static int run(void *arg)
{
	uint64_t began_ns = zok_now_ns();
	int rc;

	zok_semaphore_init(&work.open, work.at_once);
	work.scope = zok_scope_open(&(struct zok_scope_options){.name = "tree"});
	if (!work.scope)
		return -ENOMEM;
	rc = zok_scope_close(work.scope, walk_tree());
	zok_semaphore_finish(&work.open);
	fprintf(stderr, "%llu files, %llu bytes in %.3f s; %llu could not be read\n", (unsigned long long)work.files,
		(unsigned long long)work.bytes, (double)(zok_now_ns() - began_ns) / 1e9, (unsigned long long)work.failed);
	return rc < 0 ? rc : work.failed > 0;
}

/* ---- The command line ---- */

static _Noreturn void fail(const char *option, const char *why)
{
	fprintf(stderr, "%.80s: %s\n", option, why);
	exit(2);
}

static uint32_t read_count(const char *option, const char *value)
{
	char *end;
	long count = strtol(value, &end, 10);

	if (end == value || *end != '\0' || count < 1 || count > AT_ONCE_MAX)
		fail(option, "it takes how many files may be open, 1 to 4096");
	return (uint32_t)count;
}

static void read_options(int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--engine") == 0)
			work.runtime.engine = argv[i + 1];
		else if (strcmp(argv[i], "--at-once") == 0)
			work.at_once = read_count(argv[i], argv[i + 1]);
		else
			fail(argv[i], "no such option; there are --engine and --at-once");
	}
	if (i != argc - 1 || strncmp(argv[i], "--", 2) == 0)
		fail("FOLDER", "one is wanted, behind the options --engine uring|epoll|auto and --at-once N");
	work.folder = argv[i];
}

int main(int argc, char **argv)
{
	int rc;

	read_options(argc, argv);
	rc = zok_run(&work.runtime, run, NULL);
	return rc == -EINVAL ? 2 : rc != 0;
}
