/* Who else has a claim on the processors (a cgroup's quota, the hypervisor), and how many files and waiting clients it may have. */
#include "tools/doctor.h"

#include "numa/cpuset.h"
#include "numa/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* ---- cgroup ---- */

static unsigned cpu_count(const struct zok__bitset *set)
{
	unsigned count = 0;

	for (int cpu = zok__bitset_next(set, -1); cpu >= 0; cpu = zok__bitset_next(set, cpu))
		count++;
	return count;
}

void doctor_check_cgroup(struct doctor *doctor)
{
	struct zok__allowance allowance;
	struct doctor_finding *finding;

	if (zok__allowance_read(doctor->root, &doctor->cpus, &allowance) < 0) {
		doctor_add(doctor, "cgroup", DOCTOR_UNKNOWN, "no memory to read the cgroup's files");
		return;
	}
	if (allowance.quota_cpu_milli == 0) {
		doctor_add(doctor, "cgroup", DOCTOR_OK, "no quota of processor time");
		return;
	}
	if (allowance.quota_cpu_milli >= 1000 * (uint64_t)cpu_count(&doctor->cpus)) {
		doctor_add(doctor, "cgroup", DOCTOR_NOTE, "a quota of %.2f CPUs, for %u", (double)allowance.quota_cpu_milli / 1000,
			   cpu_count(&doctor->cpus));
		return;
	}
	finding = doctor_add(doctor, "cgroup", DOCTOR_FAILURE, "a quota of %.2f CPUs, for %u: they will be throttled",
			     (double)allowance.quota_cpu_milli / 1000, cpu_count(&doctor->cpus));
	finding->why = "when the quota of a period (100 ms as a rule) is used up, every thread of the group stands still until the next: "
		       "the tail is tens of milliseconds";
	doctor_mend(finding, "give the group as many CPUs as cores (cpu.max, docker --cpus, resources.limits.cpu), or whole CPUs by cpuset "
			     "and no quota");
	doctor_undo(finding, "set the quota that was");
}

/* ---- The hypervisor ---- */

/* All ticks, and those that another guest had: the first line of /proc/stat. */
static bool read_ticks(const struct doctor *doctor, unsigned long long *total, unsigned long long *steal)
{
	unsigned long long t[8] = {0};
	char *text = doctor_read_all(doctor, "/proc/stat");
	int n = text ? sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7])
		     : 0;

	free(text);
	*total = 0;
	for (int i = 0; i < 8; i++)
		*total += t[i];
	*steal = t[7];
	return n == 8 && *total > 0;
}

void doctor_check_steal(struct doctor *doctor)
{
	struct doctor_finding *finding;
	unsigned long long total, steal;
	double percent;

	if (!read_ticks(doctor, &total, &steal)) {
		doctor_add(doctor, "steal", DOCTOR_UNKNOWN, "/proc/stat does not tell");
		return;
	}
	percent = 100.0 * (double)steal / (double)total;
	if (steal == 0 || percent < 0.01) {
		doctor_add(doctor, "steal", DOCTOR_OK, "%.3f %% of the time since the start", percent);
		return;
	}
	finding =
		doctor_add(doctor, "steal", percent >= 1 ? DOCTOR_FAILURE : DOCTOR_WARNING, "%.2f %% of the time since the start", percent);
	finding->why = "the hypervisor gave the processor to another guest in the middle of whatever ran: stops of milliseconds that "
		       "nothing in here can prevent";
	doctor_mend(finding, "dedicated processors: a bare machine, an instance with dedicated CPUs, or vcpupin on the host");
}

/* ---- What the process may have ---- */

enum { FILES_MIN = 65536 };

void doctor_check_files(struct doctor *doctor)
{
	struct doctor_finding *finding;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		doctor_add(doctor, "files", DOCTOR_UNKNOWN, "the limit cannot be read");
		return;
	}
	if (limit.rlim_cur >= FILES_MIN) {
		doctor_add(doctor, "files", DOCTOR_OK, "%llu", (unsigned long long)limit.rlim_cur);
		return;
	}
	finding = doctor_add(doctor, "files", DOCTOR_NOTE, "%llu (at most %llu)", (unsigned long long)limit.rlim_cur,
			     (unsigned long long)limit.rlim_max);
	finding->why = "a connection is a descriptor; a gateway that has used them up lets new clients wait";
	doctor_mend(finding, "ulimit -n %d (LimitNOFILE= in a systemd unit, nofile in /etc/security/limits.conf)", FILES_MIN);
	doctor_undo(finding, "ulimit -n %llu", (unsigned long long)limit.rlim_cur);
}

enum { BACKLOG_MIN = 1024 };

void doctor_check_backlog(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char before[24];
	long value = doctor_read_number(doctor, "/proc/sys/net/core/somaxconn");

	if (value < 0 || value >= BACKLOG_MIN) {
		doctor_add(doctor, "backlog", value < 0 ? DOCTOR_UNKNOWN : DOCTOR_OK, "net.core.somaxconn is %ld", value);
		return;
	}
	snprintf(before, sizeof before, "%ld", value);
	finding = doctor_add(doctor, "backlog", DOCTOR_WARNING, "net.core.somaxconn is %ld", value);
	finding->why = "when more clients than that connect at once the kernel drops their handshakes, and they try again after a second";
	doctor_mend(finding, "sysctl -w net.core.somaxconn=4096");
	doctor_undo(finding, "sysctl -w net.core.somaxconn=%s", before);
	doctor_change(doctor, "4096", before, "/proc/sys/net/core/somaxconn");
}
