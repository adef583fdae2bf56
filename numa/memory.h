/*
 * Memory of a node, a region at a time: whole pages for what a core keeps (its heap, its stacks), not for single objects.
 *
 * Where a page lies is said by a policy on the mapping, never left to who touches it first; and how large it is is asked for from the largest
 * down. What was got may be less than what was wished: the region says what, and why in one line. Only `strict` is refused for it.
 *
 * A page that cannot be had is an errno here and never a signal later: explicit huge pages are looked for on their node first and are faulted in
 * by madvise(MADV_POPULATE_WRITE) before the region is handed out, and so is every strict region. (Else the kernel answers the
 * first touch with SIGBUS, or with the OOM killer.) set_mempolicy(2), Documentation/admin-guide/mm/numa_memory_policy.rst and hugetlbpage.rst
 *
 * Any thread that is no core, for these read files; nothing suspends.
 */
#ifndef ZOK_NUMA_MEMORY_H
#define ZOK_NUMA_MEMORY_H

#include "numa/memory_calls.h"
#include "zokio/base.h"

enum zok__memory_policy {
	ZOK__MEMORY_PREFERRED,	/* from the node, and from another when it is short */
	ZOK__MEMORY_STRICT,	/* from the node, or not at all */
	ZOK__MEMORY_INTERLEAVE, /* page by page from all nodes in turn */
};

enum zok__page_wish {
	ZOK__PAGES_AUTO, /* the largest that the region fills, from 1 GiB down */
	ZOK__PAGES_OFF,	 /* normal pages only */
	ZOK__PAGES_2M,	 /* 2 MiB: reserved ones, else transparent ones */
	ZOK__PAGES_1G,	 /* 1 GiB: reserved ones, else as 2M */
};

enum zok__page_kind {
	ZOK__PAGES_NORMAL,
	ZOK__PAGES_TRANSPARENT, /* the kernel was asked for 2 MiB pages and uses them where it finds them */
	ZOK__PAGES_RESERVED,	/* hugetlb: every page has this size, and is there */
};

enum { ZOK__MEMORY_TEXT_SIZE = 320 };

struct zok__region_wish {
	size_t size;
	int node; /* -1: wherever the calling thread runs. Interleaved regions do not look at it */
	enum zok__memory_policy policy;
	enum zok__page_wish pages;
	bool is_populated;		       /* fault every page in now */
	const char *root;		       /* NULL: "". Tests read another /sys and /proc */
	const struct zok__memory_calls *calls; /* NULL: the kernel's */
};

struct zok__region {
	void *memory;
	size_t size; /* what is mapped: the wish rounded up to whole pages */
	size_t page_size;
	enum zok__page_kind kind;
	enum zok__memory_policy policy;
	int node_asked;
	int node_got;			 /* that the policy names; -1: none, as with interleave or where no policy could be set */
	bool is_refused;		 /* the kernel or a sandbox does not let us place memory */
	char why[ZOK__MEMORY_TEXT_SIZE]; /* "", or what was wished and not got and why, in one line */
};

/* Where the pages of a region really are. */
struct zok__residence {
	size_t on_node;	  /* pages (of page_size where reserved, else normal ones) on node_got (interleaved: on any) … */
	size_t elsewhere; /* … on another … */
	size_t absent;	  /* … and those never touched */
};

/*
 * Maps a region, zeroed. What cannot be had as wished is noted in `out->why`; errors are, each with its line in `error`:
 *   -EINVAL  size 0; strict: there is no such node
 *   -ENOMEM  no address space or memory; strict: the node has none, or is short: the line says how much is free there
 *   -EPERM, -ENOSYS  strict: mbind(2) is refused here, and more than one node has memory
 */
ZOK_NODISCARD int zok__region_map(const struct zok__region_wish *wish, struct zok__region *out, char *error, size_t error_size);

/* Gives it back; a zeroed region is fine. */
void zok__region_unmap(struct zok__region *region);

/*
 * The same policy for a mapping that the caller has made (stacks, that need guards and must not be huge). Pages are not faulted in: strict looks at
 * what the node has free and answers -ENOMEM. 0: the policy is set, or there was none to set (node -1, or mbind(2) refused and not strict).
 */
ZOK_NODISCARD int zok__region_bind(const struct zok__region_wish *wish, void *memory);

/* Asks the kernel for the node of each page. What move_pages(2) says: -EPERM or -ENOSYS in a sandbox. */
ZOK_NODISCARD int zok__region_where(const struct zok__region *region, const struct zok__memory_calls *calls, struct zok__residence *out);

/* "64 MiB on node 1, 2 MiB pages". Returns as snprintf(). */
int zok__region_describe(const struct zok__region *region, char *text, size_t size);

#endif
