// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Text in columns, three spaces apart; the first row is the header. Where a width is given and the rows do not fit,
 * cells are cut, and show it by an ellipsis: those of the columns that matter least first. Where that is not enough,
 * columns are left out. Control characters in cells are replaced: they come from containers, and a terminal would obey
 * them.
 */
#include <stdbool.h>

#include "base/buffer.h"

typedef struct Grid Grid;

enum { GRID_FIXED = 0 /* a column that is never cut */ };

typedef struct GridColumn {
	int least;   /* how narrow it may be cut, or GRID_FIXED */
	int rank;    /* 1 is cut first, then 2, and so on; 0 last of all. The widest of a rank begins */
	bool may_go; /* before those of rank 0 are cut, it is left out; one without content first, then by rank */
} GridColumn;

Grid *grid_new(void);
Grid *grid_free(Grid *grid);
DEFINE_AUTOPTR(Grid, grid_free)
/* Before the first row. */
void grid_column(Grid *grid, GridColumn column);
/* Row by row, from left to right. colour: an escape sequence or NULL. */
void grid_cell(Grid *grid, const char *text, const char *colour);
/* width 0: no limit. */
void grid_write(const Grid *grid, Buffer *out, int width, bool has_colours);

/* Characters of UTF-8 text, each counted as one column. */
int text_width(const char *text);
/* At most width characters, the last one an ellipsis if something was cut. */
void text_cut(Buffer *out, const char *text, int width);
/* A copy with control characters replaced. */
char *text_harmless(const char *text);
