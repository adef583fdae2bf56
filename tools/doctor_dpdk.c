/* What a DPDK port would need of this machine. A kernel's socket needs none of it, so nothing here is worse than a note. */
#include "tools/doctor.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool exists(const struct doctor *doctor, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof full, "%s%s", doctor->root, path);
	return access(full, F_OK) == 0;
}

static unsigned count_entries(const struct doctor *doctor, const char *path)
{
	char full[PATH_MAX];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder;

	snprintf(full, sizeof full, "%s%s", doctor->root, path);
	folder = opendir(full);
	while (folder && (entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return count;
}

static bool has_huge_pages(const struct doctor *doctor)
{
	return doctor_read_number(doctor, "/proc/sys/vm/nr_hugepages") > 0 ||
	       doctor_read_number(doctor, "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages") > 0;
}

static void lack(char *text, size_t size, const char *what)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? "; " : "", what);
}

void doctor_check_dpdk(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char lacks[DOCTOR_SAW_SIZE] = "";

	if (!exists(doctor, "/usr/lib/x86_64-linux-gnu/dpdk") && !exists(doctor, "/usr/lib/aarch64-linux-gnu/dpdk"))
		lack(lacks, sizeof lacks, "DPDK's drivers are not installed");
	if (!has_huge_pages(doctor))
		lack(lacks, sizeof lacks, "no huge pages are reserved");
	if (!exists(doctor, "/sys/module/vfio_pci"))
		lack(lacks, sizeof lacks, "the module vfio-pci is not loaded");
	if (count_entries(doctor, "/sys/kernel/iommu_groups") == 0)
		lack(lacks, sizeof lacks, "there is no IOMMU");
	if (!lacks[0]) {
		doctor_add(doctor, "dpdk", DOCTOR_OK, "drivers, huge pages, vfio-pci and an IOMMU are there");
		return;
	}
	finding = doctor_add(doctor, "dpdk", DOCTOR_NOTE, "%s", lacks);
	finding->why = "only a port that is polled past the kernel needs these; af_packet and af_xdp do without vfio and IOMMU";
	doctor_mend(finding, "apt-get install dpdk; echo 512 > /proc/sys/vm/nr_hugepages; modprobe vfio-pci; intel_iommu=on or "
			     "amd_iommu=on on the kernel's command line");
}
