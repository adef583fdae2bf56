"""Files and functions stay small; what is too large already is written down in size-baseline.txt, and may only shrink."""
import os

from tree import functions

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
BASELINE = "tests/repo/size-baseline.txt"


def read_baseline(tree):
    """{(path, function or "-"): lines}"""
    rows = {}
    if tree.has(BASELINE):
        for _, line in tree.lines(BASELINE):
            if line.strip() and not line.startswith("#"):
                path, what, count = line.split()
                rows[path, what] = int(count)
    return rows


def measure(tree):
    """{(path, function or "-"): (line number, lines)} of all that is over its limit."""
    found = {}
    for path in tree.ending(".c", ".h", ".cc", ".cpp", ".S", ".py", ".sh"):
        count = tree.text(path).count("\n")
        if count > FILE_LINES_MAX:
            found[path, "-"] = 1, count
        if path.endswith((".c", ".h")):
            for number, name, lines in functions(tree.text(path)):
                if lines > FUNCTION_LINES_MAX:
                    found[path, name] = number, lines
    return found


def check(tree):
    baseline, found = read_baseline(tree), measure(tree)
    for (path, what), (number, count) in sorted(found.items()):
        limit = FILE_LINES_MAX if what == "-" else FUNCTION_LINES_MAX
        thing = "the file" if what == "-" else f"{what}()"
        allowed = baseline.get((path, what), limit)
        if count > allowed:
            yield f"{path}:{number}: {thing} has {count} lines, of at most {allowed}: it has a second subject"
    for (path, what), allowed in sorted(baseline.items()):
        count = found.get((path, what), (0, 0))[1]
        if count < allowed:
            yield f"{BASELINE}:1: {path} {what} shrank from {allowed} to {count or 'under the limit'}: lower or drop its row"
