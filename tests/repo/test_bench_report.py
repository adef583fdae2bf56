#!/usr/bin/env python3
"""README's measured table is made from the newest JSON of each question, and the links check accepts it until a hand touches it."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
REPORT = os.path.join(HERE, "../../tools/dev/bench_report.py")
sys.path.insert(0, HERE)

import links  # noqa: E402 (the folder must be on the path first)

README = "# A\n\n<!-- measured: made by ./dev bench --table -->\n<!-- end of measured -->\n\nAfter.\n"


def question(name, is_higher_better, *cases):
    return {"question": name, "unit": "ns", "higher_is_better": is_higher_better,
            "cases": [{"name": who, "median": sorted(rounds)[1], "min": min(rounds), "max": max(rounds), "rounds": rounds}
                      for who, rounds in cases]}


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.readme = os.path.join(self.root, "README.md")
        self.write("README.md", README)

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def measured(self, when, *found):
        self.write(f"bench-{when}/machine.txt", "A machine\n")
        return self.write(f"bench-{when}/a.json", "".join(json.dumps(each) + "\n" for each in found))

    def run_report(self, *arguments):
        return subprocess.run([sys.executable, REPORT, *arguments], capture_output=True, text=True, check=False)

    def table(self, *paths):
        done = self.run_report("table", self.readme, *paths)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.readme, encoding="utf-8") as file:
            return file.read()

    def test_the_newest_figure_of_each_question_counts(self):
        old = self.measured("20260101-000000", question("switch", False, ("zokio", [9, 9, 9])), question("spsc", True, ("zokio", [1, 1, 1])))
        new = self.measured("20260102-000000", question("switch", False, ("zokio", [2, 2, 2])))
        text = self.table(new, old)
        self.assertIn("| switch | ns | 2 (2 to 2) | – |", text)
        self.assertIn("| spsc | ns | 1 (1 to 1) | – |", text)
        self.assertIn("A machine. 2026-01-01 to 2026-01-02.", text)
        self.assertTrue(text.endswith("<!-- end of measured -->\n\nAfter.\n"))

    def test_ratios_say_how_many_times_ours_is_better(self):
        text = self.table(self.measured("20260101-000000", question("time", False, ("zokio", [2, 2, 2]), ("peer", [8, 8, 8])),
                                        question("rate", True, ("zokio", [8, 8, 8]), ("peer", [2, 2, 2]))))
        self.assertEqual(text.count("(4.00×)"), 2)

    def test_what_was_not_asked_again_stays_and_is_marked(self):
        self.table(self.measured("20260101-000000", question("switch", False, ("zokio", [9, 9, 9])), question("spsc", True, ("zokio", [1, 1, 1]))))
        for _ in range(2):
            text = self.table(self.measured("20260102-000000", question("switch", False, ("zokio", [2, 2, 2]))))
            self.assertIn("| switch | ns | 2 (2 to 2) | – |", text)
            self.assertIn("| spsc † | ns | 1 (1 to 1) | – |", text)
            self.assertIn("†: of an earlier run.", text)
            self.assertEqual(list(links.check_table(text)), [])
        text = self.table(self.measured("20260103-000000", question("spsc", True, ("zokio", [4, 4, 4]))))
        self.assertIn("| spsc | ns | 4 (4 to 4) | – |", text)
        self.assertIn("| switch † | ns | 2 (2 to 2) | – |", text)

    def test_the_links_check_accepts_the_table_until_it_is_edited(self):
        text = self.table(self.measured("20260101-000000", question("time", False, ("zokio", [2, 2, 2]))))
        self.assertEqual(list(links.check_table(text)), [])
        self.assertNotEqual(list(links.check_table(text.replace("| 2 (", "| 1 ("))), [])
        self.assertEqual(self.table(os.path.join(self.root, "bench-20260101-000000/a.json")), text)

    def test_without_figures_or_markers_the_page_stays_as_it_is(self):
        self.assertNotEqual(self.run_report("table", self.readme, "bench-*/none.json").returncode, 0)
        measured = self.measured("20260101-000000", question("time", False, ("zokio", [2, 2, 2])))
        self.write("README.md", "# A\n")
        done = self.run_report("table", self.readme, measured)
        self.assertIn("no line", done.stderr)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
