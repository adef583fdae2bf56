/*
 * The machine drawn: packages hold nodes, nodes hold caches, caches hold physical cores, a core holds its CPUs; devices hang at their node. Every box is laid
 * out by the function that draws it: without a file it only says how large it is.
 */
#include "tools/topo.h"

enum {
	PAGE_WIDTH = 1760,
	NODE_WIDTH = 840, /* four caches of eight cores side by side */
	MARGIN = 24,
	GAP = 12,
	PAD = 10,
	HEAD = 24, /* of a box: its title */
	CPU_WIDTH = 30,
	CPU_HEIGHT = 22,
	LABEL = 7, /* a character of small text, about */
};

struct box {
	int width, height;
};

/* Boxes side by side, and on to the next row when it is full. */
struct flow {
	int left, top, room; /* where the first box stands, and how wide a row may be */
	int x, y, row_height;
	struct box used;
};

static void flow_begin(struct flow *flow, int left, int top, int room)
{
	*flow = (struct flow){.left = left, .top = top, .room = room, .x = left, .y = top};
}

/* Makes room for a box, and says where its corner stands. */
static void flow_place(struct flow *flow, struct box box, int *x, int *y)
{
	if (flow->x > flow->left && flow->x + box.width > flow->left + flow->room) {
		flow->x = flow->left;
		flow->y += flow->row_height + GAP;
		flow->row_height = 0;
	}
	*x = flow->x;
	*y = flow->y;
	flow->x += box.width + GAP;
	if (box.height > flow->row_height)
		flow->row_height = box.height;
	if (*x + box.width - flow->left > flow->used.width)
		flow->used.width = *x + box.width - flow->left;
	flow->used.height = flow->y + flow->row_height - flow->top;
}

static void write_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if ((unsigned char)*text >= ' ')
			fputc(*text, out);
	}
}

static void write_text(FILE *out, int x, int y, const char *class, const char *text)
{
	if (out == NULL)
		return;
	fprintf(out, "<text x='%d' y='%d' class='%s'>", x, y, class);
	write_escaped(out, text);
	fputs("</text>\n", out);
}

static void write_box(FILE *out, int x, int y, struct box box, int radius, const char *class)
{
	if (out != NULL)
		fprintf(out, "<rect x='%d' y='%d' width='%d' height='%d' rx='%d' class='%s'/>\n", x, y, box.width, box.height, radius,
			class);
}

/* ---- a core ---- */

static bool is_chosen(const struct topo *topo, int cpu)
{
	for (size_t i = 0; i < topo->chosen.count; i++)
		if (topo->chosen.place[i].cpu == cpu)
			return true;
	return false;
}

static const char *class_of(const struct topo *topo, int cpu)
{
	if (is_chosen(topo, cpu))
		return "chosen";
	if (!zok__bitset_has(&topo->allowance.cpus, cpu))
		return "denied";
	return zok__bitset_has(&topo->topology->isolated, cpu) ? "isolated" : "cpu";
}

static void draw_cpu(FILE *out, const struct topo *topo, int cpu, int x, int y)
{
	const char *class = class_of(topo, cpu);
	char name[16];

	snprintf(name, sizeof name, "%d", cpu);
	write_box(out, x, y, (struct box){CPU_WIDTH, CPU_HEIGHT}, 3, class);
	write_text(out, x + CPU_WIDTH / 2, y + CPU_HEIGHT / 2 + 4, class[0] == 'c' && class[1] == 'h' ? "number on" : "number", name);
}

/* The CPUs of a physical core on top of each other. */
static struct box draw_core(FILE *out, const struct topo *topo, const struct zok__place *core, int x, int y)
{
	struct box box = {CPU_WIDTH + 6, 3};
	int count = 0;

	for (size_t i = 0; i < topo->topology->place_count; i++)
		count += topo->topology->place[i].physical == core->physical;
	box.height += count * (CPU_HEIGHT + 3);
	write_box(out, x, y, box, 5, core->kind + 1 < topo->topology->kind_count ? "core slow" : "core");
	y += 3;
	for (size_t i = 0; i < topo->topology->place_count; i++) {
		if (topo->topology->place[i].physical != core->physical)
			continue;
		draw_cpu(out, topo, topo->topology->place[i].cpu, x + 3, y);
		y += CPU_HEIGHT + 3;
	}
	return box;
}

/* ---- a last-level cache ---- */

static bool is_member(const struct zok__place *place, int node, int cache)
{
	return place->node == node && place->cache == cache && place->cpu == place->physical;
}

