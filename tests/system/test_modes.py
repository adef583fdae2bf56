#!/usr/bin/env python3
"""Every mode of every engine serves, and one that parks costs nothing while there is nothing to do; two cores serve together."""
import os
import select
import signal
import subprocess

import support
from support import connect, on_every_engine, receive

MODES = {"uring": ("park", "adaptive", "spin", "sqpoll"), "epoll": ("park", "adaptive", "spin")}
IDLE_S = 2


@on_every_engine
class Modes:
    def echoes(self, gateway, count=50):
        with connect(gateway.address) as peer:
            for i in range(count):
                peer.sendall(b"%05d" % i)
                self.assertEqual(receive(peer, 5), b"%05d" % i)

    def test_echo(self):
        for program in ("echo", "echo_task"):
            for mode in MODES[self.engine]:
                with self.subTest(program=program, mode=mode):
                    gateway = self.start(program, "--mode", mode)
                    self.echoes(gateway)
                    gateway.stop()

    def test_sqpoll_is_not_epolls(self):
        """It serves all the same."""
        gateway = self.start("echo", "--mode", "sqpoll")
        self.echoes(gateway)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.wait(), 0)

    def test_idle_costs_nothing(self):
        """Less than 1 % of a core; all of them idle at once. With a connection that says nothing."""
        gateways = [self.start(program, "--mode", mode) for program in ("echo", "echo_task") for mode in ("park", "adaptive")]
        peers = [connect(gateway.address) for gateway in gateways]
        for gateway, peer in zip(gateways, peers):
            peer.sendall(b"x")
            self.assertEqual(receive(peer, 1), b"x")
        before = [gateway.cpu_s() for gateway in gateways]
        self.assertEqual(select.select(peers, [], [], IDLE_S)[0], [], "nobody has asked for anything")
        for gateway, cpu_s in zip(gateways, before):
            self.assertLessEqual(gateway.cpu_s() - cpu_s, 0.01 * IDLE_S, gateway.process.args)
        for peer in peers:
            peer.close()
        for gateway in gateways:
            gateway.stop()

    def test_byte_for_byte(self):
        if not support.options.check_echo:
            self.skipTest("check_echo is not in this build (-Dbench)")
        for program in ("echo", "echo_task"):
            for mode in MODES[self.engine] if support.options.slow else ("park",):
                with self.subTest(program=program, mode=mode):
                    check = subprocess.run([support.options.check_echo, support.path_of(program), "--listen", "tcp://127.0.0.1:{port}",
                                            "--engine", self.engine, "--mode", mode], capture_output=True, text=True,
                                           timeout=3 * support.DEADLINE_S)
                    self.assertEqual(check.returncode, 0, check.stderr)

    def listeners(self, address):
        """How many sockets listen on its port."""
        place = "0100007F:%04X" % int(address.rpartition(":")[2])
        with open("/proc/net/tcp", encoding="ascii") as table:
            return sum(line.split()[1] == place and line.split()[3] == "0A" for line in table)

    def test_all_cores_listen_when_it_says_so(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one CPU")
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
        for program in ("echo", "echo_task", "relay"):
            to = ("--to", "tcp://127.0.0.1:1") if program == "relay" else ()
            for _ in range(5):
                gateway = self.start(program, *to, "--cores", cores)
                self.assertEqual(self.listeners(gateway.address), 2)
                gateway.stop()

    def test_two_cores(self):
        """The kernel spreads connections: crowds of them come until either thread has had work to do."""
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one processor")
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
        for program, *how in (("echo",), ("echo_task",), ("echo", "--distribute", "cpu"), ("echo", "--distribute", "load")):
            with self.subTest(program=program, how=how):
                gateway = self.start(program, "--cores", cores, *how)
                idle = self.switches(gateway)
                self.assertEqual(len(idle), 2)
                while any(count <= idle[core] + 5 for core, count in self.switches(gateway).items()):
                    self.crowd(gateway)
                gateway.stop()

    def crowd(self, gateway):
        peers = [connect(gateway.address) for _ in range(64)]
        for turn in range(20):
            for peer in peers:
                peer.sendall(b"%04d" % turn)
            for peer in peers:
                self.assertEqual(receive(peer, 4), b"%04d" % turn)
        for peer in peers:
            peer.close()

    def switches(self, gateway):
        """How often each core's thread has slept. The first core is the main thread, the others have names."""
        counts = {}
        for thread in os.listdir(f"/proc/{gateway.pid}/task"):
            folder = f"/proc/{gateway.pid}/task/{thread}"
            with open(f"{folder}/comm", encoding="ascii") as comm, open(f"{folder}/status", encoding="ascii") as status:
                name = comm.read().strip()
                if int(thread) == gateway.pid or name.startswith("zok-core-"):
                    counts[name] = int(status.read().partition("voluntary_ctxt_switches:")[2].split()[0])
        return counts


if __name__ == "__main__":
    support.main()
