#!/usr/bin/env python3
"""zok topo from outside: what it prints for this machine and for big ones that hwloc makes up, as text in 100 columns, in a terminal, as JSON against its
schema and as SVG; what a core list gives; and what bad input gets."""
import argparse
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import schema

ZOK = None
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINES = os.path.join(ROOT, "tests", "unit", "numa", "machines")
TWO_BY_64 = ("--synthetic", "package:2 [numanode(memory=137438953472)] l3:8(size=33554432) core:8 pu:2(indexes=2*128:1*2)")
EIGHT_NODES = ("--xml", os.path.join(MACHINES, "eight-nodes.xml"))
HYBRID = ("--xml", os.path.join(MACHINES, "hybrid.xml"))
MEMORY_ONLY = ("--synthetic", "[numanode(memory=1073741824)] package:2 [numanode(memory=0)] core:2 pu:1")
HERE = ()
ALL = (HERE, TWO_BY_64, EIGHT_NODES, HYBRID, MEMORY_ONLY)


def topo(*arguments):
    return subprocess.run([ZOK, "topo", *arguments], capture_output=True, text=True, timeout=60)


def output(*arguments):
    done = topo(*arguments)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{arguments}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


class Text(unittest.TestCase):
    def test_fits_a_terminal_of_100_columns(self):
        for machine in ALL:
            for line in output(*machine).splitlines():
                self.assertLessEqual(len(line), 100, line)
                self.assertEqual(line, line.rstrip())

    def test_summarises_a_big_machine_and_shows_all_of_it_when_asked(self):
        short, whole = output(*TWO_BY_64), output(*TWO_BY_64, "--all")
        self.assertLess(short.count("\n"), 25)
        self.assertIn("128 cores: --all shows each", short)
        self.assertIn("2 packages, 2 nodes, 128 cores, 256 CPUs online, SMT", short)
        self.assertRegex(short, r"L3 +32 MiB +16  0-7,128-135 \| ")
        self.assertEqual(len(re.findall(r"^ *\d+  \d+,\d+ +\d+ +\d+ +\d+ +\d+$", whole, re.MULTILINE)), 128)

    def test_shows_nodes_distances_and_devices(self):
        text = output(*EIGHT_NODES)
        self.assertRegex(text, r"(?m)^ +3 +0  12-15,44-47 +16 GiB")
        self.assertRegex(text, r"(?m)^ +2   14   14   10   12   32   32   28   32$")
        self.assertRegex(text, r"(?m)^NIC   eth0 +3  12-15,44-47 +0000:61:00.0")

    def test_shows_a_node_of_memory_only_and_one_without(self):
        nodes = re.findall(r"(?m)^ +\d+ +(\S+)  (\S+) +(\S+ \S+) +-  -$", output(*MEMORY_ONLY))
        self.assertEqual(sorted(nodes), [("-", "none", "1 GiB"), ("0", "0-1", "0 B"), ("1", "2-3", "0 B")])

    def test_is_the_same_in_a_terminal(self):
        plain = output(*EIGHT_NODES)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(ZOK, [ZOK, "topo", *EIGHT_NODES])
        said = b""
        try:
            while chunk := os.read(terminal, 65536):
                said += chunk
        except OSError:
            pass  # EIO: the terminal's other end is closed
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertEqual(said.decode().replace("\r\n", "\n"), plain)


class Container(unittest.TestCase):
    """/sys is hidden, as containers do: hwloc is refused, and the affinity mask serves."""

    def run_without_sys(self, *arguments):
        script = 'mount -t tmpfs none /sys || exit 99; exec "$@"'
        try:
            done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", ZOK, "topo", *arguments],
                                  capture_output=True, text=True, timeout=60)
        except FileNotFoundError:
            self.skipTest("there is no unshare(1)")
        if done.returncode == 99 or done.stderr.startswith("unshare:"):
            self.skipTest("no namespace of our own to be had")
        return done

    def test_the_affinity_mask_serves(self):
        done = self.run_without_sys()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("read by affinity\nhwloc could not read it", done.stdout)
        chosen = json.loads(self.run_without_sys("--explain", "all", "--json").stdout)["cores"]
        self.assertEqual({c["cpu"] for c in chosen}, os.sched_getaffinity(0))

    def test_no_device_is_near_anything(self):
        done = self.run_without_sys("--explain", "near:eth0")
        self.assertEqual((done.returncode, done.stderr), (2, "zok topo: cores: near:eth0: no such NIC or disk here; NICs and disks are none\n"))


