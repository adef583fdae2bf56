#!/usr/bin/env python3
"""What decides over the machines' tests can fail: every way in which a machine or a program in it goes wrong is told, without a machine being booted."""
import os
import subprocess
import sys
import unittest

import machine
import run
import scenarios
from cpio import Archive
from machine import Run

GOOD = "\n@ready 6.1.0\n\n@begin one\nfine\n\n@end one 12 exit 0\n\n@off\n"


def report(text, case=None, console=()):
    """(the report's lines as one text, how many failed) of a scenario of one case."""
    case = case or scenarios.Case(Run("one", 5, "/bin/true"), says=("fi.e",))
    *lines, failed = run.judge(scenarios.Scenario([], [case]), machine.listen(text), list(console), "QEMU ended with 0")
    return "\n".join(lines), failed


def rounded(size):
    return (size + 3) // 4 * 4


class Judgement(unittest.TestCase):
    def assert_fails(self, text, words, **others):
        said, failed = report(text, **others)
        self.assertIn(words, said)
        self.assertGreater(failed, 0)

    def test_what_went_well(self):
        self.assertEqual(report(GOOD), ("ok 1 - one, 0.0 s\n1..1\n# 1 programs on 6.1.0, nothing failed", 0))

    def test_a_program_that_failed(self):
        self.assert_fails(GOOD.replace("exit 0", "exit 1"), "it ended with exit 1, not with exit 0")

    def test_a_skip_is_a_failure_where_the_kernel_is_known(self):
        self.assert_fails(GOOD.replace("exit 0", "exit 77"), "it ended with exit 77")

    def test_a_program_that_was_late_or_died(self):
        self.assert_fails(GOOD.replace("exit 0", "late 5"), "it ended with late 5")
        self.assert_fails(GOOD.replace("exit 0", "signal 11"), "it ended with signal 11")

    def test_a_program_that_says_something_else(self):
        self.assert_fails(GOOD.replace("fine", "finer"), "no line of it says: fi.e")

    def test_a_program_that_was_never_begun(self):
        self.assert_fails("@ready 6.1.0\n@off\n", "it was never begun")

    def test_a_machine_that_stopped_in_a_program(self):
        said, failed = report("@ready 6.1.0\n@begin one\nfine\n", console=["Kernel panic"])
        self.assertIn("the machine ended before it did", said)
        self.assertIn("the plan was not done: QEMU ended with 0\n# kernel: Kernel panic", said)
        self.assertEqual(failed, 2)

    def test_a_machine_that_said_nothing(self):
        self.assert_fails("", "on no kernel")

    def test_a_setting_that_was_refused(self):
        self.assert_fails(GOOD.replace("@begin", "@refused write /sys 8: it holds 4\n@begin", 1), "the machine refused: write /sys 8: it holds 4")

    def test_a_program_that_is_meant_to_be_refused(self):
        case = scenarios.Case(Run("one", 5, "/bin/true"), ends="exit 2")
        self.assert_fails(GOOD, "it ended with exit 0, not with exit 2", case=case)
        self.assertEqual(report(GOOD.replace("exit 0", "exit 2"), case=case)[1], 0)

    def test_a_skipped_case_is_told(self):
        self.assertIn("# skipped there: a_case", report(GOOD.replace("fine", "fine\n[  SKIPPED ] a_case\n[  SKIPPED ] 1 test(s)"))[0])


class Initramfs(unittest.TestCase):
    def test_it_is_what_the_kernel_reads(self):
        archive = Archive()
        archive.add("/a/b/file", b"12345", 0o644)
        archive.add("/a/b/file", b"another", 0o644)
        archive.add("/a/empty", b"")
        data, names, offset = archive.bytes(), [], 0
        while offset < len(data):
            fields = [int(data[offset + 6 + 8 * i:offset + 14 + 8 * i], 16) for i in range(13)]
            size, name_size = fields[6], fields[11]
            names.append(data[offset + 110:offset + 110 + name_size - 1].decode())
            offset = rounded(offset + 110 + name_size)
            if names[-1] == "a/b/file":
                self.assertEqual(data[offset:offset + size], b"12345")
            offset += rounded(size)
        self.assertEqual(names, ["a", "a/b", "a/b/file", "a/empty", "TRAILER!!!"])

    def test_a_program_brings_its_libraries(self):
        self.assertTrue(any("libc.so" in path for path in machine.libraries("/bin/sh")))
        self.assertRaises(RuntimeError, machine.libraries, __file__)


class Table(unittest.TestCase):
    def test_names_are_one_word_and_told_apart(self):
        lists = {"unit": ["numa/bind", "uring/slots"], "contract": ["ops", "wait"]}
        for name, scenario in scenarios.SCENARIOS.items():
            names = [case.run.name for case in scenario("/build", lists).cases]
            self.assertEqual(len(names), len(set(names)), name)
            self.assertFalse([word for word in names if " " in word], name)

    def test_the_command_line_never_asks_for_kvm_and_always_has_its_time(self):
        words = machine.command("kernel", "initrd", [], [], "folder", 9)
        self.assertEqual(words[:3], ["timeout", "--kill-after=5", "9"])
        self.assertIn("tcg,thread=multi", words)
        self.assertFalse([word for word in words if "kvm" in word])

    def test_without_a_kernel_it_is_a_skip(self):
        here = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run([sys.executable, "-B", os.path.join(here, "run.py"), "two_nodes", "--build", "/nowhere", "--kernel", "/nowhere"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 77)
        self.assertTrue(done.stdout.strip())


if __name__ == "__main__":
    unittest.main()
