#!/usr/bin/env python3
"""Bad words on the command line of the gateways: one line that names the option and what it would accept, exit code 2, nothing started."""
import os
import tempfile
import unittest

import support

GATEWAYS = ("echo", "echo_task", "relay")
BAD_ADDRESSES = ["", "x", "127.0.0.1:7000", "tcp:", "tcp://", "tcp://:", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:x",
                 "tcp://127.0.0.1:-1", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:99999999999999999999", "tcp://127.0.0.1:70 ",
                 "tcp://127.0.0.1:7000x", "tcp://127.0.0:70", "tcp://127.0.0.256:70", "tcp://localhost:70", "tcp://::1:70", "tcp://[::1]",
                 "tcp://[::1:70", "tcp://[]:70", "tcp://[127.0.0.1]:70", "tcp://[::g]:70", "udp://127.0.0.1:70", "http://127.0.0.1:70",
                 "TCP://127.0.0.1:70", " tcp://127.0.0.1:70", "unix:", "unix:@", "unix:" + "x" * 108, "unix:@" + "x" * 108,
                 "tcp://" + "1" * 5000 + ":7"]


def taken(program, *arguments):
    """A command line that is whole but for what a test puts behind it."""
    return [*arguments, "--to", "tcp://127.0.0.1:1"] if program == "relay" else list(arguments)


class BadInput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.door = ["--listen", f"unix:{self.folder}/door"]

    def refused(self, program, arguments, words, **keywords):
        """One line on stderr with all the words, 2, and no socket file: not even one that was removed again."""
        before = os.stat(self.folder).st_mtime_ns
        with self.subTest(program=program, arguments=[word[:40] for word in arguments]):
            run = support.run(program, *arguments, **keywords)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertEqual(run.stdout, "")
            self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
            self.assertLess(len(run.stderr), 400, "a line, not a page")
            for word in words:
                self.assertIn(word, run.stderr)
        self.assertEqual(os.stat(self.folder).st_mtime_ns, before, "something was started")

    def test_addresses(self):
        for program in GATEWAYS:
            for address in BAD_ADDRESSES:
                self.refused(program, taken(program, "--listen", address), ["--listen", "it takes"])
        for address in BAD_ADDRESSES:
            self.refused("relay", [*self.door, "--to", address], ["--to", "it takes"])

    def test_port_0_is_no_place_to_go(self):
        self.refused("relay", [*self.door, "--to", "tcp://127.0.0.1:0"], ["--to", "port"])

    def test_upstream_is_missing(self):
        self.refused("relay", self.door, ["--to", "tcp://"])

    def test_engines(self):
        for program in GATEWAYS:
            for engine in ("", "x", "URING", "uring ", "kqueue", "epoll,uring", "x" * 5000):
                self.refused(program, taken(program, *self.door, "--engine", engine), ["--engine", "uring", "epoll"])
                if engine:
                    self.refused(program, taken(program, *self.door), ["ZOK_ENGINE", "uring", "epoll"],
                                 environment={"ZOK_ENGINE": engine})

    def test_modes(self):
        for program in GATEWAYS:
            for mode in ("", "x", "PARK", "park ", "busy", "x" * 5000):
                self.refused(program, taken(program, *self.door, "--mode", mode), ["--mode", "park", "adaptive", "spin", "sqpoll"])

    def test_drain_and_distribute(self):
        for program in GATEWAYS:
            for seconds in ("", "x", "-1", "1x", "86401", "nan", "inf", "x" * 5000):
                self.refused(program, taken(program, *self.door, "--drain", seconds), ["--drain", "seconds", "86400"])
            for how in ("", "x", "CPU", "load ", "x" * 5000):
                self.refused(program, taken(program, *self.door, "--distribute", how), ["--distribute", "reuseport", "cpu", "load"])
        self.refused("echo_task", [*self.door, "--distribute", "cpu"], ["--distribute", "echo", "relay"])

    def test_cores(self):
        for program in GATEWAYS:
            for cores in ("", "x", "-1", "99999", "0-99999", "0,", ",0", "1-0", "0,x", "0-", "0 1", "node:", "node:x", "node:99", "0x0",
                          "4294967296", "18446744073709551616", "x" * 5000):
                self.refused(program, taken(program, *self.door, "--cores", cores), ["cores"])

    def test_values_are_missing(self):
        for program in GATEWAYS:
            for option in ("--listen", "--engine", "--mode", "--cores", "--drain", "--distribute"):
                self.refused(program, taken(program, *self.door)[:2] + [option], [option, "value"])
        self.refused("relay", [*self.door, "--to"], ["--to", "value"])

    def test_unknown_options(self):
        for program in GATEWAYS:
            for words in (["--frobnicate", "1"], ["--frobnicate"], ["x"], ["x", "y"], ["-l", "x"], ["", ""], ["--", "x"]):
                self.refused(program, taken(program, *self.door) + words, [words[0], "--listen", "--cores"])
        for program in ("echo", "echo_task"):
            self.refused(program, [*self.door, "--to", "tcp://127.0.0.1:1"], ["--to", "--listen"])


class Good(unittest.TestCase):
    def test_help(self):
        for program in GATEWAYS:
            for word in ("--help", "-h"):
                run = support.run(program, word)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                for option in ("--listen", "--engine", "--mode", "--cores", "--drain", "--distribute"):
                    self.assertIn(option, run.stdout)
        self.assertIn("--to", support.run("relay", "--help").stdout)
        self.assertNotIn("--to", support.run("echo", "--help").stdout)

    def test_examples_without_options(self):
        for program in ("hello", "timeout_race"):
            self.assertEqual(support.run(program).returncode, 0)


class Places(unittest.TestCase):
    """What parses, and cannot be listened on: exit code 1, and a line that names the address."""

    def refused(self, address, words):
        for program in GATEWAYS:
            with self.subTest(program=program, address=address):
                run = support.run(program, *taken(program, "--listen", address))
                self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
                self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
                for word in ("--listen", address, *words):
                    self.assertIn(word, run.stderr)

    def test_no_address_of_ours(self):
        self.refused("tcp://192.0.2.1:7000", ["assign"])

    def test_no_folder(self):
        self.refused("unix:/nowhere/door", ["No such file"])

    def test_file_that_is_no_socket(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"precious")
            file.flush()
            self.refused(f"unix:{file.name}", ["in use"])
            self.assertTrue(os.path.exists(file.name))

    def test_in_use(self):
        with support.Upstream() as other:
            self.refused(other.address, ["in use"])

    def test_in_use_by_another_gateway(self):
        with tempfile.TemporaryDirectory() as folder, support.Example("echo", listen=f"unix:{folder}/door") as other:
            self.refused(other.address, ["in use"])
            support.connect(other.address).close()


if __name__ == "__main__":
    support.main()
