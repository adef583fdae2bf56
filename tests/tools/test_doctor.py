#!/usr/bin/env python3
"""zok doctor from outside: what it finds on made-up machines and why, its exit code by the worst, JSON against its schema, what --fix writes and its script
undoes, io_uring that is refused, and what bad input gets."""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

import schema

ZOK = REFUSE = None
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
THP = "sys/kernel/mm/transparent_hugepage"

# A machine on which all is well, as files below a root.
WELL = {
    f"{CPU}/online": "0-3",
    f"{CPU}/isolated": "0-3",
    f"{CPU}/nohz_full": "0-3",
    f"{CPU}/smt/active": "0",
    f"{CPU}/vulnerabilities/meltdown": "Not affected",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu0/cpuidle/state0/latency": "0",
    f"{CPU}/cpu0/cpuidle/state0/disable": "0",
    f"{CLOCK}/current_clocksource": "tsc",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm",
    f"{THP}/enabled": "always [madvise] never",
    f"{THP}/defrag": "always defer [madvise] never",
    "sys/devices/system/node/online": "0",
    "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "64",
    "sys/kernel/mm/ksm/run": "0",
    "sys/kernel/iommu_groups/0/type": "DMA",
    "sys/module/vfio_pci/refcnt": "0",
    "usr/lib/x86_64-linux-gnu/dpdk/pmds": "",
    "proc/stat": "cpu 100 0 100 1000 0 0 0 0 0 0",
    "proc/swaps": "Filename Type Size Used Priority",
    "proc/irq/24/eth0-rx/empty": "",
    "proc/irq/24/smp_affinity_list": "7",
    "proc/sys/kernel/nmi_watchdog": "0",
    "proc/sys/kernel/numa_balancing": "0",
    "proc/sys/kernel/perf_event_paranoid": "1",
    "proc/sys/net/core/somaxconn": "4096",
    "proc/sys/vm/nr_hugepages": "64",
    "proc/sys/vm/swappiness": "60",
}