class Json(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "docs", "schemas", "topo.schema.json"), encoding="utf-8") as file:
            self.schema = json.load(file)

    def read(self, *arguments):
        value = json.loads(output(*arguments, "--json"))
        self.assertEqual(list(schema.problems(value, self.schema)), [])
        return value

    def test_keeps_to_its_schema(self):
        for machine in ALL:
            self.read(*machine)
            self.read(*machine, "--explain", "all:1")

    def test_the_schema_can_refuse(self):
        value = self.read()
        for harm in (lambda v: v.pop("nodes"), lambda v: v.update(extra=1), lambda v: v["cpus"][0].update(cpu=-1),
                     lambda v: v.update(allowed="all of them"), lambda v: v.update(list="")):
            harmed = json.loads(json.dumps(value))
            harm(harmed)
            self.assertNotEqual(list(schema.problems(harmed, self.schema)), [])

    def test_tells_the_machine(self):
        value = self.read(*EIGHT_NODES)
        self.assertEqual(len(value["cpus"]), 64)
        self.assertEqual(value["nodes"][2]["distances"], [14, 14, 10, 12, 32, 32, 28, 32])
        self.assertEqual({d["name"]: d["node"] for d in value["devices"]}, {"eth0": 3, "nvme0n1": 3, "nvme1n1": 5, "eth1": 7})
        self.assertEqual(value["cpus"][44], {"cpu": 44, "node": 3, "package": 0, "core": 12, "cache": 12, "smt": 1, "kind": 0,
                                             "allowed": True, "isolated": False})
        self.assertTrue(value["described"])
        self.assertFalse(self.read()["described"])

    def test_this_machine_is_what_the_kernel_says(self):
        value = self.read()
        self.assertEqual({c["cpu"] for c in value["cpus"] if c["allowed"]}, os.sched_getaffinity(0))
        if os.path.exists("/sys/class/net/lo"):
            self.assertTrue(next(d for d in value["devices"] if d["name"] == "lo")["virtual"])


class Explain(unittest.TestCase):
    def test_says_what_was_taken_and_why_the_others_were_not(self):
        text = output(*EIGHT_NODES, "--explain", "near:eth0:3/core,node:3,!12")
        self.assertTrue(text.startswith("near:eth0:3/core,node:3,!12 gives 7 cores: 13 14 15 44 45 46 47\n"), text)
        self.assertIn("near:eth0:3/core: cores near eth0 at 0000:61:00.0, node 3\n", text)
        self.assertRegex(text, r"- 12 +left out by a ! item")
        self.assertRegex(text, r"- 13-15 +chosen before")
        self.assertIn("note: 3 of them share a physical core", text)

    def test_prefers_fast_cores(self):
        chosen = json.loads(output(*HYBRID, "--explain", "all:10/core", "--json"))["cores"]
        self.assertEqual([c["cpu"] for c in chosen], [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])

    def test_obeys_the_affinity_of_its_caller(self):
        one = min(os.sched_getaffinity(0))
        done = subprocess.run([ZOK, "topo", "--explain", "all", "--json"], capture_output=True, text=True, timeout=60, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual([c["cpu"] for c in json.loads(done.stdout)["cores"]], [one])

    def test_refuses_what_cannot_be_had_in_one_line(self):
        for machine, cores, said in (
                (EIGHT_NODES, "64", "cores: 64: no such core here; allowed are 0-63"),
                (EIGHT_NODES, "node:8", "cores: node:8: no such node here; nodes are 0-7"),
                (EIGHT_NODES, "near:eth2", "cores: near:eth2: no such NIC or disk here; NICs and disks are eth0, nvme0n1, nvme1n1, eth1"),
                (EIGHT_NODES, "near:eth0:9", "cores: near:eth0:9: only 8 of them are to be had; allowed are 0-63"),
                (MEMORY_ONLY, "node:2", "cores: node:2: that node has memory only, no cores; allowed are 0-3"),
                (EIGHT_NODES, "0,", "cores: 0,: an item is empty; accepted are N, N-M, all")):
            done = topo(*machine, "--explain", cores)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith(f"zok topo: {said}"), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)


