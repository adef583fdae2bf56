#!/usr/bin/env python3
"""./dev demo interrupted, by Ctrl-C's SIGINT to its process group and by a SIGTERM to itself, at three moments: nothing that it started stays."""
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import support

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_S = 120  # of the build, which has nothing to do, and of the server
# What it has said by then. The servers are up; the load generator runs; the real client runs.
MOMENTS = {"server": rb"redis-server \S+ on 127", "load": rb"zok perf, \d+ s of about", "client": rb"redis-benchmark, a real client"}


def session_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return int(fields[3]) if fields[0] != "Z" else None
    except OSError:
        return None  # it has ended meanwhile


def members(session):
    """Everything alive in a session: the demo's children cannot leave it unseen."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and session_of(pid) == session]


class Demo:
    """Running in a session and with a folder for temporary files of its own."""

    def __init__(self, folder):
        self.said = b""
        self.process = subprocess.Popen(["./dev", "demo", "--rate", "1000", "--seconds", "2", "--connections", "4"], cwd=TOP,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                        env=os.environ | {"TMPDIR": folder, "ZOK_DEV_NO_INSTALL": "1"})

    def wait_until(self, pattern):
        end = time.monotonic() + START_S
        while not re.search(pattern, self.said):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not part:
                raise AssertionError(f"no {pattern!r} in {self.said.decode(errors='replace')}")
            self.said += part

    def interrupt(self, number):
        """As a terminal does for SIGINT, as kill(1) does for SIGTERM."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self):
        rest, _ = self.process.communicate(timeout=support.DEADLINE_S)
        self.said += rest
        return self.process.returncode

    def kill(self):
        """What is left of a demo that failed the test."""
        for pid in members(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@unittest.skipUnless(shutil.which("redis-server") and shutil.which("redis-benchmark"), "redis is not installed")
class Interrupted(unittest.TestCase):
    def interrupted(self, number, pattern):
        with tempfile.TemporaryDirectory() as folder:
            reports = self.reports()
            demo = Demo(folder)
            self.addCleanup(demo.kill)
            try:
                demo.wait_until(pattern)
                self.assertGreater(len(members(demo.process.pid)), 1, "it has started something")
                demo.interrupt(number)
                self.assertEqual(demo.end(), 128 + number, demo.said)
                self.assertEqual(members(demo.process.pid), [])
                self.assertEqual(os.listdir(folder), [])
            finally:
                for report in self.reports() - reports:
                    shutil.rmtree(report)

    def reports(self):
        folder = os.path.join(TOP, "reports")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return {os.path.join(folder, name) for name in names if name.startswith("demo-")}

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for moment, pattern in MOMENTS.items():
                with self.subTest(signal=number, moment=moment):
                    self.interrupted(number, pattern)


if __name__ == "__main__":
    support.main()
