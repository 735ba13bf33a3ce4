// SPDX-License-Identifier: Apache-2.0
#include "engine/volume.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/volume_internal.h"
#include "runtime/spec_words.h"
#include "store/records.h"
#include "store/volumes.h"

#define AT(member) .offset = offsetof(VolumeRecord, member), .omit_empty = true

static const Field volume_record_fields[] = {
	{.name = "createdNs", .kind = FIELD_INT, AT(created_ns)},
	{.name = "optionsGiven", .kind = FIELD_BOOL, AT(options_given)},
	{.name = "options", .kind = FIELD_MAP, AT(options)},
	{.name = "labelsGiven", .kind = FIELD_BOOL, AT(labels_given)},
	{.name = "labels", .kind = FIELD_MAP, AT(labels)},
	FIELDS_END,
};

/* ---- life of the object ---- */

static Volume *volume_new(Engine *engine, const char *name)
{
	Volume *volume = mem_new(Volume);

	list_init(&volume->link);
	volume->engine = engine;
	volume->name = mem_strdup(name);
	return volume;
}

void volume_free(Volume *volume)
{
	list_remove(&volume->link);
	aside_free(volume->leaving);
	fields_clear(volume_record_fields, &volume->record);
	free(volume->name);
	free(volume);
}

static void volume_index(Volume *volume)
{
	table_set(volume->engine->volumes, volume->name, volume);
	list_append(&volume->engine->volume_order, &volume->link);
}

/* What is being unmounted goes when that has ended. */
static void volume_drop(Volume *volume)
{
	table_remove(volume->engine->volumes, volume->name);
	if (!volume->leaving) {
		volume_free(volume);
		return;
	}
	list_remove(&volume->link);
	list_append(&volume->engine->volumes_leaving, &volume->link);
	volume->is_removed = true;
}

static void restore_volume(void *arg, const char *id, const char *name, const char *json)
{
	Engine *engine = arg;

	if (table_get(engine->volumes, id))
		return;
	Volume *volume = volume_new(engine, id);
	Error *error = fields_read_text(volume_record_fields, &volume->record, "record", json, strlen(json), 0);

	(void)name;
	if (!error) {
		volume_index(volume);
		return;
	}
	Error *aside = record_set_aside(engine->store, "volume", id, error_message(error));
	if (aside)
		error_log(aside, "volume \"%s\"", id);
	error_free(error); /* it is the reason */
	volume_free(volume);
}

fallible volumes_restore(Engine *engine)
{
	if (!engine->volumes_path)
		engine->volumes_path = volumes_path(engine->store);
	return record_each(engine->store, "volume", restore_volume, engine);
}

void volumes_clear(Engine *engine)
{
	while (!list_empty(&engine->volume_order))
		volume_free(list_entry(engine->volume_order.next, Volume, link));
	while (!list_empty(&engine->volumes_leaving))
		volume_free(list_entry(engine->volumes_leaving.next, Volume, link));
	table_free(engine->volumes);
	free(engine->volumes_path);
}

/* ---- creating: the words are Docker's ---- */

static fallible check_name(const char *name)
{
	if (strlen(name) == 1)
		return error_new(ERROR_INVALID,
			"volume name is too short, names should be at least two alphanumeric characters");
	if (strlen(name) > VOLUME_NAME_MAX)
		return error_new(
			ERROR_INVALID, "a volume's name must not be longer than %d characters", VOLUME_NAME_MAX);
	if (!volume_name_is_valid(name))
		return error_new(ERROR_INVALID,
			"\"%s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
			"absolute path",
			name);
	return NULL;
}

static fallible check_driver(const char *driver)
{
	if (string_empty(driver) || string_equal(driver, VOLUME_DRIVER))
		return NULL;
	return error_new(
		ERROR_NOT_FOUND, "error looking up volume plugin %.100s: plugin \"%.100s\" not found", driver, driver);
}

static fallible check_options(const StringMap *options)
{
	static const char *const known[] = {"type", "device", "o", "size"};
	static const char *const needs[][2] = {{"device", "type"}, {"type", "device"}, {"o", "device"}, {"o", "type"}};

	for (size_t i = 0; i < options->count; i++)
		if (names_find(known, COUNT(known), options->items[i].key) < 0)
			return error_new(ERROR_INVALID, "invalid option: \"%.100s\"", options->items[i].key);
	for (size_t i = 0; i < COUNT(needs); i++)
		if (map_get(options, needs[i][0]) && !map_get(options, needs[i][1]))
			return error_new(ERROR_INVALID, "missing required option: \"%s\"", needs[i][1]);
	if (map_get(options, "size"))
		return error_new(ERROR_INVALID, "quota size requested but no quota support");
	return NULL;
}

static fallible check_spec(const VolumeSpec *spec, const char *name)
{
	TRY(check_name(name));
	return spec->options ? check_options(spec->options) : NULL;
}

static void fill_record(VolumeRecord *record, const VolumeSpec *spec)
{
	record->created_ns = clock_wall_ns();
	record->options_given = spec->options;
	record->labels_given = spec->labels;
	if (spec->options)
		map_copy(&record->options, spec->options);
	if (spec->labels)
		map_copy(&record->labels, spec->labels);
	if (!string_empty(spec->name))
		return;
	record->labels_given = true;
	map_set(&record->labels, VOLUME_ANONYMOUS, "");
}

static char *record_text(const Volume *volume)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(volume_record_fields, &volume->record, &writer, NULL);
	return mem_strdup(buffer_text(&text));
}

