"""A machine of QEMU's software emulation that boots a kernel into a plan of steps, and what it said.

tests/vm/init.c is its first process and holds the other end of the words that are read here.
"""
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from cpio import Archive

QEMU = "qemu-system-x86_64"
WORD = re.compile(r"^@(\w+) ?(.*)$")
LIBRARY = re.compile(r"(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
SKIPPED = "exit 77"


@dataclass
class Run:
    """One program of the plan."""

    name: str  # without blanks
    seconds: int
    path: str  # on the host
    words: tuple = ()


@dataclass
class Heard:
    """What came over the second serial port."""

    release: str = ""
    ends: dict = field(default_factory=dict)  # name: "exit 0", "signal 11", "late 60", "" where it never ended
    times_ms: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)
    refusals: list = field(default_factory=list)
    is_off: bool = False


def listen(text):
    """A transcript taken apart."""
    heard, name = Heard(), None
    for line in text.splitlines():
        match = WORD.match(line)
        word, rest = match.groups() if match else (None, "")
        if word == "ready":
            heard.release = rest
        elif word == "begin":
            name = rest
            heard.ends[name], heard.outputs[name] = "", []
        elif word == "end":
            ended, time_ms, how = rest.split(" ", 2)
            heard.ends[ended], heard.times_ms[ended], name = how, int(time_ms), None
        elif word == "refused":
            heard.refusals.append(rest)
        elif word == "off":
            heard.is_off = True
        elif name is not None and line:
            heard.outputs[name].append(rest if word == "where" else line)
    return heard


def libraries(program):
    """The shared objects that a program is loaded with, the loader among them."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise RuntimeError(f"ldd {program}: {(listed.stdout + listed.stderr).strip()}")
    return LIBRARY.findall(listed.stdout)


def initramfs(init, settings, runs, data):
    """init, the programs with their libraries and what they read, each under the path that it has here, and the plan: first what sysfs shall hold,
    then the programs in their order."""
    archive = Archive()
    archive.add_file("/init", init)
    for path in data:
        for folder, _, names in os.walk(path):
            for name in names:
                archive.add_file(os.path.join(folder, name), os.path.join(folder, name))
    steps = [("write", path, str(value)) for path, value in settings]
    for run in runs:
        for path in (run.path, *libraries(run.path)):
            archive.add_file(os.path.normpath(path), path)
        steps.append(("run", run.name, str(run.seconds), run.path, *run.words))
    archive.add("/plan", "".join("\t".join(step) + "\n" for step in steps).encode(), 0o644)
    return archive.bytes()


def command(kernel, initrd, topology, kernel_words, folder, seconds):
    """Never KVM: a machine that is emulated runs everywhere, in a container and inside another machine, and is the same everywhere."""
    append = ["console=ttyS0", "panic=-1", "quiet", "loglevel=4", "mitigations=off", *kernel_words]
    return ["timeout", "--kill-after=5", str(seconds), QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", initrd, "-append", " ".join(append),
            "-serial", f"file:{folder}/console", "-serial", f"file:{folder}/tests", *topology]


def boot(kernel, init, topology, settings, runs, *, data=(), kernel_words=(), seconds=120):
    """Runs a machine to its end: (what was heard, the kernel's own last words, QEMU's exit code with what it said). `data`: folders that the
    programs read."""
    with tempfile.TemporaryDirectory(prefix="zokio-vm-") as folder:
        initrd = os.path.join(folder, "initrd")
        with open(initrd, "wb") as file:
            file.write(initramfs(init, settings, runs, data))
        done = subprocess.run(command(kernel, initrd, topology, kernel_words, folder, seconds), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False)
        texts = [read(os.path.join(folder, name)) for name in ("tests", "console")]
    said = f"{QEMU} ended with {done.returncode}{' (its time was up)' if done.returncode == 124 else ''}: {done.stderr.strip()}"
    return listen(texts[0]), texts[1].splitlines()[-30:], said


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def is_here():
    return shutil.which(QEMU) is not None
