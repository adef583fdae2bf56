#!/usr/bin/env python3
"""Each of the repository's checks is content with a small good tree, and finds the one fault that is put into it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import check as runner  # noqa: E402 (the folder must be on the path first)
import commands  # noqa: E402
import exports  # noqa: E402
import links  # noqa: E402
from tree import Tree, functions, without_comments  # noqa: E402

GOOD = {
    "include/zokio/zokio.h": '#ifndef ZOKIO_ZOKIO_H\n#define ZOKIO_ZOKIO_H\n\n#include "zokio/base.h"\n\n#endif\n',
    "include/zokio/base.h": (
        "#ifndef ZOKIO_BASE_H\n#define ZOKIO_BASE_H\n\n#define ZOK_API __attribute__((visibility(\"default\")))\n\n"
        "/* One. */\nZOK_API int zok_one(void);\nZOK_API int zok_two(int value,\n\t\t    int other);\n\n#endif\n"),
    "include/zokio/meson.build": "install_headers(files('base.h', 'zokio.h'), subdir: 'zokio')\n",
    "core/one.c": '#include "core/one.h"\n\n#include "numa/topology.h"\n\nint zok_one(void)\n{\n\treturn 1;\n}\n',
    "core/one.h": "int zok_one(void);\n",
    "core/meson.build": "zok_src += files('one.c')\n",
    "numa/topology.h": "#include <hwloc.h>\n",
    "perf/bench/bench_one.c": '#include "core/one.h"\n',
    "perf/bench/meson.build": "bench_programs = [\n  ['one', [], []],\n]\n",
    "tests/unit/core/test_one.c": "int main(void)\n{\n\treturn 0;\n}\n",
    "tests/unit/meson.build": "unit_tests = {\n  'core': ['one'],\n}\n",
    "README.md": "",
    "docs/a.md": "# A page\n\n[back](../README.md#measured) and [here](#a-page)\n",
    "run.sh": "#!/bin/sh\necho \"$1\"\n",
    ".clang-format": "BasedOnStyle: LLVM\nUseTab: Always\nTabWidth: 8\nIndentWidth: 8\nBreakBeforeBraces: Linux\n"
                     "ColumnLimit: 0\nAllowShortFunctionsOnASingleLine: None\n",
}


def table(body):
    digest = links.hashlib.sha256(body.encode()).hexdigest()
    return f"# Measured\n\n<!-- measured: made by ./dev bench --table, sha256 {digest} -->\n{body}<!-- end of measured -->\n"


class Checks(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="zokio-checks-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in GOOD.items():
            self.write(path, text)
        self.write("README.md", table("| a |\n"))

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def found(self, name):
        try:
            return "\n".join(runner.CHECKS[name](Tree(self.root)))
        except commands.Unavailable as missing:
            return self.skipTest(f"{missing} is not installed")

    def assert_finds(self, name, words):
        self.assertIn(words, self.found(name))

    def test_a_good_tree_is_left_alone(self):
        for name in runner.CHECKS:
            with self.subTest(name):
                self.assertEqual(self.found(name), "")

    def test_every_check_has_a_row_in_meson(self):
        with open(os.path.join(HERE, "meson.build"), encoding="utf-8") as file:
            rows = re.search(r"foreach name : \[(.*?)\]", file.read()).group(1)
        self.assertEqual(sorted(re.findall(r"'(\w+)'", rows)), sorted(runner.CHECKS))

    def test_layering_finds_an_include_of_a_folder_below(self):
        self.write("core/two.h", '#include "net/socket.h"\n')
        self.assert_finds("layering", 'core/two.h:1: core/ may not include "net/socket.h"')

    def test_layering_finds_an_inner_header_in_the_public_api(self):
        self.write("include/zokio/two.h", '#include "core/one.h"\n')
        self.assert_finds("layering", 'include/zokio/ may not include "core/one.h"')

    def test_layering_finds_an_include_without_its_folder(self):
        self.write("core/two.h", '#include "one.h"\n')
        self.assert_finds("layering", "write the folder too")

    def test_layering_finds_a_library_outside_its_folder(self):
        self.write("core/two.h", "#include <liburing.h>\n")
        self.assert_finds("layering", "<liburing.h> belongs to uring")

    def test_layering_finds_a_choice_by_preprocessor(self):
        self.write("net/two.h", "\n#if defined(ZOK_HAVE_URING)\n#endif\n")
        self.assert_finds("layering", "net/two.h:2: #if ZOK_HAVE_")

    def test_layering_reads_no_comments(self):
        self.write("net/two.h", "/*\n#if ZOK_HAVE_URING\n*/\n")
        self.assertEqual(self.found("layering"), "")

    def test_layering_finds_an_unknown_folder(self):
        self.write("misc/two.h", "\n")
        self.assert_finds("layering", "misc/two.h:1: stands in a folder")

    def test_registered_finds_a_test_without_a_row(self):
        self.write("tests/unit/core/test_two.c", "\n")
        self.assert_finds("registered", "tests/unit/core/test_two.c:1: has no row")

    def test_registered_finds_a_row_in_another_folder_only(self):
        self.write("tests/unit/net/test_one.c", "\n")
        self.assert_finds("registered", "tests/unit/net/test_one.c:1: has no row")

    def test_registered_finds_a_commented_row(self):
        self.write("tests/unit/meson.build", "unit_tests = {\n  'core': [\n#  'one',\n  ],\n}\n")
        self.assert_finds("registered", "tests/unit/core/test_one.c:1: has no row")

    def test_registered_finds_a_benchmark_without_a_row(self):
        self.write("perf/bench/bench_two.c", "\n")
        self.assert_finds("registered", "perf/bench/bench_two.c:1: has no row")

    def test_registered_finds_a_dead_source(self):
        self.write("core/two.c", "\n")
        self.assert_finds("registered", "core/two.c:1: no meson.build names it")

    def test_registered_finds_a_header_that_is_not_installed(self):
        self.write("include/zokio/two.h", "\n")
        self.assert_finds("registered", "include/zokio/two.h:1: is not installed")
        self.assert_finds("registered", "include/zokio/two.h:1: zokio.h, which is the whole API, does not include it")

    def test_seam_finds_a_clock_a_sleep_and_a_function_without_a_size(self):
        self.write("core/two.h", "/* time() */\nint a = clock_gettime(0, 0);\nint b = entry->time(0), c = lifetime(0);\n")
        self.write("core/clock.c", "int a = clock_gettime(0, 0);\n")
        self.write("perf/two.h", "int a = usleep(1);\nint b = sprintf(0, 0);\n")
        found = self.found("seam")
        self.assertIn("core/two.h:2: clock_gettime() is called by core/clock.c", found)
        self.assertIn("perf/two.h:2: sprintf()", found)
        self.assertEqual(len(found.splitlines()), 2)
        self.write("core/two.h", "int a = usleep(1);\n")
        self.assert_finds("seam", "core/two.h:1: usleep() is called by nothing in the library")

    def test_size_finds_a_long_function(self):
        self.write("core/one.c", "int zok_one(int a,\n\t    int b)\n{\n" + "\ta++;\n" * 61 + "}\n")
        self.assert_finds("size", "core/one.c:3: zok_one() has 61 lines, of at most 60")

    def test_size_finds_a_long_file(self):
        self.write("core/one.h", "int a;\n" * 601)
        self.assert_finds("size", "core/one.h:1: the file has 601 lines, of at most 600")

    def test_size_finds_growth_over_the_baseline_and_rows_that_could_shrink(self):
        self.write("core/one.h", "int a;\n" * 605)
        self.write("tests/repo/size-baseline.txt", "core/one.h - 604\n")
        self.assert_finds("size", "605 lines, of at most 604")
        self.write("tests/repo/size-baseline.txt", "core/one.h - 605\n")
        self.assertEqual(self.found("size"), "")
        self.write("tests/repo/size-baseline.txt", "core/one.h - 606\ncore/gone.h - 700\n")
        self.assert_finds("size", "core/one.h - shrank from 606 to 605")
        self.assert_finds("size", "core/gone.h - shrank from 700")

    def test_text_finds_white_space_left_overs_and_a_missing_newline(self):
        self.write("core/one.h", "int a; \n/* TO" "DO: more */\nint b;")
        self.assert_finds("text", "core/one.h:1: white space")
        self.assert_finds("text", "core/one.h:2: work left for later")
        self.assert_finds("text", "core/one.h:3: no newline")

    def test_links_finds_a_page_and_an_anchor_that_are_not_there(self):
        self.write("docs/a.md", "# A page\n[x](gone.md)\n`[code](is-none.md)`\n[y](../README.md#nothing)\n")
        self.assert_finds("links", "docs/a.md:2: the link gone.md leads nowhere")
        self.assert_finds("links", "docs/a.md:4: README.md has no heading for #nothing")
        self.assertNotIn("is-none", self.found("links"))

    def test_links_finds_a_table_edited_by_hand(self):
        self.write("README.md", table("| a |\n").replace("| a |", "| b |"))
        self.assert_finds("links", "edited by hand")
        self.write("README.md", "# Measured\n\n| a |\n")
        self.assert_finds("links", "no markers")

    def test_documented_finds_a_function_without_a_comment(self):
        self.write("include/zokio/base.h", "/* About something else. */\n\nZOK_API ZOK_PRINTF(2, 3) int zok_one(int a,\n\tint b);\n")
        self.assert_finds("documented", "include/zokio/base.h:3: zok_one() has no comment")

    def test_formatting_finds_spaces(self):
        self.write("core/one.c", "int a(void)\n{\n        return  1;\n}\n")
        self.assert_finds("formatting", "core/one.c:3")

    def test_shell_finds_an_unquoted_word(self):
        self.write("run.sh", "#!/bin/sh\necho $1\n")
        self.assert_finds("shell", "run.sh:2")

    def test_headers_finds_one_that_needs_another_and_one_that_is_not_cplusplus(self):
        self.write("include/zokio/two.h", "static inline size_t two(void)\n{\n\treturn 2;\n}\n")
        self.assert_finds("headers", "include/zokio/two.h:1: not clean as c17 under gcc")
        self.write("include/zokio/two.h", "struct two {\n\tint class;\n};\n")
        self.assert_finds("headers", "include/zokio/two.h:1: not clean as c++17 under g++")

    def library(self, code, script="ZOKIO_0.1 { global: zok_*; other; local: *; };\n"):
        source, library, versions = (os.path.join(self.root, name) for name in ("lib.c", "lib.so", "lib.map"))
        for path, text in ((source, code), (versions, script)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, f"-Wl,--version-script={versions}"], check=True)
        return "\n".join(exports.check_library(Tree(self.root), library))

    def test_exports_is_content_with_what_the_headers_declare(self):
        self.assertEqual(self.library("int zok_one(void) { return 1; }\nint zok_two(int a, int b) { return a + b; }\n"), "")

    def test_exports_finds_what_is_missing_what_is_too_much_and_what_has_no_version(self):
        found = self.library("int zok_one(void) { return 1; }\nint zok_three(void) { return 3; }\nint other(void) { return 4; }\n")
        self.assertIn("zok_two is declared, but lib.so does not export it", found)
        self.assertIn("exports zok_three, which no public header declares", found)
        self.assertIn("exports other, which is not a zok_ name", found)
        self.assertIn("exports zok_one without a version", self.library("int zok_one(void) { return 1; }\n", "{ global: zok_*; };\n"))


class Reading(unittest.TestCase):
    def test_comments_and_strings_are_blanked_in_place(self):
        self.assertEqual(without_comments('a /* b\n"c */ "d//" e // f\n'), 'a     \n      "   " e     \n')

    def test_functions_are_found_by_their_braces(self):
        text = "struct a {\n\tint b;\n};\n\nstatic int one(int a)\n{\n\treturn a;\n}\nint table[] = {\n\t1,\n};\n\nvoid two(void)\n{\n}\n"
        self.assertEqual(list(functions(text)), [(6, "one", 1), (14, "two", 0)])


if __name__ == "__main__":
    unittest.main()
