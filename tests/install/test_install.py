#!/usr/bin/env python3
"""What a user gets: the build is installed into an empty folder, and programs in C and C++ find it by pkg-config, link it and run."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = """\
#include <zokio/zokio.h>

#include <stdio.h>

int main(void)
{
	enum zok_log_level level = ZOK_LOG_OFF;

	zok_log_level_set(ZOK_LOG_DEBUG);
	if (zok_log_level_parse("debug", &level) != 0 || level != zok_log_level_get())
		return 1;
	puts("installed and found");
	return 0;
}
"""
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {"c": ["gcc", "-std=c17"], "cc": ["g++", "-std=c++17"]}

options = None


def run(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="zokio-install-")
        cls.addClassCleanup(shutil.rmtree, cls.root)
        run("meson", "install", "-C", options.build, "--no-rebuild", "--destdir", cls.root)
        cls.libdir = cls.root + options.libdir
        # The files believe to be in their prefix; the folder that they are really under is a sysroot to pkg-config.
        cls.environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=cls.root, PKG_CONFIG_LIBDIR="", LC_ALL="C",
                               PKG_CONFIG_PATH=cls.libdir + "/pkgconfig:" + cls.system_path())

    @staticmethod
    def system_path():
        return run("pkg-config", "--variable", "pc_path", "pkg-config").strip()

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, "zokio", env=self.environment).split()

    def build(self, ending, libraries):
        source, program = (os.path.join(self.root, name) for name in (f"program.{ending}", f"program-{ending}"))
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        run(*LANGUAGES[ending], *WARNINGS, *self.pkg_config("--cflags"), source, "-o", program, *libraries)
        return program

    def says(self, program, **environment):
        self.assertEqual(run(program, env=dict(os.environ, **environment)), "installed and found\n")

    def test_programs_in_both_languages_link_the_shared_library(self):
        for ending in LANGUAGES:
            with self.subTest(ending):
                program = self.build(ending, self.pkg_config("--libs"))
                self.says(program, LD_LIBRARY_PATH=self.libdir)
                self.assertIn("libzokio.so.0", run("readelf", "-d", program))
                self.assertIn("zok_log_level_set@ZOKIO_0.1", run("nm", "-D", "--with-symbol-versions", program))

    def test_programs_in_both_languages_link_the_static_library(self):
        for ending in LANGUAGES:
            with self.subTest(ending):
                libraries = ["-l:libzokio.a" if word == "-lzokio" else word for word in self.pkg_config("--static", "--libs")]
                program = self.build(ending, libraries)
                self.says(program)
                self.assertNotIn("libzokio", run("readelf", "-d", program))

    def test_the_version_is_the_project_s(self):
        self.assertEqual(self.pkg_config("--modversion"), [options.version])

    def test_nothing_installed_names_the_build_folder(self):
        with open(self.libdir + "/pkgconfig/zokio.pc", encoding="utf-8") as file:
            self.assertNotIn(options.build, file.read())
        self.assertNotIn("RUNPATH", run("readelf", "-d", self.libdir + "/libzokio.so.0"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the build folder")
    parser.add_argument("--libdir", required=True, help="where libraries are installed, with the prefix")
    parser.add_argument("--version", required=True, help="what pkg-config must say")
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
