/* `zok top --list` and `--once`: plain text, for a pipe or a terminal that cannot more. */
#include "tools/top.h"

#include <string.h>

void top_print_list(FILE *out, const struct top_list *list)
{
	fprintf(out, "%8s %-20s %-6s %-9s %5s %8s\n", "pid", "program", "engine", "mode", "cores", "user");
	for (unsigned i = 0; i < list->count; i++) {
		const struct top_found *found = &list->found[i];

		fprintf(out, "%8llu %-20s %-6s %-9s %5u %8u%s\n", (unsigned long long)found->pid, found->program, found->engine,
			found->mode, found->core_count, found->uid, found->is_elsewhere ? "  in another PID namespace" : "");
	}
}

static int width_of(const struct top_layout *layout, unsigned i)
{
	return layout->columns[i]->format == TOP_AS_BAR ? layout->bar_width : layout->columns[i]->width;
}

/* A group's name stands over all of its columns that are there. */
static void print_groups(FILE *out, const struct top_layout *layout)
{
	for (unsigned i = 0; i < layout->count;) {
		const char *group = layout->columns[i]->group;
		int width = width_of(layout, i++);

		while (i < layout->count && *group && strcmp(layout->columns[i]->group, group) == 0)
			width += 1 + width_of(layout, i++);
		fprintf(out, i < layout->count ? "%*.*s " : "%*.*s\n", width, width, group);
	}
}

static void print_titles(FILE *out, const struct top_layout *layout)
{
	for (unsigned i = 0; i < layout->count; i++) {
		int width = width_of(layout, i);

		fprintf(out, layout->columns[i]->format == TOP_AS_BAR ? "%-*.*s" : "%*.*s", width, width, layout->columns[i]->title);
		fputc(i + 1 < layout->count ? ' ' : '\n', out);
	}
}

static void print_bar(FILE *out, const struct top_row *row, int width)
{
	int callbacks, kernel;

	top_bar_cells(row, width, &callbacks, &kernel);
	for (int i = 0; i < width; i++)
		fputc(i < callbacks ? '#' : i < callbacks + kernel ? '+' : '.', out);
}

static void print_row(FILE *out, const struct top_layout *layout, const struct top_row *row, const struct top_figures *figures)
{
	char cell[TOP_CELL_SIZE];

	for (unsigned i = 0; i < layout->count; i++) {
		top_cell(cell, layout->columns[i], row, figures);
		if (layout->columns[i]->format == TOP_AS_BAR)
			print_bar(out, row, layout->bar_width);
		else
			fprintf(out, "%*s", layout->columns[i]->width, cell);
		fputc(i + 1 < layout->count ? ' ' : '\n', out);
	}
}

void top_print_text(FILE *out, const struct top_source *source, const struct top_figures *figures, int width)
{
	const struct zok_export_header *header = &source->header;
	struct top_layout layout;
	char uptime[32];

	top_format_uptime(uptime, top_now_ns() - header->began_ns);
	if (source->is_newer)
		fprintf(out, "the runtime is newer than this zok top: it may have figures that are not shown\n");
	fprintf(out, "%s (pid %llu): %s, %s, %u core%s, up %s; rates a second over %.3g s\n", header->program,
		(unsigned long long)header->pid, header->engine, header->mode, header->core_count, header->core_count == 1 ? "" : "s",
		uptime, figures->seconds);
	top_layout_make(&layout, 0, width);
	print_groups(out, &layout);
	print_titles(out, &layout);
	for (unsigned i = 0; i < figures->core_count; i++)
		print_row(out, &layout, &figures->rows[i], figures);
	print_row(out, &layout, &figures->total, figures);
}
