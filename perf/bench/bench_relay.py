#!/usr/bin/env python3
"""The TCP relay in front of redis-server: ours against haproxy (TCP mode) and nginx (stream), each one thread on the same processor.

Two questions: requests/s under redis-benchmark (closed loop; redis and the client share the other processor), and p99 at one rate for all
under `zok perf tcp` (open loop; the generator spins on the other processor, so redis shares the relay's). Rounds are interleaved; ratios
are taken round by round. Everything is a child of this program, bound to 127.0.0.1, and stopped by its pid however the program ends.
"""
import argparse
import contextlib
import csv
import ctypes
import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

PR_SET_PDEATHSIG = 1
START_SECONDS, STOP_SECONDS = 5, 3
CONNECTIONS = 50
P99_ROUNDS_EACH = 4  # short ones: what the host takes away for a millisecond spoils one of many, and the median does not hear of it
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
LIBC = ctypes.CDLL(None)

HAPROXY = """
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    {splice}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    backlog 4096
    bind 127.0.0.1:{port}
    server redis 127.0.0.1:{target}
"""

NGINX = """
daemon off;
master_process off;
worker_processes 1;
error_log {folder}/error.log crit;
pid {folder}/nginx.pid;
{module}
events {{ worker_connections 8000; use epoll; multi_accept on; }}
stream {{
    access_log off;
    tcp_nodelay on;
    server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass 127.0.0.1:{target}; proxy_timeout 1h; }}
}}
"""


def free_ports(count):
    """All are held until all are known, so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Child:
    """A process of ours, pinned; it dies with this program."""

    def __init__(self, arguments, cpu, log):
        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {cpu})

        self.log = log
        with open(log, "wb") as out:
            # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=prepare)

    def pin(self, cpu):
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), {cpu})

    def await_port(self, port):
        """True when it listens; False when it ended instead or took too long."""
        for _ in range(START_SECONDS * 50):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            try:
                self.process.wait(0.02)
                return False
            except subprocess.TimeoutExpired:
                continue
        return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def ours(build, engine):
    def arguments(folder, port, target, cpu):
        program = os.path.join(build, "examples", "relay")
        if not os.access(program, os.X_OK):
            return None
        return [program, "--listen", f"tcp://127.0.0.1:{port}", "--to", f"tcp://127.0.0.1:{target}", "--engine", engine, "--mode", "park",
                "--cores", str(cpu)]
    return arguments


def haproxy(splice):
    def arguments(folder, port, target, cpu):
        program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        text = HAPROXY.format(splice="option splice-auto" if splice else "", port=port, target=target)
        return program and [program, "-db", "-f", write(os.path.join(folder, "haproxy.cfg"), text)]
    return arguments


def nginx(folder, port, target, cpu):
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    module = f"load_module {STREAM_MODULE};" if os.path.exists(STREAM_MODULE) else ""
    text = NGINX.format(folder=folder, module=module, port=port, target=target)
    return program and [program, "-p", folder, "-e", os.path.join(folder, "start.log"), "-c", write(os.path.join(folder, "nginx.conf"), text)]


OURS, HAPROXY_PLAIN, HAPROXY_SPLICE, NGINX_STREAM, DIRECT = "zokio uring", "haproxy", "haproxy, splice", "nginx stream", "no relay"


def relays(build):
    return [(OURS, ours(build, "uring")), ("zokio epoll", ours(build, "epoll")), (HAPROXY_PLAIN, haproxy(False)),
            (HAPROXY_SPLICE, haproxy(True)), (NGINX_STREAM, nginx)]


def carries(port):
    """Whether a value comes back whole through the relay."""
    value = os.urandom(100_000)
    request = b"*3\r\n$3\r\nSET\r\n$5\r\nwhole\r\n$%d\r\n%s\r\n*2\r\n$3\r\nGET\r\n$5\r\nwhole\r\n" % (len(value), value)
    expected = b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
    got = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as peer:
        peer.sendall(request)
        while len(got) < len(expected) and (piece := peer.recv(65536)):
            got += piece
    return got == expected


class Bench:
    def __init__(self, stack, options):
        self.options, self.ports, self.stack = options, {}, stack
        cpus = sorted(os.sched_getaffinity(0))
        self.relay_cpu, self.load_cpu = cpus[0], cpus[1 % len(cpus)]
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_relay"))
        self.redis = None
        self.zok = os.path.join(options.build, "tools", "zok")

    def start(self):
        if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
            sys.exit("bench_relay: redis-server and redis-benchmark are needed (Debian: redis-server, redis-tools)")
        table = relays(self.options.build)
        target, *ports = free_ports(1 + len(table))
        redis = ["redis-server", "--port", str(target), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.redis = self.spawn("redis-server", redis, self.load_cpu, target)
        if not self.redis:
            sys.exit("bench_relay: redis-server did not start")
        for (name, make), port in zip(table, ports):
            self.start_relay(name, make, port, target)
        self.ports[DIRECT] = target

    def spawn(self, name, arguments, cpu, port):
        folder = os.path.join(self.folder, name.replace(" ", "-"))
        os.makedirs(folder, exist_ok=True)
        child = Child(arguments, cpu, os.path.join(folder, "out.log"))
        self.stack.callback(child.stop)
        return child if child.await_port(port) else None

    def start_relay(self, name, make, port, target):
        folder = os.path.join(self.folder, name.replace(" ", "-"))
        os.makedirs(folder, exist_ok=True)
        arguments = make(folder, port, target, self.relay_cpu)
        if not arguments:
            print(f"  {name} is left out: not there", file=sys.stderr)
            return
        child = self.spawn(name, arguments, self.relay_cpu, port)
        if not child or not carries(port):
            with open(os.path.join(folder, "out.log"), encoding="utf-8", errors="replace") as log:
                print(f"  {name} is left out: it does not relay: {log.read()[-400:].strip()}", file=sys.stderr)
            return
        self.ports[name] = port

    def closed(self, name, requests):
        """Requests/s of GET under redis-benchmark, in thousands."""
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(self.ports[name]), "-t", "get", "-d", "64", "-n", str(requests), "-c",
                   str(CONNECTIONS), "--csv"]
        lines = [line for line in self.load(command).splitlines() if line.startswith('"')]
        rows = list(csv.DictReader(lines))
        return float(rows[-1]["rps"]) / 1000 if rows else math.nan

    def open(self, name, rate):
        """p99 in µs from the planned send."""
        path = os.path.join(self.folder, "result.json")
        command = [self.zok, "perf", "tcp", "--protocol", "redis-get", "--rate", str(round(rate)), "--connections", str(CONNECTIONS), "--duration",
                   f"{self.options.seconds / P99_ROUNDS_EACH}s", "--warmup", "100ms", "--cpu", str(self.load_cpu), "--quiet", "--json", path,
                   f"tcp://127.0.0.1:{self.ports[name]}"]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.load(command)
        try:
            with open(path, encoding="utf-8") as file:
                p99 = json.load(file)["corrected"]["p99"]
        except (OSError, ValueError, KeyError):
            p99 = None
        return p99 / 1000 if p99 is not None else math.nan

    def load(self, command):
        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {self.load_cpu})

        # pylint: disable=subprocess-popen-preexec-fn
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, preexec_fn=prepare)
        return done.stdout

    def rounds(self, count, measure):
        """{name: figures}; the round that is thrown away warms up and finds who cannot run."""
        names = [name for name in self.ports if not math.isnan(measure(name))]
        figures = {name: [] for name in names}
        for _ in range(count):
            for name in names:
                figures[name].append(measure(name))
        return figures


def spread(values):
    return statistics.median(values), min(values), max(values)


def ratio_text(above, below):
    """The median ratio, and between which two of the rounds' it lies with 95 % confidence (see bench.c)."""
    ratios = sorted(a / b for a, b in zip(above, below))
    rank = max(0, int((len(ratios) - 1.96 * math.sqrt(len(ratios))) / 2))
    return f"{statistics.median(ratios):.2f} ({ratios[rank]:.2f} to {ratios[-1 - rank]:.2f})"


