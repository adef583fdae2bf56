"""Runs the soak programs one after another for the minutes given, watches what they keep, and says at the end what ran, how long and what grew.

A row of ROWS is a program. One whose words name {seconds} runs that long by itself, and is watched: descriptors and memory of each of its processes.
The others are short and run again and again. A program fails by its exit code (77: it cannot run here), by being late, or by what it keeps.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

SKIPPED = 77
LATE_S = 90  # beyond its time: the end of a gateway under load is part of a soak
SAMPLE_S = 0.5
ROUND_S_MAX = 300
PATIENCE_S = 5  # between SIGTERM and SIGKILL
# A leak grows with time; what a process settles at does not. Judged over the last two thirds of its time.
GROWTH_KIB_MAX = 8192


@dataclass
class Row:
    name: str
    words: tuple  # of the command; {build}, {python}, {seconds} are filled in
    share: int = 1  # of the time, by weight

    def is_watched(self):
        return any("{seconds}" in word for word in self.words)


ROWS = [
    *(Row(f"relay under churn ({engine})", ("{python}", "-B", "tests/soak/relay.py", "{build}", engine, "{seconds}"), 3) for engine in ("uring", "epoll")),
    *(Row(f"handovers ({engine}, {mode})", ("{build}/tests/soak/handovers", "--seconds", "{seconds}", "--engine", engine, "--mode", mode), 3)
      for engine in ("uring", "epoll") for mode in ("park", "adaptive")),
    Row("handovers (bell, park)", ("{build}/tests/soak/handovers", "--seconds", "{seconds}", "--count", "1000000000", "--engine", "bell", "--mode", "park"), 9),
    *(Row(f"contract {subject} ({engine})", ("{build}/tests/contract/contract_" + subject, *engine.split()))
      for subject in ("stream", "cancel", "wait") for engine in ("uring", "uring tiny", "epoll")),
]


@dataclass
class Outcome:
    name: str
    seconds: float = 0
    rounds: int = 0
    said: str = ""
    verdict: str = "ok"
    descriptors: str = "-"
    memory: str = "-"
    samples: dict = field(default_factory=dict, repr=False)  # (pid, program): [(second, KiB, descriptors)]


class Stopped(Exception):
    """SIGINT or SIGTERM."""


# ---- What /proc says of the processes of a session ----


def session_of(leader):
    """(pid, program) of each process of the session that the child leads."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                    before, _, after = stat.read().rpartition(")")
            except OSError:
                continue
            if int(after.split()[3]) == leader:
                yield int(name), before.partition("(")[2]


