// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Text in columns, three spaces apart. Where a width is given and the rows do not fit, the widest columns that may be
 * cut are cut, evenly, and show it by an ellipsis. Control characters in cells are replaced: they come from containers,
 * and a terminal would obey them.
 */
#include <stdbool.h>

#include "base/buffer.h"

typedef struct Grid Grid;

enum { GRID_FIXED = 0 /* a column that is never cut */ };

Grid *grid_new(void);
Grid *grid_free(Grid *grid);
DEFINE_AUTOPTR(Grid, grid_free)
/* Before the first row; least: how narrow it may be cut, or GRID_FIXED. */
void grid_column(Grid *grid, int least);
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
