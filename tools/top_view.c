/* The live view of `zok top`: a list to choose from, and one runtime watched. Drawn with ncurses; see top_draw.c. */
#include "tools/top_view.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

static struct top_view view;
static struct top_look looks[2];

static volatile sig_atomic_t was_told_to_end;

static void on_signal(int number)
{
	was_told_to_end = 1;
}

/* ---- Watching ---- */

static const double interval_steps_s[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60};

enum { STEP_COUNT = sizeof interval_steps_s / sizeof *interval_steps_s };

static void change_interval(int direction)
{
	double now = view.interval_s;
	int i;

	if (direction > 0) {
		for (i = 0; i < STEP_COUNT - 1 && interval_steps_s[i] <= now; i++)
			;
	} else {
		for (i = STEP_COUNT - 1; i > 0 && interval_steps_s[i] >= now; i--)
			;
	}
	view.interval_s = interval_steps_s[i];
}

static void make_figures(void)
{
	const struct top_look *now = &looks[view.look], *before = &looks[!view.look];

	top_figures_make(&view.figures, view.is_total || !view.has_before ? NULL : before, now, &view.source->header);
	top_sort(&view.figures, view.order);
}

/* Returns false when the runtime has ended. */
static bool take_look(void)
{
	if (view.has_look)
		view.look = !view.look;
	if (top_source_look(view.source, &looks[view.look]) < 0)
		return false;
	view.has_before = view.has_look;
	view.has_look = true;
	make_figures();
	return true;
}

static bool start_watching(const struct top_found *found)
{
	char why[TOP_TEXT_SIZE];

	view.has_look = view.has_before = false;
	view.scroll = 0;
	if (top_source_open(view.source, view.options->folder, found->name, why) < 0) {
		snprintf(view.message, sizeof view.message, "%.60s: %.160s", found->name, why);
		return false;
	}
	view.message[0] = '\0';
	view.is_listing = false;
	return true;
}

/* What is said where the runtime that was watched has ended. Back to the list, where there is something to choose. */
static void note_end(void)
{
	snprintf(view.message, sizeof view.message, "%s (pid %llu) has ended", view.source->header.program,
		 (unsigned long long)view.source->header.pid);
	top_source_close(view.source);
	top_find(view.options->folder, view.list);
	view.chosen = 0;
	view.is_listing = true;
	view.is_over = view.options->pid != 0 || view.list->count == 0;
}

/* ---- Keys ---- */

static void press_in_list(int key)
{
	unsigned count = view.list->count;

	if (key == 'q' || key == 27)
		view.is_over = true;
	else if ((key == KEY_UP || key == 'k') && view.chosen > 0)
		view.chosen--;
	else if ((key == KEY_DOWN || key == 'j') && view.chosen + 1 < count)
		view.chosen++;
	else if ((key == '\n' || key == '\r' || key == KEY_ENTER) && view.chosen < count)
		start_watching(&view.list->found[view.chosen]);
	else if (key >= '1' && key <= '9' && (unsigned)(key - '1') < count)
		start_watching(&view.list->found[key - '1']);
}

static void go_to_list(void)
{
	top_source_close(view.source);
	top_find(view.options->folder, view.list);
	view.chosen = 0;
	view.is_listing = true;
}

static void scroll_rows(int key)
{
	int most = (int)view.figures.core_count - 1, step = key == KEY_NPAGE || key == KEY_PPAGE ? 10 : 1;

	view.scroll += key == KEY_DOWN || key == KEY_NPAGE ? step : -step;
	view.scroll = view.scroll < 0 ? 0 : view.scroll > most ? most : view.scroll;
}

static void press_in_watch(int key)
{
	switch (key) {
	case 'q': view.is_over = true; break;
	case 27:
	case 'l': go_to_list(); break;
	case ' ':
	case 'p': view.is_paused = !view.is_paused; break;
	case '+': change_interval(1); break;
	case '-': change_interval(-1); break;
	case 's': view.order = (view.order + 1) % TOP_ORDER_COUNT; break;
	case '\t':
	case 'c': view.page = (view.page + 1) % TOP_PAGE_COUNT; break;
	case 't': view.is_total = !view.is_total; break;
	case '?':
	case 'h': view.has_help = !view.has_help; break;
	case KEY_UP:
	case KEY_DOWN:
	case KEY_PPAGE:
	case KEY_NPAGE: scroll_rows(key); break;
	default:
		if (key >= '1' && key < '1' + TOP_PAGE_COUNT)
			view.page = (unsigned)(key - '1');
	}
	if (!view.is_listing && view.has_look)
		make_figures();
}

