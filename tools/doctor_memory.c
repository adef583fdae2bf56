/* What makes memory slow for a moment: pages that are moved, merged, swapped or faulted in; and limits on locked memory. */
#include "tools/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define THP "/sys/kernel/mm/transparent_hugepage"

static void check_thp_file(struct doctor *doctor, const char *check, const char *path, const char *why)
{
	struct doctor_finding *finding;
	char choice[DOCTOR_VALUE_SIZE];

	if (!doctor_read_choice(doctor, choice, sizeof choice, path)) {
		doctor_add(doctor, check, DOCTOR_OK, "the kernel has none");
		return;
	}
	if (strcmp(choice, "always") != 0) {
		doctor_add(doctor, check, DOCTOR_OK, "%s", choice);
		return;
	}
	finding = doctor_add(doctor, check, DOCTOR_WARNING, "always");
	finding->why = why;
	doctor_mend(finding, "echo madvise > %s", path);
	doctor_undo(finding, "echo always > %s", path);
	doctor_change(doctor, "madvise", "always", "%s", path);
}

void doctor_check_thp(struct doctor *doctor)
{
	check_thp_file(doctor, "thp", THP "/enabled",
		       "the kernel gathers small pages into huge ones behind a program's back and stops it meanwhile; what wants huge "
		       "pages asks for them");
	check_thp_file(doctor, "thp-defrag", THP "/defrag", "a page fault may have to compact memory first, which takes milliseconds");
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n')
		count += *text != '\n';
	return count;
}

void doctor_check_swap(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char *swaps = doctor_read_all(doctor, "/proc/swaps");
	unsigned count = count_lines(swaps); /* a heading, and a line each */
	long swappiness = doctor_read_number(doctor, "/proc/sys/vm/swappiness");
	char before[24];

	free(swaps);
	if (count < 2) {
		doctor_add(doctor, "swap", DOCTOR_OK, "none");
		return;
	}
	snprintf(before, sizeof before, "%ld", swappiness);
	finding = doctor_add(doctor, "swap", swappiness > 1 ? DOCTOR_WARNING : DOCTOR_NOTE, "%u in use, swappiness %ld", count - 1,
			     swappiness);
	finding->why = "a page that was swapped out comes back in milliseconds, in the middle of a request";
	doctor_mend(finding,
		    swappiness > 1 ? "sysctl -w vm.swappiness=1; swapoff -a where memory suffices" : "swapoff -a where memory suffices");
	doctor_undo(finding, "sysctl -w vm.swappiness=%s; swapon -a", before);
	if (swappiness > 1)
		doctor_change(doctor, "1", before, "/proc/sys/vm/swappiness");
}

void doctor_check_numa_balancing(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char before[24];
	long value = doctor_read_number(doctor, "/proc/sys/kernel/numa_balancing");

	if (value <= 0) {
		doctor_add(doctor, "numa-balancing", DOCTOR_OK, value < 0 ? "the kernel has none" : "off");
		return;
	}
	snprintf(before, sizeof before, "%ld", value);
	finding = doctor_add(doctor, "numa-balancing", DOCTOR_WARNING, "on");
	finding->why = "the kernel takes pages away for a while to see who touches them, and moves them: page faults in the middle of "
		       "requests, for memory that is placed already";
	doctor_mend(finding, "sysctl -w kernel.numa_balancing=0");
	doctor_undo(finding, "sysctl -w kernel.numa_balancing=%s", before);
	doctor_change(doctor, "0", before, "/proc/sys/kernel/numa_balancing");
}

void doctor_check_ksm(struct doctor *doctor)
{
	struct doctor_finding *finding;

	if (doctor_read_number(doctor, "/sys/kernel/mm/ksm/run") != 1) {
		doctor_add(doctor, "ksm", DOCTOR_OK, "off");
		return;
	}
	finding = doctor_add(doctor, "ksm", DOCTOR_WARNING, "on");
	finding->why = "equal pages are merged, and the first write to one copies it: a page fault where none is expected";
	doctor_mend(finding, "echo 0 > /sys/kernel/mm/ksm/run");
	doctor_undo(finding, "echo 1 > /sys/kernel/mm/ksm/run");
	doctor_change(doctor, "0", "1", "/sys/kernel/mm/ksm/run");
}

/* What a core's rings, receive buffers and mailboxes may come to, where locked. */
#define MEMLOCK_BYTES_MIN ((rlim_t)64 << 20)

void doctor_check_memlock(struct doctor *doctor)
{
	struct doctor_finding *finding;
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) {
		doctor_add(doctor, "memlock", DOCTOR_OK, "no limit");
		return;
	}
	if (limit.rlim_cur >= MEMLOCK_BYTES_MIN) {
		doctor_add(doctor, "memlock", DOCTOR_OK, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
		return;
	}
	finding = doctor_add(doctor, "memlock", DOCTOR_NOTE, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
	finding->why = "registered buffers, huge pages and mlock count against it, and kernels before 5.12 count rings, too: they are "
		       "refused when it is used up";
	doctor_mend(finding, "ulimit -l unlimited (LimitMEMLOCK=infinity in a systemd unit, memlock in /etc/security/limits.conf)");
	doctor_undo(finding, "ulimit -l %llu", (unsigned long long)limit.rlim_cur >> 10);
}
