// SPDX-License-Identifier: Apache-2.0
#include "device/convert.h"

#include <stdlib.h>

#include "base/memory.h"

Converted *converted_add(ConvertedList *list, const char *name)
{
	list->items = mem_array(list->items, list->count + 1, sizeof(Converted));
	Converted *converted = &list->items[list->count++];

	*converted = (Converted){.name = mem_strdup(name)};
	declaration_init(&converted->declaration);
	return converted;
}

void converted_fail(Converted *converted, Error *take_error)
{
	free(converted->problem);
	converted->problem = error_text(take_error);
	error_free(take_error);
}

void converted_clear(ConvertedList *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].problem);
		strings_clear(&list->items[i].notes);
		declaration_clear(&list->items[i].declaration);
	}
	free(list->items);
	*list = (ConvertedList){0};
}