static void press(int key)
{
	if (key == KEY_RESIZE) {
		clear();
	} else if (view.has_help) {
		view.has_help = false;
	} else if (view.is_listing) {
		press_in_list(key);
	} else {
		press_in_watch(key);
	}
}

/* ---- The loop ---- */

static void turn(void)
{
	if (view.is_listing) {
		uint64_t pid = view.chosen < view.list->count ? view.list->found[view.chosen].pid : 0;

		top_find(view.options->folder, view.list);
		view.chosen = 0;
		for (unsigned i = 0; i < view.list->count; i++)
			if (view.list->found[i].pid == pid)
				view.chosen = i;
	} else if (!view.is_paused && !take_look()) {
		note_end();
	}
}

static double interval_now_s(void)
{
	/* The first figures should not take as long as those that follow. */
	if (!view.is_listing && !view.has_before)
		return view.interval_s < 0.2 ? view.interval_s : 0.2;
	return view.is_listing ? 1 : view.interval_s;
}

/* A terminal that has gone answers at once, for ever. */
enum { GONE_AFTER = 50 };

static void run(void)
{
	uint64_t due_ns = 0;
	int gone = 0;

	while (!view.is_over && !was_told_to_end && gone < GONE_AFTER) {
		uint64_t now_ns = top_now_ns(), asked_ns;
		bool was_listing = view.is_listing;
		int key, wait_ms;

		if (now_ns >= due_ns) {
			turn();
			due_ns = now_ns + (uint64_t)(interval_now_s() * 1e9);
		}
		top_draw(&view);
		wait_ms = (int)((due_ns - now_ns) / 1000000) + 1;
		timeout(wait_ms);
		asked_ns = top_now_ns();
		key = getch();
		if (key == ERR) {
			gone = top_now_ns() - asked_ns < ZOK_MS && wait_ms > 20 ? gone + 1 : 0;
			continue;
		}
		press(key);
		if (view.is_listing != was_listing)
			due_ns = 0;
	}
}

static bool has_cursor_addressing(void)
{
	const char *text = tigetstr("cup");

	return text && text != (char *)-1;
}

static void open_colours(void)
{
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(TOP_GREEN, COLOR_GREEN, -1);
	init_pair(TOP_YELLOW, COLOR_YELLOW, -1);
	init_pair(TOP_RED, COLOR_RED, -1);
	init_pair(TOP_CYAN, COLOR_CYAN, -1);
	view.has_colours = true;
}

static int open_terminal(void)
{
	SCREEN *screen;

	setlocale(LC_CTYPE, "");
	view.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	screen = newterm(NULL, stdout, stdin);
	if (!screen || !has_cursor_addressing()) {
		if (screen)
			endwin();
		fprintf(stderr, "zok top: this terminal (TERM=%.40s) has no cursor to move; zok top --once prints one table\n",
			getenv("TERM") ? getenv("TERM") : "");
		return -ENOTTY;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	open_colours();
	return 0;
}

int top_view(const struct top_options *options, struct top_list *list, struct top_source *source, int chosen)
{
	struct sigaction action = {.sa_handler = on_signal};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fprintf(stderr, "zok top: no terminal to draw on; zok top --once prints one table, and with --json for programs\n");
		return ZOK_EXIT_USAGE;
	}
	view.options = options;
	view.list = list;
	view.source = source;
	view.interval_s = options->interval_s;
	view.is_listing = true;
	/* Before ncurses would set its own, which end the process without a word to us. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (open_terminal() < 0)
		return ZOK_EXIT_USAGE;
	if (chosen >= 0)
		start_watching(&list->found[chosen]);
	run();
	endwin();
	top_source_close(source);
	if (view.message[0])
		printf("zok top: %s\n", view.message);
	return ZOK_EXIT_OK;
}
