#!/usr/bin/env python3
"""zok top beside a real echo: what it prints once agrees with what was sent; the live view in a terminal of its own, its keys, its sizes, its ends."""
import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import support
from support import DEADLINE_S, Example, connect, on_every_engine, receive, until

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import schema  # noqa: E402

with open(os.path.join(HERE, "..", "..", "docs", "schemas", "top.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)


class Screen:
    """A VT52: the terminal with the fewest words. What a program has drawn, as lines."""

    def __init__(self, columns, lines):
        self.resize(columns, lines)

    def resize(self, columns, lines):
        self.columns, self.count = columns, lines
        self.clear()

    def clear(self):
        self.rows = [[" "] * self.columns for _ in range(self.count)]
        self.x = self.y = 0
        self.word = b""  # an escape sequence that has not come whole
        self.overflows = 0

    def feed(self, data):
        for byte in data:
            if self.word:
                self.word += bytes([byte])
                self.obey()
            elif byte == 0x1b:
                self.word = b"\x1b"
            elif byte == 0x0d:
                self.x = 0
            elif byte == 0x0a:
                self.y = min(self.y + 1, self.count - 1)
            elif byte == 0x08:
                self.x = max(self.x - 1, 0)
            elif byte == 0x09:
                self.x = min((self.x // 8 + 1) * 8, self.columns - 1)
            elif byte >= 0x20:
                self.put(chr(byte))

    def put(self, character):
        if self.x >= self.columns:
            self.overflows += 1
            return
        self.rows[self.y][self.x] = character
        self.x += 1

    def obey(self):
        letter = self.word[1:2]
        if letter == b"Y" and len(self.word) < 4:
            return
        if letter == b"Y":
            self.y, self.x = min(self.word[2] - 32, self.count - 1), min(self.word[3] - 32, self.columns - 1)
        elif letter == b"H":
            self.x = self.y = 0
        elif letter == b"A":
            self.y = max(self.y - 1, 0)
        elif letter == b"B":
            self.y = min(self.y + 1, self.count - 1)
        elif letter == b"C":
            self.x = min(self.x + 1, self.columns - 1)
        elif letter == b"D":
            self.x = max(self.x - 1, 0)
        elif letter in b"JK":
            self.rows[self.y][self.x:] = [" "] * (self.columns - self.x)
            if letter == b"J":
                for row in self.rows[self.y + 1:]:
                    row[:] = [" "] * self.columns
        self.word = b""

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.rows)


class Live:
    """zok top in a terminal."""

    def __init__(self, folder, *arguments, columns=80, lines=24, terminal="vt52"):
        self.screen = Screen(columns, lines)
        self.master, slave = pty.openpty()
        self.set_size(columns, lines)
        environment = os.environ | {"TERM": terminal, "ZOK_EXPORT": folder, "LC_ALL": "C"}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen([support.options.zok, "top", *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment,
                                        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
        os.close(slave)
        self.pid = self.process.pid

    def set_size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.screen.resize(columns, lines)
        self.set_size(columns, lines)

    def read(self):
        ready, _, _ = select.select([self.master], [], [], 0.05)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError as failure:
            if failure.errno != errno.EIO:
                raise
            return False
        self.screen.feed(data)
        return bool(data)

    def shows(self, pattern):
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.screen.text(), re.MULTILINE):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.screen.text()}")
            self.read()
        return self.screen.text()

    def press(self, keys):
        os.write(self.master, keys.encode())

    def wait(self):
        end = time.monotonic() + DEADLINE_S
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
        while self.read():
            pass
        return self.process.wait(1)

    def memory_kb(self):
        """What it may ever touch: grows with each allocation that needs room."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmData:\s+(\d+)", status.read()).group(1))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def zok_top(folder, *arguments, **keywords):
    return subprocess.run([support.options.zok, "top", *arguments], capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL, env=os.environ | {"ZOK_EXPORT": folder}, **keywords)


def echo_times(address, count, size):
    with connect(address) as peer:
        for _ in range(count):
            peer.sendall(b"x" * size)
            assert len(receive(peer, size)) == size


class TopCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def echo(self, *arguments):
        example = Example("echo", *arguments, environment={"ZOK_EXPORT": self.folder})
        self.addCleanup(example.kill)
        return example

    def live(self, *arguments, **keywords):
        live = Live(self.folder, *arguments, **keywords)
        self.addCleanup(live.close)
        return live

    def refused(self, code, word, *arguments):
        run = zok_top(self.folder, *arguments)
        self.assertEqual(run.returncode, code, run.stderr)
        self.assertEqual(run.stdout, "")
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertIn(word, run.stderr)


@on_every_engine
class Once:
    def test_its_figures_are_what_was_sent(self):
        example = self.start("echo", "--cores", "all", environment={"ZOK_EXPORT": self.folder})
        for _ in range(4):
            echo_times(example.address, 50, 100)

        def top():
            run = zok_top(self.folder, "--once", "--json", "--interval", "0.05")
            self.assertEqual(run.returncode, 0, run.stderr)
            return json.loads(run.stdout)

        until(lambda: top()["total"]["since_start"]["sockets_closed"] >= 4, "the connections' ends are counted")
        result = top()
        self.assertEqual(list(schema.problems(result, SCHEMA)), [])
        total = result["total"]["since_start"]
        self.assertEqual((total["bytes_received"], total["bytes_sent"]), (20000, 20000))
        self.assertEqual(result["runtime"]["pid"], example.pid)
        self.assertEqual(result["runtime"]["program"], "echo")
        self.assertEqual(result["runtime"]["engine"], self.engine)
        self.assertFalse(result["runtime"]["is_newer"])
        for name, value in total.items():
            if value is not None:
                self.assertEqual(value, sum(core["since_start"][name] for core in result["cores"]), name)
        for row in result["cores"] + [result["total"]]:
            since = row["since_start"]
            self.assertEqual(since["steals"], sum(since[f"steals_{tier}"] for tier in ("smt", "cache", "node", "far")))
            time_shares = row["time"]
            self.assertAlmostEqual(time_shares["callbacks"] + time_shares["kernel"] + time_shares["idle"], 1, places=6)
            latency = row["wake_to_run_ns"]["normal"]
            self.assertLessEqual(latency["p50"], latency["p99"])
            self.assertLessEqual(latency["p99"], latency["p99_9"])
            self.assertLessEqual(latency["p99_9"], latency["max"])

    def test_wakes_are_timed_and_the_table_has_a_row_a_core(self):
        example = self.start("echo", "--cores", "all", environment={"ZOK_EXPORT": self.folder})
        top = subprocess.Popen([support.options.zok, "top", "--once", "--json", "--interval", "0.5"], stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"ZOK_EXPORT": self.folder})
        while top.poll() is None:
            echo_times(example.address, 100, 64)
        result = json.loads(top.communicate()[0])
        self.assertGreater(result["total"]["wake_to_run_ns"]["normal"]["samples"], 0)
        self.assertGreater(result["total"]["per_second"]["ops"], 0)
        run = zok_top(self.folder, "--once", "--interval", "0.05")
        lines = run.stdout.splitlines()
        self.assertEqual(len(lines), 4 + len(result["cores"]))
        self.assertRegex(lines[0], rf"^echo \(pid {example.pid}\): {self.engine}, park")
        self.assertRegex(lines[-1], r"^ all ")
        self.assertTrue(all(len(line) <= 160 for line in lines), run.stdout)

    def test_what_is_there_goes_with_the_process_that_ends_and_what_was_killed_is_cleaned(self):
        first = self.start("echo", environment={"ZOK_EXPORT": self.folder})
        second = self.start("echo", environment={"ZOK_EXPORT": self.folder})
        self.assertEqual(len(os.listdir(self.folder)), 2)
        listed = zok_top(self.folder, "--list").stdout
        self.assertRegex(listed, rf"(?m)^ *{first.pid} echo")
        self.assertRegex(listed, rf"(?m)^ *{second.pid} echo")
        first.stop()
        self.assertEqual(len(os.listdir(self.folder)), 1)
        second.kill()
        self.assertEqual(len(os.listdir(self.folder)), 1)
        self.assertEqual(zok_top(self.folder, "--list").returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])


class Refused(TopCase):
    def test_words(self):
        for word, arguments in (("--frobnicate", ["--frobnicate"]), ("--pid", ["--pid"]), ("--pid", ["--pid", "x"]), ("--pid", ["--pid=0"]),
                                ("--interval", ["--interval", "0"]), ("--interval", ["--interval", "nan"]), ("--json", ["--json"]),
                                ("--once", ["--once=1"]), ("words", ["words"])):
            with self.subTest(arguments=arguments):
                self.refused(2, word, *arguments)

    def test_nothing_to_watch(self):
        self.refused(1, "zok_run()", "--once")
        self.refused(1, "no such process", "--once", "--pid", "2147483647")
        self.refused(1, "shows no runtime", "--once", "--pid", str(os.getpid()))
        with open(os.path.join(self.folder, f"zokio-{os.getpid()}-1-1"), "w", encoding="ascii") as stranger:
            stranger.write("no counters")
        self.refused(1, "too short", "--once")

    def test_several_are_not_guessed_among(self):
        first, second = self.echo(), self.echo()
        self.refused(2, f"{first.pid} (echo)", "--once")
        self.assertEqual(zok_top(self.folder, "--once", "--interval", "0.05", "--pid", str(second.pid)).returncode, 0)

    def test_a_terminal_that_cannot_is_told_what_can(self):
        self.echo()
        self.refused(2, "--once")
        for terminal in ("dumb", "no-such-terminal"):
            live = self.live(terminal=terminal, columns=200)
            self.assertEqual(live.wait(), 2)
            self.assertIn("--once", live.screen.text())

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_other_users_runtimes_are_counted_not_shown(self):
        self.echo()
        os.chmod(self.folder, 0o755)
        try:
            run = zok_top(self.folder, "--once", user=65534, group=65534, extra_groups=[])
        except PermissionError as failure:
            self.skipTest(f"the build is not another user's to run: {failure}")
        self.assertEqual(run.returncode, 1)
        self.assertIn("1 of other users", run.stderr)
        self.assertEqual(len(os.listdir(self.folder)), 1)


class View(TopCase):
    def test_pages_keys_and_sizes(self):
        example = self.echo("--cores", "all")
        live = self.live("--interval", "0.1")
        live.shows(rf"^echo pid {example.pid} .*per second  every 0.1 s$")
        live.shows(r"^core +cpu +busy time .* ops")
        live.shows(r"^ all ")
        for key, pattern in (("2", r"p99\.9 +max .*p99\.9"), ("3", r"submit +wait"), ("4", r"alive +new"), ("5", r"open +new"), ("6", r"smt +cache +node +far +in +out"), ("c", r"time"),
                             ("h", r"any key goes back"), ("x", r"^core "), ("p", r"PAUSED"), ("p", r"up \d\d:\d\d:\d\d +per second"),
                             ("+", r"every 0.2 s$"), ("-", r"every 0.1 s$"), ("t", r"since the start"), ("t", r"per second"),
                             ("s", r"sorted by busy"), ("s", r"sorted by ops"), ("l", r"1 runtime to watch"), ("1", r"^core +cpu")):
            live.press(key)
            live.shows(pattern)
        live.press("6")
        live.shows(r"looks +all +smt +cache +node +far +in +out")
        self.assertNotRegex(live.screen.text(), r"remote +ring")
        live.resize(200, 50)
        live.shows(r"wakes.*\n.*looks +all +smt +cache +node +far +failed +in +out +adopt +inject +rescue +stuck.*all remote +ring")
        live.press("t")
        live.shows(r"since the start")
        live.press("t1")
        live.resize(80, 24)
        live.shows(r"^core +cpu +busy time")
        self.assertNotRegex(live.screen.text(), r"stack")
        live.resize(200, 50)
        live.shows(r"stack")
        live.shows(r"^q end ")
        live.resize(40, 10)
        live.shows(r"^core +cpu +busy")
        live.resize(20, 3)
        live.shows("too small")
        live.resize(80, 24)
        live.shows(r"^core +cpu +busy time")
        self.assertEqual(live.screen.overflows, 0)
        live.press("q")
        self.assertEqual(live.wait(), 0)

    def test_it_takes_no_more_memory_however_long_it_runs(self):
        self.echo("--cores", "all")
        live = self.live("--interval", "0.05")
        live.shows(r"^ all ")
        for key in "2345h1tts":
            live.press(key)
            live.read()
        live.shows(r"sorted by busy")
        before, end = live.memory_kb(), time.monotonic() + 3
        while time.monotonic() < end:  # some sixty looks: how many is no matter
            live.read()
        self.assertEqual(live.memory_kb(), before)
        live.press("q")
        self.assertEqual(live.wait(), 0)

    def test_the_end_of_what_is_watched_is_told(self):
        for ends in (Example.stop, Example.kill):
            example = self.echo()
            live = self.live("--interval", "0.1")
            live.shows(r"^ all ")
            ends(example)
            self.assertEqual(live.wait(), 0)
            self.assertIn(f"echo (pid {example.pid}) has ended", live.screen.text())

    def test_one_of_several_is_chosen_and_its_end_leads_back(self):
        first, second = sorted((self.echo(), self.echo()), key=lambda example: example.pid)
        live = self.live("--interval", "0.1")
        live.shows(r"2 runtimes to watch")
        live.press("j\n")
        live.shows(rf"^echo pid {second.pid}")
        second.stop()
        live.shows(rf"echo \(pid {second.pid}\) has ended")
        live.shows(rf"^>1 +{first.pid}")
        live.press("q")
        self.assertEqual(live.wait(), 0)

    def test_signals_end_it(self):
        self.echo()
        for number in (signal.SIGINT, signal.SIGTERM):
            live = self.live()
            live.shows(r"^core")
            live.process.send_signal(number)
            self.assertEqual(live.wait(), 0)


if __name__ == "__main__":
    support.main()
