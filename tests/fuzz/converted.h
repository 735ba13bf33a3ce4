// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What conversions promise: each container is a declaration that is written and read back as the same, or a problem. */
#include "device/convert.h"

#include "fuzz.h"

static inline void check_converted(const ConvertedList *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const Converted *converted = &list->items[i];
		autoptr(Value) value = converted->problem ? NULL : declaration_value(&converted->declaration);
		autoclear(Declaration) again;

		declaration_init(&again);
		if (!converted->problem)
			must_hold(!declaration_read(&again, value, NULL));
	}
}
