#include "runtime/symbols.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- A file's own table of symbols ---- */

struct image {
	const char *base;
	size_t size;
};

static bool image_open(struct image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *base = MAP_FAILED;

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size > 0) {
		image->size = (size_t)status.st_size;
		base = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	image->base = base == MAP_FAILED ? NULL : base;
	return image->base != NULL;
}

/* `count` things of `size` bytes at `offset`, if the file has them all and they are aligned. */
static const void *image_at(const struct image *image, uint64_t offset, uint64_t count, size_t size)
{
	if (offset > image->size || offset % 8 != 0 || count > (image->size - offset) / size)
		return NULL;
	return image->base + offset;
}

static const ElfW(Shdr) * sections_of(const struct image *image, unsigned *count)
{
	const ElfW(Ehdr) *header = image_at(image, 0, 1, sizeof *header);
	int own_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != own_class ||
	    header->e_shentsize != sizeof(ElfW(Shdr)))
		return NULL;
	*count = header->e_shnum;
	return image_at(image, header->e_shoff, *count, sizeof(ElfW(Shdr)));
}

static bool symbol_holds(const ElfW(Sym) * symbol, uint64_t address)
{
	/* The type lies in the low four bits, for both classes. */
	return (symbol->st_info & 15) == STT_FUNC && symbol->st_shndx != SHN_UNDEF && address >= symbol->st_value &&
	       address - symbol->st_value < symbol->st_size;
}

static void take_name(struct zok__symbol *out, const struct image *image, const ElfW(Shdr) * strings, const ElfW(Sym) * symbol)
{
	size_t length;

	if (strings->sh_offset > image->size || strings->sh_size > image->size - strings->sh_offset || symbol->st_name >= strings->sh_size)
		return;
	length = strnlen(image->base + strings->sh_offset + symbol->st_name, strings->sh_size - symbol->st_name);
	if (length >= sizeof out->name)
		length = sizeof out->name - 1;
	memcpy(out->name, image->base + strings->sh_offset + symbol->st_name, length);
	out->name[length] = '\0';
	out->offset = out->module_offset - symbol->st_value;
}

static void search_table(struct zok__symbol *out, const struct image *image, const ElfW(Shdr) * table, const ElfW(Shdr) * strings)
{
	size_t count = table->sh_size / sizeof(ElfW(Sym));
	const ElfW(Sym) *symbols = image_at(image, table->sh_offset, count, sizeof *symbols);

	for (size_t i = 0; symbols && i < count && out->name[0] == '\0'; i++)
		if (symbol_holds(&symbols[i], out->module_offset))
			take_name(out, image, strings, &symbols[i]);
}

static void search_file(struct zok__symbol *out, const char *path)
{
	const ElfW(Shdr) * sections;
	struct image image;
	unsigned count = 0;

	if (!image_open(&image, path))
		return;
	sections = sections_of(&image, &count);
	for (unsigned i = 0; sections && i < count; i++)
		if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < count)
			search_table(out, &image, &sections[i], &sections[sections[i].sh_link]);
	munmap((void *)(uintptr_t)image.base, image.size);
}

/* ---- This process ---- */

/* The program's own name is what it was started by, which need not lead to its file any more. */
static void take_module(struct zok__symbol *symbol, const char *name)
{
	ssize_t length;

	if (name[0] != '\0') {
		snprintf(symbol->module, sizeof symbol->module, "%s", name);
		return;
	}
	length = readlink("/proc/self/exe", symbol->module, sizeof symbol->module - 1);
	symbol->module[length > 0 ? length : 0] = '\0';
}

void zok__symbol_find(struct zok__symbol *symbol, const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	*symbol = (struct zok__symbol){.name = ""};
	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return;
	take_module(symbol, map->l_name);
	symbol->module_offset = (uintptr_t)address - map->l_addr;
	if (info.dli_sname) {
		snprintf(symbol->name, sizeof symbol->name, "%s", info.dli_sname);
		symbol->offset = (uintptr_t)address - (uintptr_t)info.dli_saddr;
	} else {
		search_file(symbol, map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe");
	}
}

/* ---- The kernel ---- */

/* The nearest symbol below each address so far. */
static void look_at_line(struct zok__symbol *symbols, const uint64_t *addresses, unsigned count, uint64_t value, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (value > addresses[i] || addresses[i] - value >= symbols[i].offset)
			continue;
		symbols[i].offset = addresses[i] - value;
		memcpy(symbols[i].name, name, strlen(name) + 1);
	}
}

void zok__symbol_find_kernel(struct zok__symbol *symbols, const uint64_t *addresses, unsigned count)
{
	FILE *file = count > 0 ? fopen("/proc/kallsyms", "re") : NULL;
	char line[512], name[ZOK__SYMBOL_NAME_SIZE];
	unsigned long long value;

	/* Further away than this is no function that holds it. */
	for (unsigned i = 0; i < count; i++)
		symbols[i] = (struct zok__symbol){.offset = 1 << 20};
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "%llx %*c %63s", &value, name) == 2 && value != 0)
			look_at_line(symbols, addresses, count, value, name);
	if (file)
		fclose(file);
}
