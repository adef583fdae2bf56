#!/usr/bin/env python3
"""The runner among the examples: a program's input, output and end are its own, its time is bounded, and nothing of it stays."""
import os
import tempfile
import unittest

import support


def run(engine, *arguments):
    return support.run("run", "--engine", engine, *arguments)


def engines():
    return [engine for engine in support.ENGINES if not support.why_not(engine)]


class Run(unittest.TestCase):
    def test_bytes_go_through(self):
        text = "".join(f"line {i}\n" for i in range(200000))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            for engine in engines():
                with self.subTest(engine=engine):
                    done = run(engine, "--input", file.name, "--", "cat")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(done.stdout, text)

    def test_ends(self):
        for engine in engines():
            for script, code in (("exit 5", 5), ("kill -9 $$", 137), ("exit 0", 0)):
                with self.subTest(engine=engine, script=script):
                    self.assertEqual(run(engine, "--", "sh", "-c", script).returncode, code)
            self.assertEqual(run(engine, "--", "zokio-there-is-none").returncode, 127)
            self.assertEqual(run(engine, "--", "/etc/passwd").returncode, 126)

    def test_time_is_bounded(self):
        for engine in engines():
            with self.subTest(engine=engine):
                done = run(engine, "--seconds", "0.2", "--grace", "0.1", "--", "sh", "-c", "trap '' TERM; echo $$; exec sleep 1000")
                self.assertEqual(done.returncode, 124, done.stderr)
                self.assertIn("its time is over", done.stderr)
                self.assertFalse(done.stdout and os.path.exists(f"/proc/{done.stdout.strip()}"))

    def test_bad_words(self):
        for arguments, word in (([], "PROGRAM"), (["--"], "PROGRAM"), (["--seconds", "x", "--", "true"], "0 to 86400"), (["--size", "1", "--", "true"], "no such"),
                                (["--engine", "x", "--", "true"], "engine"), (["true"], "missing")):
            with self.subTest(arguments=arguments):
                done = support.run("run", *arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    support.main()
