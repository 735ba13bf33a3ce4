// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/document.h"
#include "device/watch.h"
#include "engine/event.h"

struct Device {
	Engine *engine;
	Directory *directory;
	Snapshots *snapshots;
	Keeper *keeper;
	SealKey *key; /* NULL: it cannot be had */
	ServiceFile *service;
	Watch *watch;
	char *rolling_back; /* file: there while a roll-back is under way */
	Value *content;     /* of the newest snapshot */
	bool is_started;
};

/* ---- reading files ---- */

/* What is not sealed by now cannot be: it is neither kept nor written anywhere (invariant 9). */
static fallible check_declared(const Device *device, Declaration *declaration, StringList *ret_notes)
{
	const char *name = declaration->name;
	char **password = &declaration->registry.password;

	if (string_ends(name, KEPT_OLD_SUFFIX) || string_ends(name, KEPT_NEXT_SUFFIX))
		return error_new(ERROR_INVALID, "field \"name\": \"%s\" is a name that replacements have", name);
	if (!*password || device->key)
		return NULL;
	strings_add(ret_notes, "the password of its registry is not used: there is no key to seal it with");
	explicit_bzero(*password, strlen(*password));
	string_replace(password, NULL);
	return NULL;
}

fallible device_read(Device *device, Declaration *ret, StringList *ret_notes, const Value *document, const char *name)
{
	autoptr(Value) sealed = value_copy(document);
	autoclear(Declaration) declaration = {0};
	bool changed;

	if (!value_is_object(document))
		return error_new(ERROR_INVALID, "it is no declaration, but %s",
			value_is_null(document) ? "empty" : value_kind_name(document));
	if (device->key)
		seal_document(&changed, sealed, device->key);
	TRY(document_read(&declaration, ret_notes, document_form(sealed), sealed, name));
	TRY(check_declared(device, &declaration, ret_notes));
	declaration_clear(ret);
	*ret = declaration;
	declaration = (Declaration){0};
	return NULL;
}

static fallible read_file(void *arg, Declaration *ret, StringList *ret_notes, char **ret_text, const char *text,
	size_t length, const char *name)
{
	autoclear(Declaration) declaration = {0};
	const Device *device = arg;

	TRY(document_parse(&declaration, ret_notes, ret_text, device->key, text, length, name));
	TRY(check_declared(device, &declaration, ret_notes));
	declaration_clear(ret);
	*ret = declaration;
	declaration = (Declaration){0};
	return NULL;
}

static fallible unseal(void *arg, char **ret, const DeclaredRegistry *registry)
{
	const Device *device = arg;

	if (!registry->sealed)
		return error_new(ERROR_INVALID, "its registry has a user and no password");
	if (!device->key)
		return error_new(ERROR_UNAVAILABLE, "there is no key to open its password with");
	return seal_open(ret, device->key, registry->sealed);
}

/* ---- snapshots ---- */

static Value *content_of(const Device *device)
{
	Value *content = value_object(), *files = value_object();

	for (size_t i = 0; i < directory_count(device->directory); i++) {
		const DeclaredFile *file = directory_at(device->directory, i);
		if (file->is_declared)
			value_set(files, file->file, declaration_value(&file->declaration));
	}
	value_set(content, "files", files);
	if (!service_file_is_closed(device->service)) /* else it is what nobody has asked for */
		value_set(content, "service", service_value(service_file_options(device->service)));
	return content;
}

static void recall_file(Device *device, const char *file, const Value *document)
{
	autoclear(Declaration) declaration = {0};
	Error *error = declaration_read(&declaration, document, NULL);

	if (error)
		error_log(error, "snapshot: \"%s\"", file);
	else
		directory_recall(device->directory, file, &declaration);
}

/* What counted last: a file that cannot be read now, or a directory, is no reason to remove anything. */
static void recall(Device *device)
{
	autoptr(Value) snapshot = NULL;
	const char *file;
	Value *document;
	Error *error;

	if (!snapshots_newest(device->snapshots))
		return;
	error = snapshots_get(&snapshot, device->snapshots, 0);
	if (error) {
		error_log(error, "declared containers");
		return;
	}
	device->content = value_copy(value_get(snapshot, "content"));
	for (size_t cursor = 0; value_each(value_get(device->content, "files"), &cursor, &file, &document);)
		recall_file(device, file, document);
}

