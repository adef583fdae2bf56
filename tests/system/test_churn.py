#!/usr/bin/env python3
"""Connections that come and go through a relay by the thousand, some of them by a reset: no byte, no descriptor and no memory is lost."""
import random

import support
from support import connect, ends, on_every_engine, receive, reset, until

WAVE = 250
CHUNK = bytes(range(256)) * 16


@on_every_engine
class Churn:
    LISTEN = UPSTREAM = "tcp://127.0.0.1:0"

    def wave(self, relay, upstream, dice):
        """Opens all, exchanges, ends each in a way of its own. Returns how many bytes the clean ones moved."""
        pairs, moved = [self.pair(relay, upstream) for _ in range(WAVE)], 0
        for client, server in pairs:
            client.sendall(CHUNK)
        for client, server in dice.sample(pairs, len(pairs)):
            self.assertEqual(receive(server, len(CHUNK)), CHUNK)
            server.sendall(CHUNK[::-1])
        for client, server in dice.sample(pairs, len(pairs)):
            moved += self.end(dice, client, server)
        self.peers.clear()
        return moved

    def end(self, dice, client, server):
        """Before the answer was read, after it, by either side, by an end or a reset. What is closed in order loses nothing."""
        way = dice.choice(("client", "server", "client", "server", "reset client", "reset server", "reset both"))
        if way == "client":
            self.assertEqual(receive(client, len(CHUNK)), CHUNK[::-1])
            client.close()
            self.assertEqual(ends(server), "eof")
        elif way == "server":
            server.close()
            self.assertEqual(receive(client, len(CHUNK) + 1), CHUNK[::-1])
        if way in ("reset client", "reset both"):
            reset(client)
        if way in ("reset server", "reset both"):
            reset(server)
        client.close()
        server.close()
        return 2 * len(CHUNK) if way in ("client", "server") else 0

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
        waves = (10000 if support.options.slow else 1000) // WAVE
        moved += sum(self.wave(relay, upstream, dice) for _ in range(waves))
        self.settled(relay, idle)
        if not support.options.sanitized:
            self.assertLess(relay.resident_kb(), warm + 1024, "memory that grows with the connections that were")
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
