#!/usr/bin/env python3
"""zok pin from outside: a program is where it was asked to be, and so are threads that come later; what the kernel did otherwise is reported; signals and exit
codes pass through; and what bad input gets."""
import argparse
import faulthandler
import functools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import schema

ZOK = None
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CPUS = sorted(os.sched_getaffinity(0))
HANG_S = 170
HAS_NUMA = os.path.exists("/proc/self/numa_maps")

# A program with named threads: one until told "more", then a second. Each says its name when it has been put on a single CPU.
THREADS = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
def worker(name):
    libc.prctl(15, name.encode(), 0, 0, 0)
    while len(os.sched_getaffinity(0)) > 1:
        pass
    print(name, *os.sched_getaffinity(0), flush=True)
    done.wait()
done = threading.Event()
for number in range(2):
    sys.stdin.readline()
    threading.Thread(target=worker, args=(f"worker-{number}",)).start()
sys.stdin.readline()
done.set()
"""

WAITS = "import sys; print('ready', flush=True); sys.stdin.readline()"


def pin(*arguments, **more):
    return subprocess.run([ZOK, "pin", *arguments], capture_output=True, text=True, timeout=60, **more)


def start(*arguments):
    return subprocess.Popen([ZOK, "pin", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_report(text):
    with open(os.path.join(ROOT, "docs", "schemas", "pin.schema.json"), encoding="utf-8") as file:
        rules = json.load(file)
    value = json.loads(text)
    wrong = list(schema.problems(value, rules))
    if wrong or not list(schema.problems({**value, "pid": "one"}, rules)):
        raise AssertionError(wrong or "the schema refuses nothing")
    return value


def tell(process, line="\n"):
    process.stdin.write(line)
    process.stdin.flush()


class Program(unittest.TestCase):
    def test_runs_where_it_was_asked_to(self):
        for cpu in CPUS:
            done = pin("--cores", str(cpu), "--", sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))")
            self.assertEqual((done.returncode, done.stdout), (0, f"{cpu}\n"), done.stderr)
            self.assertRegex(done.stderr, rf"zok pin: process \d+: (\d) of \1 threads run where asked, CPU {cpu}\n")

    def test_its_exit_code_is_ours(self):
        core = str(CPUS[0])
        self.assertEqual(pin("--cores", core, "--", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(pin("--cores", core, "--", "sh", "-c", "kill -9 $$").returncode, 128 + 9)
        self.assertEqual(pin("--cores", core, "true").returncode, 0)

    def test_what_cannot_be_run_is_told_as_env_does(self):
        missing = pin("--cores", str(CPUS[0]), "--", "/nowhere/program")
        self.assertEqual((missing.returncode, missing.stderr), (127, "zok pin: /nowhere/program: No such file or directory\n"))
        directory = pin("--cores", str(CPUS[0]), "--", "/tmp")
        self.assertEqual((directory.returncode, directory.stderr), (126, "zok pin: /tmp: Permission denied\n"))

    def test_passes_on_signals(self):
        # Taken by sigwait: a handler of Python's runs between two of its instructions, so not when the signal comes just before a read that waits.
        program = "import signal, sys\nwanted = {signal.SIGTERM, signal.SIGUSR1}\nsignal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n" \
                  "print('ready', flush=True)\nprint('got', int(signal.sigwait(wanted)), flush=True)\nsys.exit(3)\n"
        for number in (signal.SIGTERM, signal.SIGUSR1):
            process = start("--cores", str(CPUS[0]), "--quiet", "--", sys.executable, "-c", program)
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), f"got {int(number)}\n")
            self.assertEqual(process.wait(timeout=60), 3)
            process.communicate()

    def test_started_by_who_ignores_its_children(self):
        # That passes through exec(2). The end is seen all the same, and the program finds what we found.
        program = "import signal, sys\nprint(signal.getsignal(signal.SIGCHLD).name)\nsys.exit(7)\n"
        for action in (signal.SIG_IGN, signal.SIG_DFL):
            done = pin("--cores", str(CPUS[0]), "--quiet", "--", sys.executable, "-c", program,
                       preexec_fn=functools.partial(signal.signal, signal.SIGCHLD, action))
            self.assertEqual((done.returncode, done.stdout), (7, f"{action.name}\n"), done.stderr)

    def test_keeps_the_signal_mask_for_the_program(self):
        done = pin("--cores", str(CPUS[0]), "--quiet", "--", "grep", "SigBlk", "/proc/self/status")
        self.assertEqual(done.stdout.split(), ["SigBlk:", "0000000000000000"])

    def test_a_program_in_a_terminal_has_the_terminal(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(ZOK, [ZOK, "pin", "--quiet", "--cores", str(CPUS[0]), "--", "sh", "-c", "test -t 0 && test -t 1 && echo yes"])
        said = b""
        try:
            while chunk := os.read(terminal, 4096):
                said += chunk
        except OSError:
            pass  # EIO: the terminal's other end is closed
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertEqual(said, b"yes\r\n")

    def test_a_key_of_the_terminal_reaches_the_program_once(self):
        # We are stopped while the program takes the key's SIGINT; then we take ours, before SIGUSR1: what we pass on of it is there when that is.
        program = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {2, 10})\nprint('ready', flush=True)\ncount = 0\n" \
                  "while signal.sigwait({2, 10}) == 2:\n    count += 1\n    print(f'hit{count}.', flush=True)\n" \
                  "print(f'end{count}.', flush=True)\n"
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(ZOK, [ZOK, "pin", "--quiet", "--cores", str(CPUS[0]), "--", sys.executable, "-c", program])
        said = b""

        def read_until(wanted):
            nonlocal said
            while wanted not in said and not re.search(rb"end\d+\.", said):
                said += os.read(terminal, 4096)
            self.assertIn(wanted, said)

        read_until(b"ready")
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        os.write(terminal, b"\x03")
        read_until(b"hit1.")
        os.kill(pid, signal.SIGUSR1)
        os.kill(pid, signal.SIGCONT)
        read_until(b"end1.")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(terminal)


class Threads(unittest.TestCase):
    def test_go_one_by_one_to_their_cores_also_late_ones(self):
        order = list(reversed(CPUS))
        cores = ",".join(map(str, order))
        if len(CPUS) < 2:
            self.skipTest("one CPU only: nothing to choose")
        process = start("--cores", "all", "--threads", f"worker-*={cores}", "--verify-seconds", "0", "--json", "--",
                        sys.executable, "-c", THREADS)
        for number in range(2):
            tell(process)
            self.assertEqual(process.stdout.readline(), f"worker-{number} {order[number % len(order)]}\n")
        tell(process)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertTrue(read_report(process.communicate()[1])["as_asked"])

    def test_report_where_they_are_not_where_asked(self):
        if len(CPUS) < 2:
            self.skipTest("one CPU only: nowhere else to go")
        program = f"import os, sys; os.sched_setaffinity(0, {{{CPUS[1]}}}); print('ready', flush=True); sys.stdin.readline()"
        process = start("--cores", str(CPUS[0]), "--verify-seconds", "3", "--", sys.executable, "-c", program)  # a start on a busy machine takes long
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertRegex(process.stderr.readline(), "0 of 1 threads run where asked")
        self.assertRegex(process.stderr.readline(), rf"zok pin: thread \d+ \(\S+\): asked for CPU {CPUS[0]}, may run on {CPUS[1]}\n")
        process.communicate("\n", timeout=60)
        self.assertEqual(process.returncode, 0)


class Running(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def tearDown(self):
        self.process.communicate("\n", timeout=60)

    def test_is_checked_moved_and_checked_again(self):
        pid, core = str(self.process.pid), str(CPUS[-1])
        before = pin("--pid", pid, "--cores", core, "--check", "--json")
        self.assertEqual(before.returncode, 1 if len(CPUS) > 1 else 0, before.stderr)
        self.assertEqual(os.sched_getaffinity(self.process.pid), set(CPUS))
        moved = pin("--pid", pid, "--cores", core)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        self.assertIn("1 of 1 threads run where asked", moved.stdout)
        self.assertEqual(os.sched_getaffinity(self.process.pid), {CPUS[-1]})
        after = read_report(pin("--pid", pid, "--cores", core, "--check", "--json").stdout)
        self.assertTrue(after["as_asked"])
        self.assertEqual([t["got"] for t in after["threads"]], [core])

    def test_takes_its_memory_along(self):
        if not HAS_NUMA:
            self.skipTest("a kernel without NUMA")
        done = pin("--pid", str(self.process.pid), "--cores", str(CPUS[0]), "--memory", "preferred", "--json")
        report = read_report(done.stdout)
        self.assertTrue(report["memory"]["pages_known"])
        self.assertGreater(report["memory"]["pages_on_nodes"], 0)


@unittest.skipUnless(HAS_NUMA, "a kernel without NUMA")
class Memory(unittest.TestCase):
    def test_policy_is_what_was_asked(self):
        node = next(n for n in range(1024) if os.path.exists(f"/sys/devices/system/node/node{n}/cpu{CPUS[0]}"))
        for policy, said in (("strict", f"bind:{node}"), ("preferred", f"prefer:{node}"), ("interleave", f"interleave:{node}"), ("local", "local")):
            done = pin("--cores", str(CPUS[0]), "--memory", policy, "--", "cat", "/proc/self/numa_maps")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.split()[1], said)
            self.assertIn(f"zok pin: memory {policy}", done.stderr)
            self.assertNotIn("not so", done.stderr)


class Check(unittest.TestCase):
    def test_says_what_would_be_done(self):
        done = pin("--cores", str(CPUS[0]), "--threads", f"w*={CPUS[-1]}", "--check")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, rf"would run on CPU {CPUS[0]}, memory preferred, node \d+\nzok pin: threads 'w\*' on CPU {CPUS[-1]}\n")


class BadInput(unittest.TestCase):
    def test_names_the_option_and_what_it_would_accept(self):
        core = str(CPUS[0])
        for arguments, said in (
                (["--cores", core], "what to run is missing: zok pin [OPTIONS] -- PROGRAM"),
                (["--", "true"], "what to pin is missing: give --cores LIST"),
                (["--cores", "8191", "true"], "--cores: cores: 8191: no such core here; allowed are "),
                (["--cores", "near:nothing0", "true"], "--cores: cores: near:nothing0: no such NIC or disk here"),
                (["--cores"], "--cores: takes a value: LIST"),
                (["--core", core, "true"], "--core: no such option; there are --cores LIST, "),
                (["--threads", "worker", "true"], "--threads: 'worker' will not do; it takes 'PATTERN=LIST'"),
                (["--threads", "=0", "true"], "--threads: '=0' will not do"),
                (["--threads", "w*=8191", "true"], "--threads: cores: 8191: no such core here"),
                (["--cores", core, "--memory", "near", "true"], "--memory: takes preferred, strict, interleave or local"),
                (["--memory", "strict", "true"], "--memory: needs --cores"),
                (["--cores", core, "--verify-seconds", "soon", "true"], "--verify-seconds: 'soon' will not do; it takes seconds"),
                (["--cores", core, "--pid", "0"], "--pid: '0' will not do; it takes the number of a process"),
                (["--cores", core, "--pid", "4194304"], "--pid: there is no such process"),
                (["--cores", core, "--pid", str(os.getpid()), "true"], "--pid: not with a program to run"),
                (["--cores", core, "--memory", "local", "--pid", str(os.getpid())], "--memory: a process that runs keeps its own policy")):
            done = pin(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), (arguments, done.stderr))
            self.assertTrue(done.stderr.startswith(f"zok pin: {said}"), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_starts_nothing_when_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "made")
            self.assertEqual(pin("--cores", "8191", "--", "touch", path).returncode, 2)
            self.assertFalse(os.path.exists(path))

    def test_helps(self):
        self.assertIn("--threads 'PATTERN=LIST'", pin("--help").stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--zok", required=True)
    known, rest = parser.parse_known_args()
    ZOK = os.path.abspath(known.zok)
    faulthandler.dump_traceback_later(HANG_S, exit=True)  # which of the waits it was; what we started ends with its input
    unittest.main(argv=[sys.argv[0], *rest])