class Svg(unittest.TestCase):
    SVG = "{http://www.w3.org/2000/svg}"

    def draw(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "machine.svg")
            self.assertEqual(output(*arguments, "--svg", path), "")
            return xml.etree.ElementTree.parse(path).getroot()

    def test_draws_every_cpu_inside_the_page(self):
        for machine, count in ((TWO_BY_64, 256), (EIGHT_NODES, 64), (HYBRID, 24), (MEMORY_ONLY, 4)):
            root = self.draw(*machine)
            width, height = int(root.get("width")), int(root.get("height"))
            boxes = root.findall(f"{self.SVG}rect[@x]")
            self.assertEqual(sum(box.get("class") == "cpu" and box.get("width") == "30" for box in boxes), count)
            for box in boxes:
                self.assertLessEqual(int(box.get("x")) + int(box.get("width")), width)
                self.assertLessEqual(int(box.get("y")) + int(box.get("height")), height)

    def test_no_two_cpus_overlap(self):
        root = self.draw(*TWO_BY_64)
        corners = [(int(b.get("x")), int(b.get("y"))) for b in root.findall(f"{self.SVG}rect[@class='cpu']") if b.get("width") == "30"]
        for i, (x, y) in enumerate(corners):
            self.assertFalse(any(abs(x - u) < 30 and abs(y - v) < 22 for u, v in corners[:i]))

    def test_shows_what_is_chosen_and_needs_nothing_else(self):
        root = self.draw(*EIGHT_NODES, "--explain", "node:1:3")
        self.assertEqual(sum(b.get("class") == "chosen" and b.get("width") == "30" for b in root.iter(f"{self.SVG}rect")), 3)
        text = xml.etree.ElementTree.tostring(root, encoding="unicode")
        self.assertNotRegex(text, r"href|url\(|@import|<script|<image")
        self.assertIn("NIC eth0 0000:61:00.0", text)


class BadInput(unittest.TestCase):
    def test_names_the_option_and_what_it_would_accept(self):
        for arguments, said in (
                (["--jason"], "zok topo: --jason: no such option; there are --explain LIST, "),
                (["--explain"], "zok topo: --explain: takes a value: LIST"),
                (["--json=yes"], "zok topo: --json: takes no value"),
                (["node:0"], "zok topo: node:0: takes no arguments; a core list stands behind --explain"),
                (["--json", "--svg", "x"], "zok topo: --svg: not with --json"),
                (["--xml", "/nowhere.xml"], "zok topo: /nowhere.xml: No such file"),
                (["--xml", __file__], f"zok topo: {__file__}: hwloc reads no topology from it"),
                (["--synthetic", "cheese:2"], "zok topo: --synthetic: hwloc does not understand it; it takes such as"),
                (["--synthetic", "pu:2", "--xml", "x"], "zok topo: --xml: not with --synthetic")):
            done = topo(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertTrue(done.stderr.startswith(said), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_says_when_it_cannot_write(self):
        self.assertEqual(topo("--svg", "/nowhere/x.svg").returncode, 1)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([ZOK, "topo"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)
        self.assertEqual(topo("--svg", "/dev/full").returncode, 1)

    def test_helps(self):
        self.assertIn("--explain LIST", output("--help"))
        self.assertIn("topo", subprocess.run([ZOK, "help"], capture_output=True, text=True, timeout=60).stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--zok", required=True)
    known, rest = parser.parse_known_args()
    ZOK = os.path.abspath(known.zok)
    if topo(*TWO_BY_64).returncode == 1:
        print("built without hwloc, which makes the big machines up: skipped")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
