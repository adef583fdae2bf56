#!/usr/bin/env python3
"""Boots one of the machines of scenarios.py, runs its programs in it, and prints a line a program: "ok", or "not ok" and what it said.

Exits with 0, with 1 when a program did not end as it should, with 77 and a reason where no machine can be booted here.
"""
import argparse
import os
import platform
import re
import sys

import machine
from scenarios import SCENARIOS

SKIPPED = 77
CASE_SKIPPED = re.compile(r"^\[ +SKIPPED +\] (?!\d)(.*)$")


def missing(kernel, init):
    """Why nothing can be booted here, or ""."""
    if platform.machine() != "x86_64":
        return f"the machine is an x86_64 one, emulated; this is {platform.machine()}"
    if not machine.is_here():
        return f"{machine.QEMU} is not installed: ./dev test --full brings it (Debian: qemu-system-x86)"
    if not os.path.exists(kernel):
        return "there is no kernel to boot: ./dev test --full fetches Debian's into build-vm/"
    return "" if os.path.exists(init) else f"{init} was not built: a static C library is missing"


def wrongs(case, heard):
    """Each way in which a program was not as it should be."""
    how = heard.ends.get(case.run.name)
    if how is None:
        yield "it was never begun"
    elif how != case.ends:
        yield f"it ended with {how}, not with {case.ends}" if how else "the machine ended before it did"
    lines = heard.outputs.get(case.run.name, [])
    for words in case.says:
        if not any(re.fullmatch(words, line.strip()) for line in lines):
            yield f"no line of it says: {words}"


def judge(scenario, heard, console, said):
    """Lines of a report, the verdict last."""
    failed = 0
    for number, case in enumerate(scenario.cases, 1):
        problems = list(wrongs(case, heard))
        failed += bool(problems)
        yield f"{'not ok' if problems else 'ok'} {number} - {case.run.name}, {heard.times_ms.get(case.run.name, 0) / 1000:.1f} s"
        yield from (f"# {problem}" for problem in problems)
        output = heard.outputs.get(case.run.name, [])
        if problems:
            yield from (f"#   {line}" for line in output[-60:])
        skipped = dict.fromkeys(match.group(1) for match in map(CASE_SKIPPED.match, output) if match)  # cmocka names each twice
        yield from (f"# skipped there: {name}" for name in skipped)
    for refusal in heard.refusals:
        failed += 1
        yield f"not ok - the machine refused: {refusal}"
    if not heard.is_off:
        failed += 1
        yield f"not ok - the plan was not done: {said}"
        yield from (f"# kernel: {line}" for line in console)
    yield f"1..{len(scenario.cases)}"
    yield f"# {len(scenario.cases)} programs on {heard.release or 'no kernel'}, {failed or 'nothing'} failed"
    yield failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--build", required=True, help="the build folder, whose programs are run")
    parser.add_argument("--kernel", required=True)
    for kind in ("unit", "contract"):
        parser.add_argument(f"--{kind}", default="", help=f"the {kind} tests to run, by commas")
    parser.add_argument("--data", action="append", default=[], help="a folder that the programs read; under the same path inside")
    options = parser.parse_args()
    init = os.path.join(options.build, "tests/vm/vm_init")
    why = missing(options.kernel, init)
    if why:
        print(why)
        return SKIPPED
    lists = {kind: list(filter(None, getattr(options, kind).split(","))) for kind in ("unit", "contract")}
    scenario = SCENARIOS[options.scenario](options.build, lists)
    heard, console, said = machine.boot(options.kernel, init, scenario.topology, scenario.settings, [case.run for case in scenario.cases],
                                        data=options.data, kernel_words=scenario.kernel_words, seconds=scenario.seconds)
    *report, failed = judge(scenario, heard, console, said)
    print("\n".join(report))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