/* "L3 32 MiB", or "" where no cache is known by that name. */
static void name_cache(const struct topo *topo, int cache, char *text, size_t size)
{
	const struct zok__cache *last = NULL;
	char bytes[16];

	for (size_t i = 0; i < topo->inventory.cache_count; i++)
		if (topo->inventory.cache[i].type != 'I' && zok__bitset_next(&topo->inventory.cache[i].cpus, -1) == cache)
			last = &topo->inventory.cache[i];
	if (last != NULL)
		snprintf(text, size, "L%d %s", last->level, topo_format_bytes(bytes, last->size_bytes));
	else
		*text = '\0';
}

static int columns_for(int cores)
{
	return cores <= 4 ? cores : cores <= 8 ? 4 : 8;
}

static int text_width(const char *text)
{
	int count = 0;

	while (text[count] != '\0')
		count++;
	return count * LABEL;
}

static struct box draw_cache(FILE *out, const struct topo *topo, int node, int cache, int x, int y)
{
	const struct zok__topology *topology = topo->topology;
	const int step = CPU_WIDTH + 6;
	struct flow flow;
	struct box box;
	char name[32];
	int cores = 0, head;

	for (size_t i = 0; i < topology->place_count; i++)
		cores += is_member(&topology->place[i], node, cache);
	name_cache(topo, cache, name, sizeof name);
	head = name[0] != '\0' ? HEAD : PAD;
	flow_begin(&flow, x + PAD, y + head, columns_for(cores) * (step + GAP));
	for (size_t i = 0; i < topology->place_count; i++) {
		int at_x, at_y;

		if (!is_member(&topology->place[i], node, cache))
			continue;
		flow_place(&flow, draw_core(NULL, topo, &topology->place[i], 0, 0), &at_x, &at_y);
		if (out != NULL)
			draw_core(out, topo, &topology->place[i], at_x, at_y);
	}
	box = (struct box){flow.used.width + 2 * PAD, flow.used.height + head + PAD};
	if (box.width < text_width(name) + 2 * PAD)
		box.width = text_width(name) + 2 * PAD;
	write_text(out, x + PAD, y + 16, "small", name);
	return box;
}

/* The cache's own box comes below its cores. */
static void draw_cache_boxed(FILE *out, const struct topo *topo, int node, int cache, int x, int y)
{
	write_box(out, x, y, draw_cache(NULL, topo, node, cache, x, y), 7, "cache");
	draw_cache(out, topo, node, cache, x, y);
}

/* ---- a node ---- */

static void name_memory(const struct zok__node_memory *memory, char *text, size_t size)
{
	char total[16], free_text[16];
	int used;

	if (memory->total_bytes == 0) {
		snprintf(text, size, "no memory");
		return;
	}
	used = snprintf(text, size, "%s", topo_format_bytes(total, memory->total_bytes));
	if (memory->has_free)
		used += snprintf(text + used, size - (size_t)used, ", %s free", topo_format_bytes(free_text, memory->free_bytes));
	for (size_t i = 0; i < memory->pool_count && used >= 0 && (size_t)used < size; i++)
		used += snprintf(text + used, size - (size_t)used, "; %llu/%llu × %s", (unsigned long long)memory->pool[i].free,
				 (unsigned long long)memory->pool[i].total, topo_format_bytes(total, memory->pool[i].page_bytes));
}

static void name_device(const struct zok__device *device, char *text, size_t size)
{
	snprintf(text, size, "%s %s%s%s", device->kind == ZOK__DEVICE_NIC ? "NIC" : "disk", device->name,
		 device->address[0] != '\0' ? " " : "", device->address);
}

static struct box draw_device(FILE *out, const struct zok__device *device, int x, int y)
{
	char text[80];
	struct box box;

	name_device(device, text, sizeof text);
	box = (struct box){text_width(text) + 16, 24};
	write_box(out, x, y, box, 12, device->kind == ZOK__DEVICE_NIC ? "nic" : "disk");
	write_text(out, x + box.width / 2, y + 16, "small middle", text);
	return box;
}

/* Those at home on `node`; -1 for those of which nobody knows. */
static void draw_devices(FILE *out, const struct topo *topo, int node, struct flow *flow)
{
	const struct zok__devices *devices = &topo->topology->devices;

	for (size_t i = 0; i < devices->count; i++) {
		int x, y;

		if (devices->device[i].is_virtual || devices->device[i].node != node)
			continue;
		flow_place(flow, draw_device(NULL, &devices->device[i], 0, 0), &x, &y);
		if (out != NULL)
			draw_device(out, &devices->device[i], x, y);
	}
}