def report(options, question, unit, is_higher_better, figures):
    if not figures:
        return
    if options.json:
        cases = [dict(zip(("median", "min", "max"), spread(values)), name=name, rounds=values) for name, values in figures.items()]
        print(json.dumps({"question": question, "unit": unit, "higher_is_better": is_higher_better, "cases": cases}), flush=True)
        return
    first = next(iter(figures.values()))
    print(f"{question} ({unit}, {'higher' if is_higher_better else 'lower'} is better; {len(first)} rounds)")
    print(f"  {'':28} {'median':>10} {'min':>10} {'max':>10}   ratio to the first (95 %)")
    for name, values in figures.items():
        print("  {:28} {:10.2f} {:10.2f} {:10.2f}   {}".format(name, *spread(values), ratio_text(values, first)))
    for peer in (HAPROXY_PLAIN, HAPROXY_SPLICE, NGINX_STREAM):
        if OURS in figures and peer in figures:
            print(f"  {OURS} / {peer}: {ratio_text(figures[OURS], figures[peer])}")
    sys.stdout.flush()


def compare(bench, options):
    # A round takes about as long as asked, whatever the machine.
    requests = max(5000, round(bench.closed(DIRECT, 20000) * 1000 * options.seconds / 2))
    figures = bench.rounds(options.rounds, lambda name: bench.closed(name, requests))
    report(options, "relay before redis, throughput", "1000 requests/s", True, figures)
    if not os.access(bench.zok, os.X_OK):
        print("  p99 at the same load is left out: there is no tools/zok", file=sys.stderr)
        return
    # Half of what the slowest relay carried: a load that all of them can meet.
    rate = options.rate or 500 * min(statistics.median(values) for values in figures.values())
    bench.redis.pin(bench.relay_cpu)
    figures = bench.rounds(P99_ROUNDS_EACH * options.rounds, lambda name: bench.open(name, rate))
    report(options, "relay before redis, p99", f"us at {rate:.0f} requests/s", False, figures)


def read_options():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a question")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--rate", type=float, help="requests/s of the open loop (half of the slowest relay's throughput)")
    parser.add_argument("--build", default=os.path.dirname(os.path.dirname(here)), help="the build folder (that of this program)")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds are above 0")
    return options


def main():
    options = read_options()
    # A signal unwinds the stack, and with it every child.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        bench = Bench(stack, options)
        bench.start()
        compare(bench, options)


if __name__ == "__main__":
    main()
