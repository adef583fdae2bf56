#!/usr/bin/env python3
"""What a gateway does where it is given little: few descriptors, no locked memory, no io_uring."""
import os
import re
import select
import sys
import threading
import unittest

import support
from support import connect, on_every_engine, receive

GATEWAYS = ("echo", "echo_task", "relay")


@on_every_engine
class FewDescriptors:
    LIMIT = 40

    def ask(self, peers):
        for peer in peers:
            peer.sendall(b"question")

    def answered(self, peers):
        """Those that are answered within a moment; the others wait in the backlog."""
        found = []
        for peer in peers:
            peer.settimeout(0.1 if found else support.DEADLINE_S)
            try:
                self.assertEqual(receive(peer, 8), b"question")
                found.append(peer)
            except TimeoutError:
                break
        return found

    def test_clients_wait(self):
        """Three times as many clients as descriptors: each is served in the end, none is turned away, and it counts that it was short."""
        for program in ("echo", "echo_task"):
            with self.subTest(program=program):
                gateway = self.start(program, limits=[("RLIMIT_NOFILE", self.LIMIT)])
                waiting = [connect(gateway.address) for _ in range(3 * self.LIMIT)]
                self.ask(waiting)
                while waiting:
                    served = self.answered(waiting)
                    self.assertGreater(len(served), 0)
                    waiting = [peer for peer in waiting if peer not in served]
                    for peer in served:
                        peer.close()
                gateway.stop()

    def test_clients_of_a_relay(self):
        """Three times as many clients as descriptors: each is served whole, however many were let in before it was its turn to be joined."""
        upstream = self.upstream()
        relay = self.start("relay", "--to", upstream.address, limits=[("RLIMIT_NOFILE", self.LIMIT)])
        idle = relay.descriptors()
        clients = [connect(relay.address) for _ in range(3 * self.LIMIT)]
        threading.Thread(target=self.answer_all, args=(upstream,), daemon=True).start()
        for client in clients:
            self.assertTrue(self.is_served(client))
        support.until(lambda: relay.descriptors() <= idle, "the descriptors come back")
        with connect(relay.address) as client:
            self.assertTrue(self.is_served(client))
        counters = relay.stop()
        self.assertGreater(counters["descriptors short"], 0)
        self.assertEqual(counters["upstream refused"], 0)
        self.assertEqual(counters["sockets opened"], counters["sockets closed"])

    @unittest.skipUnless(support.options.slow or "--slow" in sys.argv, "waits for the relay's patience to end")
    def test_clients_that_never_end(self):
        """All descriptors belong to clients that stay: who waits is closed in the end, told in one line and counted; the others go on."""
        upstream = self.upstream()
        relay = self.start("relay", "--to", upstream.address, limits=[("RLIMIT_NOFILE", self.LIMIT)])
        clients = [connect(relay.address) for _ in range(2 * self.LIMIT)]
        servers = []
        upstream.door.settimeout(1)
        try:
            while True:
                servers.append(upstream.accept())
        except TimeoutError:
            self.assertGreater(len(servers), 0)
        for server in servers:
            server.sendall(b"for you")
        kinds = {"joined": 0, "closed": 0}
        readable = clients[:]
        while sum(kinds.values()) < len(servers) + 1:
            for client in select.select(readable, [], [], support.DEADLINE_S)[0]:
                kinds["joined" if client.recv(7) == b"for you" else "closed"] += 1
                readable.remove(client)
        self.assertEqual(kinds["joined"], len(servers))
        for peer in servers + clients:
            peer.close()
        upstream.door.settimeout(support.DEADLINE_S)
        support.until(lambda: relay.descriptors() < self.LIMIT - 10, "descriptors come back")
        relay.signal(15)
        self.assertEqual(relay.wait(), 0)
        self.assertRegex(relay.error_text(), r"^relay: --to \S+: not reached within 5 s, file descriptors are short \(ulimit -n\).*\n$")
        counters = relay.counters()
        self.assertGreater(counters["upstream refused"], 0)
        self.assertEqual(counters["sockets opened"], counters["sockets closed"])

    def answer_all(self, upstream):
        try:
            while True:
                with upstream.accept() as server:
                    server.sendall(receive(server, 8))
        except OSError:
            pass  # the test is over

    def is_served(self, client):
        try:
            client.sendall(b"question")
            answer = receive(client, 9)
        except ConnectionError:
            answer = b""
        client.close()
        self.assertIn(answer, (b"", b"question"))
        return answer != b""

    def test_too_few_to_start(self):
        """An end with a line, not a hang and not an abort."""
        for limit in (4, 5, 6, 7, 8, 9):  # with 3 not even the dynamic loader starts
            run = support.run("echo", "--engine", self.engine, "--listen", f"unix:{self.folder}/no/door",
                              limits=[("RLIMIT_NOFILE", limit)])
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)