static void draw_caches(FILE *out, const struct topo *topo, int node, struct flow *flow)
{
	const struct zok__topology *topology = topo->topology;
	struct zok__bitset drawn = {{0}};

	for (size_t i = 0; i < topology->place_count; i++) {
		int cache = topology->place[i].cache, x, y;

		if (topology->place[i].node != node || zok__bitset_has(&drawn, cache))
			continue;
		zok__bitset_add(&drawn, cache);
		flow_place(flow, draw_cache(NULL, topo, node, cache, 0, 0), &x, &y);
		if (out != NULL)
			draw_cache_boxed(out, topo, node, cache, x, y);
	}
}

static struct box draw_node(FILE *out, const struct topo *topo, const struct zok__node_memory *memory, int x, int y)
{
	struct flow caches, devices;
	char name[32], memory_text[128];
	struct box box;
	int width;

	snprintf(name, sizeof name, "node %d", memory->node);
	name_memory(memory, memory_text, sizeof memory_text);
	flow_begin(&caches, x + PAD, y + 2 * HEAD, NODE_WIDTH);
	draw_caches(out, topo, memory->node, &caches);
	width = caches.used.width > text_width(memory_text) ? caches.used.width : text_width(memory_text);
	flow_begin(&devices, x + PAD, y + 2 * HEAD + caches.used.height + (caches.used.height > 0 ? GAP : 0), width > 220 ? width : 220);
	draw_devices(out, topo, memory->node, &devices);
	if (devices.used.width > width)
		width = devices.used.width;
	box = (struct box){width + 2 * PAD, devices.top - y + devices.used.height + (devices.used.height > 0 ? PAD : 0)};
	write_text(out, x + PAD, y + 18, "name", name);
	write_text(out, x + PAD, y + 36, "small", memory_text);
	return box;
}

static void draw_node_boxed(FILE *out, const struct topo *topo, const struct zok__node_memory *memory, int x, int y)
{
	write_box(out, x, y, draw_node(NULL, topo, memory, x, y), 9, "node");
	draw_node(out, topo, memory, x, y);
}

/* ---- a package, and what is in none ---- */

static struct box draw_package(FILE *out, const struct topo *topo, int package, int x, int y)
{
	char name[32] = "memory without cores";
	struct flow nodes;

	if (package >= 0)
		snprintf(name, sizeof name, "package %d", package);
	flow_begin(&nodes, x + PAD, y + 30, PAGE_WIDTH - 2 * PAD);
	for (size_t i = 0; i < topo->inventory.node_count; i++) {
		const struct zok__node_memory *memory = &topo->inventory.node[i];
		int at_x, at_y;

		if (topo_package_of_node(topo->topology, memory->node) != package)
			continue;
		flow_place(&nodes, draw_node(NULL, topo, memory, 0, 0), &at_x, &at_y);
		if (out != NULL)
			draw_node_boxed(out, topo, memory, at_x, at_y);
	}
	write_text(out, x + PAD, y + 20, "name", name);
	if (nodes.used.width == 0)
		return (struct box){0, 0};
	return (struct box){nodes.used.width + 2 * PAD, nodes.used.height + 30 + PAD};
}

static void draw_packages(FILE *out, const struct topo *topo, struct flow *flow)
{
	struct zok__bitset packages = {{0}};

	for (size_t i = 0; i < topo->topology->place_count; i++)
		zok__bitset_add(&packages, topo->topology->place[i].package);
	for (int package = -1; (package = zok__bitset_next(&packages, package)) >= 0;) {
		struct box box = draw_package(NULL, topo, package, 0, 0);
		int x, y;

		if (box.width == 0)
			continue;
		flow_place(flow, box, &x, &y);
		if (out != NULL) {
			write_box(out, x, y, box, 11, "package");
			draw_package(out, topo, package, x, y);
		}
	}
}

static void draw_the_rest(FILE *out, const struct topo *topo, struct flow *flow)
{
	struct box box = draw_package(NULL, topo, -1, 0, 0);
	int x, y;

	if (box.width > 0) {
		flow_place(flow, box, &x, &y);
		if (out != NULL) {
			write_box(out, x, y, box, 11, "package");
			draw_package(out, topo, -1, x, y);
		}
	}
	draw_devices(out, topo, -1, flow);
}

/* ---- distances ---- */

/* Nearer is lighter: 10 is local, and 40 or more as dark as it gets. */
static void draw_distance(FILE *out, unsigned distance, int x, int y)
{
	unsigned over = distance <= 10 ? 0 : distance >= 40 ? 30 : distance - 10;
	char text[16];

	snprintf(text, sizeof text, "%u", distance);
	if (out != NULL)
		fprintf(out, "<rect x='%d' y='%d' width='36' height='24' fill='#c2410c' fill-opacity='%.2f'/>\n", x, y,
			0.08 + (double)over / 46);
	write_text(out, x + 18, y + 16, over > 15 ? "number on" : "number", text);
}

