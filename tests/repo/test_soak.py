#!/usr/bin/env python3
"""./dev soak tells what fails, hangs, or keeps memory and descriptors, and leaves nothing running, also when it is interrupted."""
import os
import signal
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "dev"))

import soak  # noqa: E402 (the folder must be on the path first)

# Waits for ever, with a child that does, too; both end only when they are killed. The child's pid is told through the file named.
DEAF = ("import os, signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if sys.argv[1:]:\n    child = subprocess.Popen([sys.executable, '-c', sys.argv[2]])\n"
        "    open(sys.argv[1] + '.part', 'w').write(str(child.pid))\n    os.rename(sys.argv[1] + '.part', sys.argv[1])\n"
        "while True:\n    signal.pause()\n")


def python(program, *words):
    return ("{python}", "-c", program.replace("{", "{{").replace("}", "}}"), *words)


def samples(kib, fds):
    return {(1, "relay"): [(second, *pair) for second, pair in enumerate(zip(kib, fds))]}


class Judgement(unittest.TestCase):
    def verdict(self, kib, fds):
        outcome = soak.Outcome("one", samples=samples(kib, fds))
        soak.judge(outcome)
        return outcome.verdict

    def test_what_settles_is_no_leak(self):
        self.assertEqual(self.verdict([0] * 10 + [50000] * 20, [5] * 30), "ok")

    def test_connections_that_come_and_go_are_no_leak(self):
        self.assertEqual(self.verdict([1000] * 30, [5, 200, 90] * 10), "ok")

    def test_memory_that_grows(self):
        self.assertEqual(self.verdict([1000 * second for second in range(30)], [5] * 30), "FAILED: relay grows")

    def test_descriptors_that_grow(self):
        self.assertEqual(self.verdict([1000] * 30, list(range(30))), "FAILED: relay keeps descriptors")

    def test_too_few_samples_say_nothing(self):
        outcome = soak.Outcome("one", samples=samples([0, 90000], [1, 90]))
        soak.judge(outcome)
        self.assertEqual((outcome.verdict, outcome.memory), ("ok", "-"))


class Running(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="zokio-soak-")
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        self.options = types.SimpleNamespace(build="build", minutes=0.001, reports=os.path.join(self.scratch, "reports"), progress=lambda text: None)

    def outcome(self, words, seconds=0.01):
        os.makedirs(self.options.reports, exist_ok=True)
        return soak.soak_row(soak.Row("one", words), seconds, self.options)

    def test_a_short_program_runs_until_the_time_is_over(self):
        outcome = self.outcome(python("print('fine')"), seconds=2)
        self.assertEqual((outcome.verdict, outcome.said), ("ok", "fine"))
        self.assertGreater(outcome.rounds, 1)

    def test_a_failure_ends_the_row_and_is_told(self):
        self.assertEqual(self.outcome(python("import sys; sys.exit('broken')")).verdict, "FAILED: exit code 1")
        self.assertEqual(self.outcome(python("import os; os.abort()")).verdict, "FAILED: exit code -6")
        self.assertEqual(self.outcome(python("import sys; sys.exit(77)")).verdict, "skipped")

    def test_a_program_is_told_its_time_and_is_watched(self):
        program = "import sys, time\nkept, end = [], time.monotonic() + 2\n" \
                  "while time.monotonic() < end:\n    kept.append(b'x' * 1000000); time.sleep(0.02)\n"
        with mock.patch.object(soak, "SAMPLE_S", 0.05):
            outcome = self.outcome(python(program, "{seconds}"), seconds=2)
        self.assertIn("grows", outcome.verdict)
        self.assertEqual(outcome.rounds, 1)

    def test_what_is_late_is_killed_with_its_children(self):
        told = os.path.join(self.scratch, "pid")
        with mock.patch.object(soak, "ROUND_S_MAX", 3), mock.patch.object(soak, "PATIENCE_S", 0.3):
            outcome = self.outcome(python(DEAF, told, DEAF))
        self.assertEqual(outcome.verdict, "FAILED: was late")
        self.assert_ended(told)

    def assert_ended(self, told):
        """A zombie that nobody has waited for is no process that runs."""
        with open(told, encoding="ascii") as file:
            path = f"/proc/{file.read()}/stat"
        if os.path.exists(path):
            with open(path, encoding="ascii") as stat:
                self.assertEqual(stat.read().rpartition(")")[2].split()[0], "Z")

    def test_a_signal_stops_all_and_the_table_comes(self):
        told = os.path.join(self.scratch, "pid")
        program = ("import sys; sys.path.insert(0, sys.argv[1]); import soak; soak.PATIENCE_S = 0.3\n"
                   "soak.ROWS = [soak.Row('deaf', ('{python}', '-c', sys.argv[3], sys.argv[4], sys.argv[3]))]\n"
                   "sys.argv[1:] = ['--build', 'build', '--minutes', '9', '--reports', sys.argv[2]]\nsys.exit(soak.main())\n")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = subprocess.Popen([sys.executable, "-c", program, os.path.join(ROOT, "tools", "dev"), self.options.reports, DEAF, told],
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                while not os.path.exists(told):
                    self.assertIsNone(process.poll())
                    os.sched_yield()
                process.send_signal(number)
                said, _ = process.communicate(timeout=30)
                self.assertEqual(process.returncode, 1)
                self.assertIn("FAILED: not all ran", said)
                self.assert_ended(told)
                os.unlink(told)

    def test_the_exit_code_is_the_verdict(self):
        fine, broken = soak.Row("fine", python("pass")), soak.Row("broken", python("raise SystemExit(3)"))
        with mock.patch("builtins.print"):
            self.assertEqual(soak.soak([fine], self.options), 0)
            self.assertEqual(soak.soak([broken, fine], self.options), 1)
            self.assertEqual(soak.soak([soak.Row("none", python("raise SystemExit(77)"))], self.options), 1)

    def test_every_program_of_the_table_is_there(self):
        for row in soak.ROWS:
            for word in row.words:
                if word.startswith("tests/"):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, word)), word)
                elif "/tests/soak/" in word:
                    self.assertTrue(os.path.exists(os.path.join(ROOT, "tests", "soak", os.path.basename(word) + ".c")), word)


if __name__ == "__main__":
    unittest.main()
