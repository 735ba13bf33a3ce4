// SPDX-License-Identifier: Apache-2.0
#include "docker/forms.h"

#include "base/clock.h"

void write_time(Writer *writer, const char *key, int64_t wall_ns)
{
	char text[CLOCK_TEXT_MAX];

	clock_format(text, wall_ns);
	write_string(writer, key, text);
}

void write_strings_or_null(Writer *writer, const char *key, const StringList *list)
{
	if (list->count > 0)
		write_strings(writer, key, list);
	else
		write_null(writer, key);
}

void write_set_or_null(Writer *writer, const char *key, const StringList *names)
{
	if (names->count == 0) {
		write_null(writer, key);
		return;
	}
	write_object(writer, key);
	for (size_t i = 0; i < names->count; i++)
		write_raw(writer, names->items[i], "{}");
	write_object_end(writer);
}
