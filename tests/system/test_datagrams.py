#!/usr/bin/env python3
"""Datagrams with foreign peers: socat against udp_echo over IPv4, IPv6 and Unix, against multicast as a sender; many at once; bad words on the command line."""
import os
import select
import shutil
import socket
import struct
import subprocess

import support
from support import DEADLINE_S, on_every_engine

SOCAT = shutil.which("socat")


def socat(address, data):
    """What comes back of one datagram. Its input stays open, so that it waits for the answer and not for a time."""
    with subprocess.Popen([SOCAT, "-b", "65536", "-", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            process.stdin.write(data)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
            return os.read(process.stdout.fileno(), 65536) if ready else b""
        finally:
            process.kill()


def port_of(address):
    return int(address.rpartition(":")[2])


@on_every_engine
class Echo:
    def ask(self, example, family, place, count=200):
        """Odd and even lengths, the empty one and the largest: each comes back as it went, once."""
        peer = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.settimeout(DEADLINE_S)
        peer.connect(place)
        for size in (0, 1, 64, 1472, 1600, 4000):
            data = os.urandom(size)
            peer.send(data)
            self.assertEqual(peer.recv(65536), data)
        asked = [os.urandom(32) for _ in range(count)]
        for data in asked:
            peer.send(data)
        self.assertEqual([peer.recv(100) for _ in asked], asked)

    def test_ipv4(self):
        example = self.start("udp_echo", listen="udp://127.0.0.1:0")
        self.ask(example, socket.AF_INET, ("127.0.0.1", port_of(example.address)))
        self.end(example)

    def test_ipv6_and_ipv4_on_one_socket(self):
        example = self.start("udp_echo", listen="udp://[::]:0")
        self.ask(example, socket.AF_INET6, ("::1", port_of(example.address)))
        self.ask(example, socket.AF_INET, ("127.0.0.1", port_of(example.address)))
        self.end(example)

    def test_a_peer_that_is_gone_stops_nobody(self):
        example = self.start("udp_echo", listen="udp://127.0.0.1:0")
        place = ("127.0.0.1", port_of(example.address))
        for _ in range(50):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.sendto(b"nobody waits for the answer", place)
        self.ask(example, socket.AF_INET, place)
        self.end(example)

    def test_socat(self):
        if not SOCAT:
            self.skipTest("socat is missing: apt-get install socat")
        example = self.start("udp_echo", listen="udp://[::]:0")
        port = port_of(example.address)
        self.assertEqual(socat(f"UDP4:127.0.0.1:{port}", b"hello over IPv4"), b"hello over IPv4")
        self.assertEqual(socat(f"UDP6:[::1]:{port}", b"hello over IPv6"), b"hello over IPv6")
        self.end(example)

    def test_socat_over_a_unix_socket(self):
        if not SOCAT:
            self.skipTest("socat is missing: apt-get install socat")
        path = os.path.join(self.folder, "box")
        example = self.start("udp_echo", listen=f"unix-dgram:{path}")
        self.assertEqual(socat(f"UNIX-SENDTO:{path},bind={self.folder}/me", b"hello over Unix"), b"hello over Unix")
        self.end(example)
        self.assertFalse(os.path.exists(path))

    def end(self, example):
        example.signal(15)
        self.assertEqual(example.wait(), 0)
        self.assertEqual(example.error_text(), "")


class Multicast(support.unittest.TestCase):
    def listen(self, *arguments):
        example = support.Example("multicast", "--interface", "lo", *arguments, listen="udp://239.255.77.1:0")
        self.addCleanup(example.kill)
        return example

    def test_from_a_foreign_sender(self):
        listener = self.listen("--count", "2")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("lo")))
            for line in (b"first", b"second"):
                sender.sendto(line, ("239.255.77.1", port_of(listener.address)))
        self.assertEqual(listener.wait(), 0)
        self.assertRegex(listener.output.decode(), r"(?s)\d+\.\d{9} udp://[\d.]+:\d+ first\n\d+\.\d{9} udp://[\d.]+:\d+ second\n$")

    def test_from_our_sender(self):
        listener = self.listen("--count", "1")
        sent = support.run("multicast", "--send", listener.address, "--interface", "lo", "--count", "1", "--hops", "1")
        self.assertEqual((sent.returncode, sent.stderr), (0, ""))
        self.assertEqual(listener.wait(), 0)
        self.assertRegex(listener.output.decode(), r"datagram 1\n$")

    def test_from_another_source_than_asked_for(self):
        listener = self.listen("--count", "1", "--source", "127.0.0.9")
        for source, line in (("127.0.0.1", b"not this"), ("127.0.0.9", b"but this")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                  struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("lo")))
                sender.sendto(line, ("239.255.77.1", port_of(listener.address)))
        self.assertEqual(listener.wait(), 0)
        self.assertRegex(listener.output.decode(), r"but this\n$")
        self.assertNotIn(b"not this", listener.output)


class Words(support.unittest.TestCase):
    def refused(self, program, *arguments):
        ended = support.run(program, *arguments)
        self.assertEqual(ended.returncode, 2, ended)
        self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
        return ended.stderr

    def test_refusals(self):
        self.assertIn("neither udp:// nor unix-dgram:", self.refused("udp_echo", "--listen", "tcp://127.0.0.1:7000"))
        self.assertIn("no such option", self.refused("udp_echo", "--drain", "1"))
        self.assertIn("its value is missing", self.refused("udp_echo", "--listen"))
        self.assertIn("it takes udp://GROUP:port", self.refused("multicast"))
        self.assertIn("it takes udp://GROUP:port", self.refused("multicast", "--listen", "unix-dgram:@x"))
        self.assertIn("1 to 255", self.refused("multicast", "--send", "udp://239.1.1.1:1", "--hops", "256"))
        self.assertIn("no such option", self.refused("multicast", "--loud", "1"))


if __name__ == "__main__":
    support.main()
