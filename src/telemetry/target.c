// SPDX-License-Identifier: Apache-2.0
#include "telemetry/target.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"

static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"driver", offsetof(LogTarget, driver)},
	{"id", offsetof(LogTarget, id)},
	{"name", offsetof(LogTarget, name)},
	{"tag", offsetof(LogTarget, tag)},
	{"host", offsetof(LogTarget, host)},
	{"image-id", offsetof(LogTarget, image_id)},
	{"image-name", offsetof(LogTarget, image_name)},
	{"command", offsetof(LogTarget, command)},
	{"created", offsetof(LogTarget, created)},
	{"files", offsetof(LogTarget, files)},
};

static char **text_at(const LogTarget *target, size_t index)
{
	return (char **)((char *)target + texts[index].offset);
}

/* ---- as words: KEY VALUE, option NAME VALUE, attribute NAME VALUE ---- */

static void write_map(Buffer *packet, const char *kind, const StringMap *map)
{
	for (size_t i = 0; i < map->count; i++) {
		packet_add(packet, kind);
		packet_add(packet, map->items[i].key);
		packet_add(packet, map->items[i].value);
	}
}

void log_target_write(Buffer *packet, const LogTarget *target)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		packet_add(packet, texts[i].key);
		packet_add(packet, *text_at(target, i));
	}
	write_map(packet, "option", &target->options);
	write_map(packet, "attribute", &target->attributes);
}

static void set_text(LogTarget *target, const char *key, const char *value)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		if (string_equal(texts[i].key, key))
			string_replace(text_at(target, i), value);
}

static void read_pair(StringMap *map, const char *key, Packet *packet)
{
	const char *value = packet_next(packet);

	if (value)
		map_set(map, key, value);
}

static void take_files(LogTarget *target, Packet *packet)
{
	static const char *const kinds[] = {"ca", "cert", "key"};
	autoclear(StringList) names = {0};
	size_t next = 2; /* behind the directory and the place */

	strings_split(&names, target->files ? target->files : "", ',');
	for (size_t i = 0; i < names.count && next < PACKET_FDS_MAX; i++, next++) {
		int kind = names_find(kinds, COUNT(kinds), names.items[i]);
		if (kind >= 0)
			target->tls[kind] = take_fd(&packet->fds[next]);
	}
}

void log_target_read(LogTarget *ret, Packet *packet)
{
	*ret = (LogTarget){.tls = {-1, -1, -1}};
	for (const char *key = packet_next(packet); key; key = packet_next(packet)) {
		const char *value = packet_next(packet);
		if (!value)
			break;
		if (string_equal(key, "option"))
			read_pair(&ret->options, value, packet);
		else if (string_equal(key, "attribute"))
			read_pair(&ret->attributes, value, packet);
		else
			set_text(ret, key, value);
	}
	take_files(ret, packet);
}

/* ---- the rest ---- */

static bool maps_equal(const StringMap *a, const StringMap *b)
{
	for (size_t i = 0; i < a->count && a->count == b->count; i++)
		if (!string_equal(map_get(b, a->items[i].key), a->items[i].value))
			return false;
	return a->count == b->count;
}

bool log_target_equal(const LogTarget *a, const LogTarget *b)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!string_equal(*text_at(a, i), *text_at(b, i)))
			return false;
	return maps_equal(&a->options, &b->options) && maps_equal(&a->attributes, &b->attributes);
}

void log_target_clear(LogTarget *target)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		free(*text_at(target, i));
		*text_at(target, i) = NULL;
	}
	map_clear(&target->options);
	map_clear(&target->attributes);
	for (size_t i = 0; i < COUNT(target->tls); i++)
		close_fd(&target->tls[i]);
}

const char *log_target_option(const LogTarget *target, const char *name)
{
	return map_get(&target->options, name);
}

bool log_target_flag(const LogTarget *target, const char *name)
{
	const char *value = log_target_option(target, name);

	return value && (string_equal(value, "true") || string_equal(value, "1") || string_equal(value, "t") ||
				string_equal(value, "T") || string_equal(value, "TRUE") || string_equal(value, "True"));
}
