// SPDX-License-Identifier: Apache-2.0
#pragma once
/* JSON text laid out for reading, as Go's json.Indent does it: numbers, escapes and the order of keys stay as the
 * daemon wrote them. */
#include <stddef.h>

#include "base/buffer.h"

enum { INDENT_WIDTH = 4 };

/* text is well-formed JSON; depth: how deep the surroundings are already. */
void json_indent(Buffer *out, const char *text, size_t length, int depth);
