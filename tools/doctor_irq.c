/* Interrupts of devices that may be handled on the cores that are asked about. */
#include "tools/doctor.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the kernel writes of a machine of a thousand odd CPUs. */
enum { LIST_SIZE = 4096 };

struct irqs {
	unsigned count, managed_count;
	char names[192];
	size_t used;
	bool is_cut;
	char others[DOCTOR_VALUE_SIZE]; /* CPUs that are online and not asked about */
	bool others_are_cut;
};

static bool meets(const struct zok__bitset *a, const struct zok__bitset *b)
{
	for (int cpu = zok__bitset_next(a, -1); cpu >= 0; cpu = zok__bitset_next(a, cpu))
		if (zok__bitset_has(b, cpu))
			return true;
	return false;
}

/* What the interrupt is for: the one folder below its own. */
static void read_action(const struct doctor *doctor, int irq, char *name, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof path, "%s/proc/irq/%d", doctor->root, irq);
	folder = opendir(path);
	name[0] = '\0';
	while (folder && !name[0] && (entry = readdir(folder)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			snprintf(name, size, "%.40s", entry->d_name);
	if (folder)
		closedir(folder);
}

/*
 * The kernel spreads the interrupts of multi-queue devices itself and refuses to move them ("managed"): their file has no write permission
 * (register_irq_proc() in kernel/irq/proc.c). That is not the operator's fault, so they are counted apart; isolcpus=managed_irq is what keeps them
 * away (irqbalance #349).
 */
static bool is_managed(const struct doctor *doctor, int irq)
{
	char path[PATH_MAX];
	struct stat status;

	snprintf(path, sizeof path, "%s/proc/irq/%d/smp_affinity_list", doctor->root, irq);
	return stat(path, &status) == 0 && !(status.st_mode & S_IWUSR);
}

/* What does not fit is cut off, and shown to be. */
static void append_name(struct irqs *irqs, int irq, const char *name)
{
	size_t room = sizeof irqs->names - irqs->used;
	int n;

	if (irqs->is_cut)
		return;
	n = snprintf(irqs->names + irqs->used, room, "%s%d (%s)", irqs->used ? ", " : "", irq, name);
	irqs->is_cut = n < 0 || (size_t)n >= room - sizeof ", ...";
	if (irqs->is_cut)
		snprintf(irqs->names + irqs->used, room, ", ...");
	else
		irqs->used += (size_t)n;
}

static void look_at(struct doctor *doctor, struct irqs *irqs, int irq, bool adds_changes)
{
	char list[LIST_SIZE], name[48];
	struct zok__bitset set;

	read_action(doctor, irq, name, sizeof name);
	if (!name[0] || doctor_read(doctor, list, sizeof list, "/proc/irq/%d/smp_affinity_list", irq) <= 0 ||
	    zok__bitset_parse(list, &set) < 0 || !meets(&set, &doctor->cpus))
		return;
	if (is_managed(doctor, irq)) {
		irqs->managed_count += !adds_changes;
		return;
	}
	if (adds_changes) {
		doctor_change(doctor, irqs->others, list, "/proc/irq/%d/smp_affinity_list", irq);
		return;
	}
	irqs->count++;
	append_name(irqs, irq, name);
}

static bool walk(struct doctor *doctor, struct irqs *irqs, bool adds_changes)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof path, "%s/proc/irq", doctor->root);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			look_at(doctor, irqs, atoi(entry->d_name), adds_changes);
	if (folder)
		closedir(folder);
	return folder != NULL;
}

static void find_others(const struct doctor *doctor, struct irqs *irqs)
{
	struct zok__bitset online;
	char list[LIST_SIZE];

	if (doctor_read(doctor, list, sizeof list, "/sys/devices/system/cpu/online") <= 0 || zok__bitset_parse(list, &online) < 0)
		return;
	for (int cpu = zok__bitset_next(&doctor->cpus, -1); cpu >= 0; cpu = zok__bitset_next(&doctor->cpus, cpu))
		zok__bitset_remove(&online, cpu);
	if (!zok__bitset_is_empty(&online))
		zok__bitset_format(&online, irqs->others, sizeof irqs->others);
	irqs->others_are_cut = strstr(irqs->others, "...") != NULL;
}

void doctor_check_irqs(struct doctor *doctor)
{
	struct irqs irqs = {0};
	struct doctor_finding *finding;

	find_others(doctor, &irqs);
	if (!walk(doctor, &irqs, false)) {
		doctor_add(doctor, "irqs", DOCTOR_UNKNOWN, "/proc/irq cannot be read");
		return;
	}
	if (irqs.count == 0) {
		doctor_add(doctor, "irqs", DOCTOR_OK, "no device interrupts CPUs %s%s", doctor->cpu_list,
			   irqs.managed_count ? " but by interrupts that the kernel manages itself" : "");
		return;
	}
	if (!irqs.others[0]) {
		finding = doctor_add(doctor, "irqs", DOCTOR_NOTE, "%u may come to CPUs %s, and there are no others to take them",
				     irqs.count, doctor->cpu_list);
		finding->why = "each takes the core for some microseconds; name the gateway's cores by --cores to see which of them can be "
			       "moved away";
		return;
	}
	finding = doctor_add(doctor, "irqs", DOCTOR_WARNING, "%u may come to CPUs %s: %s", irqs.count, doctor->cpu_list, irqs.names);
	finding->why = "an interrupt and the work behind it take the core for five to a hundred microseconds, whenever the device likes";
	doctor_mend(finding,
		    "for each: echo %s > /proc/irq/N/smp_affinity_list (and keep irqbalance off them: IRQBALANCE_BANNED_CPULIST=%s)",
		    irqs.others, doctor->cpu_list);
	doctor_undo(finding, "write back what stood there; --fix keeps it in its undo script");
	if (irqs.others_are_cut)
		finding->has_left_out = true; /* half a list would move them to the wrong CPUs */
	else
		walk(doctor, &irqs, true);
}
