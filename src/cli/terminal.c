// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/strings.h"

enum { WIDTH_DEFAULT = 80, HEIGHT_DEFAULT = 24, SIZE_MAX_SANE = 10000 };

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
