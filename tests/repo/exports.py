"""Public functions have a comment, and the shared library exports these and nothing else, under a version."""
import os
import re
import subprocess

from tree import without_comments

# Functions that a contract declares before the part that defines them has landed. The list may only shrink, and goes when it is empty.

NAME = re.compile(r"\b(zok_\w+)\s*(?:\(|;|\[)")


def declarations(tree, path):
    """(line number, name, whether a comment stands before it) of each ZOK_API declaration of a header.

    One comment may stand before several declarations that follow each other without an empty line.
    """
    lines = tree.text(path).splitlines()
    code = without_comments(tree.text(path)).splitlines()
    is_documented = False
    number = 0
    while number < len(code):
        line = code[number]
        if re.match(r"\s*ZOK_API\b|\s*ZOK_NODISCARD\s+ZOK_API\b", line):
            first, statement = number, line
            while ";" not in statement and "{" not in statement and number + 1 < len(code):
                number += 1
                statement += " " + code[number]
            name = NAME.search(re.sub(r"__attribute__\s*\(\(.*?\)\)|ZOK_PRINTF\s*\([^)]*\)", "", statement))
            if name:
                yield first + 1, name.group(1), is_documented or "/*" in lines[first]
        elif not line.strip():
            # A blanked comment leaves the documentation standing; a line that was empty before ends it.
            is_documented = bool(lines[number].strip())
        number += 1


def public_headers(tree):
    return [path for path in tree.files if path.startswith("include/zokio/") and path.endswith(".h")]


def check(tree):
    """The part that needs no build."""
    for path in public_headers(tree):
        for number, name, is_documented in declarations(tree, path):
            if not is_documented:
                yield f"{path}:{number}: {name}() has no comment before it"


def exported_names(library):
    """{name: version} of what a shared library defines for others."""
    output = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library], check=True, capture_output=True,
                            text=True).stdout
    names = {}
    for line in output.splitlines():
        kind, symbol = line.split()[-2:]
        name, _, version = symbol.partition("@")
        if kind != "A":
            names[name] = version.lstrip("@")
    return names


def check_library(tree, library):
    declared = {name: f"{path}:{number}" for path in public_headers(tree) for number, name, _ in declarations(tree, path)}
    exported = exported_names(library)
    for name in sorted(set(declared) - set(exported)):
        yield f"{declared[name]}: {name} is declared, but {os.path.basename(library)} does not export it"
    for name, version in sorted(exported.items()):
        if not name.startswith("zok_"):
            yield f"{os.path.basename(library)}: exports {name}, which is not a zok_ name"
        elif name not in declared:
            yield f"{os.path.basename(library)}: exports {name}, which no public header declares with ZOK_API"
        elif not version.startswith("ZOKIO_"):
            yield f"{os.path.basename(library)}: exports {name} without a version"
