"""A folder includes only what stands above it: the table of docs/ARCHITECTURE.md, in a form that can fail."""
import re

from tree import includes, without_comments

# What the C files of a folder may include with quotes, beside the folder itself and the public headers.
MAY_INCLUDE = {
    "include/zokio": [],
    "numa": [],
    "core": ["numa"],
    "uring": ["core", "numa"],
    "poll": ["core", "numa"],
    "sim": ["core", "numa"],
    "dpdk": ["core", "numa"],
    "net": ["core", "numa"],
    "fs": ["core", "numa"],
    "runtime": ["numa", "core", "uring", "poll", "sim", "dpdk", "net", "fs"],
    "gateway": [],
    "perf/bench": ["perf", "numa", "core", "uring", "poll", "sim", "dpdk", "net", "fs", "runtime"],
    "perf": [],
    "tools": ["perf", "numa"],
    "examples": [],
    "tests": ["numa", "core", "uring", "poll", "sim", "dpdk", "net", "fs", "runtime", "perf", "tools", "examples"],
}

# Headers of libraries and of kernel interfaces that belong to one folder, by their first words. Tests and benchmarks may include any.
OWNED_HEADERS = {
    "liburing": ["uring"],
    "linux/io_uring.h": ["uring"],
    "hwloc": ["numa"],
    "numa.h": ["numa"],
    "numaif.h": ["numa"],
    "sys/epoll.h": ["poll", "perf"],
    "sys/event.h": ["poll"],
    "rte_": ["dpdk"],
    "valgrind/": ["core"],
    "sanitizer/": ["core"],
    "zlib.h": ["perf", "tools", "examples"],
    "jansson.h": ["perf", "tools"],
}
UNBOUND = ("tests", "perf/bench")

CONFIGURED = re.compile(r"^\s*#\s*(?:if|elif|ifdef|ifndef)\b.*\bZOK_HAVE_", re.MULTILINE)


def folder_of(path):
    """The row of the table that a file belongs to; None for what the table does not speak of."""
    rows = [row for row in MAY_INCLUDE if path.startswith(row + "/")]
    return max(rows, key=len) if rows else None


def check_quoted(path, number, folder, what):
    if "/" not in what:
        return f'{path}:{number}: "{what}": write the folder too, as in "core/{what}"'
    if what.startswith("zokio/") or what.rsplit("/", 1)[0] == folder:
        return None
    target = folder_of(what)
    if target == folder or (target in MAY_INCLUDE[folder]):
        return None
    allowed = ", ".join(["zokio"] + MAY_INCLUDE[folder])
    return f'{path}:{number}: {folder}/ may not include "{what}" (only {allowed} and its own)'


def check_owned(path, number, folder, what):
    for prefix, owners in OWNED_HEADERS.items():
        if what.startswith(prefix) and folder not in owners and folder not in UNBOUND:
            return f"{path}:{number}: <{what}> belongs to {', '.join(owners)}"
    return None


def check(tree):
    for path in tree.c_files():
        folder = folder_of(path)
        if folder is None:
            yield f"{path}:1: stands in a folder that the layering table does not know (tests/repo/layering.py)"
            continue
        for number, is_angled, what in includes(tree, path):
            problem = check_owned(path, number, folder, what)
            if problem is None and not is_angled:
                problem = check_quoted(path, number, folder, what)
            if problem:
                yield problem
        if folder not in ("runtime", "tests"):
            code = without_comments(tree.text(path))
            for match in CONFIGURED.finditer(code):
                yield f"{path}:{code.count(chr(10), 0, match.end()) + 1}: #if ZOK_HAVE_… stands in runtime/ only: choose by file or table"
