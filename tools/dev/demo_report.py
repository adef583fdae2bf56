"""What ./dev demo asks Python for: free ports, whether io_uring is to be had, and the table at the end.

usage: demo_report.py ports N | uring | table FOLDER ENGINE…
"""
import csv
import ctypes
import errno
import json
import os
import socket
import sys

PERCENTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max")

# The number of io_uring_setup is the same on every architecture.
SYS_IO_URING_SETUP = 425
IO_URING_PARAMS_BYTES = 120


def free_ports(count):
    """Ports of the loopback interface that nobody listens on; all are held until all are known, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    return [each.getsockname()[1] for each in sockets]


def why_no_uring():
    """None when a ring can be set up, else the reason and its cure."""
    libc = ctypes.CDLL(None, use_errno=True)
    ring = libc.syscall(ctypes.c_long(SYS_IO_URING_SETUP), ctypes.c_uint(2), ctypes.create_string_buffer(IO_URING_PARAMS_BYTES))
    if ring >= 0:
        os.close(ring)
        return None
    number = ctypes.get_errno()
    if number == errno.ENOSYS:
        return "this kernel has none, or a seccomp filter hides it"
    if number == errno.EPERM:
        try:
            with open("/proc/sys/kernel/io_uring_disabled", encoding="ascii") as file:
                if file.read().strip() != "0":
                    return "the sysctl kernel.io_uring_disabled forbids it (mend: sysctl kernel.io_uring_disabled=0)"
        except OSError:
            pass
        return "a seccomp filter forbids it, as containers' usual profiles do (mend: allow io_uring_setup, io_uring_enter, io_uring_register)"
    return os.strerror(number)


def microseconds(nanoseconds):
    """What too few samples support is no number."""
    if nanoseconds is None:
        return "–"
    return f"{nanoseconds / 1000:.1f}" if nanoseconds < 1e6 else f"{nanoseconds / 1000:,.0f}"


def print_columns(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) if number == 0 else cell.rjust(width) for number, (cell, width) in enumerate(zip(row, widths))).rstrip())


def load_row(engine, result):
    latency, rate = result["corrected"], result["rate"]
    return [engine, f"{rate['asked']:,.0f}", f"{rate['reached']:,.0f}", *(microseconds(latency[key]) for key in PERCENTILES), result["verdict"]]


def client_rows(engine, path):
    """The rows of redis-benchmark's CSV, whatever it said before its header."""
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if line.startswith('"')]
    for row in csv.DictReader(lines):
        yield [engine, row["test"], f"{float(row['rps']):,.0f}", *(f"{float(row[key + '_latency_ms']) * 1000:,.0f}" for key in ("p50", "p95", "p99", "max"))]


def print_table(folder, engines):
    results = {}
    for engine in engines:
        with open(os.path.join(folder, f"{engine}.json"), encoding="utf-8") as file:
            results[engine] = json.load(file)
    print("\nrelay before redis, open loop, latency from the planned send time, in µs")
    print_columns([["engine", "asked/s", "reached/s", *PERCENTILES, "verdict"], *(load_row(*each) for each in results.items())])
    for engine, result in results.items():
        for reason in result["reasons"]:
            print(f"  {engine}: {reason['level']}: {reason['text']}")
    print("\nredis-benchmark through the same relay, closed loop, in µs")
    rows = [row for engine in engines for row in client_rows(engine, os.path.join(folder, f"redis-benchmark-{engine}.csv"))]
    print_columns([["engine", "command", "requests/s", "p50", "p95", "p99", "max"], *rows])


def main(arguments):
    match arguments:
        case ["ports", count]:
            print(*free_ports(int(count)))
        case ["uring"]:
            why = why_no_uring()
            if why:
                print(why)
                sys.exit(1)
        case ["table", folder, *engines] if engines:
            print_table(folder, engines)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
