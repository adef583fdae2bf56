"""The checks that ask another program: clang-format, shellcheck, and the compilers for the public headers."""
import os
import shutil
import subprocess

STANDARDS = (("c", "c17"), ("c++", "c++17"))
COMPILERS = {"c": ("gcc", "clang-14"), "c++": ("g++", "clang++-14")}


class Unavailable(Exception):
    """A program that a check needs is not installed: the check is skipped, and says so."""


def run(program, *arguments, cwd, stdin=""):
    """(whether it was content, what it said)"""
    if shutil.which(program) is None:
        raise Unavailable(program)
    done = subprocess.run([program, *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def check_formatting(tree):
    files = tree.ending(".c", ".h", ".cc", ".cpp")
    if not files:
        return
    is_content, said = run("clang-format-14", "--dry-run", "-Werror", *files, cwd=tree.root)
    if not is_content:
        yield from (line for line in said.splitlines() if ": error:" in line)
        yield "mend it with ./dev format"


def is_shell(tree, path):
    return path.endswith(".sh") or (("." not in path or path == ".ci/run") and tree.text(path)[:40].startswith(("#!/bin/sh", "#!/usr/bin/env bash")))


def check_shell(tree):
    scripts = [path for path in tree.files if is_shell(tree, path)]
    if scripts:
        is_content, said = run("shellcheck", "-x", "-f", "gcc", *scripts, cwd=tree.root)
        if not is_content:
            yield from said.splitlines()


def check_headers(tree):
    """Each public header alone, and once more after itself, in both languages under both compilers."""
    for path in tree.files:
        if not (path.startswith("include/zokio/") and path.endswith(".h")):
            continue
        name = path[len("include/"):]
        program = f'#include "{name}"\n#include "{name}"\nint main(void) {{ return 0; }}\n'
        for language, standard in STANDARDS:
            for compiler in COMPILERS[language]:
                is_content, said = run(compiler, "-x", language, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                                       "-Werror", "-I", os.path.join(tree.root, "include"), "-", cwd=tree.root, stdin=program)
                if not is_content:
                    yield f"{path}:1: not clean as {standard} under {compiler}:\n{said}"
