#include "tools/top_view.h"

#include <stdarg.h>
#include <string.h>

enum { LINES_MIN = 6, COLUMNS_MIN = 24 };

/* ---- Pieces ---- */

/* Never beyond the right edge, where a terminal would go on in the next line. */
ZOK_PRINTF(3, 4) static void put(int y, int x, const char *format, ...)
{
	char text[TOP_TEXT_SIZE];
	va_list args;

	if (y < 0 || y >= LINES || x >= COLS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	mvaddnstr(y, x, text, COLS - x);
}

static void set_colour(const struct top_view *view, enum top_colour colour, bool is_on)
{
	if (!view->has_colours)
		return;
	if (is_on)
		attron(COLOR_PAIR(colour));
	else
		attroff(COLOR_PAIR(colour));
}

static int width_of(const struct top_layout *layout, unsigned i)
{
	return layout->columns[i]->format == TOP_AS_BAR ? layout->bar_width : layout->columns[i]->width;
}

static void put_cells(const char *cell, int count)
{
	while (count-- > 0)
		addstr(cell);
}

static void draw_bar(const struct top_view *view, int y, int x, const struct top_row *row, int width)
{
	int callbacks, kernel;

	top_bar_cells(row, width, &callbacks, &kernel);
	move(y, x);
	set_colour(view, TOP_GREEN, true);
	put_cells(view->is_utf8 ? "█" : "#", callbacks);
	set_colour(view, TOP_GREEN, false);
	set_colour(view, TOP_YELLOW, true);
	put_cells(view->is_utf8 ? "▒" : "+", kernel);
	set_colour(view, TOP_YELLOW, false);
	attron(A_DIM);
	put_cells(view->is_utf8 ? "·" : ".", width - callbacks - kernel);
	attroff(A_DIM);
}

/* ---- The table ---- */

static void draw_groups(const struct top_view *view, const struct top_layout *layout, int y)
{
	int x = 0;

	for (unsigned i = 0; i < layout->count;) {
		const char *group = layout->columns[i]->group;
		int width = width_of(layout, i++), length = (int)strlen(group);

		while (i < layout->count && *group && strcmp(layout->columns[i]->group, group) == 0)
			width += 1 + width_of(layout, i++);
		set_colour(view, TOP_CYAN, true);
		if (length > width)
			put(y, x, "%.*s", width, group);
		else
			put(y, x + width - length, "%s", group);
		set_colour(view, TOP_CYAN, false);
		x += width + 1;
	}
}

static void draw_titles(const struct top_layout *layout, int y)
{
	int x = 0;

	attron(A_REVERSE);
	put(y, 0, "%*s", COLS < TOP_TEXT_SIZE ? COLS : TOP_TEXT_SIZE - 1, "");
	for (unsigned i = 0; i < layout->count; i++) {
		int width = width_of(layout, i);

		if (layout->columns[i]->format == TOP_AS_BAR)
			put(y, x, "%-.*s", width, layout->columns[i]->title);
		else
			put(y, x, "%*s", width, layout->columns[i]->title);
		x += width + 1;
	}
	attroff(A_REVERSE);
}

static void draw_row(const struct top_view *view, const struct top_layout *layout, const struct top_row *row, int y)
{
	char cell[TOP_CELL_SIZE];
	int x = 0;

	for (unsigned i = 0; i < layout->count; i++) {
		const struct top_column *column = layout->columns[i];
		bool is_alarm = top_is_alarm(column, row);

		if (column->format == TOP_AS_BAR)
			draw_bar(view, y, x, row, layout->bar_width);
		top_cell(cell, column, row, &view->figures);
		if (is_alarm)
			attron(A_BOLD);
		set_colour(view, TOP_RED, is_alarm);
		if (*cell)
			put(y, x, "%*s", column->width, cell);
		if (is_alarm)
			attroff(A_BOLD);
		set_colour(view, TOP_RED, false);
		x += width_of(layout, i) + 1;
	}
}

static void draw_table(const struct top_view *view, int top, int bottom)
{
	const struct top_figures *figures = &view->figures;
	struct top_layout layout;
	int room = bottom - top - 3, first = view->scroll;
	int count = (int)figures->core_count;

	top_layout_make(&layout, view->page, COLS);
	draw_groups(view, &layout, top);
	draw_titles(&layout, top + 1);
	if (first > count - room)
		first = count - room > 0 ? count - room : 0;
	for (int i = 0; i < room && first + i < count; i++)
		draw_row(view, &layout, &figures->rows[figures->order[first + i]], top + 2 + i);
	attron(A_BOLD);
	draw_row(view, &layout, &figures->total, top + 2 + (count < room ? count : room));
	attroff(A_BOLD);
	if (count > room)
		put(bottom, COLS - 24, "cores %d to %d of %d", first + 1, first + room, count);
}

/* ---- Head and foot ---- */

static void draw_head(const struct top_view *view)
{
	const struct zok_export_header *header = &view->source->header;
	char uptime[32], right[64];
	int length;

	top_format_uptime(uptime, top_now_ns() - header->began_ns);
	attron(A_BOLD);
	put(0, 0, "%s", header->program);
	attroff(A_BOLD);
	put(0, (int)strlen(header->program) + 1, "pid %llu  %s, %s  %u core%s  up %s", (unsigned long long)header->pid, header->engine,
	    header->mode, header->core_count, header->core_count == 1 ? "" : "s", uptime);
	length = snprintf(right, sizeof right, " %s%s  every %.3g s", view->is_paused ? "PAUSED  " : "",
			  view->is_total ? "since the start" : "per second", view->interval_s);
	if (COLS - length > 0)
		put(0, COLS - length, "%s", right);
}

static void draw_tabs(const struct top_view *view, int y)
{
	int x = 0;

	for (unsigned i = 0; i < TOP_PAGE_COUNT; i++) {
		if (i == view->page)
			attron(A_REVERSE);
		put(y, x, " %u %s ", i + 1, top_page_names[i]);
		attroff(A_REVERSE);
		x += (int)strlen(top_page_names[i]) + 4;
	}
	if (view->order != TOP_BY_CORE)
		put(y, x, "sorted by %s", top_order_names[view->order]);
	if (view->source->is_newer)
		put(y, x + 18, "the runtime is newer than this");
}

static void draw_foot(const struct top_view *view, const char *keys)
{
	if (view->message[0]) {
		put(LINES - 1, 0, "%s", view->message);
		return;
	}
	attron(A_DIM);
	put(LINES - 1, 0, "%s", keys);
	attroff(A_DIM);
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"q        ends                          h ?      this, and back",
		"p space  pauses                        l Esc    back to the list of runtimes",
		"+ -      looks less, more often        t        since the start, per second",
		"c 1 - 6  the next, that page           s        sorts by core, busy, ops, wait",
		"arrows   where there are more cores than lines",
		"",
		"busy, time   in tasks (green) and in the engine (yellow); red: stuck in a task",
		"on cpu       share of the time in which the core's thread had a processor",
		"run queue    runnable tasks of the classes latency, normal, bulk, now",
		"wakes        how long woken tasks waited to run, at most a quarter too high",
		"ops, compl   operations submitted and completed      loops  turns of the loop",
		"mail         messages of other cores that the last turn found",
		"stolen       tasks taken from, and ended on, other cores",
		"over         slices that lasted twice their budget",
		"no sqe       operations that had to wait for room in the submission queue",
		"stack        the greatest high-water mark of a fiber's stack that was seen",
	};

	for (int i = 0; i < (int)(sizeof lines / sizeof *lines); i++)
		put(1 + i, 2, "%s", lines[i]);
	put(LINES - 1, 0, "any key goes back");
}