@on_every_engine
class NoLockedMemory:
    def test_it_serves(self):
        """Or says what it lacks; kernels from 5.12 on count a ring against the cgroup and not against RLIMIT_MEMLOCK."""
        gateway = self.start("echo", limits=[("RLIMIT_MEMLOCK", 0)])
        with connect(gateway.address) as peer:
            peer.sendall(b"question")
            self.assertEqual(receive(peer, 8), b"question")
        gateway.stop()


@on_every_engine
class NoPlacing:
    def test_it_serves_and_says_it_once(self):
        """Neither the placing of memory, nor huge pages, nor perf events, nor real-time priority are needed."""
        if not support.options.launcher:
            self.skipTest("no launcher")
        refused = "eperm:mbind,move_pages,huge-pages,perf,realtime"
        if support.run("hello", launcher=(support.options.launcher, refused)).returncode == 77:
            self.skipTest("no seccomp filter can be set here")
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
        gateway = self.start("echo", "--cores", cores, launcher=(support.options.launcher, refused))
        for _ in range(8):
            with connect(gateway.address) as peer:
                peer.sendall(b"question")
                self.assertEqual(receive(peer, 8), b"question")
        gateway.signal(15)
        self.assertEqual(gateway.wait(), 0)
        lines = gateway.error_text().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"memory: .*mbind: Operation not permitted: left to the kernel.*\(said once\)")


class NoUring(unittest.TestCase):
    # What the launcher does, and words of the line that says why and how to mend it.
    WAYS = [("eperm", ["seccomp", "io_uring_setup", "going on with epoll"]), ("enosys", ["going on with epoll"])]

    def setUp(self):
        if not support.options.launcher:
            self.skipTest("no launcher")
        probe = support.run("hello", launcher=(support.options.launcher, "eperm"))
        if probe.returncode == 77:
            self.skipTest(probe.stderr)

    def launcher(self, way):
        return (support.options.launcher, way)

    def to(self, program):
        return ("--to", "tcp://127.0.0.1:1") if program == "relay" else ()

    def test_falls_back(self):
        for program in GATEWAYS:
            for way, words in self.WAYS:
                with self.subTest(program=program, way=way):
                    self.falls_back(program, way, words)

    def falls_back(self, program, way, words):
        with support.Example(program, *self.to(program), launcher=self.launcher(way)) as gateway:
            kinds = {os.readlink(f"/proc/{gateway.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{gateway.pid}/fd")}
            self.assertIn("anon_inode:[eventpoll]", kinds)
            if program != "relay":
                with connect(gateway.address) as peer:
                    peer.sendall(b"question")
                    self.assertEqual(receive(peer, 8), b"question")
            gateway.signal(15)
            self.assertEqual(gateway.wait(), 0)
            line = gateway.error_text()
            self.assertEqual(len(line.splitlines()), 1, line)
            for word in words:
                self.assertIn(word, line)

    def test_several_cores_say_it_once(self):
        cores = sorted(os.sched_getaffinity(0))[:2]
        with support.Example("echo", "--cores", ",".join(map(str, cores)), launcher=self.launcher("eperm")) as gateway:
            peers = [connect(gateway.address) for _ in range(16)]
            for peer in peers:
                peer.sendall(b"question")
                self.assertEqual(receive(peer, 8), b"question")
                peer.close()
            gateway.signal(15)
            self.assertEqual(gateway.wait(), 0)
            self.assertEqual(len(gateway.error_text().splitlines()), 1, gateway.error_text())

    def test_asked_for_by_name(self):
        """No fallback: it ends with 1, and the line says why."""
        for program in GATEWAYS:
            for way, words in self.WAYS:
                for arguments, environment in ((["--engine", "uring"], None), ([], {"ZOK_ENGINE": "uring"})):
                    with self.subTest(program=program, way=way, arguments=arguments):
                        run = support.run(program, *self.to(program), *arguments, launcher=self.launcher(way), environment=environment)
                        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
                        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
                        self.assertRegex(run.stderr, re.compile("uring.*" + words[0].replace("going on with epoll", "kernel|seccomp")))

    def test_epoll_needs_none(self):
        with support.Example("echo", "--engine", "epoll", launcher=self.launcher("eperm")) as gateway:
            gateway.stop()


if __name__ == "__main__":
    support.main()
