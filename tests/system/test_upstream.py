#!/usr/bin/env python3
"""What either side of a relay may do to it: be down, reset, half-close, go away. The other side sees an end; the gateway goes on and has counted it."""
import os
import signal
import socket

import support
from support import connect, ends, on_every_engine, receive, reset

MEGABYTE = os.urandom(1 << 20)


@on_every_engine
class Ends:
    LISTEN = "tcp://127.0.0.1:0"
    UPSTREAM = "tcp://127.0.0.1:0"

    def begin(self, **keywords):
        upstream = self.upstream(self.UPSTREAM.replace("FOLDER", self.folder), **keywords)
        return self.start("relay", "--to", upstream.address, listen=self.LISTEN.replace("FOLDER", self.folder)), upstream

    def finish(self, relay, upstream, refused=0, broken=0):
        """It goes on; then it ends with all sockets closed, and says what has happened."""
        self.goes_on(relay, upstream)
        counters = relay.stop()
        self.assertEqual(counters["sockets opened"], counters["sockets closed"])
        # A reset that comes while the relay still looks at its connect is a refusal to it.
        self.assertEqual(counters["upstream refused"] + counters["connections broken"], refused + broken, counters)
        self.assertGreaterEqual(counters["upstream refused"], refused, counters)

    def refused(self, relay):
        client = connect(relay.address)
        try:
            client.sendall(b"anybody there?")
        except ConnectionError:
            pass
        self.assertIn(ends(client), ("eof", "reset"))
        client.close()

    def test_upstream_is_down_and_comes_up(self):
        relay, upstream = self.begin(is_listening=False)
        for _ in range(3):
            self.refused(relay)
        upstream.listen()
        self.finish(relay, upstream, refused=3)

    def test_upstream_goes_away(self):
        relay, upstream = self.begin()
        client, server = self.pair(relay, upstream)
        upstream.close()
        if upstream.address.startswith("unix:/"):
            os.unlink(upstream.address[5:])
        server.sendall(b"last words")
        server.close()
        self.assertEqual(receive(client, 100), b"last words")
        client.close()
        self.refused(relay)
        again = self.upstream(upstream.address)
        self.finish(relay, again, refused=1)

    def test_last_words_come_with_the_connection(self):
        """All that a server ever says is there before the relay has looked at its connection."""
        relay, upstream = self.begin()
        for _ in range(300):
            client, server = self.pair(relay, upstream)
            server.sendall(b"last words")
            server.close()
            self.assertEqual(receive(client, 100), b"last words")
            client.close()
        self.finish(relay, upstream)

    def half_close(self, first, second):
        """`first` has nothing more to say; `second` hears all of it and its end, and still answers."""
        first.sendall(MEGABYTE[:300000])
        first.shutdown(socket.SHUT_WR)
        self.assertEqual(receive(second, 300001), MEGABYTE[:300000])
        for _ in range(3):
            second.sendall(b"still here")
            self.assertEqual(receive(first, 10), b"still here")
        second.sendall(MEGABYTE[:200000])
        second.close()
        self.assertEqual(receive(first, 200001), MEGABYTE[:200000])
        first.close()

    def test_client_half_closes(self):
        relay, upstream = self.begin()
        self.half_close(*self.pair(relay, upstream))
        self.finish(relay, upstream)

    def test_upstream_half_closes(self):
        relay, upstream = self.begin()
        client, server = self.pair(relay, upstream)
        self.half_close(server, client)
        self.finish(relay, upstream)

    def test_end_without_a_byte(self):
        relay, upstream = self.begin()
        for first in (0, 1):
            pair = self.pair(relay, upstream)
            pair[first].shutdown(socket.SHUT_WR)
            self.assertEqual(ends(pair[1 - first]), "eof")
            pair[1 - first].close()
            self.assertEqual(ends(pair[first]), "eof")
        self.finish(relay, upstream)

    def reset_one(self, which):
        """Idle when it comes, in the middle of a stream in either direction, and with bytes unread on both sides."""
        relay, upstream = self.begin()
        for before in ((b"", b""), (MEGABYTE[:5000], b""), (b"", MEGABYTE[:5000]), (MEGABYTE[:5000], MEGABYTE[:5000])):
            pair = self.pair(relay, upstream)
            for side in (0, 1):
                pair[side].sendall(before[side])
                self.assertEqual(receive(pair[1 - side], len(before[side])), before[side])
            reset(pair[which])
            self.assertIn(ends(pair[1 - which]), ("eof", "reset"))
            pair[1 - which].close()
        return relay, upstream

    def test_upstream_resets(self):
        self.finish(*self.reset_one(1), broken=self.broken(self.UPSTREAM))

    def test_client_resets(self):
        self.finish(*self.reset_one(0), broken=self.broken(self.LISTEN))

    def broken(self, address):
        """Unix sockets know no reset on demand: to the relay it is an end like another."""
        return 4 if address.startswith("tcp") else 0

    def flood_and_reset(self, flooded, resets):
        """One side sends more than anything holds and nobody reads; then a side resets while the relay is stopped in the middle of a send."""
        relay, upstream = self.begin()
        pair = self.pair(relay, upstream)
        pair[flooded].settimeout(0)
        self.fill(pair[flooded], relay, upstream)
        reset(pair[resets])
        pair[1 - resets].settimeout(support.DEADLINE_S)
        self.assertIn(ends(pair[1 - resets]), ("eof", "reset"))
        pair[1 - resets].close()
        self.goes_on(relay, upstream)
        counters = relay.stop()
        self.assertEqual(counters["sockets opened"], counters["sockets closed"])
        upstream.close()
        if upstream.address.startswith("unix:/"):
            os.unlink(upstream.address[5:])

    def fill(self, peer, relay, upstream):
        """Sends until, through many turns of the gateway, no more is taken."""
        sent = turns = 0
        while turns < 20:
            try:
                sent += peer.send(MEGABYTE)
                turns = 0
            except BlockingIOError:
                turns += 1
                self.goes_on(relay, upstream)
            self.assertLess(sent, 64 << 20, "nothing stops the writer")
        return sent

    def test_reset_in_a_flood(self):
        for flooded in (0, 1):
            for resets in (0, 1):
                with self.subTest(flooded=flooded, resets=resets):
                    self.flood_and_reset(flooded, resets)

    def test_stopped_in_a_flood(self):
        """SIGTERM while a writer is stopped and a reader reads nothing: both see an end, at once and not after the grace period."""
        relay, upstream = self.begin()
        client, server = self.pair(relay, upstream)
        client.settimeout(0)
        self.fill(client, relay, upstream)
        relay.signal(signal.SIGTERM)
        self.assertEqual(relay.wait(deadline_s=4), 0, relay.error_text())
        for peer in (client, server):
            peer.settimeout(support.DEADLINE_S)
            self.assertIn(ends(peer), ("eof", "reset"))


@on_every_engine
class EndsUnix(Ends):
    LISTEN = "unix:FOLDER/door"
    UPSTREAM = "unix:FOLDER/upstream"


@on_every_engine
class EndsIPv6ToAbstract(Ends):
    LISTEN = "tcp://[::1]:0"

    @property
    def UPSTREAM(self):
        return f"unix:@zokio-test-{os.getpid()}-{self.engine}"


if __name__ == "__main__":
    support.main()
