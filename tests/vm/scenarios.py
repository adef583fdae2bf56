"""The machines that are booted, what runs in each, and what it must come to.

A row of `runs` is a program and how it shall end; `says` are regular expressions, each of which a line of its output must match whole.
"""
from dataclasses import dataclass, field

from machine import Run

NODES = "/sys/devices/system/node"
SMALL_PAGES_KIB, HUGE_PAGES = 2048, 24


@dataclass
class Case:
    run: Run
    ends: str = "exit 0"
    says: tuple = ()


@dataclass
class Scenario:
    topology: list  # QEMU's words
    cases: list = field(default_factory=list)
    settings: list = field(default_factory=list)  # (path, value)
    kernel_words: tuple = ()
    seconds: int = 240


# ---- The machines ----


def memory(node, mib):
    """A node's memory, as the two words that QEMU wants for it."""
    return ["-object", f"memory-backend-ram,id=memory{node},size={mib}M"], f"memdev=memory{node}"


def nodes(*rows, distance=21):
    """A machine of four CPUs on two sockets; a row a node: (its CPUs or "", its MiB or 0)."""
    words = ["-smp", "4,sockets=2,cores=2,threads=1", "-m", f"{sum(mib for _, mib in rows)}M"]
    for node, (cpus, mib) in enumerate(rows):
        objects, device = memory(node, mib) if mib else ([], "")
        row = ",".join(word for word in (f"node,nodeid={node}", device, f"cpus={cpus}" if cpus else "") if word)
        words += [*objects, "-numa", row]
    return words + ["-numa", f"dist,src=0,dst=1,val={distance}", "-numa", f"dist,src=1,dst=0,val={distance}"]


def sockets_of_siblings():
    """Three sockets of two cores with a sibling each; two are the first node, the third is the second. The processor calls itself Intel's: of the emulator's
    AMD one Linux makes no siblings."""
    words = ["-cpu", "max,vendor=GenuineIntel", "-smp", "12,sockets=3,cores=2,threads=2", "-m", "640M"]
    for node, cpus in enumerate(("0-7", "8-11")):
        objects, device = memory(node, 320)
        words += [*objects, "-numa", f"node,nodeid={node},{device},cpus={cpus}"]
    return words + ["-numa", "dist,src=0,dst=1,val=21", "-numa", "dist,src=1,dst=0,val=21"]


# ---- What runs in them ----


def where(build, cores, *expected, engine="uring"):
    """`expected`, a core each: the CPU it runs on, that CPU's node, and the node of all its memory: of its mailboxes, which others fill, too."""
    says = tuple(f"core {index}: cpu {cpu}, node {node}, stack {home}, record {home}, mailboxes {home}, buffers {home}"
                 for index, (cpu, node, home) in enumerate(expected))
    return Case(Run(f"where/{cores}/{engine}", 60, f"{build}/tests/vm/where", (cores, engine)), says=says)


def refused(build, cores, why):
    """A program that is told to run on cores that are not to be had."""
    run = Run(f"refuses/{cores}", 60, f"{build}/examples/echo", ("--listen", "tcp://127.0.0.1:0", "--cores", cores))
    return Case(run, ends="exit 2", says=(f".*{why}.*",))


def units(build, names, *placements):
    """`placements`: cases of numa/placement that find their machine here, and so must not be skipped."""
    cases = [Case(Run(name, 120, f"{build}/tests/unit/test_{name.replace('/', '_')}")) for name in names]
    for case in cases:
        if case.run.name == "numa/placement":
            case.says = tuple(rf"\[ +OK \] {name}" for name in placements)
    return cases


def numa_units(build, lists, *placements):
    return units(build, [name for name in lists["unit"] if name.startswith("numa/")], *placements)


def contract(build, subjects, engine, *words):
    return [Case(Run("/".join([subject, engine, *words]), 120, f"{build}/tests/contract/contract_{subject}", (engine, *words)))
            for subject in subjects]


