/* What slows a processor down or takes it away for a while: frequency, idle states, SMT, isolation, mitigations, clock. */
#include "tools/doctor.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CPU "/sys/devices/system/cpu"

/* ---- Frequency ---- */

void doctor_check_governor(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char governor[DOCTOR_VALUE_SIZE], slow[DOCTOR_VALUE_SIZE] = "";
	unsigned seen = 0, slow_count = 0;

	for (int cpu = zok__bitset_next(&doctor->cpus, -1); cpu >= 0; cpu = zok__bitset_next(&doctor->cpus, cpu)) {
		if (doctor_read(doctor, governor, sizeof governor, CPU "/cpu%d/cpufreq/scaling_governor", cpu) <= 0)
			continue;
		seen++;
		if (strcmp(governor, "performance") == 0)
			continue;
		slow_count++;
		memcpy(slow, governor, sizeof slow);
	}
	if (seen == 0) {
		doctor_add(doctor, "governor", DOCTOR_OK, "no cpufreq: the frequency is the hypervisor's or the firmware's business");
		return;
	}
	if (slow_count == 0) {
		doctor_add(doctor, "governor", DOCTOR_OK, "performance on all %u CPUs", seen);
		return;
	}
	finding = doctor_add(doctor, "governor", DOCTOR_WARNING, "%s on %u of %u CPUs", slow, slow_count, seen);
	finding->why = "a processor that has slowed down takes tens to hundreds of microseconds to speed up again, and the first requests "
		       "after a pause pay for it";
	doctor_mend(finding, "for g in " CPU "/cpu*/cpufreq/scaling_governor; do echo performance > $g; done");
	doctor_undo(finding, "for g in " CPU "/cpu*/cpufreq/scaling_governor; do echo %s > $g; done", slow);
	for (int cpu = zok__bitset_next(&doctor->cpus, -1); cpu >= 0; cpu = zok__bitset_next(&doctor->cpus, cpu))
		if (doctor_read(doctor, governor, sizeof governor, CPU "/cpu%d/cpufreq/scaling_governor", cpu) > 0 &&
		    strcmp(governor, "performance") != 0)
			doctor_change(doctor, "performance", governor, CPU "/cpu%d/cpufreq/scaling_governor", cpu);
}

/* ---- Idle states ---- */

enum { STATES_MAX = 16, LATENCY_US_MAX = 10 };

static bool is_deep(const struct doctor *doctor, int cpu, int state)
{
	return doctor_read_number(doctor, CPU "/cpu%d/cpuidle/state%d/latency", cpu, state) > LATENCY_US_MAX &&
	       doctor_read_number(doctor, CPU "/cpu%d/cpuidle/state%d/disable", cpu, state) == 0;
}

/* The deepest state that is enabled on the first CPU that has any; -1: none is deep. */
static int deepest_state(const struct doctor *doctor, int cpu)
{
	int deepest = -1;

	for (int state = 0; state < STATES_MAX; state++)
		if (is_deep(doctor, cpu, state))
			deepest = state;
	return deepest;
}

void doctor_check_idle_states(struct doctor *doctor)
{
	int first = zok__bitset_next(&doctor->cpus, -1), deepest = first < 0 ? -1 : deepest_state(doctor, first);
	struct doctor_finding *finding;
	char name[32] = "";
	long latency_us;

	if (deepest < 0) {
		doctor_add(doctor, "idle-states", DOCTOR_OK, "no idle state here takes more than %d us to leave", LATENCY_US_MAX);
		return;
	}
	latency_us = doctor_read_number(doctor, CPU "/cpu%d/cpuidle/state%d/latency", first, deepest);
	doctor_read(doctor, name, sizeof name, CPU "/cpu%d/cpuidle/state%d/name", first, deepest);
	finding = doctor_add(doctor, "idle-states", latency_us >= 50 ? DOCTOR_WARNING : DOCTOR_NOTE, "%s takes %ld us to leave", name,
			     latency_us);
	finding->why = "a core that parks sleeps this deep, and the request that wakes it waits until it is back; a core in mode spin is "
		       "not touched";
	doctor_mend(finding, "for d in " CPU "/cpu*/cpuidle/state*/; do [ $(cat $d/latency) -le %d ] || echo 1 > $d/disable; done",
		    LATENCY_US_MAX);
	doctor_undo(finding, "for d in " CPU "/cpu*/cpuidle/state*/disable; do echo 0 > $d; done");
	for (int cpu = first; cpu >= 0; cpu = zok__bitset_next(&doctor->cpus, cpu))
		for (int state = 0; state < STATES_MAX; state++)
			if (is_deep(doctor, cpu, state))
				doctor_change(doctor, "1", "0", CPU "/cpu%d/cpuidle/state%d/disable", cpu, state);
}

/* ---- SMT and isolation ---- */

void doctor_check_smt(struct doctor *doctor)
{
	struct doctor_finding *finding;

	if (doctor_read_number(doctor, CPU "/smt/active") != 1) {
		doctor_add(doctor, "smt", DOCTOR_OK, "each CPU has a physical core to itself");
		return;
	}
	finding = doctor_add(doctor, "smt", DOCTOR_NOTE, "physical cores are shared by siblings");
	finding->why =
		"what runs on the sibling takes half of the core's units, and a spinning sibling more: keep it free, or switch SMT off";
	doctor_mend(finding, "echo off > " CPU "/smt/control");
	doctor_undo(finding, "echo on > " CPU "/smt/control");
}

