#!/usr/bin/env python3
"""How a gateway ends, in the middle of its work: by SIGTERM, SIGINT, a second signal, SIGKILL. No process and no socket file stays; a start takes over."""
import os
import signal
import socket
import subprocess
import tempfile
import threading

import support
from support import connect, on_every_engine, receive

GATEWAYS = ("echo", "echo_task", "relay")


class Load:
    """A thread that keeps connections busy until the gateway ends them; echoes on the far side of a relay."""

    def __init__(self, address, upstream):
        self.peers = [connect(address) for _ in range(20)]
        self.servers = [upstream.accept() for _ in self.peers] if upstream else []
        self.turns = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                for i, peer in enumerate(self.peers):
                    peer.sendall(b"x" * 1000)
                    if self.servers:
                        self.servers[i].sendall(receive(self.servers[i], 1000))
                    if len(receive(peer, 1000)) < 1000:
                        return
                    self.turns.release()
        except OSError:
            pass  # what this is about

    def wait_until_busy(self):
        for _ in range(100):
            assert self.turns.acquire(timeout=support.DEADLINE_S), "no load"

    def stop(self):
        self.thread.join(support.DEADLINE_S)
        assert not self.thread.is_alive(), "a client did not see the end"
        for peer in self.peers + self.servers:
            peer.close()