static const Value *declared_in(const Value *content, const char *name)
{
	const char *file;
	Value *document;

	for (size_t cursor = 0; value_each(value_get(content, "files"), &cursor, &file, &document);)
		if (string_equal(value_string(value_get(document, "name")), name))
			return document;
	return NULL;
}

static void tell_one(const Device *device, const char *name, const char *action)
{
	event_emit(device->engine, "declaration", action, name, "name", name, NULL);
}

static void tell_changes(const Device *device, const Value *before, const Value *after)
{
	const char *file;
	Value *document;

	for (size_t cursor = 0; value_each(value_get(after, "files"), &cursor, &file, &document);) {
		const char *name = value_string(value_get(document, "name"));
		const Value *old = declared_in(before, name);
		if (!old || !value_equal(old, document))
			tell_one(device, name, old ? "update" : "create");
	}
	for (size_t cursor = 0; value_each(value_get(before, "files"), &cursor, &file, &document);) {
		const char *name = value_string(value_get(document, "name"));
		if (!declared_in(after, name))
			tell_one(device, name, "delete");
	}
}

/* ---- what declarations pin ---- */

/* An image that its owner has named by its digest may run, beside those of the allow-list. */
static void add_pinned(StringList *pinned, const Declaration *declaration)
{
	const char *at = strrchr(declaration->spec.image ? declaration->spec.image : "", '@');

	if (!declaration->enabled)
		return;
	if (at)
		strings_add(pinned, at + 1);
	if (!string_empty(declaration->signature.enforcement_digest))
		strings_add(pinned, declaration->signature.enforcement_digest);
}

