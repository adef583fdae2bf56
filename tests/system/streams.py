"""Many streams at once through a relay, cut into random pieces, with readers that pause; every byte is compared as it arrives."""
import random
import selectors
import time

import support

PRIME = 1048573  # of no length of ours a multiple: two places of a stream differ
PATTERN = memoryview(random.Random(1).randbytes(PRIME) * 2)


class Direction:
    """One way of one connection: a sender, a receiver, and how far each has come."""

    def __init__(self, sender, receiver, total, seed):
        self.sender, self.receiver, self.total = sender, receiver, total
        self.random = random.Random(seed)
        self.start = self.random.randrange(PRIME)
        self.sent = self.received = 0
        self.has_ended = self.has_shut = False

    def expected(self, position, count):
        begin = (self.start + position) % PRIME
        return PATTERN[begin:begin + min(count, PRIME)]

    def piece(self):
        """Mostly small or large, seldom between: what breaks lies at the ends."""
        return self.random.choice((1, self.random.randrange(1, 64), self.random.randrange(1, 5000), 4096, 65536, 200000))

    def send(self):
        count = min(self.piece(), self.total - self.sent)
        self.sent += self.sender.send(self.expected(self.sent, count))
        if self.sent == self.total:
            self.sender.shutdown(1)
            self.has_shut = True

    def receive(self):
        data = self.receiver.recv(self.piece())
        if data != self.expected(self.received, len(data)):
            raise AssertionError(f"wrong bytes in [{self.received}, {self.received + len(data)})")
        self.received += len(data)
        if not data:
            self.has_ended = True
            if self.received != self.total:
                raise AssertionError(f"{self.received} of {self.total} bytes and then the end of the stream")


class Pump:
    """Runs directions to their end. A side that pauses comes back when the others have made so many steps, or when nothing else moves."""

    def __init__(self, pause_odds=0.02, seed=1):
        self.selector = selectors.DefaultSelector()
        self.random = random.Random(seed)
        self.pause_odds = pause_odds
        self.wanted = {}  # socket -> {event: what to do}
        self.paused = []  # (step at which it comes back, socket, event, what)
        self.steps = 0

    def add(self, direction):
        for peer in (direction.sender, direction.receiver):
            peer.setblocking(False)
        self.want(direction.sender, selectors.EVENT_WRITE, direction)
        self.want(direction.receiver, selectors.EVENT_READ, direction)

    def want(self, peer, event, direction):
        self.wanted.setdefault(peer, {})[event] = direction
        self.register(peer)

    def forget(self, peer, event):
        direction = self.wanted[peer].pop(event)
        self.register(peer)
        return direction

    def register(self, peer):
        events = sum(self.wanted[peer])
        is_known = peer in self.selector.get_map()
        if events and is_known:
            self.selector.modify(peer, events)
        elif events:
            self.selector.register(peer, events)
        elif is_known:
            self.selector.unregister(peer)

    def is_over(self):
        return not self.paused and not any(self.wanted.values())

    def run(self, deadline_s=120):
        end = time.monotonic() + deadline_s
        while not self.is_over():
            ready = self.selector.select(0 if self.paused else support.DEADLINE_S) if self.selector.get_map() else []
            if not ready and not self.paused:
                raise AssertionError("it hangs: nothing moves and nobody pauses")
            for key, events in ready:
                for event in (selectors.EVENT_READ, selectors.EVENT_WRITE):
                    if events & event:
                        self.step(key.fileobj, event)
            self.come_back(is_idle=not ready)
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s} s")

    def step(self, peer, event):
        direction = self.wanted[peer].get(event)
        self.steps += 1
        if event == selectors.EVENT_READ:
            direction.receive()
            is_over = direction.has_ended
        else:
            direction.send()
            is_over = direction.has_shut
        if is_over:
            self.forget(peer, event)
        elif self.random.random() < self.pause_odds:
            self.paused.append((self.steps + self.random.randrange(1, 500), peer, event, self.forget(peer, event)))

    def come_back(self, is_idle):
        due = [pause for pause in self.paused if is_idle or pause[0] <= self.steps]
        self.paused = [pause for pause in self.paused if pause not in due]
        for _, peer, event, direction in due:
            self.want(peer, event, direction)
