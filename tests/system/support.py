"""What the system tests share: the examples as processes, their counters, sockets with deadlines, and what /proc says of a process."""
import argparse
import functools
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

DEADLINE_S = 20  # of everything that is waited for: a hang is a failure, not a wait
ENGINES = ("uring", "epoll")

options = argparse.Namespace(examples="build/examples", launcher=None, check_echo=None, zok=None, hold_listen=None, slow=False, sanitized=False)


def path_of(program):
    return os.path.join(options.examples, program)


# ---- Addresses and sockets ----


def family_and_place(address):
    """A Zokio address as Python's socket module takes it."""
    if address.startswith("unix:@"):
        return socket.AF_UNIX, "\0" + address[6:]
    if address.startswith("unix:"):
        return socket.AF_UNIX, address[5:]
    host, port = re.fullmatch(r"tcp://(.*):(\d+)", address).groups()
    return (socket.AF_INET6, (host[1:-1], int(port))) if host.startswith("[") else (socket.AF_INET, (host, int(port)))


def connect(address, send_buffer=None):
    family, place = family_and_place(address)
    peer = socket.socket(family, socket.SOCK_STREAM)
    if send_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    peer.settimeout(DEADLINE_S)
    peer.connect(place)
    return peer


def receive(peer, count):
    """Exactly `count` bytes, or what came before the end of the stream."""
    data = bytearray()
    while len(data) < count:
        part = peer.recv(count - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def ends(peer):
    """How the stream ends after what is still in it: "eof" or "reset"."""
    try:
        while peer.recv(65536):
            pass
        return "eof"
    except ConnectionError:
        return "reset"


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class Upstream:
    """A server that a test holds in its hand: it listens, and takes connections when the test says so."""

    def __init__(self, address="tcp://127.0.0.1:0", is_listening=True, receive_buffer=None):
        family, place = family_and_place(address)
        self.door = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:  # what it accepts has the same
            self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.door.settimeout(DEADLINE_S)
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.door.bind(place)
        self.address = address
        if family != socket.AF_UNIX:
            host, port = self.door.getsockname()[:2]
            self.address = f"tcp://[{host}]:{port}" if family == socket.AF_INET6 else f"tcp://{host}:{port}"
        if is_listening:
            self.listen()

    def listen(self):
        self.door.listen(1024)

    def accept(self):
        peer, _ = self.door.accept()
        peer.settimeout(DEADLINE_S)
        return peer

    def close(self):
        self.door.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- Processes ----


def until(check, what, deadline_s=DEADLINE_S):
    """For what no event tells, as a number in /proc: asks until it is true."""
    end = time.monotonic() + deadline_s
    while not check():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        select.select([], [], [], 0.002)


class Example:
    """One of the examples, running: it listens when this returns. Stopped by its pid, whatever happens."""

    def __init__(self, program, *arguments, listen="tcp://127.0.0.1:0", launcher=(), limits=(), environment=None):
        self.errors = tempfile.TemporaryFile()
        self.output = b""
        command = [*launcher, path_of(program), "--listen", listen, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        preexec_fn=functools.partial(set_limits, limits) if limits else None,
                                        env=None if environment is None else os.environ | environment)
        self.pid = self.process.pid
        try:
            self.address = self.read_line(rb"listening on (\S+)\n").decode()
        except BaseException:
            self.kill()
            raise

    def read_line(self, pattern):
        end = time.monotonic() + DEADLINE_S
        while not (found := re.search(pattern, self.output)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not part:
                raise AssertionError(f"{self.process.args}: no {pattern!r} in {self.output!r}; {self.error_text()!r}")
            self.output += part
        return found.group(1)

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def wait(self, deadline_s=DEADLINE_S):
        """The exit code, once it has ended by itself."""
        try:
            rest, _ = self.process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.process.args} did not end within {deadline_s} s; {self.error_text()!r}") from None
        self.output += rest or b""
        return self.process.returncode

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM; it ends with 0 and without a word on stderr. Returns the relay's counters."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.error_text()}"
        assert self.error_text() == "", self.error_text()
        return self.counters()

    def counters(self):
        words = re.findall(r"([a-z ]+?) (\d+)", self.output.decode().splitlines()[-1].replace(",", ""))
        counters, subject = {}, ""
        for name, value in words:
            name = name.strip()
            subject = name.split()[0] if " " in name else subject
            counters[name if " " in name else f"{subject} {name}"] = int(value)
        return counters

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # What /proc says of it.

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def set_limits(limits):
    import resource
    for name, value in limits:
        resource.setrlimit(getattr(resource, name), (value, value))


def run(program, *arguments, launcher=(), environment=None, limits=()):
    """An example that is expected to end by itself."""
    return subprocess.run([*launcher, path_of(program), *arguments], capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL, env=None if environment is None else os.environ | environment,
                          preexec_fn=functools.partial(set_limits, limits) if limits else None)


# ---- Every engine ----


@functools.cache
def why_not(engine):
    """Empty where the engine is to be had here, else its own words."""
    try:
        with Example("echo", "--engine", engine):
            return ""
    except AssertionError as failure:
        return str(failure)


def on_every_engine(case):
    """A class of tests becomes one for each engine, which finds its name in self.engine."""
    module = sys.modules[case.__module__]
    for engine in ENGINES:
        name = f"{case.__name__}_{engine}"
        setattr(module, name, type(name, (case, EngineCase), {"engine": engine, "__module__": case.__module__}))
    return case


class EngineCase(unittest.TestCase):
    engine = None

    def setUp(self):
        if reason := why_not(self.engine):
            self.skipTest(reason)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.peers = []
        self.addCleanup(self.hang_up)

    def start(self, program, *arguments, **keywords):
        example = Example(program, "--engine", self.engine, *arguments, **keywords)
        self.addCleanup(example.kill)
        return example

    def upstream(self, *arguments, **keywords):
        upstream = Upstream(*arguments, **keywords)
        self.addCleanup(upstream.close)
        return upstream

    def pair(self, relay, upstream, **keywords):
        """A client of the relay, and the other end of its connection."""
        client = connect(relay.address, **keywords)
        self.peers.append(client)
        server = upstream.accept()
        self.peers.append(server)
        return client, server

    def hang_up(self):
        """Closes both ends of all pairs."""
        for peer in self.peers:
            peer.close()
        self.peers.clear()

    @staticmethod
    def question_or_end(server):
        try:
            return receive(server, 8)
        except ConnectionResetError:
            return b""

    def goes_on(self, relay, upstream):
        """The next connection works, both ways and to its end."""
        client = connect(relay.address)
        client.sendall(b"question")
        server = upstream.accept()
        while (got := self.question_or_end(server)) == b"":
            # The relay's half of a client that has gone since: it came before ours.
            server.close()
            server = upstream.accept()
        self.assertEqual(got, b"question")
        server.sendall(b"answer")
        self.assertEqual(receive(client, 6), b"answer")
        client.close()
        self.assertEqual(ends(server), "eof")
        server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", default=options.examples)
    parser.add_argument("--launcher", help="the program that takes io_uring away")
    parser.add_argument("--check-echo", help="perf/bench/check_echo")
    parser.add_argument("--zok", help="tools/zok")
    parser.add_argument("--hold-listen", help="a library that holds listen(2) until it is let go")
    parser.add_argument("--slow", action="store_true", help="the long part, which takes minutes")
    parser.add_argument("--sanitized", action="store_true", help="a sanitizer's build: memory is not measured")
    _, rest = parser.parse_known_args(namespace=options)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