# What Debian's 6.1 can do, each tried by the engine itself on a live ring: a probe that says less or more than this is wrong.
FEATURES_OF_6_1 = {
    "single-issuer": "on", "defer-taskrun": "on", "registered-ring-fd": "on", "ext-arg": "on", "no-iowait": "off", "multishot-accept": "on",
    "multishot-recv": "on", "buffer-ring": "on", "sqpoll": "off", "direct-descriptors": "off +kernel keeps a removed file while any op waits",
}


def features(build):
    says = tuple(rf"{name} +{state}\b.*" for name, state in FEATURES_OF_6_1.items())
    return Case(Run("features", 60, f"{build}/tests/vm/where", ("0", "uring")), says=says)


# Not under emulation: a second of the guest's processor time is whatever the host makes of it, and backtraces want a library that is loaded by name.
NOT_EMULATED = ("runtime/stall",)

# ---- The table ----


def two_nodes(build, lists):
    local = [(0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 1, 1)]
    return Scenario(nodes(("0-1", 320), ("2-3", 320)), [
        where(build, "all", *local), where(build, "all", *local, engine="epoll"), where(build, "node:1", *local[2:]),
        where(build, "3,0", local[3], local[0]), refused(build, "node:2", "no such node here; nodes are 0-1"),
        *units(build, [name for name in lists["unit"] if name not in NOT_EMULATED], "preferred_pages_lie_on_their_node_whoever_touches_them",
               "strict_pages_lie_on_their_node_whoever_touches_them", "interleaved_pages_lie_on_all_nodes_in_equal_parts")])


def node_without_memory(build, lists):
    """Its cores live on the memory of the other."""
    return Scenario(nodes(("0-1", 384), ("2-3", 0)), [
        where(build, "all", (0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 1, 0)), where(build, "node:1", (2, 1, 0), (3, 1, 0)),
        *numa_units(build, lists, "a_node_without_memory_is_served_by_its_nearest")])


def node_without_cpus(build, lists):
    """Memory that nobody is near to: no core can be asked for there, and none is given."""
    return Scenario(nodes(("0-3", 320), ("", 128)), [
        where(build, "all", *((cpu, 0, 0) for cpu in range(4))), refused(build, "node:1", "that node has memory only, no cores"),
        *numa_units(build, lists, "a_node_without_cpus_gives_its_memory_all_the_same")])


def huge_pages_on_one_node(build, lists):
    return Scenario(nodes(("0-1", 320), ("2-3", 320)), [
        where(build, "all", (0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 1, 1)),
        *numa_units(build, lists, "reserved_pages_on_one_node_serve_that_node_only", "more_than_is_reserved_falls_back")],
        settings=[(f"{NODES}/node1/hugepages/hugepages-{SMALL_PAGES_KIB}kB/nr_hugepages", HUGE_PAGES)])


def steals(build, cores, *order, engine="uring"):
    """`order`: (CPU, tier) of those that the first core must have taken from, one after the other, four times each."""
    said = ", ".join(rf"cpu {cpu} \({tier}\) 4" for cpu, tier in order)
    return Case(Run(f"steals/{cores}/{engine}", 60, f"{build}/tests/vm/steals", (cores, engine)), says=(f"order: {said}",))


def stealing_order(build, lists):
    """Whatever the order in the list of cores: the sibling, the cache, the node, the other node."""
    return Scenario(sockets_of_siblings(), [
        steals(build, "0,8,4,2,1", (1, "smt"), (2, "cache"), (4, "node"), (8, "far")),
        steals(build, "0,1,2,4,8", (1, "smt"), (2, "cache"), (4, "node"), (8, "far"), engine="epoll"),
        steals(build, "10,0,9,5,11", (11, "smt"), (9, "cache"), (0, "far"), (5, "far"))])


def contract_uring(build, lists):
    return Scenario(nodes(("0-1", 320), ("2-3", 320)),
                    [features(build), *contract(build, lists["contract"], "uring"), *contract(build, lists["contract"], "uring", "tiny")])


def contract_epoll(build, lists):
    return Scenario(nodes(("0-1", 320), ("2-3", 320)), contract(build, lists["contract"], "epoll"))


SCENARIOS = {function.__name__: function for function in (
    two_nodes, node_without_memory, node_without_cpus, huge_pages_on_one_node, stealing_order, contract_uring, contract_epoll)}
