// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "cli/grid.h"

enum { WIDTH_DEFAULT = 80, HEIGHT_DEFAULT = 24, SIZE_MAX_SANE = 10000, TOLD_WIDTH_MAX = 100 };

bool terminal_is(FILE *file)
{
	return isatty(fileno(file));
}

bool terminal_has_colours(FILE *file)
{
	return terminal_is(file) && string_empty(getenv("NO_COLOR")) && !string_equal(getenv("TERM"), "dumb");
}

static int from_environment(const char *name)
{
	const char *text = getenv(name);
	int64_t number;

	if (!text)
		return 0;
	Error *error = string_to_int64(&number, text, 1, SIZE_MAX_SANE);
	if (error) {
		error_free(error); /* an odd COLUMNS is as good as none */
		return 0;
	}
	return (int)number;
}

int terminal_width(FILE *file)
{
	struct winsize size;
	int given = from_environment("COLUMNS");

	if (!terminal_is(file))
		return 0;
	if (given)
		return given;
	return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
}

int terminal_height(FILE *file)
{
	struct winsize size;
	int given = from_environment("LINES");

	if (!terminal_is(file))
		return 0;
	if (given)
		return given;
	return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : HEIGHT_DEFAULT;
}

bool terminal_size(FILE *file, int *ret_rows, int *ret_columns)
{
	struct winsize size;

	if (!terminal_is(file) || ioctl(fileno(file), TIOCGWINSZ, &size) < 0)
		return false;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return true;
}

/* ---- telling ---- */

/* Each line of the text begins below the first. */
static void add_lines(Buffer *out, const char *text, size_t indent, size_t width)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		autofree char *line = text_harmless(lines.items[i]);
		if (i > 0)
			buffer_printf(out, "\n%*s", (int)indent, "");
		buffer_add_wrapped(out, line, indent, width);
	}
}

void terminal_tell(FILE *file, const char *head, const char *colour, const char *text)
{
	int width = terminal_width(file);
	bool is_coloured = colour && terminal_has_colours(file);
	autoclear(Buffer) out = {0};

	buffer_printf(&out, "%s%s:%s ", is_coloured ? colour : "", head, is_coloured ? "\033[0m" : "");
	if (width > 0)
		add_lines(&out, text, strlen(head) + strlen(": "),
			(size_t)(width < TOLD_WIDTH_MAX ? width : TOLD_WIDTH_MAX));
	else
		buffer_add_text(&out, text);
	fprintf(file, "%s\n", buffer_text(&out));
}
