// SPDX-License-Identifier: Apache-2.0
#include "cli/grid.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum { GAP = 3 };

typedef struct Cell {
	char *text;
	const char *colour;
	int width;
} Cell;

struct Grid {
	GridColumn *columns;
	size_t width; /* how many they are */
	Cell *cells;
	size_t count, capacity;
};

/* ---- text ---- */

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += starts_character(*text);
	return width;
}

static size_t length_of(const char *text, int characters)
{
	size_t length = 0;

	while (text[length] && (characters > 0 || !starts_character(text[length])))
		characters -= starts_character(text[length++]);
	return length;
}

void text_cut(Buffer *out, const char *text, int width)
{
	if (text_width(text) <= width) {
		buffer_add_text(out, text);
		return;
	}
	buffer_add(out, text, length_of(text, width - 1));
	if (width > 0)
		buffer_add_text(out, "…");
}

char *text_harmless(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return copy;
}

/* ---- building ---- */

Grid *grid_new(void)
{
	return mem_new(Grid);
}

Grid *grid_free(Grid *grid)
{
	if (!grid)
		return NULL;
	for (size_t i = 0; i < grid->count; i++)
		free(grid->cells[i].text);
	free(grid->cells);
	free(grid->columns);
	free(grid);
	return NULL;
}

void grid_column(Grid *grid, GridColumn column)
{
	grid->columns = mem_array(grid->columns, grid->width + 1, sizeof(*grid->columns));
	grid->columns[grid->width++] = column;
}

void grid_cell(Grid *grid, const char *text, const char *colour)
{
	if (grid->count == grid->capacity) {
		grid->capacity = grid->capacity ? grid->capacity * 2 : 64;
		grid->cells = mem_array(grid->cells, grid->capacity, sizeof(*grid->cells));
	}
	Cell *cell = &grid->cells[grid->count++];
	cell->text = text_harmless(text);
	cell->colour = colour;
	cell->width = text_width(cell->text);
}

/* ---- widths ---- */

/* A column as it is to be shown. */
typedef struct Place {
	int width;
	bool is_empty; /* but for its header */
	bool is_left_out;
} Place;

static void natural_widths(const Grid *grid, Place *places)
{
	for (size_t i = 0; i < grid->width; i++) {
		places[i].width = 0;
		places[i].is_empty = true;
	}
	for (size_t i = 0; i < grid->count; i++) {
		Place *place = &places[i % grid->width];
		if (grid->cells[i].width > place->width)
			place->width = grid->cells[i].width;
		place->is_empty &= i < grid->width || !grid->cells[i].width;
	}
}

static int total_width(const Grid *grid, const Place *places)
{
	int total = -GAP;

	for (size_t i = 0; i < grid->width; i++)
		total += places[i].is_left_out ? 0 : places[i].width + GAP;
	return total;
}

/* Which of two columns of the table makes room first. */
static bool goes_before(const Grid *grid, const Place *places, size_t a, size_t b)
{
	int rank_a = grid->columns[a].rank, rank_b = grid->columns[b].rank;

	return rank_a == rank_b ? places[a].width > places[b].width : !rank_b || (rank_a && rank_a < rank_b);
}

static bool may_be_cut(const Grid *grid, const Place *places, size_t column, bool cuts_all)
{
	const GridColumn *kind = &grid->columns[column];

	return !places[column].is_left_out && kind->least != GRID_FIXED && places[column].width > kind->least &&
	       (kind->rank || cuts_all);
}

/* Character by character; true when the rows fit. */
static bool cut(const Grid *grid, Place *places, int width, bool cuts_all)
{
	for (int excess = total_width(grid, places) - width; excess > 0; excess--) {
		size_t next = grid->width;
		for (size_t i = 0; i < grid->width; i++)
			if (may_be_cut(grid, places, i, cuts_all) &&
				(next == grid->width || goes_before(grid, places, i, next)))
				next = i;
		if (next == grid->width)
			return false;
		places[next].width--;
	}
	return true;
}

static bool leave_one_out(const Grid *grid, Place *places)
{
	size_t next = grid->width;

	for (size_t i = 0; i < grid->width; i++) {
		if (!grid->columns[i].may_go || places[i].is_left_out)
			continue;
		if (next == grid->width || places[i].is_empty > places[next].is_empty ||
			(places[i].is_empty == places[next].is_empty && goes_before(grid, places, i, next)))
			next = i;
	}
	if (next < grid->width)
		places[next].is_left_out = true;
	return next < grid->width;
}

static void fit(const Grid *grid, Place *places, int width)
{
	while (!cut(grid, places, width, false)) {
		if (!leave_one_out(grid, places)) {
			cut(grid, places, width, true);
			return;
		}
		natural_widths(grid, places);
	}
}

/* ---- writing ---- */

static void write_cell(Buffer *out, const Cell *cell, int width, bool has_colours)
{
	bool coloured = has_colours && cell->colour;

	if (coloured)
		buffer_add_text(out, cell->colour);
	text_cut(out, cell->text, width);
	if (coloured)
		buffer_add_text(out, "\033[0m");
}

static void write_row(const Grid *grid, Buffer *out, const Cell *cells, const Place *places, bool has_colours)
{
	int spaces = 0; /* before the next cell: there are none behind the last one */

	for (size_t i = 0; i < grid->width; i++) {
		if (places[i].is_left_out)
			continue;
		buffer_printf(out, "%*s", spaces, "");
		write_cell(out, &cells[i], places[i].width, has_colours);
		spaces = GAP + (cells[i].width < places[i].width ? places[i].width - cells[i].width : 0);
	}
	buffer_add_char(out, '\n');
}

void grid_write(const Grid *grid, Buffer *out, int width, bool has_colours)
{
	autofree Place *places = mem_array(NULL, grid->width + 1, sizeof(Place));

	memset(places, 0, (grid->width + 1) * sizeof(Place));
	natural_widths(grid, places);
	if (width > 0)
		fit(grid, places, width);
	for (size_t i = 0; grid->width && i + grid->width <= grid->count; i += grid->width)
		write_row(grid, out, &grid->cells[i], places, has_colours);
}
