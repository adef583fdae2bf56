#!/usr/bin/env python3
"""Connections that move to the core that serves fewer: each goes on where it is, byte for byte, and the idle ones go as well."""
import os
import random
import unittest

import support
from support import connect, ends, on_every_engine, receive, until

CLIENTS = 24
CORES = len(os.sched_getaffinity(0))


def ask(client, chunk):
    """The core that has answered. The stream may be answered in pieces, each behind a head of its own: so each chunk is one that is not split."""
    client.sendall(chunk)
    head = receive(client, 4)
    assert receive(client, len(chunk)) == chunk
    return int(head)


@on_every_engine
class Rebalance:
    def by_core(self, clients):
        counts = {}
        for client in clients:
            counts.setdefault(ask(client, b"?"), []).append(client)
        return counts

    def crowd(self, server):
        """All the clients that one core serves, when those of the others have gone."""
        clients = [connect(server.address) for _ in range(CLIENTS)]
        self.peers += clients
        served = self.by_core(clients)
        busiest = max(served, key=lambda core: len(served[core]))
        for core, left in served.items():
            for client in left if core != busiest else ():
                client.close()
        return served[busiest]

    @unittest.skipIf(CORES < 2, "one CPU: there is nowhere to move to")
    def test_idle_connections_spread(self):
        server = self.start("rebalance", "--cores", "all")
        left = self.crowd(server)
        self.assertGreater(len(left), 2)
        spread = lambda: (counts := [len(those) for those in self.by_core(left).values()]) and max(counts) <= -(-len(left) // CORES) + 1
        until(spread, "evenly spread connections")
        dice = random.Random(2)
        for _ in range(20):
            for client in left:
                ask(client, bytes(dice.randrange(256) for _ in range(dice.choice((1, 30, 500)))))
        descriptors = server.descriptors()
        for client in left:
            client.close()
        until(lambda: server.descriptors() <= descriptors - len(left), "closed connections that have moved")
        server.stop()

    def test_drain_lets_those_who_have_moved_finish(self):
        server = self.start("rebalance", "--cores", "all", "--drain", "60")
        left = self.crowd(server)
        self.by_core(left)
        server.signal(15)
        self.by_core(left)
        for client in left:
            client.close()
        self.assertEqual(server.wait(), 0)

    def test_cancel_ends_all(self):
        server = self.start("rebalance", "--cores", "all", "--distribute", "load")
        clients = [connect(server.address) for _ in range(CLIENTS)]
        self.by_core(clients)
        server.stop()
        for client in clients:
            self.assertNotEqual(ends(client), "open")
            client.close()


if __name__ == "__main__":
    support.main()
