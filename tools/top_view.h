/* Between the keys (top_view.c) and the drawing (top_draw.c) of the live view. */
#ifndef TOOLS_TOP_VIEW_H
#define TOOLS_TOP_VIEW_H

#include "tools/command.h"
#include "tools/top.h"

#include <curses.h>

enum top_colour { TOP_GREEN = 1, TOP_YELLOW, TOP_RED, TOP_CYAN };

struct top_view {
	const struct top_options *options;
	struct top_list *list;
	struct top_source *source;
	struct top_figures figures;
	double interval_s;
	unsigned look; /* which of the two is the newer */
	bool has_look, has_before;
	unsigned page;
	enum top_order order;
	int scroll;	 /* the first row that is shown */
	unsigned chosen; /* in the list */
	bool is_listing, is_paused, is_total, has_help, is_over;
	bool has_colours, is_utf8;
	char message[TOP_TEXT_SIZE]; /* what is said once, in the last line */
};

/* Draws everything anew; what has not changed does not go to the terminal. */
void top_draw(const struct top_view *view);

#endif
