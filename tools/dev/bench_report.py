"""What ./dev bench makes of the JSON that the benchmarks print: a table to read now, and the measured table of README.md.

usage: bench_report.py machine | text FILE… | table README FILE…
"""
import hashlib
import json
import math
import os
import re
import statistics
import subprocess
import sys

MARKERS = re.compile(r"<!-- measured: made by \./dev bench --table.*?-->\n.*?<!-- end of measured -->\n", re.DOTALL)


def questions(path):
    """The questions of one program's output, one JSON object a line."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line.replace("nan", "NaN")) for line in file if line.strip()]


def ratio(case, first):
    """A case's rounds over those of the first case, round by round, since drift hits both alike: the median, and between which two it lies
    with 95 % confidence whatever the distribution (the ranks of the binomial; with seven rounds the least and the greatest)."""
    ratios = sorted(figure / base for figure, base in zip(case["rounds"], first["rounds"]) if base)
    if not ratios:
        return (math.nan,) * 3
    rank = max(0, int((len(ratios) - 1.96 * math.sqrt(len(ratios))) / 2))
    return statistics.median(ratios), ratios[rank], ratios[-1 - rank]


def print_text(path):
    for question in questions(path):
        first = question["cases"][0]
        better = "higher" if question["higher_is_better"] else "lower"
        print(f"{question['question']} ({question['unit']}, {better} is better; {len(first['rounds'])} rounds)")
        print(f"  {'':28} {'median':>10} {'min':>10} {'max':>10}   ratio to the first (95 %)")
        for case in question["cases"]:
            middle, low, high = ratio(case, first)
            print(f"  {case['name']:28} {case['median']:10.2f} {case['min']:10.2f} {case['max']:10.2f}   {middle:.2f} ({low:.2f} to {high:.2f})")
        if "subject" in question:
            above, below = (next(case for case in question["cases"] if case["name"] == question[key]) for key in ("subject", "against"))
            print("  {} / {}: {:.3f} ({:.3f} to {:.3f})".format(above["name"], below["name"], *ratio(above, below)))


def machine():
    """One line on what the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), os.uname().machine)
    compiler = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    flags = "virtual machine, " if is_virtual() else ""
    return f"{model}, {flags}{len(os.sched_getaffinity(0))} CPUs, Linux {os.uname().release.split('-')[0]}, GCC {compiler}"


def is_virtual():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return " hypervisor" in file.read()


def figure(value):
    """Three digits are all that such a measurement has."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def row(question):
    """One line of the table: ours, then each peer with how many times ours is better."""
    first, *peers = question["cases"]
    cells = []
    for peer in peers:
        middle = ratio(peer, first)[0]
        times = 1 / middle if question["higher_is_better"] and middle else middle
        cells.append(f"{peer['name']} {figure(peer['median'])} ({times:.2f}×)")
    spread = f"{figure(first['median'])} ({figure(first['min'])} to {figure(first['max'])})"
    return f"| {question['question']} | {question['unit']} | {spread} | {', '.join(cells) or '–'} |"


def newest(paths):
    """{question: (its folder, the object)}, the newest of each; the folders' names are times."""
    found = {}
    for path in sorted(paths, key=lambda path: os.path.basename(os.path.dirname(path))):
        for question in questions(path):
            if question["cases"] and not math.isnan(question["cases"][0]["median"]):
                found[question["question"]] = os.path.dirname(path), question
    return found


def kept_rows(text, asked):
    """{question: its line} of those rows of the table in `text` that were not asked again: they stay, marked as an earlier run's."""
    kept = {}
    for line in MARKERS.search(text).group(0).splitlines():
        cells = line.split(" | ")
        name = cells[0].removeprefix("| ").removesuffix(" †")
        if line.startswith("| ") and len(cells) > 3 and name not in asked and name not in ("question", "---"):
            kept[name] = " | ".join([f"| {name} †", *cells[1:]])
    return kept


def make_table(paths, text):
    found = newest(paths)
    kept = kept_rows(text, found)
    machines = set()
    for folder, _ in found.values():
        with open(os.path.join(folder, "machine.txt"), encoding="utf-8") as file:
            machines.add(file.read().strip())
    lines = ["| question | unit | Zokio (min to max) | others (how many times Zokio is better) |", "| --- | --- | --- | --- |"]
    rows = kept | {name: row(question) for name, (_, question) in found.items()}
    lines += [line for _, line in sorted(rows.items())]
    days = sorted({re.sub(r"\D*(\d{4})(\d\d)(\d\d).*", r"\1-\2-\3", os.path.basename(folder)) for folder, _ in found.values()})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    lines += ["", f"Medians, all cases of a question in the same run. {'; '.join(sorted(machines))}. {when}.{' †: of an earlier run.' if kept else ''}"]
    return "\n".join(lines) + "\n"


def write_table(readme, paths):
    paths = [path for path in paths if os.path.isfile(path)]
    if not paths:
        sys.exit("no figures: run ./dev bench first")
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    if not MARKERS.search(text):
        sys.exit(f"{readme}: no line '<!-- measured: made by ./dev bench --table -->' with '<!-- end of measured -->' below it")
    body = make_table(paths, text)
    digest = hashlib.sha256(body.encode()).hexdigest()
    block = f"<!-- measured: made by ./dev bench --table, sha256 {digest} -->\n{body}<!-- end of measured -->\n"
    with open(readme, "w", encoding="utf-8") as file:
        file.write(MARKERS.sub(lambda _: block, text, count=1))


def main(arguments):
    match arguments:
        case ["machine"]:
            print(machine())
        case ["text", *paths] if paths:
            for path in paths:
                print_text(path)
        case ["table", readme, *paths]:
            write_table(readme, paths)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
