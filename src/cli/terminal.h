// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the user looks at: whether it is a terminal, how large, whether colours are wanted (NO_COLOR, TERM=dumb). */
#include <stdbool.h>
#include <stdio.h>

bool terminal_is(FILE *file);
bool terminal_has_colours(FILE *file);
int terminal_width(FILE *file);  /* $COLUMNS or the terminal's, 80 where nobody knows; 0 when it is no terminal */
int terminal_height(FILE *file); /* 24 where nobody knows; 0 when it is no terminal */
/* "head: text" on lines of its own: on a terminal none longer than it is, nor than 100 characters, and no control
 * characters, which may come from containers and registries. colour: of the head, an escape sequence or NULL. */
void terminal_tell(FILE *file, const char *head, const char *colour, const char *text);
bool terminal_size(FILE *file, int *ret_rows, int *ret_columns); /* as it is; false when it is no terminal */
