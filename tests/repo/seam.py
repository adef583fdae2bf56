"""Time, randomness and threads reach the library through a few named files, so that the simulator can own them; and nothing in it ever sleeps,
speaks or ends the process."""
import re

from tree import without_comments

FOLDERS = ("numa/", "core/", "uring/", "poll/", "net/", "fs/", "sim/", "dpdk/", "runtime/")

# What may be called where: paths, or folders with their slash. Nothing at all where the list is empty.
OWNERS = {
    ("clock_gettime",): ["core/clock.c", "core/cycles_generic.h", "core/tick.c", "runtime/blocking.c", "runtime/stall.c"],
    ("gettimeofday", "time", "timespec_get"): [],
    ("sleep", "usleep", "nanosleep", "clock_nanosleep", "sched_yield", "pthread_yield"): [],
    ("getrandom", "getentropy", "rand", "rand_r", "random", "drand48"): [],
    ("pthread_create", "thrd_create", "fork", "vfork", "system", "popen"): ["core/tick.c", "runtime/"],
    ("posix_spawn", "posix_spawnp", "waitpid", "waitid", "wait4"): ["net/spawn.c"],
    ("exit", "quick_exit"): [],
    ("_exit",): ["runtime/phases.c", "runtime/stop.c"],
    ("printf", "puts", "putchar"): [],
}

# Nowhere in the repository: each has a form that knows the size of what it writes to.
BANNED = ("gets", "sprintf", "vsprintf", "alloca", "strtok")


def calls(code, names):
    """(line number, name) of each call of one of the names; a member or a longer name is none."""
    for match in re.finditer(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(", code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1)


def check(tree):
    for path in tree.ending(".c", ".h"):
        code = without_comments(tree.text(path))
        for number, name in calls(code, BANNED):
            yield f"{path}:{number}: {name}() does not know where its target ends"
        if not path.startswith(FOLDERS):
            continue
        for names, owners in OWNERS.items():
            if any(path == owner or (owner.endswith("/") and path.startswith(owner)) for owner in owners):
                continue
            for number, name in calls(code, names):
                yield f"{path}:{number}: {name}() is called by {', '.join(owners) or 'nothing in the library'}: go through the seam"
