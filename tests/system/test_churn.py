#!/usr/bin/env python3
"""Connections that come and go through a relay by the thousand, some of them by a reset: no byte, no descriptor and no memory is lost."""
import random
import socket

import support
from support import connect, ends, on_every_engine, receive, reset, until

WAVE = 250
PATTERN = bytes(range(256)) * 80
LENGTHS = (1, 64, 700, 5000, 20000)  # all of which the sockets between hold


@on_every_engine
class Churn:
    LISTEN = UPSTREAM = "tcp://127.0.0.1:0"

    def wave(self, relay, upstream, dice):
        """Opens all, exchanges, ends each in a way of its own. Returns how many bytes the clean ones moved."""
        pairs, moved = [self.pair(relay, upstream) for _ in range(WAVE)], 0
        held = [(client, server, PATTERN[:dice.choice(LENGTHS)]) for client, server in pairs]
        for client, server, chunk in held:
            client.sendall(chunk)
        for client, server, chunk in dice.sample(held, len(held)):
            self.assertEqual(receive(server, len(chunk)), chunk)
            server.sendall(chunk[::-1])
        for client, server, chunk in dice.sample(held, len(held)):
            moved += self.end(dice, client, server, chunk)
        self.peers.clear()
        return moved

    def end(self, dice, client, server, chunk):
        """Before the answer was read, after it, by either side, by an end, a half-close or a reset. What is closed in order loses nothing."""
        way = dice.choice(("client", "server", "client half", "client", "server", "client half", "reset client", "reset server", "reset both"))
        if way == "client half":
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(ends(server), "eof")
            server.sendall(b"and more")
            server.close()
            self.assertEqual(receive(client, len(chunk) + 9), chunk[::-1] + b"and more")
        elif way == "client":
            self.assertEqual(receive(client, len(chunk)), chunk[::-1])
            client.close()
            self.assertEqual(ends(server), "eof")
        elif way == "server":
            server.close()
            self.assertEqual(receive(client, len(chunk) + 1), chunk[::-1])
        if way in ("reset client", "reset both"):
            reset(client)
        if way in ("reset server", "reset both"):
            reset(server)
        client.close()
        server.close()
        return 0 if way.startswith("reset") else 2 * len(chunk)

    def settled(self, relay, descriptors):
        """All that it held for connections is closed: no event tells, so it is asked."""
        until(lambda: relay.descriptors() <= descriptors, f"no more than {descriptors} descriptors")

    def test_come_and_go(self):
        dice = random.Random(1)
        upstream = self.upstream(self.UPSTREAM.replace("FOLDER", self.folder))
        relay = self.start("relay", "--to", upstream.address, listen=self.LISTEN.replace("FOLDER", self.folder))
        idle = relay.descriptors()
        self.goes_on(relay, upstream)
        self.settled(relay, idle)
        moved = sum(self.wave(relay, upstream, dice) for _ in range(2))
        self.settled(relay, idle)
        warm = relay.resident_kb()
        waves = (10000 if support.options.slow or self.LISTEN.startswith("tcp") else 1000) // WAVE
        moved += sum(self.wave(relay, upstream, dice) for _ in range(waves))
        self.settled(relay, idle)
        if not support.options.sanitized:
            # A huge page of the core may come between the two looks, 2 MiB at a stroke; beside that, what 10,000 connections leave is to be less than 1 MiB.
            self.assertLess(relay.resident_kb(), warm + 3072, "memory that grows with the connections that were")
        self.goes_on(relay, upstream)
        counters = relay.stop()
        self.assertEqual(counters["sockets opened"], counters["sockets closed"])
        self.assertEqual(counters["sockets opened"], 1 + 2 * ((waves + 2) * WAVE + 2))
        self.assertEqual(counters["upstream refused"], 0)
        self.assertGreaterEqual(counters["bytes sent"], moved)

    def test_connect_and_vanish(self):
        """Clients that reset at once, some before they were accepted."""
        upstream = self.upstream(self.UPSTREAM.replace("FOLDER", self.folder))
        relay = self.start("relay", "--to", upstream.address, listen=self.LISTEN.replace("FOLDER", self.folder))
        idle = relay.descriptors()
        for _ in range(500):
            reset(connect(relay.address))
        self.accept_until_idle(relay, upstream, idle)
        relay.stop()

    def accept_until_idle(self, relay, upstream, idle):
        upstream.door.settimeout(0)

        def drained():
            try:
                while True:
                    upstream.accept().close()
            except BlockingIOError:
                return relay.descriptors() <= idle
        until(drained, "the descriptors of clients that went")
        upstream.door.settimeout(support.DEADLINE_S)
        self.goes_on(relay, upstream)


@on_every_engine
class ChurnUnix(Churn):
    LISTEN, UPSTREAM = "unix:FOLDER/door", "unix:FOLDER/upstream"


if __name__ == "__main__":
    support.main()
