#!/usr/bin/env python3
"""The TCP relay in front of redis-server: ours against haproxy (TCP mode) and nginx (stream), each one thread on the same processor.

Redis and its client take as much of a processor as any relay, so requests/s in a closed loop say little of the relays: that question comes first, and
is followed by those in which the relay is what differs. What limits stands in each question's name:

- redis-benchmark: redis and the client share the second processor, and limit;
- a full processor: beside a program that computes, and comes first, each relay has some fifth of its processor and more to do than that allows.
  So it limits, its processor never sleeps, and what it carries in a second of its own processor time is what it would carry with all of it;
- at one rate for all (open loop, redis shares the relay's processor, the load polls on the other): the processor time that the relay takes for a
  request, and p99 from the planned send;
- alone: instead of redis one thread is the clients and the server, as light as can be; with many connections on a full processor, as above.

But for the first these are short slices of each relay in turns (relay_load): what the host takes away for a millisecond spoils one slice of many, and
the median does not hear of it. Everything is a child of this program, bound to 127.0.0.1, and stopped by its pid however the program ends.
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
NICE = 7  # beside a program that computes a nice of 0, and its 1,024 shares to these 215
KEY, VALUE_SIZE = b"bench_relay", 64
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


def relays(build, beside):
    own = [(OURS, ours(build, "uring")), ("zokio epoll", ours(build, "epoll"))]
    if beside:
        own += [("uring, beside", ours(beside, "uring")), ("epoll, beside", ours(beside, "epoll"))]
    return own + [(HAPROXY_PLAIN, haproxy(False)), (HAPROXY_SPLICE, haproxy(True)), (NGINX_STREAM, nginx)]


def exchange(port, request, expected):
    got = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as peer:
        peer.sendall(request)
        while len(got) < len(expected) and (piece := peer.recv(65536)):
            got += piece
    return got == expected


def stores(port):
    return exchange(port, b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(KEY), KEY, VALUE_SIZE, b"v" * VALUE_SIZE), b"+OK\r\n")


def carries(port):
    """Whether a value comes back whole through the relay."""
    value = os.urandom(100_000)
    request = b"*3\r\n$3\r\nSET\r\n$5\r\nwhole\r\n$%d\r\n%s\r\n*2\r\n$3\r\nGET\r\n$5\r\nwhole\r\n" % (len(value), value)
    expected = b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
    return exchange(port, request, expected)


class Relays:
    """All that can be had here, in front of one port."""

    def __init__(self, bench, folder, target, check):
        self.bench, self.children, self.ports = bench, {}, {}
        table = relays(bench.options.build, bench.options.beside)
        for (name, make), port in zip(table, free_ports(len(table))):
            self.start(name, make, os.path.join(folder, name.replace(" ", "-")), port, target, check)

    def start(self, name, make, folder, port, target, check):
        os.makedirs(folder)
        arguments = make(folder, port, target, self.bench.relay_cpu)
        if not arguments:
            print(f"  {name} is left out: not there", file=sys.stderr)
            return
        child = self.bench.spawn(folder, arguments, self.bench.relay_cpu)
        if not child.await_port(port) or not check(port):
            with open(child.log, encoding="utf-8", errors="replace") as log:
                print(f"  {name} is left out: it does not relay: {log.read()[-400:].strip()}", file=sys.stderr)
            return
        self.children[name], self.ports[name] = child, port

    def cases(self):
        return [f"{name.replace(',', ' and')},{port},{self.children[name].process.pid}" for name, port in self.ports.items()]

    def nice(self, value):
        for child in self.children.values():
            os.setpriority(os.PRIO_PROCESS, child.process.pid, value)


class Bench:
    def __init__(self, stack, options):
        self.options, self.stack = options, stack
        cpus = sorted(os.sched_getaffinity(0))
        self.relay_cpu, self.load_cpu = cpus[0], cpus[1 % len(cpus)]
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_relay"))
        self.redis_port, self.door = free_ports(2)
        self.redis = self.before_redis = self.before_door = None

    def start(self):
        if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
            sys.exit("bench_relay: redis-server and redis-benchmark are needed (Debian: redis-server, redis-tools)")
        redis = ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.redis = self.spawn(os.path.join(self.folder, "redis"), redis, self.load_cpu)
        if not self.redis.await_port(self.redis_port) or not stores(self.redis_port):
            sys.exit("bench_relay: redis-server did not start")
        self.before_redis = Relays(self, os.path.join(self.folder, "a"), self.redis_port, carries)
        self.before_door = Relays(self, os.path.join(self.folder, "b"), self.door, lambda port: True)

    def spawn(self, folder, arguments, cpu):
        os.makedirs(folder, exist_ok=True)
        child = Child(arguments, cpu, os.path.join(folder, "out.log"))
        self.stack.callback(child.stop)
        return child

    def closed(self, port, requests):
        """Requests/s of GET under redis-benchmark, in thousands."""
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", "get", "-d", "64", "-n", str(requests), "-c",
                   str(CONNECTIONS), "--csv"]
        lines = [line for line in self.load(command).splitlines() if line.startswith('"')]
        rows = list(csv.DictReader(lines))
        return float(rows[-1]["rps"]) / 1000 if rows else math.nan

    def load(self, command):
        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {self.load_cpu})

        # pylint: disable=subprocess-popen-preexec-fn
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, preexec_fn=prepare)
        return done.stdout

    def rounds(self, count, measure):
        """{name: figures}; the round that is thrown away warms up and finds who cannot run."""
        ports = dict(self.before_redis.ports, **{DIRECT: self.redis_port})
        names = [name for name, port in ports.items() if not math.isnan(measure(port))]
        figures = {name: [] for name in names}
        for _ in range(count):
            for name in names:
                figures[name].append(measure(ports[name]))
        return figures

    def ask(self, question, figure, cases, *, rounds, slice_ms, **more):
        """One question to relay_load, which prints it."""
        command = [os.path.join(self.options.build, "perf", "bench", "relay_load"), "--question", question, "--figure", figure, "--rounds",
                   str(min(101, max(1, round(rounds * self.options.rounds / 7)))), "--slice-ms", str(slice_ms), *(["--json"] if self.options.json else [])]
        for key, value in more.items():
            command += ["--" + key.replace("_", "-")] + ([str(value)] if value is not True else [])
        sys.stdout.flush()
        subprocess.run(command + cases, stdin=subprocess.DEVNULL, timeout=120, check=False)


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


COMPUTES = [sys.executable, "-c", "while True: pass"]
REDIS = {"redis_get": f"{KEY.decode()}:{VALUE_SIZE}", "connections": CONNECTIONS}


def limited_by_redis(bench, options):
    """Returns requests/s that all of them reached."""
    requests = max(5000, round(bench.closed(bench.redis_port, 20000) * 1000 * options.seconds / 2))
    figures = bench.rounds(options.rounds, lambda port: bench.closed(port, requests))
    report(options, "relay before redis, redis-benchmark", "1000 requests/s", True, figures)
    return 1000 * min(statistics.median(values) for values in figures.values())


@contextlib.contextmanager
def full_processor(bench, group):
    """A program that computes, and comes first, on the relays' processor: each of them is the limit, and that processor never sleeps."""
    competitor = bench.spawn(os.path.join(bench.folder, "competitor"), COMPUTES, bench.relay_cpu)
    group.nice(NICE)
    yield
    group.nice(0)
    competitor.stop()


