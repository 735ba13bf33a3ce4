// SPDX-License-Identifier: Apache-2.0
#include "device/difference.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"

static const char *const secrets[] = {"password", "sealed", "registry.password"};
#define HIDDEN "(not shown)"

static bool is_secret(const char *key)
{
	return names_find(secrets, COUNT(secrets), key) >= 0;
}

static Value *shown(const Value *value, bool hides)
{
	if (!value)
		return NULL;
	return hides ? value_new_string(HIDDEN) : value_copy(value);
}

static void add(Differences *differences, const char *path, const Value *from, const Value *to, bool hides)
{
	differences->items = mem_array(differences->items, differences->count + 1, sizeof(*differences->items));
	differences->items[differences->count++] = (Difference){mem_strdup(path), shown(from, hides), shown(to, hides)};
}

static void compare(Differences *ret, const char *path, const Value *from, const Value *to);

static void compare_member(Differences *ret, const char *path, const char *key, const Value *from, const Value *to)
{
	autofree char *longer = *path ? string_printf("%s.%s", path, key) : mem_strdup(key);

	if (from && to && value_equal(from, to))
		return;
	if (is_secret(key))
		add(ret, longer, from, to, true);
	else
		compare(ret, longer, from, to);
}

static void compare(Differences *ret, const char *path, const Value *from, const Value *to)
{
	const char *key;
	Value *value;

	if ((from && !value_is_object(from)) || (to && !value_is_object(to))) {
		add(ret, path, from, to, false);
		return;
	}
	for (size_t cursor = 0; value_each(from, &cursor, &key, &value);)
		compare_member(ret, path, key, value, value_get(to, key));
	for (size_t cursor = 0; value_each(to, &cursor, &key, &value);)
		if (!value_get(from, key))
			compare_member(ret, path, key, NULL, value);
}

void differences_find(Differences *ret, const Value *from, const Value *to)
{
	compare(ret, "", from, to);
}

void differences_clear(Differences *differences)
{
	for (size_t i = 0; i < differences->count; i++) {
		free(differences->items[i].path);
		value_free(differences->items[i].from);
		value_free(differences->items[i].to);
	}
	free(differences->items);
	*differences = (Differences){0};
}

void differences_write(const Differences *differences, Writer *writer, const char *key)
{
	write_array(writer, key);
	for (size_t i = 0; i < differences->count; i++) {
		const Difference *difference = &differences->items[i];
		write_object(writer, NULL);
		write_string(writer, "Field", difference->path);
		if (difference->from)
			write_value(writer, "From", difference->from);
		if (difference->to)
			write_value(writer, "To", difference->to);
		write_object_end(writer);
	}
	write_array_end(writer);
}
