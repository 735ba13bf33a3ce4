// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What reading, writing, comparing and copying by field tables share. */
#include "json/fields.h"

static inline void *slot_of(const Field *field, const void *target)
{
	return (char *)target + field->offset;
}

void array_clear(const Field *field, FieldArray *array);
