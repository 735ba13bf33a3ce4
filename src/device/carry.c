// SPDX-License-Identifier: Apache-2.0
#include "device/carry.h"

#include <string.h>

#include "base/memory.h"

bool says_nothing(const Value *value)
{
	if (value_is_array(value) || value_is_object(value))
		return value_count(value) == 0;
	if (value_is_string(value))
		return string_empty(value_string(value));
	if (value_is_number(value))
		return value_double(value, 1) == 0;
	return value_is_null(value) || !value_bool(value, true);
}

void value_set_path(Value *object, const char *dotted, Value *take)
{
	autoclear(StringList) names = {0};

	strings_split(&names, dotted, '.');
	for (size_t i = 0; i + 1 < names.count; i++) {
		if (!value_get(object, names.items[i]))
			value_set(object, names.items[i], value_object());
		object = value_get(object, names.items[i]);
	}
	value_set(object, names.items[names.count - 1], take);
}

void carry(Value *to, const Value *from, const Carried *table)
{
	for (; table->from; table++) {
		const Value *value = value_path(from, table->from);
		if (!says_nothing(value))
			value_set_path(to, table->to, value_copy(value));
	}
}

void note_others(StringList *notes, const Value *from, const char *where, const char *const *known)
{
	const char *name;
	Value *member;
	size_t cursor = 0;

	while (value_each(from, &cursor, &name, &member)) {
		bool is_known = says_nothing(member);
		for (size_t i = 0; known[i]; i++)
			is_known |= strcmp(known[i], name) == 0;
		if (!is_known)
			strings_printf(notes, "%s\"%.300s\" is left out: there is nothing of its kind", where, name);
	}
}