static bool is_outside(const struct doctor *doctor, const char *path, char *list, size_t size)
{
	struct zok__bitset set;

	if (doctor_read(doctor, list, size, "%s", path) <= 0 || strcmp(list, "(null)") == 0 || zok__bitset_parse(list, &set) < 0)
		return true;
	for (int cpu = zok__bitset_next(&doctor->cpus, -1); cpu >= 0; cpu = zok__bitset_next(&doctor->cpus, cpu))
		if (!zok__bitset_has(&set, cpu))
			return true;
	return false;
}

void doctor_check_isolation(struct doctor *doctor)
{
	char isolated[256] = "", tickless[256] = "";
	bool is_shared = is_outside(doctor, CPU "/isolated", isolated, sizeof isolated);
	bool has_tick = is_outside(doctor, CPU "/nohz_full", tickless, sizeof tickless);
	struct doctor_finding *finding;

	if (!is_shared && !has_tick) {
		doctor_add(doctor, "isolation", DOCTOR_OK, "CPUs %s are isolated and tickless", doctor->cpu_list);
		return;
	}
	finding = doctor_add(doctor, "isolation", DOCTOR_NOTE, "CPUs %s: isolcpus=%s nohz_full=%s", doctor->cpu_list,
			     isolated[0] ? isolated : "none", tickless[0] && strcmp(tickless, "(null)") != 0 ? tickless : "none");
	finding->why = "the scheduler may put any other task on a gateway's cores, for milliseconds, and the timer tick interrupts them up "
		       "to 1,000 times a second";
	finding->needs_reboot = true;
	doctor_mend(finding, "add to GRUB_CMDLINE_LINUX in /etc/default/grub: isolcpus=managed_irq,domain,LIST nohz_full=LIST "
			     "rcu_nocbs=LIST; then update-grub (LIST: the gateway's cores, never all)");
	doctor_undo(finding, "take the three words out of /etc/default/grub again; update-grub");
}

/* ---- Mitigations ---- */

static unsigned count_mitigations(const struct doctor *doctor, char *names, size_t size, bool *is_known)
{
	char path[PATH_MAX], state[128];
	struct dirent *entry;
	unsigned count = 0;
	size_t used = 0;
	DIR *folder;

	snprintf(path, sizeof path, "%s" CPU "/vulnerabilities", doctor->root);
	folder = opendir(path);
	*is_known = folder != NULL;
	while (folder && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.' || doctor_read(doctor, state, sizeof state, CPU "/vulnerabilities/%.80s", entry->d_name) <= 0 ||
		    strncmp(state, "Mitigation", 10) != 0)
			continue;
		count++;
		if (used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "", entry->d_name);
	}
	if (folder)
		closedir(folder);
	return count;
}

void doctor_check_mitigations(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char names[192] = "";
	bool is_known;
	unsigned count = count_mitigations(doctor, names, sizeof names, &is_known);

	if (count == 0) {
		doctor_add(doctor, "mitigations", is_known ? DOCTOR_OK : DOCTOR_UNKNOWN,
			   is_known ? "none is active" : "the kernel does not say");
		return;
	}
	finding = doctor_add(doctor, "mitigations", DOCTOR_NOTE, "%u active: %s", count, names);
	finding->why = "each makes system calls, interrupts or switches between processes dearer; on a machine that runs nothing but "
		       "trusted code they can go";
	finding->needs_reboot = true;
	doctor_mend(finding, "add mitigations=off to GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub: only where every program on the "
			     "machine is trusted");
	doctor_undo(finding, "take mitigations=off out of /etc/default/grub again; update-grub");
}

/* ---- Time ---- */

void doctor_check_clock(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char current[DOCTOR_VALUE_SIZE], available[128];
	bool has_tsc;

	if (doctor_read(doctor, current, sizeof current, "/sys/devices/system/clocksource/clocksource0/current_clocksource") <= 0) {
		doctor_add(doctor, "clock", DOCTOR_UNKNOWN, "the kernel does not say by what it keeps time");
		return;
	}
	doctor_read(doctor, available, sizeof available, "/sys/devices/system/clocksource/clocksource0/available_clocksource");
	if (strcmp(current, "tsc") == 0 || strcmp(current, "arch_sys_counter") == 0 || strcmp(current, "kvm-clock") == 0) {
		doctor_add(doctor, "clock", DOCTOR_OK, "%s, read without a system call", current);
		return;
	}
	has_tsc = strstr(available, "tsc") != NULL;
	finding = doctor_add(doctor, "clock", DOCTOR_FAILURE, "%s (there are: %s)", current, available);
	finding->why =
		"each reading of the clock becomes a system call or a device access of a microsecond, several in each turn of the loop";
	finding->needs_reboot = !has_tsc;
	if (!has_tsc) {
		doctor_mend(finding,
			    "add tsc=reliable to the kernel's command line if the processor's counter is sound (dmesg | grep -i tsc)");
		return;
	}
	doctor_mend(finding, "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource");
	doctor_undo(finding, "echo %s > /sys/devices/system/clocksource/clocksource0/current_clocksource", current);
}

void doctor_check_watchdog(struct doctor *doctor)
{
	struct doctor_finding *finding;

	if (doctor_read_number(doctor, "/proc/sys/kernel/nmi_watchdog") != 1) {
		doctor_add(doctor, "nmi-watchdog", DOCTOR_OK, "off");
		return;
	}
	finding = doctor_add(doctor, "nmi-watchdog", DOCTOR_NOTE, "on");
	finding->why = "it interrupts every processor every few seconds and holds a performance counter";
	doctor_mend(finding, "sysctl -w kernel.nmi_watchdog=0");
	doctor_undo(finding, "sysctl -w kernel.nmi_watchdog=1");
	doctor_change(doctor, "0", "1", "/proc/sys/kernel/nmi_watchdog");
}
