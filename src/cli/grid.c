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
	int *least; /* per column */
	size_t columns;
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
	free(grid->least);
	free(grid);
	return NULL;
}

void grid_column(Grid *grid, int least)
{
	grid->least = mem_array(grid->least, grid->columns + 1, sizeof(*grid->least));
	grid->least[grid->columns++] = least;
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

static void natural_widths(const Grid *grid, int *widths)
{
	for (size_t i = 0; i < grid->count; i++)
		if (grid->cells[i].width > widths[i % grid->columns])
			widths[i % grid->columns] = grid->cells[i].width;
}

static int total_width(const Grid *grid, const int *widths)
{
	int total = GAP * ((int)grid->columns - 1);

	for (size_t i = 0; i < grid->columns; i++)
		total += widths[i];
	return total;
}

/* The widest that may still be cut, or NULL. */
static int *widest(const Grid *grid, int *widths)
{
	int *found = NULL;

	for (size_t i = 0; i < grid->columns; i++)
		if (grid->least[i] != GRID_FIXED && widths[i] > grid->least[i] && (!found || widths[i] > *found))
			found = &widths[i];
	return found;
}

static void fit(const Grid *grid, int *widths, int width)
{
	int *column;

	for (int excess = total_width(grid, widths) - width; excess > 0 && (column = widest(grid, widths)); excess--)
		--*column;
}

/* ---- writing ---- */

static void write_cell(const Grid *grid, Buffer *out, size_t index, int width, bool has_colours)
{
	const Cell *cell = &grid->cells[index];
	bool is_last = index % grid->columns == grid->columns - 1;
	bool coloured = has_colours && cell->colour;

	if (coloured)
		buffer_add_text(out, cell->colour);
	text_cut(out, cell->text, width);
	if (coloured)
		buffer_add_text(out, "\033[0m");
	if (is_last)
		buffer_add_char(out, '\n');
	else
		buffer_printf(out, "%*s", GAP + (cell->width < width ? width - cell->width : 0), "");
}

void grid_write(const Grid *grid, Buffer *out, int width, bool has_colours)
{
	autofree int *widths = mem_array(NULL, grid->columns + 1, sizeof(int));

	memset(widths, 0, (grid->columns + 1) * sizeof(int));
	natural_widths(grid, widths);
	if (width > 0)
		fit(grid, widths, width);
	for (size_t i = 0; i < grid->count; i++)
		write_cell(grid, out, i, widths[i % grid->columns], has_colours);
}