static void draw_list(const struct top_view *view)
{
	put(0, 0, "zok top: %u runtime%s to watch", view->list->count, view->list->count == 1 ? "" : "s");
	attron(A_REVERSE);
	put(2, 0, "   %8s  %-20s %-7s %-9s %6s %8s  ", "pid", "program", "engine", "mode", "cores", "user");
	attroff(A_REVERSE);
	for (unsigned i = 0; i < view->list->count && 3 + (int)i < LINES - 1; i++) {
		const struct top_found *found = &view->list->found[i];

		if (i == view->chosen)
			attron(A_BOLD);
		put(3 + (int)i, 0, "%c%c %8llu  %-20.20s %-7.7s %-9.9s %6u %8u%s", i == view->chosen ? '>' : ' ',
		    i < 9 ? (char)('1' + i) : ' ', (unsigned long long)found->pid, found->program, found->engine, found->mode,
		    found->core_count, found->uid, found->is_elsewhere ? "  in another PID namespace" : "");
		attroff(A_BOLD);
	}
	if (view->list->count == 0)
		put(3, 2, "none: waiting for one");
	draw_foot(view, "arrows and Enter, or a digit: watch it   q: end");
}

static void draw_watch(const struct top_view *view)
{
	draw_head(view);
	draw_tabs(view, 1);
	if (view->has_look)
		draw_table(view, 2, LINES - 1);
	draw_foot(view, "q end  p pause  + - interval  c page  s sort  t totals  l list  h help");
}

void top_draw(const struct top_view *view)
{
	erase();
	if (LINES < LINES_MIN || COLS < COLUMNS_MIN)
		put(0, 0, "too small");
	else if (view->has_help)
		draw_help();
	else if (view->is_listing)
		draw_list(view);
	else
		draw_watch(view);
	refresh();
}
