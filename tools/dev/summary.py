"""Prints the closing line of ./dev test: "N passed, N failed, N skipped", counted over the testlog.json of each build folder.

A cmocka program counts as many tests as it ran; any other program counts as one. A program that died, timed out or failed without naming
a case counts as one failure more. Exits with 1 when something failed, a log is missing, or nothing ran at all.
"""
import json
import re
import sys

# What cmocka says of each group when it ends: all that ran, and of these the passed and the skipped.
RAN = re.compile(r"^\[=+\] (\d+) test\(s\) run\.", re.MULTILINE)
PASSED = re.compile(r"^\[ +PASSED +\] (\d+) test\(s\)", re.MULTILINE)
SKIPPED = re.compile(r"^\[ +SKIPPED +\] (\d+) test\(s\)", re.MULTILINE)
OUTCOMES = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}


def count_program(entry):
    """What one program of the log adds."""
    output = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
    ran, passed, skipped = (sum(map(int, pattern.findall(output))) for pattern in (RAN, PASSED, SKIPPED))
    counts = {"passed": passed, "failed": max(ran - passed - skipped, 0), "skipped": skipped}
    outcome = OUTCOMES.get(entry["result"], "failed")
    if outcome == "failed":
        counts["failed"] = max(counts["failed"], 1)
    elif outcome == "skipped" or not ran or counts["failed"]:
        # Not a cmocka program, or one whose words and exit code differ: the exit code is the truth.
        counts = dict.fromkeys(counts, 0)
        counts[outcome] = 1
    return counts


def main(paths):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for path in paths:
        try:
            with open(path, encoding="utf-8") as log:
                entries = [json.loads(line) for line in log if line.strip()]
        except OSError as error:
            print(f"{path}: {error.strerror}: no test ran there", file=sys.stderr)
            totals["failed"] += 1
            continue
        for entry in entries:
            for outcome, count in count_program(entry).items():
                totals[outcome] += count
    if totals["passed"] + totals["failed"] == 0:
        print("no test ran", file=sys.stderr)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    return 0 if totals["passed"] and not totals["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
