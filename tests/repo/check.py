#!/usr/bin/env python3
"""Runs one of the repository's own checks, or all that need no build; prints "path:line: what is wrong" and exits with 1 when it found any."""
import argparse
import os
import sys

import commands
import exports
import layering
import links
import registered
import seam
import size
import text
from tree import Tree

CHECKS = {
    "layering": layering.check,
    "registered": registered.check,
    "seam": seam.check,
    "size": size.check,
    "text": text.check,
    "links": links.check,
    "documented": exports.check,
    "formatting": commands.check_formatting,
    "shell": commands.check_shell,
    "headers": commands.check_headers,
}
SKIPPED = 77


def run(name, check):
    """0, 1 or 77."""
    try:
        problems = list(check())
    except commands.Unavailable as missing:
        print(f"{name}: skipped, {missing} is not installed")
        return SKIPPED
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*CHECKS, "exports", "all"])
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--library", help="the shared library, for the check of the exports")
    options = parser.parse_args()
    tree = Tree(options.root)
    if options.name == "exports":
        if not options.library:
            parser.error("exports wants --library")
        return run("exports", lambda: exports.check_library(tree, options.library))
    if options.name == "all":
        return 1 if 1 in [run(name, lambda check=check: check(tree)) for name, check in CHECKS.items()] else 0
    return run(options.name, lambda: CHECKS[options.name](tree))


if __name__ == "__main__":
    sys.exit(main())
