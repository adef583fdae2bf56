/* Without ncurses there is no live view. */
#include "tools/command.h"
#include "tools/top.h"

int top_view(const struct top_options *options, struct top_list *list, struct top_source *source, int chosen)
{
	fprintf(stderr, "zok top: built without ncurses, so there is no live view; zok top --once prints one table\n");
	return ZOK_EXIT_USAGE;
}