# What each change of the machine above must give: check, severity, a word of what was seen, a word of what mends it.
ILL = [
    ({f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave"}, "governor", "warning", "powersave on 1", "performance"),
    ({f"{CPU}/cpu0/cpuidle/state1/latency": "20", f"{CPU}/cpu0/cpuidle/state1/disable": "0", f"{CPU}/cpu0/cpuidle/state1/name": "C1E"},
     "idle-states", "note", "C1E takes 20 us", "disable"),
    ({f"{CPU}/cpu0/cpuidle/state1/latency": "133", f"{CPU}/cpu0/cpuidle/state1/disable": "0", f"{CPU}/cpu0/cpuidle/state1/name": "C6"},
     "idle-states", "warning", "C6 takes 133 us", "disable"),
    ({f"{CPU}/smt/active": "1"}, "smt", "note", "siblings", "off"),
    ({f"{CPU}/isolated": "2-3"}, "isolation", "note", "isolcpus=2-3", "isolcpus="),
    ({f"{CPU}/nohz_full": "(null)"}, "isolation", "note", "nohz_full=none", "nohz_full="),
    ({f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI"}, "mitigations", "note", "1 active: meltdown", "mitigations=off"),
    ({f"{CLOCK}/current_clocksource": "hpet"}, "clock", "failure", "hpet", "echo tsc"),
    ({f"{CLOCK}/current_clocksource": "hpet", f"{CLOCK}/available_clocksource": "hpet"}, "clock", "failure", "hpet", "tsc=reliable"),
    ({f"{THP}/enabled": "[always] madvise never"}, "thp", "warning", "always", "echo madvise"),
    ({f"{THP}/defrag": "[always] defer madvise never"}, "thp-defrag", "warning", "always", "echo madvise"),
    ({"sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "0"}, "huge-pages", "note", "node 0: 0", "nr_hugepages"),
    ({"sys/kernel/mm/ksm/run": "1"}, "ksm", "warning", "on", "echo 0"),
    ({"proc/swaps": "Filename\n/dev/sda2 partition 1 0 -2\n"}, "swap", "warning", "1 in use", "swappiness=1"),
    ({"proc/stat": "cpu 100 0 100 9700 0 0 0 100 0 0"}, "steal", "failure", "1.00 %", "dedicated"),
    ({"proc/stat": "cpu 100 0 100 9700 0 0 0 10 0 0"}, "steal", "warning", "0.10 %", "dedicated"),
    ({"proc/irq/24/smp_affinity_list": "0-1"}, "irqs", "note", "no others", ""),
    ({"proc/irq/24/smp_affinity_list": "0-1", f"{CPU}/online": "0-7"}, "irqs", "warning", "24 (eth0-rx)", "echo 4-7"),
    ({"proc/sys/kernel/nmi_watchdog": "1"}, "nmi-watchdog", "note", "on", "nmi_watchdog=0"),
    ({"proc/sys/kernel/numa_balancing": "1"}, "numa-balancing", "warning", "on", "numa_balancing=0"),
    ({"proc/sys/kernel/perf_event_paranoid": "3"}, "perf-events", "note", "is 3", "paranoid=1"),
    ({"proc/sys/net/core/somaxconn": "128"}, "backlog", "warning", "128", "4096"),
    ({"proc/sys/vm/nr_hugepages": "0"}, "dpdk", "note", "no huge pages", "nr_hugepages"),
    ({f"{CLOCK}/current_clocksource": None}, "clock", "unknown", "does not say", ""),
]
LIMITS_OF_THE_PROCESS = {"memlock", "files", "realtime", "io_uring", "sqpoll", "cgroup", "node-memory", "spin"}


class Machine:
    """A folder with a machine's files."""

    def __init__(self, changes=()):
        self.folder = tempfile.TemporaryDirectory()
        for path, text in {**WELL, **dict(changes)}.items():
            if text is not None:
                self.write(path, text)

    def path(self, path):
        return os.path.join(self.folder.name, path)

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as file:
            return file.read().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


def doctor(*arguments, launcher=()):
    return subprocess.run([*launcher, ZOK, "doctor", *arguments], capture_output=True, text=True, timeout=60)


def findings(machine, *arguments):
    cores = () if "--cores" in arguments else ("--cores", "0-3")
    done = doctor("--root", machine.folder.name, "--json", *cores, *arguments)
    result = json.loads(done.stdout)
    return done, result


class Checks(unittest.TestCase):
    def test_a_machine_that_is_well_gives_nothing_worse(self):
        with Machine() as machine:
            _, result = findings(machine)
            for finding in result["findings"]:
                if finding["check"] not in LIMITS_OF_THE_PROCESS:
                    self.assertEqual(finding["severity"], "ok", finding)

    def test_each_illness_is_found_with_its_reason_and_its_cure(self):
        for changes, check, severity, saw, mend in ILL:
            with self.subTest(check=check, saw=saw), Machine(changes) as machine:
                name = "thp" if check == "thp-defrag" else check
                done, result = findings(machine, "--only", name)
                found = [finding for finding in result["findings"] if finding["check"] == check]
                self.assertEqual([finding["severity"] for finding in found], [severity], found)
                self.assertIn(saw, found[0]["saw"])
                self.assertIn(mend, found[0]["mend"])
                if severity != "unknown":
                    self.assertTrue(found[0]["why"])
                self.assertEqual(done.returncode, {"failure": 4, "warning": 3}.get(severity, 0))
                self.assertEqual(result["worst"], severity)

    def test_every_check_is_listed_and_makes_a_finding(self):
        names = [line.split()[0] for line in doctor("--list").stdout.splitlines()]
        self.assertGreater(len(names), 20)
        with Machine() as machine:
            for name in names:
                _, result = findings(machine, "--only", name)
                self.assertTrue(result["findings"], name)

    def test_this_machine_answers_its_schema(self):
        with open(os.path.join(ROOT, "docs", "schemas", "doctor.schema.json"), encoding="utf-8") as file:
            rules = json.load(file)
        done = doctor("--json")
        self.assertIn(done.returncode, (0, 3, 4), done.stderr)
        self.assertEqual(list(schema.problems(json.loads(done.stdout), rules)), [])

    def test_text_fits_a_terminal_of_100_columns_but_for_commands(self):
        with Machine({f"{THP}/enabled": "[always] madvise never"}) as machine:
            text = doctor("--root", machine.folder.name, "--all").stdout
        for line in text.splitlines():
            if " " in line.strip():
                self.assertLessEqual(len(line), 120, line)
        self.assertRegex(text, re.compile(r"^WARN  thp .*always$", re.MULTILINE))
        self.assertRegex(text.splitlines()[-1], r"\d+ failures, \d+ warnings, \d+ notes, \d+ not known, \d+ well$")


class Fix(unittest.TestCase):
    ILL = {f"{THP}/enabled": "[always] madvise never", "proc/sys/kernel/numa_balancing": "1", f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
           "proc/irq/24/smp_affinity_list": "0-1", f"{CPU}/online": "0-7"}

    def test_what_is_safe_is_mended_and_can_be_undone(self):
        with Machine(self.ILL) as machine:
            undo = machine.path("undo.sh")
            done, result = findings(machine, "--only", "thp,numa-balancing,governor,irqs", "--fix", "--undo", undo)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(undo, done.stderr)
            self.assertEqual(machine.read(f"{THP}/enabled"), "madvise")
            self.assertEqual(machine.read("proc/sys/kernel/numa_balancing"), "0")
            self.assertEqual(machine.read(f"{CPU}/cpu0/cpufreq/scaling_governor"), "performance")
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "4-7")
            self.assertTrue(all(finding["is_fixed"] for finding in result["findings"] if finding["severity"] == "warning"))
            subprocess.run(["sh", undo], check=True)
            self.assertEqual(machine.read(f"{THP}/enabled"), "always")
            self.assertEqual(machine.read("proc/sys/kernel/numa_balancing"), "1")
            self.assertEqual(machine.read(f"{CPU}/cpu0/cpufreq/scaling_governor"), "powersave")
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "0-1")

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody who may not write")
    def test_what_is_refused_is_told_and_stays(self):
        with Machine(self.ILL) as machine:
            program = shutil.copy(ZOK, machine.path("zok"))
            os.chmod(machine.folder.name, 0o777)
            done = subprocess.run([program, "doctor", "--root", machine.folder.name, "--json", "--only", "thp", "--fix", "--undo", machine.path("undo.sh")],
                                  capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[])
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("Permission denied", done.stderr)
            finding = json.loads(done.stdout)["findings"][0]
            self.assertFalse(finding["is_fixed"])
            self.assertEqual(finding["changes"][0]["error"], "Permission denied")
            self.assertEqual(machine.read(f"{THP}/enabled"), "[always] madvise never")

    def test_nothing_changes_without_the_script(self):
        with Machine(self.ILL) as machine:
            undo = machine.path("undo.sh")
            with open(undo, "w", encoding="utf-8") as file:
                file.write("somebody's\n")
            done = doctor("--root", machine.folder.name, "--fix", "--undo", undo, "--only", "thp")
            self.assertEqual(done.returncode, 1)
            self.assertIn("File exists", done.stderr)
            self.assertEqual(machine.read(f"{THP}/enabled"), "[always] madvise never")

    def test_a_long_list_of_cpus_is_written_and_put_back_whole(self):
        even = ",".join(str(cpu) for cpu in range(0, 128, 2))
        with Machine({f"{CPU}/online": "0-255", "proc/irq/24/smp_affinity_list": even}) as machine:
            undo = machine.path("undo.sh")
            odd = ",".join(str(cpu) for cpu in range(1, 128, 2))
            done, result = findings(machine, "--cores", odd + ",128-255," + even[2:], "--only", "irqs", "--fix", "--undo", undo)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "0")
            self.assertIn("IRQBALANCE_BANNED_CPULIST=" + odd, result["findings"][0]["mend"])
            subprocess.run(["sh", undo], check=True)
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), even)
            done, _ = findings(machine, "--cores", odd, "--only", "irqs", "--fix", "--undo", machine.path("2.sh"))
            self.assertIn("nothing that is safe to mend", done.stderr)
            machine.write("proc/irq/24/smp_affinity_list", "1")
            done, _ = findings(machine, "--cores", odd, "--only", "irqs", "--fix", "--undo", machine.path("3.sh"))
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), even + ",128-255")

    def test_a_list_that_does_not_fit_is_left_to_the_operator(self):
        every_third = ",".join(str(cpu) for cpu in range(0, 999, 3))
        for before, online in ((every_third, "0-1023"), ("0-1", every_third)):
            with self.subTest(before=before[:5]), Machine({f"{CPU}/online": online, "proc/irq/24/smp_affinity_list": before}) as machine:
                undo = machine.path("undo.sh")
                done, result = findings(machine, "--only", "irqs", "--fix", "--undo", undo)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), before)
                self.assertFalse(os.path.exists(undo))
                self.assertFalse(result["findings"][0]["is_fixed"])
                self.assertIn("smp_affinity_list", result["findings"][0]["mend"])

    def test_what_is_left_out_keeps_the_finding(self):
        every_third = ",".join(str(cpu) for cpu in range(0, 999, 3))
        with Machine({**self.ILL, "proc/irq/25/eth1/empty": "", "proc/irq/25/smp_affinity_list": every_third}) as machine:
            done, result = findings(machine, "--only", "irqs", "--fix", "--undo", machine.path("undo.sh"))
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "4-7")
            self.assertEqual(machine.read("proc/irq/25/smp_affinity_list"), every_third)
            self.assertFalse(result["findings"][0]["is_fixed"])

    def test_interrupts_that_the_kernel_manages_are_let_be(self):
        with Machine({**self.ILL, "proc/irq/25/nvme0q1/empty": "", "proc/irq/25/smp_affinity_list": "0"}) as machine:
            os.chmod(machine.path("proc/irq/25/smp_affinity_list"), 0o444)
            undo = machine.path("undo.sh")
            done, _ = findings(machine, "--only", "irqs", "--fix", "--undo", undo)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "4-7")
            self.assertEqual(machine.read("proc/irq/25/smp_affinity_list"), "0")
            with open(undo, encoding="utf-8") as file:
                self.assertNotIn("/irq/25/", file.read())

    def fix_with_files_of(self, size, machine, cores):
        """The doctor where a file may have so many bytes: what is longer is written short first, then refused."""

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        return subprocess.run([ZOK, "doctor", "--root", machine.folder.name, "--cores", cores, "--only", "irqs", "--fix", "--undo", machine.path("undo.sh")],
                              capture_output=True, text=True, timeout=60, preexec_fn=limit, restore_signals=False)

    def test_half_a_script_is_taken_away_and_nothing_changes(self):
        with Machine(self.ILL) as machine:
            done = self.fix_with_files_of(20, machine, "0-3")
            self.assertEqual(done.returncode, 1)
            self.assertIn("File too large", done.stderr)
            self.assertFalse(os.path.exists(machine.path("undo.sh")))
            self.assertEqual(machine.read("proc/irq/24/smp_affinity_list"), "0-1")

    def test_a_short_write_is_an_error_of_its_own(self):
        with Machine({**self.ILL, f"{CPU}/online": "0-1," + ",".join(str(cpu) for cpu in range(4, 240, 2))}) as machine:
            done = self.fix_with_files_of(300, machine, "0-1")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("smp_affinity_list: Input/output error", done.stderr)

    def test_a_root_that_would_break_the_script_is_refused(self):
        for root in ("/tmp/it's", "/tmp/a\nb"):
            done = doctor("--root", root, "--fix")
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn("--root: holds a quote or a newline", done.stderr)

    def test_what_would_end_the_quotes_of_the_script_is_left_out(self):
        with Machine({f"{CPU}/cpu0/cpufreq/scaling_governor": "'; touch x; '"}) as machine:
            done, _ = findings(machine, "--only", "governor", "--fix", "--undo", machine.path("undo.sh"))
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertFalse(os.path.exists(machine.path("undo.sh")))

    def test_nothing_to_mend_writes_no_script(self):
        with Machine() as machine:
            done = doctor("--root", machine.folder.name, "--fix", "--undo", machine.path("undo.sh"), "--only", "thp")
            self.assertEqual(done.returncode, 0)
            self.assertIn("nothing that is safe to mend", done.stderr)
            self.assertFalse(os.path.exists(machine.path("undo.sh")))


