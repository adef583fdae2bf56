#!/usr/bin/env python3
"""The closing line of ./dev test counts what cmocka counted, and is never content with a run that lost something."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SUMMARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/dev/summary.py")
CMOCKA = "[==========] Running 4 test(s).\n[       OK ] a\n[==========] 4 test(s) run.\n[  PASSED  ] {} test(s).\n[  SKIPPED ] {} test(s), listed below:\n"


def summary(*logs):
    """(exit code, the last line) for logs given as lists of entries."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, entries in enumerate(logs):
            paths.append(os.path.join(folder, str(number)))
            if entries is not None:
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(entry) + "\n" for entry in entries)
        done = subprocess.run([sys.executable, SUMMARY, *paths], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1]


class Summary(unittest.TestCase):
    def test_cases_are_counted_and_builds_added(self):
        log = [{"result": "OK", "stdout": CMOCKA.format(3, 1)}]
        self.assertEqual(summary(log, log), (0, "6 passed, 0 failed, 2 skipped"))

    def test_two_groups_of_one_program_are_added(self):
        self.assertEqual(summary([{"result": "OK", "stdout": CMOCKA.format(4, 0) * 2}]), (0, "8 passed, 0 failed, 0 skipped"))

    def test_cases_of_two_streams_are_counted_once(self):
        head, tail = CMOCKA.format(2, 1).split("[  PASSED")
        log = [{"result": "FAIL", "stdout": head, "stderr": "[  PASSED" + tail}]
        self.assertEqual(summary(log), (1, "2 passed, 1 failed, 1 skipped"))

    def test_a_plain_program_counts_as_one(self):
        self.assertEqual(summary([{"result": "OK"}, {"result": "SKIP"}]), (0, "1 passed, 0 failed, 1 skipped"))

    def test_a_program_that_died_is_a_failure(self):
        self.assertEqual(summary([{"result": "OK"}, {"result": "TIMEOUT"}]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertEqual(summary([{"result": "FAIL", "stdout": CMOCKA.format(4, 0)}]), (1, "4 passed, 1 failed, 0 skipped"))

    def test_nothing_ran_is_a_failure(self):
        self.assertEqual(summary([]), (1, "0 passed, 0 failed, 0 skipped"))
        self.assertEqual(summary([{"result": "SKIP"}]), (1, "0 passed, 0 failed, 1 skipped"))

    def test_a_lost_log_is_a_failure(self):
        self.assertEqual(summary([{"result": "OK"}], None), (1, "1 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
