// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Columns and rows of what several commands list. */
#include "cli/listing.h"

/* Of GET /containers/json, a row for each. */
extern const Column container_columns[];
Row *container_rows(const Value *list, bool truncates); /* as many as the list has; free() */

/* Of GET /images/json, a row for each name of an image. */
extern const Column image_columns[];
Row *image_rows(const Value *list, bool truncates, size_t *ret_count); /* free() */
