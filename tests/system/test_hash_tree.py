#!/usr/bin/env python3
"""The file processor among the examples: every file of a tree is hashed once, on both engines and with any bound; what it cannot read it tells."""
import os
import tempfile
import unittest
import zlib

import support

FOLDERS, FILES = 12, 40


def make_tree(root):
    """{path: its CRC-32}"""
    sums = {}
    for i in range(FOLDERS):
        folder = os.path.join(root, *[f"d{i}"] * (1 + i % 4))
        os.makedirs(folder)
        for k in range(FILES):
            path = os.path.join(folder, f"file {k}")
            data = bytes((i * 31 + k * 7 + n) & 255 for n in range(k * k * 97))
            with open(path, "wb") as file:
                file.write(data)
            sums[path] = zlib.crc32(data)
    os.symlink("/", os.path.join(root, "link"))
    os.mkfifo(os.path.join(root, "fifo"))
    return sums


def read_lines(text):
    return {line[10:]: int(line[:8], 16) for line in text.splitlines()}


class HashTree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_every_file_once(self):
        sums = make_tree(self.folder)
        for engine in (e for e in ("uring", "epoll") if not support.why_not(e)):
            for at_once in ("1", "64"):
                with self.subTest(engine=engine, at_once=at_once):
                    run = support.run("hash_tree", "--engine", engine, "--at-once", at_once, self.folder)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    self.assertEqual(read_lines(run.stdout), sums)
                    self.assertEqual(len(run.stdout.splitlines()), len(sums))
                    self.assertIn(f"{len(sums)} files", run.stderr)

    def test_what_is_not_there_is_told(self):
        run = support.run("hash_tree", os.path.join(self.folder, "none"))
        self.assertEqual(run.returncode, 1)
        self.assertIn("No such file", run.stderr)

    def test_bad_words(self):
        for arguments, word in ((["--at-once", "0", "."], "1 to 4096"), (["--at-once", "x", "."], "1 to 4096"), (["--size", "1", "."], "no such"),
                                ([], "FOLDER"), (["a", "b"], "FOLDER"), (["--engine", "uring"], "FOLDER"), (["--engine", "x", "."], "engine")):
            with self.subTest(arguments=arguments):
                run = support.run("hash_tree", *arguments)
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertIn(word, run.stderr)


if __name__ == "__main__":
    support.main()