def limited_by_the_relay(bench):
    """Redis and the load, which sleeps, have the second processor."""
    with full_processor(bench, bench.before_redis):
        bench.ask("relay before redis, a full processor", "core", bench.before_redis.cases(), rounds=21, slice_ms=60, sleeps=True, **REDIS)


def at_one_rate(bench, rate):
    bench.redis.pin(bench.relay_cpu)
    cases = bench.before_redis.cases()
    for part in (0.25, 0.5):
        load = f"{part * 100:.0f} %"
        bench.ask(f"relay before redis, processor time at {load}", "cpu", cases, rounds=31, slice_ms=15, rate=round(rate * part), **REDIS)
        bench.ask(f"relay before redis, p99 at {load}", "p99", cases + [f"{DIRECT},{bench.redis_port},0"], rounds=51, slice_ms=15,
                  rate=round(rate * part), **REDIS)
    bench.redis.pin(bench.load_cpu)


def without_redis(bench):
    def ask(connections, size, slice_ms):
        bench.ask(f"relay alone, {connections} connections, {size} B", "core", bench.before_door.cases(), rounds=17, slice_ms=slice_ms,
                  door=f"{bench.door}:{size}", connections=connections)

    ask(1, 64, 20)
    ask(1, 4096, 20)
    with full_processor(bench, bench.before_door):
        for size in (64, 4096):
            for connections in (64, 512):
                ask(connections, size, 40)


def compare(bench, options):
    asked = [part for part in PARTS if options.only in part]
    rate = options.rate
    if "redis-benchmark" in asked or ("rate" in asked and not rate):
        reached = limited_by_redis(bench, options)
        rate = rate or reached
    if "full" in asked:
        limited_by_the_relay(bench)
    if "rate" in asked:
        at_one_rate(bench, rate)
    if "alone" in asked:
        without_redis(bench)


PARTS = ("redis-benchmark", "full", "rate", "alone")


def read_options():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a question")
    parser.add_argument("--rounds", type=int, default=7, help="of redis-benchmark; the slices are more, in proportion")
    parser.add_argument("--seconds", type=float, default=0.6, help="of each run of redis-benchmark")
    parser.add_argument("--rate", type=float, help="requests/s that half and a quarter of are asked for (what the slowest reached under redis-benchmark)")
    parser.add_argument("--only", default="", help=f"the questions whose name contains it: {', '.join(PARTS)}")
    parser.add_argument("--build", default=os.path.dirname(os.path.dirname(here)), help="the build folder (that of this program)")
    parser.add_argument("--beside", help="another build folder: its relay is asked as well")
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