static fallible volume_save(const Volume *volume, bool is_staged)
{
	autofree char *text = record_text(volume);
	Store *store = volume->engine->store;

	TRY(fault("engine.volume.create"));
	return is_staged ? volume_stage(store, volume->name, text) : volume_put(store, volume->name, text);
}

fallible volume_put_record(const Volume *volume)
{
	autofree char *text = record_text(volume);

	return record_put(volume->engine->store, "volume", volume->name, NULL, text);
}

static fallible create_new(Volume **ret, Engine *engine, const VolumeSpec *spec, const char *name)
{
	TRY(check_spec(spec, name));
	Volume *volume = volume_new(engine, name);
	fill_record(&volume->record, spec);
	Error *error = volume_save(volume, spec->is_staged);
	if (error) {
		volume_free(volume);
		return error;
	}
	volume_index(volume);
	*ret = volume;
	return NULL;
}

fallible volume_create(Volume **ret, Engine *engine, const VolumeSpec *spec)
{
	char invented[65];
	const char *name = spec->name;

	if (string_empty(name)) {
		string_random_hex(invented, 64);
		name = invented;
	}
	TRY_WRAP(check_driver(spec->driver), "create %.300s", name);
	Volume *volume = table_get(engine->volumes, name);
	if (!volume)
		TRY_WRAP(create_new(&volume, engine, spec, name), "create %.300s", name);
	event_emit(engine, "volume", "create", name, "driver", VOLUME_DRIVER, NULL);
	*ret = volume;
	return NULL;
}

/* ---- finding ---- */

fallible volume_find(Volume **ret, Engine *engine, const char *name)
{
	Volume *volume = table_get(engine->volumes, name);

	if (!volume)
		return error_new(ERROR_NOT_FOUND, "get %.300s: no such volume", name);
	*ret = volume;
	return NULL;
}

size_t volume_list(Volume ***ret, Engine *engine)
{
	size_t count = table_count(engine->volumes), i = count;
	Volume **list = mem_array(NULL, count + 1, sizeof(*list));

	list_each(&engine->volume_order, Volume, link, volume)
		list[--i] = volume;
	*ret = list;
	return count;
}

void volume_view(const Volume *volume, VolumeView *ret)
{
	const VolumeRecord *record = &volume->record;

	*ret = (VolumeView){
		.name = volume->name,
		.path = volume_data_path(volume->engine, volume->name),
		.created_ns = record->created_ns,
		.options = record->options_given ? &record->options : NULL,
		.labels = record->labels_given ? &record->labels : NULL,
		.is_anonymous = map_get(&record->labels, VOLUME_ANONYMOUS),
	};
}

void volume_view_clear(VolumeView *view)
{
	free(view->path);
}

char *volume_data_path(const Engine *engine, const char *name)
{
	return string_printf("%s/%s/" VOLUME_DATA, engine->volumes_path, name);
}

char *volume_part(const Engine *engine, const MountSpec *mount)
{
	autofree char *absolute = string_printf("/%s", mount->subpath), *clean = spec_clean_path(absolute);

	return string_printf("%s/%s/" VOLUME_DATA "/%s", engine->volumes_path, mount->source,
		clean); /* clean begins with the second slash */
}

bool volume_has_mount(const Volume *volume)
{
	return map_get(&volume->record.options, "type");
}

/* ---- users ---- */

bool container_uses_volume(const Container *container, const char *name)
{
	const FieldArray *mounts = &container->record.spec.mounts;

	for (size_t i = 0; i < mounts->count; i++)
		if (container_volume(container, i) && string_equal(container_volume(container, i)->source, name))
			return true;
	return false;
}

const MountSpec *container_volume(const Container *container, size_t index)
{
	const MountSpec *mount = (const MountSpec *)container->record.spec.mounts.items + index;

	return mount->kind == MOUNT_VOLUME ? mount : NULL;
}

static void count_users(Table *users, const Container *container)
{
	autoptr(Table) seen = table_new(); /* one that is mounted twice has one user */

	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = container_volume(container, i);
		if (!mount || table_set(seen, mount->source, seen))
			continue;
		uintptr_t count = (uintptr_t)table_get(users, mount->source);
		table_set(users, mount->source, (void *)(count + 1));
	}
}

Table *volume_users(Engine *engine)
{
	Table *users = table_new();

	list_each(&engine->container_order, Container, link, container)
		count_users(users, container);
	return users;
}

/* ---- removing ---- */

static fallible check_unused(Engine *engine, const char *name)
{
	autoclear(StringList) ids = {0};

	list_each(&engine->container_order, Container, link, container)
		if (container_uses_volume(container, name))
			strings_add(&ids, container->id);
	if (!ids.count)
		return NULL;
	autofree char *joined = strings_join(&ids, ", ");
	return error_new(ERROR_CONFLICT, "remove %s: volume is in use - [%s]", name, joined);
}

/* Its record is deleted. */
void volume_gone(Volume *volume)
{
	Engine *engine = volume->engine;

	event_emit(engine, "volume", "destroy", volume->name, "driver", VOLUME_DRIVER, NULL);
	volume_drop(volume);
	engine_sweep_soon(engine);
}

fallible volume_remove(Engine *engine, const char *name, bool force)
{
	Volume *volume = table_get(engine->volumes, name);

	if (!volume && force)
		return NULL;
	TRY(volume_find(&volume, engine, name));
	TRY(check_unused(engine, name));
	if (volume->readers)
		return error_new(ERROR_CONFLICT, "remove %s: volume is being exported", name);
	volumes_release(engine); /* its start may have been broken off */
	TRY(fault("engine.volume.remove"));
	TRY_WRAP(volume_delete(engine->store, name), "remove %s", name);
	volume_gone(volume);
	return NULL;
}
