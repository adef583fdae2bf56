#!/usr/bin/env python3
"""Shows that a file of this folder does not compile, for the reason and at the line that it names, and that it does with the line put right."""
import argparse
import os
import re
import shutil
import subprocess
import sys

LANGUAGES = {"C": ("gcc", "-x", "c", "-std=c17"), "C++": ("g++", "-x", "c++", "-std=c++17")}
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic")
MARK = re.compile(r"/\*\s*(error\b.*?);\s*right:\s*(.*?)\s*\*/")
ERROR = re.compile(r"error(?: in (C|C\+\+))?:\s*(.*)")
DIAGNOSTIC = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):(?:\d+:)? (?P<kind>(?:fatal )?error|warning|note): (?P<text>.*)$")
SKIPPED = 77


def expectation(path):
    """(line number, {language: text of the error}, the lines of the file put right)"""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    marks = [(number, MARK.search(line)) for number, line in enumerate(lines, 1) if MARK.search(line)]
    if len(marks) != 1:
        sys.exit(f"{path}:1: one line is at fault and the one above it says so, here {len(marks)}")
    number, mark = marks[0][0] + 1, marks[0][1]
    wanted = {}
    for part in mark.group(1).split("; "):
        language, text = ERROR.fullmatch(part).groups()
        wanted.update({name: text for name in ([language] if language else LANGUAGES)})
    return number, wanted, lines[:number - 1] + [mark.group(2)] + lines[number:]


def compile_text(language, text, path, root):
    """(whether it compiles, what the compiler says), the text standing where the file stands."""
    command = [*LANGUAGES[language], "-fsyntax-only", "-fno-diagnostics-show-caret", "-fmax-errors=0", *WARNINGS,
               "-I", os.path.join(root, "include"), "-I", root, "-"]
    text = f'#line 1 "{path}"\n{text}\n'
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "LC_ALL": "C"})
    return done.returncode == 0, done.stderr


def errors(said):
    """Of each error its text and every (path, line) that it names: its own, and those of the macros it comes from."""
    places = None
    for line in said.splitlines():
        match = DIAGNOSTIC.match(line)
        if not match:
            continue
        place = (match["path"], int(match["line"]))
        if match["kind"] == "note":
            if places is not None and "in expansion of macro" in match["text"]:
                places.append(place)
        else:
            places = [place]
            if match["kind"] != "warning":
                yield match["text"], places


def check(path, root, language, number, text, right_lines):
    """What is not as it should be, line by line."""
    with open(path, encoding="utf-8") as file:
        compiles, said = compile_text(language, file.read(), path, root)
    if compiles:
        yield f"{path}:{number}: {language}: compiles"
    elif not any(text in found and (path, number) in places for found, places in list(errors(said))):
        yield f'{path}:{number}: {language}: no error "{text}" here, but:\n{said}'
    compiles, said = compile_text(language, "\n".join(right_lines), path, root)
    if not compiles or said:
        yield f"{path}:{number}: {language}: is not clean with the line put right:\n{said}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--root", required=True)
    options = parser.parse_args()
    number, wanted, right_lines = expectation(options.path)
    has_failed, has_skipped = False, False
    for language, text in wanted.items():
        if shutil.which(LANGUAGES[language][0]) is None:
            print(f"{language}: skipped, {LANGUAGES[language][0]} is not installed")
            has_skipped = True
            continue
        for problem in check(options.path, options.root, language, number, text, right_lines):
            print(problem)
            has_failed = True
    return 1 if has_failed else SKIPPED if has_skipped else 0


if __name__ == "__main__":
    sys.exit(main())