class Uring(unittest.TestCase):
    def test_a_refusal_by_seccomp_is_told_from_the_others(self):
        for errno, word in (("eperm", "seccomp"), ("enosys", "")):
            done = doctor("--only", "io_uring", "--json", launcher=(REFUSE, errno))
            if done.returncode == 77:
                self.skipTest("no seccomp filter can be set here")
            finding = json.loads(done.stdout)["findings"][0]
            self.assertEqual(finding["severity"], "failure")
            self.assertIn(word, finding["saw"])
            self.assertEqual(done.returncode, 4)


class Tried(unittest.TestCase):
    """What only a try tells, where a filter says no to it."""

    # What is refused, the check that notices, its severity, what it saw, what mends it.
    REFUSED = [
        ("eperm:mbind", "node-memory", ("note", "warning"), "mbind: Operation not permitted", "--cap-add=SYS_NICE"),
        ("enosys:mbind", "node-memory", ("note", "warning"), "mbind: Function not implemented", "mbind"),
        ("eperm:move_pages", "node-memory", ("note", "warning"), "move_pages: Operation not permitted", "move_pages"),
        ("eperm:huge-pages", "huge-pages", ("warning",), "mmap: Operation not permitted", "MAP_HUGETLB"),
        ("eperm:perf", "perf-events", ("note",), "perf_event_open: Operation not permitted; perf_event_paranoid is", "--cap-add=PERFMON"),
        ("enosys:perf", "perf-events", ("note",), "perf_event_open: Function not implemented", "CONFIG_PERF_EVENTS"),
        ("eperm:realtime", "realtime", ("note",), "SCHED_FIFO: Operation not permitted; RLIMIT_RTPRIO is", ""),
    ]

    def finding(self, refused, check, wrap=()):
        done = doctor("--only", check, "--json", launcher=(*wrap, REFUSE, refused) if refused else wrap)
        if done.returncode == 77:
            self.skipTest("no seccomp filter can be set here")
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return next(one for one in json.loads(done.stdout)["findings"] if one["check"] == check)

    def test_a_filter_that_refuses_is_told_with_its_cure(self):
        for refused, check, severities, saw, mend in self.REFUSED:
            with self.subTest(refused=refused):
                finding = self.finding(refused, check)
                self.assertIn(finding["severity"], severities, finding)
                self.assertIn(saw, finding["saw"])
                self.assertIn(mend, finding["mend"])
                self.assertTrue(finding["why"] and finding["mend"] and finding["undo"], finding)

    def test_a_page_of_each_node_is_read_back(self):
        finding = self.finding(None, "node-memory")
        if finding["severity"] == "ok":
            self.assertIn("read back by move_pages", finding["saw"])
        else:
            self.assertTrue(finding["why"], finding)

    def test_what_a_spinning_core_waits_with_is_told_without_io_uring_too(self):
        for refused in (None, "eperm"):
            finding = self.finding(refused, "spin")
            self.assertEqual(finding["severity"], "ok", finding)
            self.assertRegex(finding["saw"], r"waits with (pause: the processor has neither|tpause|mwaitx)")

    def test_huge_pages_are_had_and_given_back(self):
        path = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/"

        def count(name):
            with open(path + name, encoding="ascii") as file:
                return int(file.read())

        before = count("nr_hugepages") if os.access(path + "nr_hugepages", os.W_OK) else None
        if before is None or before != 0:
            self.skipTest("huge pages here are not a test's to change")
        try:
            with open(path + "nr_hugepages", "w", encoding="ascii") as file:
                file.write("2")
            if count("free_hugepages") != 2:
                self.skipTest("the kernel has no huge page to spare")
            finding = self.finding(None, "huge-pages")
            self.assertEqual(finding["severity"], "ok", finding)
            self.assertRegex(finding["saw"], r"^of 2 MiB on node 0: 2 \(2 free, one was had\)")
            self.assertEqual(count("free_hugepages"), 2)
            self.assertEqual(self.finding("eperm:mbind", "huge-pages")["severity"], "warning")
        finally:
            with open(path + "nr_hugepages", "w", encoding="ascii") as file:
                file.write(str(before))

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody with fewer rights")
    def test_who_has_no_right_to_them_is_told_which(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
        folder = tempfile.mkdtemp()
        try:
            os.chmod(folder, 0o755)
            program = shutil.copy(ZOK, folder)
            done = subprocess.run([*nobody, program, "doctor", "--only", "realtime,perf-events", "--json"], capture_output=True, text=True, timeout=60)
            found = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
        finally:
            shutil.rmtree(folder)
        if found["realtime"]["severity"] != "ok":
            self.assertIn("without CAP_SYS_NICE", found["realtime"]["saw"])
            self.assertIn("ulimit -r 1", found["realtime"]["mend"])
        with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as file:
            paranoid = int(file.read())
        if paranoid > 1:
            self.assertIn("perf_event_open: Permission denied", found["perf-events"]["saw"])
            self.assertIn("perf_event_paranoid=1", found["perf-events"]["mend"])
            self.assertIn(f"perf_event_paranoid={paranoid}", found["perf-events"]["undo"])


class BadInput(unittest.TestCase):
    WRONG = [
        (["--only", "colour"], "colour"),
        (["--only", "thp,,ksm"], "no check"),
        (["--cores", "999"], "999"),
        (["--undo", "x"], "--fix"),
        (["--frobnicate"], "--frobnicate"),
        (["thp"], "--only"),
        (["--root", "/nowhere"], "--root"),
    ]

    def test_each_gets_one_line_and_exit_code_2(self):
        for arguments, word in self.WRONG:
            with self.subTest(arguments=arguments):
                done = doctor(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--zok", required=True)
    parser.add_argument("--refuse", required=True)
    options, rest = parser.parse_known_args()
    ZOK, REFUSE = os.path.abspath(options.zok), os.path.abspath(options.refuse)
    unittest.main(argv=[sys.argv[0], *rest])