def measure(pid):
    """(resident KiB, descriptors), or None when it has just ended."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return None


def slope(points):
    """Least squares: KiB a second."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def growth(samples):
    """(KiB a second, descriptors) that one process has gained after the first third of its time; None where there are too few samples.

    Descriptors come and go with connections: those count by which the fewest of its later time are more than the most of its earlier one. (The
    programs themselves count exactly, at their end.)
    """
    settled = samples[len(samples) // 3:]
    if len(settled) < 6:
        return None
    half = len(settled) // 2
    most, fewest = max(fds for _, _, fds in settled[:half]), min(fds for _, _, fds in settled[half:])
    return slope([(second, kib) for second, kib, _ in settled]), max(0, fewest - most)


def judge(outcome):
    """Fills in what grew, and fails the outcome where that is a leak."""
    found = [(growth(samples), program, samples) for (_, program), samples in outcome.samples.items()]
    found = [(grown, program, samples) for grown, program, samples in found if grown]
    if not found:
        return
    (rate, _), program, samples = max(found, key=lambda item: item[0][0])
    grown_kib = rate * (samples[-1][0] - samples[len(samples) // 3][0])
    kept, keeper = max((grown[1], program) for grown, program, _ in found)
    outcome.memory = f"{grown_kib:+.0f} KiB, {rate * 60:+.1f} KiB/min ({program})"
    outcome.descriptors = f"{kept:+d}"
    if outcome.verdict == "ok" and grown_kib > GROWTH_KIB_MAX:
        outcome.verdict = f"FAILED: {program} grows"
    if outcome.verdict == "ok" and kept > 0:
        outcome.verdict = f"FAILED: {keeper} keeps descriptors"


# ---- Processes ----


def stop(process):
    """The child and all it has started: they are one session, which nobody else is in."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and (process.poll() is None or any(True for _ in session_of(process.pid))):
            time.sleep(0.05)
    process.wait()


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else ""


def run_once(row, seconds, outcome, log, options):
    """Runs a row's program to its end, sampling meanwhile: its exit code, or None when it was late."""
    words = [word.format(build=options.build, python=sys.executable, seconds=int(seconds)) for word in row.words]
    began = time.monotonic()
    limit = began + (seconds + LATE_S if row.is_watched() else ROUND_S_MAX)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        while time.monotonic() < limit:
            try:
                return process.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                pass
            options.progress(f"{row.name}: {time.monotonic() - began:.0f} s")
            for pid, program in session_of(process.pid) if row.is_watched() else ():
                measured = measure(pid)
                if measured:
                    outcome.samples.setdefault((pid, program), []).append((time.monotonic() - began, *measured))
        return None
    finally:
        stop(process)


def soak_row(row, seconds, options):
    """One row for its time. A program of {seconds} once, another until its time is over."""
    outcome, path = Outcome(row.name), os.path.join(options.reports, f"{row.name.replace(' ', '-')}.log")
    began = time.monotonic()
    with open(path, "wb") as log:
        while outcome.verdict == "ok" and (outcome.rounds == 0 or (not row.is_watched() and time.monotonic() - began < seconds)):
            code = run_once(row, seconds, outcome, log, options)
            outcome.rounds += 1
            if code == SKIPPED:
                outcome.verdict = "skipped"
            elif code != 0:
                outcome.verdict = "FAILED: was late" if code is None else f"FAILED: exit code {code}"
    outcome.seconds, outcome.said = time.monotonic() - began, last_line(path)
    judge(outcome)
    return outcome


# ---- Words ----


class Progress:
    """One line that tells how far it is; a line now and then where nobody looks."""

    def __init__(self, total_s):
        self.began, self.total_s, self.said = time.monotonic(), total_s, 0.0

    def __call__(self, text):
        now = time.monotonic()
        line = f"{(now - self.began) / 60:.1f} of {self.total_s / 60:g} min  {text}"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K    {line}")
        elif now - self.said >= 30:
            self.said = now
            sys.stderr.write(f"    {line}\n")
        sys.stderr.flush()

    @staticmethod
    def end():
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def table(outcomes):
    rows = [("what", "ran", "rounds", "descriptors", "memory", "verdict")]
    rows += [(one.name, f"{one.seconds:.0f} s", str(one.rounds), one.descriptors, one.memory, one.verdict) for one in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
    yield ""
    yield from (f"{one.name}: {one.said}" for one in outcomes if one.said and (one.samples or one.verdict != "ok"))


def write_results(outcomes, folder):
    with open(os.path.join(folder, "soak.json"), "w", encoding="utf-8") as file:
        json.dump([{key: value for key, value in vars(one).items() if key != "samples"} for one in outcomes], file, indent=1)
    with open(os.path.join(folder, "samples.csv"), "w", encoding="utf-8") as file:
        file.write("what,program,pid,second,resident_kib,descriptors\n")
        for one in outcomes:
            for (pid, program), samples in one.samples.items():
                file.writelines(f"{one.name},{program},{pid},{second:.1f},{kib},{fds}\n" for second, kib, fds in samples)


def soak(rows, options):
    """The exit code."""
    outcomes, total = [], sum(row.share for row in rows)
    options.progress = Progress(options.minutes * 60)
    os.makedirs(options.reports, exist_ok=True)
    try:
        for row in rows:
            outcomes.append(soak_row(row, max(1, options.minutes * 60 * row.share / total), options))
    except Stopped:
        outcomes.append(Outcome("(stopped by a signal)", verdict="FAILED: not all ran"))
    options.progress.end()
    write_results(outcomes, options.reports)
    print("\n".join(table(outcomes)))
    failed = sum(one.verdict.startswith("FAILED") for one in outcomes)
    ran = sum(one.verdict == "ok" for one in outcomes)
    print(f"{ran} ok, {failed} failed, {len(outcomes) - ran - failed} skipped; logs and samples in {options.reports}/")
    return 1 if failed or not ran else 0


def on_signal(number, _frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--reports", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return soak(ROWS, options)


if __name__ == "__main__":
    sys.exit(main())
