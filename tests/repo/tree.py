"""The files of the repository as the checks see them, and just enough of C to read them."""
import os
import re

# Made by builds and tools, never ours.
SKIPPED_FOLDERS = {".git", ".cache", "__pycache__", "reports"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Tree:
    """A repository at `root`; files are named by their path from there."""

    def __init__(self, root):
        self.root = root
        self._texts = {}
        self.files = sorted(self._walk())

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("build")]
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    yield os.path.relpath(path, self.root)

    def ending(self, *endings):
        return [path for path in self.files if path.endswith(endings)]

    def c_files(self):
        return self.ending(".c", ".h", ".cc", ".cpp", ".S")

    def text(self, path):
        if path not in self._texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self._texts[path] = file.read()
        return self._texts[path]

    def lines(self, path):
        """The numbered lines of a file, from 1."""
        return list(enumerate(self.text(path).splitlines(), 1))

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))


def without_comments(text):
    """C with its comments and the insides of its strings blanked; every line keeps its number."""

    def blank(match):
        token = match.group(0)
        if token.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def includes(tree, path):
    """(line number, is in angle brackets, what) of each include of a file."""
    for number, line in tree.lines(path):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == "<", match.group(2)


def functions(text):
    """(line number, name, lines) of each function; clang-format sees to it that its braces alone stand in the first column."""
    start, header = None, ""
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if start is None and line.rstrip() == "{":
            # A function of more than its name: the last identifier before the parenthesis that opens its parameters.
            name = re.search(r"(\w+)\s*\([^{}]*\)\s*$", header)
            start = number if name else None
            found = name.group(1) if name else ""
        elif start is not None and line.startswith("}"):
            yield start, found, number - start - 1
            start, header = None, ""
        elif start is None:
            header = "" if line.rstrip().endswith((";", "}")) or line.startswith("#") else header + "\n" + line