@on_every_engine
class End:
    def begin(self, program):
        """Under load on a Unix socket."""
        upstream = self.upstream() if program == "relay" else None
        gateway = self.start(program, *(("--to", upstream.address) if upstream else ()), listen=f"unix:{self.folder}/door")
        load = Load(gateway.address, upstream)
        load.wait_until_busy()
        return gateway, load

    def is_gone(self, gateway, load):
        load.stop()
        self.assertFalse(os.path.exists(f"/proc/{gateway.pid}/exe"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_asked_to_end(self):
        for program in GATEWAYS:
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(program=program, signal=number):
                    gateway, load = self.begin(program)
                    gateway.signal(number)
                    self.assertEqual(gateway.wait(deadline_s=4), 0, gateway.error_text())
                    self.assertEqual(gateway.error_text(), "")
                    self.is_gone(gateway, load)

    def test_asked_twice(self):
        """The second may find it gone or going, or cuts the end short: then the exit code says by which signal."""
        for program in GATEWAYS:
            with self.subTest(program=program):
                gateway, load = self.begin(program)
                gateway.signal(signal.SIGTERM)
                gateway.signal(signal.SIGINT)
                code = gateway.wait(deadline_s=4)
                self.assertIn(code, (0, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT), gateway.error_text())
                self.assertEqual(gateway.error_text(), "" if code <= 0 else "zokio: a further signal: not waiting any longer\n")
                load.stop()
                if os.listdir(self.folder):
                    os.unlink(f"{self.folder}/door")

    def begin_to_drain(self, program, listen):
        """One connection, echoed; then SIGTERM, and nobody new is let in."""
        upstream = self.upstream() if program == "relay" else None
        to = ("--to", upstream.address) if upstream else ()
        gateway = self.start(program, "--drain", "1000", *to, listen=listen)
        client = connect(gateway.address)
        self.peers.append(client)
        server = upstream.accept() if upstream else None
        self.echo(client, server)
        gateway.signal(signal.SIGTERM)
        support.until(lambda: self.is_refused(gateway.address), "a refusal")
        if upstream:
            upstream.close()  # resets what a probe that came too early has left in its line
        return gateway, client, server

    def echo(self, client, server):
        client.sendall(b"question")
        if server:
            server.sendall(receive(server, 8))
        self.assertEqual(receive(client, 8), b"question")

    @staticmethod
    def is_refused(address):
        try:
            connect(address).close()
        except OSError:
            return True
        return False

    def test_a_drain_lets_connections_finish(self):
        for program in GATEWAYS:
            for listen in ("tcp://127.0.0.1:0", f"unix:{self.folder}/door"):
                with self.subTest(program=program, listen=listen):
                    gateway, client, server = self.begin_to_drain(program, listen)
                    self.assertEqual(os.listdir(self.folder), [])
                    self.echo(client, server)
                    client.close()
                    if server:
                        server.close()
                    self.assertEqual(gateway.wait(), 0, gateway.error_text())
                    self.assertEqual(gateway.error_text(), "")

    def test_a_second_signal_cuts_a_drain_short(self):
        for program in GATEWAYS:
            with self.subTest(program=program):
                gateway, client, _ = self.begin_to_drain(program, "tcp://127.0.0.1:0")
                gateway.signal(signal.SIGTERM)
                self.assertEqual(gateway.wait(), 0, gateway.error_text())
                self.assertIn(support.ends(client), ("eof", "reset"))

    def test_killed(self):
        for program in GATEWAYS:
            with self.subTest(program=program):
                gateway, load = self.begin(program)
                gateway.signal(signal.SIGKILL)
                self.assertEqual(gateway.wait(), -signal.SIGKILL)
                load.stop()
                self.assertEqual(os.listdir(self.folder), ["door"], "SIGKILL leaves no time to remove it")
                again, load = self.begin(program)
                again.signal(signal.SIGTERM)
                self.assertEqual(again.wait(), 0, again.error_text())
                self.is_gone(again, load)

    def test_idle(self):
        for program in GATEWAYS:
            with self.subTest(program=program):
                to = ("--to", "tcp://127.0.0.1:1") if program == "relay" else ()
                gateway = self.start(program, *to, listen=f"unix:{self.folder}/door")
                gateway.stop()
                self.assertEqual(os.listdir(self.folder), [])

    def test_two_start_at_once(self):
        """On a fresh path and on one that a killed process left: one listens and is reached, the other ends with a line and 1."""
        for turn in range(20):
            with self.subTest(turn=turn):
                if turn % 2:
                    with socket.socket(socket.AF_UNIX) as stale:
                        stale.bind(f"{self.folder}/door")
                command = [support.path_of("echo"), "--engine", self.engine, "--listen", f"unix:{self.folder}/door"]
                pair = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
                try:
                    self.one_of(pair)
                finally:
                    for process in pair:
                        process.kill()
                        process.communicate()
                self.assertEqual(os.listdir(self.folder), [])

    def test_one_starts_while_another_is_between_its_bind_and_its_listen(self):
        """There its file looks like one that a killed process has left; it is not removed, and the first is reached."""
        if support.options.sanitized or not support.options.hold_listen:
            self.skipTest("nothing can be preloaded into a sanitizer's build")
        for left in (False, True):
            with self.subTest(left=left), tempfile.TemporaryDirectory() as folder:
                hold = f"{folder}/hold"
                for name in ("here", "go"):
                    os.mkfifo(f"{hold}.{name}")
                if left:
                    with socket.socket(socket.AF_UNIX) as stale:
                        stale.bind(f"{self.folder}/door")
                command = [support.path_of("echo"), "--engine", self.engine, "--listen", f"unix:{self.folder}/door"]
                held = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=os.environ | {"LD_PRELOAD": support.options.hold_listen, "ZOK_HOLD_LISTEN": hold})
                try:
                    self.second_is_refused(held, hold, command)
                    self.assertEqual(os.listdir(self.folder), [])
                finally:
                    held.kill()
                    held.communicate()
                    for name in os.listdir(self.folder):
                        os.unlink(f"{self.folder}/{name}")

    def second_is_refused(self, held, hold, command):
        with open(f"{hold}.here", "rb"):
            pass
        file = os.lstat(f"{self.folder}/door")
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = second.stdout.readline()  # its end, or that it listens: either comes by itself
            is_ours = os.lstat(f"{self.folder}/door").st_ino == file.st_ino
            self.assertEqual((said, is_ours), ("", True), "the second listens, or the first one's file is another's")
            self.assertRegex(second.stderr.read(), r"^--listen unix:\S+: Address already in use\n$")
            self.assertEqual(second.wait(support.DEADLINE_S), 1)
        finally:
            second.kill()
            second.communicate()
        with open(f"{hold}.go", "wb"):
            pass
        self.assertEqual(held.stdout.readline(), f"listening on unix:{self.folder}/door\n")
        with connect(f"unix:{self.folder}/door") as peer:
            peer.sendall(b"question")
            self.assertEqual(receive(peer, 8), b"question")
        held.send_signal(signal.SIGTERM)
        self.assertEqual(held.wait(support.DEADLINE_S), 0)

    def one_of(self, pair):
        lines = [process.stdout.readline() for process in pair]
        self.assertEqual(sorted(lines), ["", f"listening on unix:{self.folder}/door\n"])
        first, second = pair if lines[0] else reversed(pair)
        self.assertEqual(second.wait(support.DEADLINE_S), 1)
        self.assertRegex(second.stderr.read(), r"^--listen unix:\S+: Address already in use\n$")
        with connect(f"unix:{self.folder}/door") as peer:
            peer.sendall(b"question")
            self.assertEqual(receive(peer, 8), b"question")
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(support.DEADLINE_S), 0)

    def test_another_file_in_its_place_stays(self):
        gateway = self.start("echo", listen=f"unix:{self.folder}/door")
        os.unlink(f"{self.folder}/door")
        with support.Example("echo", "--engine", self.engine, listen=f"unix:{self.folder}/door") as other:
            gateway.stop()
            connect(other.address).close()
            other.stop()
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    support.main()
