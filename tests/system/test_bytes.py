#!/usr/bin/env python3
"""Every byte through a relay, in order, whatever the pieces; and a reader that does not read stops its own writer, nobody else and no memory."""
import support
from streams import Direction, Pump
from support import on_every_engine, receive

CONNECTIONS = 8
MIB = 1 << 20


@on_every_engine
class Bytes:
    LISTEN = UPSTREAM = "tcp://127.0.0.1:0"
    QUICK, SLOW = 16 * MIB, 200 * MIB  # in all

    def begin(self, **keywords):
        upstream = self.upstream(self.UPSTREAM.replace("FOLDER", self.folder), **keywords)
        return self.start("relay", "--to", upstream.address, listen=self.LISTEN.replace("FOLDER", self.folder)), upstream

    def test_random_pieces(self):
        relay, upstream = self.begin()
        pump, each = Pump(), (self.SLOW if support.options.slow else self.QUICK) // (2 * CONNECTIONS)
        for i in range(CONNECTIONS):
            client, server = self.pair(relay, upstream)
            pump.add(Direction(client, server, each + i, seed=2 * i))
            pump.add(Direction(server, client, each - i, seed=2 * i + 1))
        pump.run()
        self.hang_up()
        counters = relay.stop()
        self.assertEqual(counters["bytes received"], 2 * CONNECTIONS * each)
        self.assertEqual(counters["bytes sent"], 2 * CONNECTIONS * each)
        self.assertEqual(counters["connections broken"], 0)

    def fill(self, peer, relay, upstream):
        """Sends until, through many turns of the gateway, no more is taken; returns how much was."""
        sent = turns = 0
        peer.settimeout(0)
        while turns < 20:
            try:
                sent += peer.send(bytes(65536))
                turns = 0
            except BlockingIOError:
                turns += 1
                self.goes_on(relay, upstream)
            self.assertLess(sent, 64 * MIB, "nothing stops the writer")
        return sent

    def drained(self, peer, sent):
        peer.settimeout(support.DEADLINE_S)
        while sent > 0:
            part = peer.recv(min(sent, MIB))
            self.assertNotEqual(part, b"")
            sent -= len(part)

    def test_slow_reader_stops_its_writer(self):
        relay, upstream = self.begin()
        self.goes_on(relay, upstream)
        before = relay.resident_kb()
        for slow in (0, 1):
            pair = self.pair(relay, upstream)
            sent = self.fill(pair[1 - slow], relay, upstream)
            if not support.options.sanitized:
                self.assertLess(relay.resident_kb() - before, 8192, "the gateway keeps what the reader does not take")
            self.drained(pair[slow], sent)
            pair[1 - slow].settimeout(support.DEADLINE_S)
            pair[1 - slow].sendall(b"and on")
            self.assertEqual(receive(pair[slow], 6), b"and on")
        self.hang_up()
        relay.stop()

    def test_a_thousand_slow_readers(self):
        """More than there are buffers: the others still go through."""
        relay, upstream = self.begin(receive_buffer=4096)
        count = 1500 if support.options.slow else 400
        pairs = [self.pair(relay, upstream, send_buffer=4096) for _ in range(count)]
        for client, server in pairs:
            client.settimeout(0)
            self.stuff(client)
        for _ in range(20):
            self.goes_on(relay, upstream)
        for client, server in pairs:
            self.assertGreater(len(server.recv(1 << 20)), 0)
        self.hang_up()
        relay.stop()

    def stuff(self, peer):
        """As much as it takes without waiting."""
        try:
            while True:
                peer.send(bytes(65536))
        except BlockingIOError:
            pass


@on_every_engine
class BytesUnix(Bytes):
    LISTEN, UPSTREAM = "unix:FOLDER/door", "unix:FOLDER/upstream"
    SLOW = Bytes.QUICK


@on_every_engine
class BytesMixed(Bytes):
    LISTEN, UPSTREAM = "unix:FOLDER/door", "tcp://[::1]:0"
    SLOW = Bytes.QUICK


if __name__ == "__main__":
    support.main()
