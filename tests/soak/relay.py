"""The relay under 10,000 connections that come and go, some of them rudely: no byte lost, no descriptor and no memory kept, a clean end.

Usage: relay.py BUILD_DIR ENGINE [SECONDS]: as many connections as come and go in so long, and at least 600, instead of 10,000
"""
import ctypes
import errno
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

CONNECTIONS, WAVE = 10000, 200
MEMORY_GROWTH_KIB_MAX = 4096
QUIET_S_MAX = 20
SYS_IO_URING_SETUP = 425  # on every architecture
RESET = struct.pack("ii", 1, 0)


def is_missing(engine):
    """Whether this machine forbids or lacks io_uring: the call without arguments fails in another way where it does not."""
    if engine != "uring":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(SYS_IO_URING_SETUP, 0, None)
    return ctypes.get_errno() in (errno.ENOSYS, errno.EPERM)


def start(build, program, engine, *arguments):
    """The process and the port that it says it listens on."""
    command = [os.path.join(build, "examples", program), "--listen", "tcp://127.0.0.1:0", "--engine", engine, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line.startswith("listening on "):
        sys.exit(f"{program} does not listen: {line!r}")
    return process, int(line.rsplit(":", 1)[1])


def stop(process):
    """SIGTERM; returns what it printed."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    if process.returncode != 0:
        sys.exit(f"{process.args[0]} ended with {process.returncode}")
    return output


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def receive(connection, size):
    chunks = bytearray()
    while len(chunks) < size:
        chunk = connection.recv(size - len(chunks))
        if not chunk:
            break
        chunks += chunk
    return bytes(chunks)


def polite(connection, data, generator):
    """Some close their half first and read the answer to its end."""
    is_half_closed = generator.random() < 0.5
    if is_half_closed:
        connection.shutdown(socket.SHUT_WR)
    if receive(connection, len(data)) != data:
        sys.exit("bytes were lost or changed")
    if is_half_closed and connection.recv(1) != b"":
        sys.exit("the end of the stream was not passed on")
    connection.close()


def rude(connection, generator):
    """A reset, or a close with the answer unread."""
    if generator.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def wave(port, generator):
    held = []
    for _ in range(WAVE):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        data = generator.randbytes(generator.choice([1, 64, 700, 5000, 20000]))
        connection.sendall(data)
        held.append((connection, data))
    generator.shuffle(held)
    for connection, data in held:
        if generator.random() < 0.3:
            rude(connection, generator)
        else:
            polite(connection, data, generator)


def await_quiet(process, expected):
    """Waits until the relay has closed what its clients have left."""
    end = time.monotonic() + QUIET_S_MAX
    while time.monotonic() < end:
        if descriptors(process) <= expected:
            return
        os.sched_yield()
    sys.exit(f"the relay kept descriptors: {descriptors(process)}, of {expected} before")


def waves(port, generator, seconds):
    """The connections made: CONNECTIONS, or by time."""
    count, end = 2 * WAVE, time.monotonic() + (seconds or 0)
    while count < CONNECTIONS if seconds is None else count == 2 * WAVE or time.monotonic() < end:
        wave(port, generator)
        count += WAVE
    return count


def main(build, engine, seconds=None):
    if is_missing(engine):
        print("io_uring is not to be had here")
        sys.exit(77)
    generator = random.Random(1)
    upstream, upstream_port = start(build, "echo", engine)
    relay, port = start(build, "relay", engine, "--to", f"tcp://127.0.0.1:{upstream_port}")
    try:
        fds = descriptors(relay)
        wave(port, generator)
        wave(port, generator)
        warm_kib = resident_kib(relay)
        count = waves(port, generator, seconds)
        await_quiet(relay, fds)
        grown_kib = resident_kib(relay) - warm_kib
        if grown_kib > MEMORY_GROWTH_KIB_MAX:
            sys.exit(f"the relay grew by {grown_kib} KiB")
        counters = stop(relay)
        stop(upstream)
    finally:
        for process in (relay, upstream):
            if process.poll() is None:
                process.kill()
    words = counters.split()
    if words[words.index("opened") + 1] != words[words.index("closed") + 1].rstrip(","):
        sys.exit(f"sockets were left open: {counters}")
    print(f"{count} connections, {grown_kib} KiB more: {counters.strip()}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