static struct box draw_distances(FILE *out, const struct topo *topo, int x, int y)
{
	const struct zok__inventory *inventory = &topo->inventory;
	const int count = (int)inventory->node_count;

	if (count < 2)
		return (struct box){0, 0};
	write_text(out, x, y + 14, "small", "distance from node (row) to node (column), 10 is local");
	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", inventory->node[i].node);
		write_text(out, x + 36 * (i + 1) + 18, y + 38, "number", name);
		write_text(out, x + 18, y + 24 * i + 60, "number", name);
		for (int k = 0; k < count; k++)
			draw_distance(out, zok__distance(&topo->topology->distances, inventory->node[i].node, inventory->node[k].node),
				      x + 36 * (k + 1), y + 24 * i + 44);
	}
	return (struct box){36 * (count + 1) > 340 ? 36 * (count + 1) : 340, 24 * count + 48};
}

/* ---- the page ---- */

static void draw_legend(FILE *out, const struct topo *topo, int x, int y)
{
	static const struct {
		const char *class, *text;
	} rows[] = {{"chosen", "chosen"}, {"cpu", "allowed"}, {"isolated", "isolated"}, {"denied", "not allowed"}};

	for (size_t i = topo->list == NULL; i < sizeof rows / sizeof *rows; i++) {
		write_box(out, x, y, (struct box){16, 14}, 3, rows[i].class);
		write_text(out, x + 22, y + 12, "small", rows[i].text);
		x += 22 + text_width(rows[i].text) + 20;
	}
	if (topo->topology->kind_count > 1) {
		write_box(out, x, y, (struct box){16, 14}, 3, "core slow");
		write_text(out, x + 22, y + 12, "small", "slower kind of core");
	}
}

static struct box draw_page(FILE *out, const struct topo *topo)
{
	const struct zok__topology *topology = topo->topology;
	const char *model = topo->inventory.model[0] != '\0' ? topo->inventory.model : "machine";
	struct flow flow;
	struct box matrix;
	char line[320];
	int bottom;

	write_text(out, MARGIN, 38, "title", model);
	snprintf(line, sizeof line, "packages: %zu, nodes: %zu, cores: %zu, CPUs: %zu%s%.200s", topo_count_packages(topology),
		 topo->inventory.node_count, topo_count_physical(topology), topology->place_count, topo->list != NULL ? "; chosen by " : "",
		 topo->list != NULL ? topo->list : "");
	write_text(out, MARGIN, 60, "line", line);
	draw_legend(out, topo, MARGIN, 74);
	flow_begin(&flow, MARGIN, 104, PAGE_WIDTH + 2 * PAD);
	draw_packages(out, topo, &flow);
	draw_the_rest(out, topo, &flow);
	bottom = flow.top + flow.used.height + MARGIN;
	matrix = draw_distances(out, topo, MARGIN, bottom);
	if (matrix.width > flow.used.width)
		flow.used.width = matrix.width;
	if (flow.used.width < 480)
		flow.used.width = 480;
	return (struct box){flow.used.width + 2 * MARGIN, bottom + matrix.height + (matrix.height > 0 ? MARGIN : 0)};
}

static const char style[] = "<style>text{font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#1f2937}"
			    ".title{font-size:22px;font-weight:600}.line{font-size:14px;fill:#4b5563}.name{font-size:14px;font-weight:600}"
			    ".small{font-size:12px;fill:#4b5563}.middle{text-anchor:middle}.number{font-size:11px;text-anchor:middle}.on{"
			    "fill:#fff;font-weight:600}"
			    ".package{fill:#f8fafc;stroke:#94a3b8;stroke-width:1.5}.node{fill:#fff;stroke:#cbd5e1;stroke-width:1.2}.cache{"
			    "fill:#f1f5f9;stroke:#e2e8f0}"
			    ".core{fill:#fff;stroke:#cbd5e1}.slow{fill:#fef3c7;stroke:#fcd34d}.cpu{fill:#dbeafe;stroke:#93c5fd}"
			    ".isolated{fill:#d1fae5;stroke:#34d399}.denied{fill:#e5e7eb;stroke:#d1d5db}.chosen{fill:#1d4ed8;stroke:#1e3a8a}"
			    ".nic{fill:#ede9fe;stroke:#a78bfa}.disk{fill:#ffedd5;stroke:#fdba74}</style>\n";

void topo_write_svg(FILE *out, const struct topo *topo)
{
	struct box page = draw_page(NULL, topo);

	fprintf(out, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d'>\n", page.width, page.height,
		page.width, page.height);
	fprintf(out, "<title>zok topo</title>\n%s<rect width='100%%' height='100%%' fill='#fff'/>\n", style);
	draw_page(out, topo);
	fputs("</svg>\n", out);
}
