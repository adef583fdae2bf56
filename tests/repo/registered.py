"""Nothing lies in the tree that no build reads: tests, benchmarks, sources and headers all have their row in a meson.build."""
import os
import re

from tree import includes

# Folders whose C files are compiled by name.
SOURCE_FOLDERS = ("numa", "core", "uring", "poll", "sim", "dpdk", "net", "fs", "runtime", "gateway", "perf", "tools", "examples")
STRING = re.compile(r"'([^'\n]*)'")


def words_of(tree, path):
    """Every string of a meson.build, comments left out; empty when there is no such file."""
    if not tree.has(path):
        return set()
    return set(STRING.findall(re.sub(r"#[^\n]*", "", tree.text(path))))


def unit_rows(tree):
    """{folder: names} of tests/unit/meson.build."""
    text = re.sub(r"#[^\n]*", "", tree.text("tests/unit/meson.build")) if tree.has("tests/unit/meson.build") else ""
    return {folder: set(STRING.findall(names)) for folder, names in re.findall(r"'([\w/]+)'\s*:\s*\[(.*?)\]", text, re.DOTALL)}


def builds_above(tree, path):
    """The strings of the meson.build of a file's folder and of the folders above it."""
    folder, words = os.path.dirname(path), set()
    while folder:
        words |= words_of(tree, os.path.join(folder, "meson.build"))
        folder = os.path.dirname(folder)
    return words


def is_named(tree, path, *prefixes):
    """Whether a meson.build names the file: whole, without its ending, or without a prefix that the rows leave out."""
    stem = os.path.splitext(os.path.basename(path))[0]
    names = {stem} | {stem[len(prefix):] for prefix in prefixes if stem.startswith(prefix)}
    for word in builds_above(tree, path):
        base = os.path.splitext(os.path.basename(word))[0]
        if word and base in names:
            return True
    return False


def check(tree):
    rows = unit_rows(tree)
    for path in tree.ending(".c", ".cc", ".cpp", ".S"):
        folder, name = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
        if folder.startswith("tests/unit/") and name.startswith("test_"):
            room = folder[len("tests/unit/"):]
            if name[len("test_"):] not in rows.get(room, ()) and not is_named_beside(tree, folder, name):
                yield f"{path}:1: has no row in tests/unit/meson.build: add '{name[5:]}' to '{room}'"
        elif folder == "perf/bench" and name.startswith("bench_"):
            if not is_named(tree, path, "bench_"):
                yield f"{path}:1: has no row in perf/bench/meson.build"
        elif path.startswith("tests/") or folder.split("/")[0] in SOURCE_FOLDERS:
            if not is_named(tree, path, "test_"):
                yield f"{path}:1: no meson.build names it: a dead file"
    yield from check_headers(tree)


def check_headers(tree):
    reached = reached_headers(tree, "zokio/zokio.h", set())
    for path in tree.files:
        if path.startswith("include/zokio/") and path.endswith(".h"):
            name = path[len("include/"):]
            if os.path.basename(path) not in words_of(tree, "include/zokio/meson.build"):
                yield f"{path}:1: is not installed: add it to include/zokio/meson.build"
            if name not in reached:
                yield f"{path}:1: zokio.h, which is the whole API, does not include it"


def reached_headers(tree, name, reached):
    path = f"include/{name}"
    if name not in reached and tree.has(path):
        reached.add(name)
        for _, is_angled, what in includes(tree, path):
            if not is_angled:
                reached_headers(tree, what, reached)
    return reached


def is_named_beside(tree, folder, name):
    """A test with a build line of its own, in the meson.build of its folder or of tests/unit."""
    words = words_of(tree, f"{folder}/meson.build") | words_of(tree, "tests/unit/meson.build")
    return any(word.endswith(f"{name}.c") for word in words)