static bool is_same_list(const StringList *a, const StringList *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

static void pin(const Device *device)
{
	autoclear(StringList) pinned = {0};
	Error *error = NULL;

	for (size_t i = 0; i < directory_count(device->directory); i++) {
		const DeclaredFile *file = directory_at(device->directory, i);
		if (file->is_declared)
			add_pinned(&pinned, &file->declaration);
	}
	if (!is_same_list(&pinned, service_file_pinned(device->service)))
		error = service_file_set_pinned(device->service, &pinned);
	if (error)
		error_log(error, "digests of declared containers are not allowed by that");
}

/* ---- changes ---- */

/* Something else is declared, or has another problem. A snapshot that cannot be written keeps nothing from being done:
 * the files are the truth. */
static void changed(Device *device, const char *why)
{
	Value *content = content_of(device);
	Error *error = NULL;

	if (!device->content || !value_equal(content, device->content)) {
		error = snapshots_add(device->snapshots, content, why);
		tell_changes(device, device->content, content);
	}
	if (error)
		error_log(error, "there is no snapshot of this change");
	value_free(device->content);
	device->content = content;
	pin(device);
	if (device->is_started)
		keeper_look(device->keeper);
}

/* ---- files that others change ---- */

static void read_files(Device *device, bool is_first)
{
	bool has_changed, again;

	directory_read(device->directory, is_first, &has_changed, &again);
	if (again)
		watch_again(device->watch, DIRECTORY_AGAIN_NS);
	if (has_changed)
		changed(device, "files have changed");
}

static void on_change(void *arg)
{
	read_files(arg, false);
}

void device_look(Device *device)
{
	read_files(device, false);
}

static void on_service(void *arg)
{
	Device *device = arg;

	changed(device, "the service's options have changed");
	keeper_set_on(device->keeper, service_file_options(device->service)->enabled);
	event_emit(device->engine, "daemon", "reload", "kedged", NULL);
}

/* ---- changes of ours ---- */

static char *names_of(const Declaration *declarations, size_t count)
{
	autoclear(StringList) names = {0};

	for (size_t i = 0; i < count; i++)
		strings_printf(&names, "\"%s\"", declarations[i].name);
	return count ? strings_join(&names, ", ") : mem_strdup("none");
}

/* Who has asked for several is to know how far it came. */
static fallible cut_off(Error *take_error, const Declaration *declarations, size_t count, size_t written)
{
	autofree char *done = names_of(declarations, written);
	autofree char *left = names_of(declarations + written, count - written);

	return error_wrap(
		take_error, "written: %s; not written: %s; container \"%s\"", done, left, declarations[written].name);
}

fallible device_apply(Device *device, const Declaration *declarations, size_t count, const char *why)
{
	Error *error = NULL;
	size_t written = 0;

	for (size_t i = 0; i < count; i++)
		TRY(directory_may_put(device->directory, declarations[i].name));
	while (written < count && !error) {
		error = directory_put(device->directory, &declarations[written], NULL);
		written += !error;
	}
	changed(device, why);
	return error && count > 1 ? cut_off(error, declarations, count, written) : error;
}

fallible device_delete(Device *device, const char *name)
{
	autofree char *why = string_printf("delete %s", name);

	TRY(directory_remove(device->directory, name));
	changed(device, why);
	return NULL;
}

void device_try_again(Device *device, const char *name)
{
	keeper_try_again(device->keeper, name);
}

/* ---- rolling back ---- */

static fallible roll_back_file(Device *device, const char *file, const Value *document)
{
	autoclear(Declaration) declaration = {0};

	TRY_WRAP(declaration_read(&declaration, document, NULL), "\"%s\"", file);
	return directory_put_file(device->directory, file, &declaration);
}

static bool is_as_it_was(const Device *device, const char *file, const Value *document)
{
	for (size_t i = 0; i < directory_count(device->directory); i++) {
		const DeclaredFile *now = directory_at(device->directory, i);
		if (strcmp(now->file, file) != 0 || !now->is_declared || now->problem)
			continue;
		autoptr(Value) value = declaration_value(&now->declaration);
		return value_equal(value, document);
	}
	return false;
}

/* What is not in it goes first: a name may have moved from one file to another. */
static fallible remove_others(Device *device, const Value *files)
{
	for (size_t i = directory_count(device->directory); i-- > 0;) {
		const char *file = directory_at(device->directory, i)->file;
		autofree char *name = mem_strdup(file);
		if (!value_get(files, name))
			TRY(directory_remove_file(device->directory, name));
	}
	return NULL;
}

static fallible roll_back_service(const Device *device, const Value *document)
{
	autoclear(Service) service;

	service_init(&service);
	if (!document)
		return NULL;
	TRY(service_read(&service, document));
	if (service_equal(&service, service_file_options(device->service)))
		return NULL;
	return service_file_change(device->service, &service, NULL);
}

static fallible roll_back(Device *device, int64_t number)
{
	autoptr(Value) snapshot = NULL;
	const char *file;
	Value *document;

	TRY(snapshots_get(&snapshot, device->snapshots, number));
	const Value *files = value_path(snapshot, "content.files");
	TRY(remove_others(device, files));
	for (size_t cursor = 0; value_each(files, &cursor, &file, &document);)
		if (!is_as_it_was(device, file, document))
			TRY(roll_back_file(device, file, document));
	return roll_back_service(device, value_path(snapshot, "content.service"));
}

/* Who was told that it failed has done something else by the next start: it does not go on then. */
static fallible roll_back_over(const Device *device, Error *take_error)
{
	Error *error = file_unlink(AT_FDCWD, device->rolling_back);

	if (!take_error)
		return error;
	error_free(error); /* there was one before */
	return take_error;
}

fallible device_roll_back(Device *device, int64_t number)
{
	autofree char *text = string_printf("%lld", (long long)number);
	autofree char *why = string_printf("roll back to %lld", (long long)number);
	autoptr(Value) snapshot = NULL;
	Error *error;

	TRY(snapshots_get(&snapshot, device->snapshots, number));
	TRY(file_replace_durable(AT_FDCWD, device->rolling_back, text, strlen(text), 0600));
	error = roll_back(device, number);
	if (!error)
		error = fault("device.rolled-back");
	changed(device, why);
	return roll_back_over(device, error);
}

static fallible find_target(int64_t *ret, const Device *device)
{
	autofree char *text = NULL;
	autoptr(Value) snapshot = NULL;
	int64_t number;

	TRY(file_read(&text, NULL, AT_FDCWD, device->rolling_back, 64));
	TRY(string_to_int64(&number, text, 1, INT64_MAX));
	TRY(snapshots_get(&snapshot, device->snapshots, number));
	*ret = number;
	return NULL;
}

/* kedged died in one: it is gone through again, from the beginning. One that leads nowhere by now is over. */
static fallible resume_roll_back(Device *device)
{
	int64_t number = 0;
	Error *error;

	if (!file_exists(AT_FDCWD, device->rolling_back))
		return NULL;
	error = find_target(&number, device);
	if (error && error_may_pass(error_kind(error)))
		return error;
	if (error)
		return roll_back_over(device, error_wrap(error, "it is given up"));
	TRY(roll_back(device, number));
	changed(device, "a roll-back went on");
	return file_unlink(AT_FDCWD, device->rolling_back);
}

/* ---- others' views ---- */

const Directory *device_directory(const Device *device)
{
	return device->directory;
}

const Snapshots *device_snapshots(const Device *device)
{
	return device->snapshots;
}

const Keeper *device_keeper(const Device *device)
{
	return device->keeper;
}

/* ---- life ---- */

/* What a power cut left of a write there; where nothing can be removed nothing could be written either. */
static void sweep(const char *directory)
{
	Error *error = dir_remove_temporaries(AT_FDCWD, directory);

	if (error && error_number(error) == ENOENT)
		error = error_free(error); /* nobody has written there yet */
	if (error)
		error_log(error, "what was being written in \"%s\" stays", directory);
}

static fallible make_parts(Device *device, const DeviceConfig *config)
{
	const char *root = engine_config(device->engine)->root;
	autofree char *own = path_join(root, "declared");
	autofree char *snapshots = path_join(own, "snapshots");
	autofree char *notes = path_join(own, "state.json");
	const char *written[] = {own, snapshots, config->containers_dir};
	KeeperOptions options = {.engine = device->engine, .state = notes, .unseal = unseal, .arg = device};
	Error *error;

	for (size_t i = 0; i < COUNT(written); i++)
		sweep(written[i]);
	device->rolling_back = path_join(own, "rolling-back");
	error = seal_key_open(&device->key, config->seal_key_file);
	if (error)
		error_log(error, "passwords of registries cannot be used");
	TRY(snapshots_new(&device->snapshots, snapshots));
	device->directory = directory_new(config->containers_dir, read_file, device);
	TRY(watch_new(&device->watch, engine_loop(device->engine), on_change, device));
	options.directory = device->directory;
	return keeper_new(&device->keeper, &options);
}

fallible device_new(Device **ret, Engine *engine, const DeviceConfig *config, ServiceFile *service)
{
	autoptr(Device) device = mem_new(Device);
	Error *error;

	device->engine = engine;
	device->service = service;
	TRY(make_parts(device, config));
	recall(device);
	if (!directory_count(device->directory)) /* else one that is not there would be one whose files were removed */
		error_free(dir_make_all(AT_FDCWD, config->containers_dir, 0755)); /* whoever writes there is told */
	watch_add(device->watch, config->containers_dir);
	read_files(device, true);
	if (device->content) /* the service's options may be others by now, as well */
		changed(device, "changes while kedged was away");
	pin(device);
	error = resume_roll_back(device);
	if (error)
		error_log(error, "a roll-back is not finished");
	*ret = take(device);
	return NULL;
}

void device_start(Device *device)
{
	device->is_started = true;
	service_file_on_change(device->service, on_service, device);
	keeper_set_on(device->keeper, service_file_options(device->service)->enabled);
	keeper_start(device->keeper);
}

void device_stop(Device *device)
{
	keeper_stop(device->keeper);
}

Device *device_free(Device *device)
{
	if (!device)
		return NULL;
	service_file_on_change(device->service, NULL, NULL);
	watch_free(device->watch);
	seal_key_free(device->key);
	keeper_free(device->keeper);
	directory_free(device->directory);
	snapshots_free(device->snapshots);
	value_free(device->content);
	free(device->rolling_back);
	free(device);
	return NULL;
}
