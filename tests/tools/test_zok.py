#!/usr/bin/env python3
"""The zok command from outside: what bad input gets (one line, exit code 2, nothing started), and a whole run with every file it can write."""
import argparse
import json
import os
import signal
import socketserver
import subprocess
import tempfile
import threading
import unittest

ZOK = None
RAN = (0, 3, 4)  # valid, suspect, invalid: which of them is the machine's business here


class Echo(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), EchoPeer)
        self.asked = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.server_address[1]}"


class EchoPeer(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
                self.server.asked.set()
        except ConnectionError:
            pass  # the generator ends its connections without ceremony


def zok(*arguments):
    return subprocess.run([ZOK, *arguments], capture_output=True, text=True, timeout=30)


class BadInput(unittest.TestCase):
    # The arguments of zok perf tcp, and a word that the line must hold.
    WRONG = [
        ([], "address"),
        (["--rate", "100"], "address"),
        (["tcp://127.0.0.1:1"], "--rate"),
        (["127.0.0.1:1", "--rate", "1"], "tcp://"),
        (["tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "--rate", "1"], "one address"),
        (["tcp://127.0.0.1:1", "--rate", "fast"], "--rate"),
        (["tcp://127.0.0.1:1", "--rate", "-5"], "--rate"),
        (["tcp://127.0.0.1:1", "--rate", "0"], "--rate"),
        (["tcp://127.0.0.1:1", "--rate"], "--rate"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--closed"], "--closed"),
        (["tcp://127.0.0.1:1", "--closed=yes"], "--closed"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--arrivals", "even"], "poisson"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--protocol", "gopher"], "redis-get"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--duration", "long"], "--duration"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--duration", "0"], "--duration"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--connections", "0"], "--connections"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--connections", "1.5"], "--connections"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--depth", "5000"], "--depth"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--threads", "2"], "--threads"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--cpu", "9999"], "--cpu"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--cpu", "one"], "--cpu"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--wait", "sleep"], "--wait"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--size", "0"], "--size"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--seed", "x"], "--seed"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--digits", "9"], "--digits"),
        (["tcp://127.0.0.1:1", "--rate", "1", "--frobnicate"], "--frobnicate"),
    ]

    def refused(self, arguments, word):
        run = zok(*arguments)
        self.assertEqual(run.returncode, 2, arguments)
        self.assertEqual(run.stdout, "", arguments)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertIn(word, run.stderr)

    def test_options_of_tcp(self):
        for arguments, word in self.WRONG:
            with self.subTest(arguments=arguments):
                self.refused(["perf", "tcp", *arguments], word)

    def test_commands(self):
        self.refused(["frobnicate"], "frobnicate")
        self.refused(["help", "frobnicate"], "frobnicate")
        self.refused(["perf", "frobnicate"], "frobnicate")
        self.refused(["perf", "show"], "show")
        self.refused(["perf", "report"], "report")
        self.refused(["perf", "report", "--html"], "--html")

    def test_files_that_are_none(self):
        for command in (["perf", "show", "/nowhere"], ["perf", "report", "/nowhere"], ["perf", "show", ZOK], ["perf", "report", ZOK]):
            run = zok(*command)
            self.assertEqual(run.returncode, 1, command)
            self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)


class Help(unittest.TestCase):
    def test_lists(self):
        self.assertIn("perf", zok("help").stdout)
        self.assertIn("tcp", zok("help", "perf").stdout)
        self.assertIn("--rate", zok("perf", "tcp", "--help").stdout)
        self.assertRegex(zok("--version").stdout, r"^zok \d+\.\d+\.\d+\n$")
        self.assertEqual(zok().returncode, 2)


class Run(unittest.TestCase):
    def test_every_file_is_written_and_read_back(self):
        with tempfile.TemporaryDirectory() as folder, Echo() as server:
            paths = {kind: os.path.join(folder, "run." + kind) for kind in ("json", "html", "hgrm", "hlog")}
            files = [word for kind, path in paths.items() for word in ("--" + kind, path)]
            run = zok("perf", "tcp", server.address, "--rate", "500", "--duration", "200ms", "--warmup", "50ms", "--wait", "block",
                      "--connections", "4", "--label", "a label", *files)
            server.shutdown()
            self.assertIn(run.returncode, RAN, run.stderr)
            self.assertIn("corrected", run.stdout)
            self.assertIn("verdict: ", run.stdout)
            with open(paths["json"], encoding="utf-8") as file:
                result = json.load(file)
            self.assertEqual(result["label"], "a label")
            self.assertEqual(result["corrected"]["count"], 100)
            self.assertEqual(result["verdict"], {0: "VALID", 3: "SUSPECT", 4: "INVALID"}[run.returncode])
            self.check_read_back(paths)

    def check_read_back(self, paths):
        shown = zok("perf", "show", paths["hlog"], paths["hlog"])
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertEqual([row.split()[2] for row in shown.stdout.splitlines()[1:]], ["200", "200"])
        report = zok("perf", "report", "--html", paths["html"], paths["json"], paths["json"])
        if "without jansson" in report.stderr:
            return
        self.assertEqual(report.returncode, 0, report.stderr)
        self.assertEqual(len(report.stdout.splitlines()), 3)
        with open(paths["html"], encoding="utf-8") as file:
            self.assertEqual(file.read().count("<svg"), 3)

    def test_nobody_listens(self):
        with Echo() as server:
            server.shutdown()
            address = server.address
        run = zok("perf", "tcp", address, "--rate", "500")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertIn("refused", run.stderr)

    def test_an_interrupt_ends_the_run_and_reports(self):
        with Echo() as server:
            run = subprocess.Popen([ZOK, "perf", "tcp", server.address, "--rate", "500", "--duration", "20m", "--warmup", "0", "--wait", "block"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertTrue(server.asked.wait(20))
            run.send_signal(signal.SIGINT)
            text, _ = run.communicate(timeout=20)
            server.shutdown()
        self.assertIn(run.returncode, (3, 4))
        self.assertIn("interrupted", text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--zok", required=True)
    known, rest = parser.parse_known_args()
    ZOK = os.path.abspath(known.zok)
    unittest.main(argv=[__file__, *rest])
