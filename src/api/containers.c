// SPDX-License-Identifier: Apache-2.0
/*
 * /kedge/v1/containers: what is declared, and how far it is so. Documents are declarations in any form that files may
 * have; the ETag of each is that of its file, and who sends If-Match overwrites nobody else's change. dry-run tells
 * what would change, and changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/patch.h"
#include "base/memory.h"
#include "device/difference.h"
#include "engine/container.h"

enum { DECLARATIONS_MAX = 256, BODY_MAX = 16 << 20 };

#define HIDDEN "(hidden)"

/* ---- showing ---- */

static void write_container(Writer *writer, const char *id, Engine *engine)
{
	Container *container = NULL;
	ContainerView view;
	Error *error = id ? container_find(&container, engine, id) : NULL;

	error_free(error); /* it went meanwhile */
	if (!container)
		return;
	container_view(container, &view);
	write_object(writer, "container");
	write_string(writer, "id", view.id);
	write_string(writer, "state", container_state_name(view.state));
	write_string(writer, "health", health_state_name(view.health));
	write_int(writer, "exitCode", view.exit_code);
	write_int(writer, "restarts", view.restart_count);
	write_string(writer, "imageId", view.image_id);
	write_object_end(writer);
}

static void write_kept(Writer *writer, const char *name, Api *api)
{
	KeptView view;

	if (!keeper_view(&view, device_keeper(api->device), name))
		return;
	write_bool(writer, "asDeclared", view.is_as_declared);
	write_bool(writer, "settled", view.is_settled);
	write_string(writer, "doing", keep_step_names[view.step]);
	write_string(writer, "reason", view.reason);
	write_strings(writer, "notes", view.notes);
	write_container(writer, view.container_id, api->engine);
}

static void write_declared(Writer *writer, const DeclaredFile *file, Api *api)
{
	autoptr(Value) shown = declaration_shown(&file->declaration);

	write_object(writer, NULL);
	write_string(writer, "name", file->declaration.name);
	write_string(writer, "file", file->file);
	write_string(writer, "etag", file->etag);
	write_bool(writer, "enabled", file->declaration.enabled);
	write_string(writer, "image", file->declaration.spec.image);
	write_string_or_null(writer, "problem", file->problem);
	write_strings(writer, "fileNotes", &file->notes);
	write_kept(writer, file->declaration.name, api);
	write_value(writer, "declaration", shown);
	write_object_end(writer);
}

/* Files that declare nothing by now, and the directory itself. */
static void write_problems(Writer *writer, const Directory *directory)
{
	write_array(writer, "problems");
	if (directory_problem(directory))
		write_string(writer, NULL, directory_problem(directory));
	for (size_t i = 0; i < directory_count(directory); i++) {
		const DeclaredFile *file = directory_at(directory, i);
		if (file->problem)
			write_stringf(writer, NULL, "\"%s\": %s", file->file, file->problem);
	}
	write_array_end(writer);
}

typedef struct Undeclared {
	Writer *writer;
	Api *api;
} Undeclared;

static void write_undeclared(void *arg, const char *name)
{
	const Undeclared *undeclared = arg;

	write_object(undeclared->writer, NULL);
	write_string(undeclared->writer, "name", name);
	write_kept(undeclared->writer, name, undeclared->api);
	write_object_end(undeclared->writer);
}

static void list(HttpRequest *request, void *context)
{
	Api *api = context;
	const Directory *directory = device_directory(api->device);
	autoclear(Buffer) out = {0};
	Undeclared undeclared;
	Writer writer;

	writer_init(&writer, &out);
	undeclared = (Undeclared){&writer, api};
	write_object(&writer, NULL);
	write_array(&writer, "containers");
	for (size_t i = 0; i < directory_count(directory); i++)
		if (directory_at(directory, i)->is_declared)
			write_declared(&writer, directory_at(directory, i), api);
	write_array_end(&writer);
	write_array(&writer, "leaving");
	keeper_each_undeclared(device_keeper(api->device), write_undeclared, &undeclared);
	write_array_end(&writer);
	write_problems(&writer, directory);
	write_int(&writer, "snapshot", snapshots_newest(device_snapshots(api->device)));
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static bool is_left_aside(const DeclaredFile *file, const char *name)
{
	const char *ending = strrchr(file->file, '.');

	return !file->is_declared && file->problem && ending && (size_t)(ending - file->file) == strlen(name) &&
	       string_starts(file->file, name);
}

/* Where its file is wrong and has declared nothing before, it says why. */
static fallible not_declared(const Directory *directory, const char *name)
{
	for (size_t i = 0; i < directory_count(directory); i++) {
		const DeclaredFile *file = directory_at(directory, i);
		if (is_left_aside(file, name))
			return error_new(ERROR_NOT_FOUND,
				"no container \"%.128s\" is declared: \"%s\" is left aside: %s", name, file->file,
				file->problem);
	}
	return error_new(ERROR_NOT_FOUND, "no container \"%.128s\" is declared", name);
}

static fallible find(const DeclaredFile **ret, const HttpRequest *request, const Api *api)
{
	const char *name = http_request_param(request, "name");
	const Directory *directory = device_directory(api->device);

	*ret = directory_find(directory, name);
	return *ret ? NULL : not_declared(directory, name);
}

static void set_etag(HttpRequest *request, const char *etag)
{
	autofree char *quoted = string_printf("\"%s\"", etag);

	http_response_header(request, "ETag", quoted);
}

static void get(HttpRequest *request, void *context)
{
	const DeclaredFile *file;
	autoclear(Buffer) out = {0};
	Writer writer;
	Error *error = find(&file, request, context);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	writer_init(&writer, &out);
	write_declared(&writer, file, context);
	set_etag(request, file->etag);
	respond_json(request, 200, &out);
}

/* ---- conditions ---- */

static bool is_among(const char *header, const char *etag)
{
	autoclear(StringList) parts = {0};

	strings_split(&parts, header, ',');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = string_trim(parts.items[i]);
		size_t length = strlen(part);
		if (strcmp(part, "*") == 0)
			return etag != NULL;
		if (etag && length == strlen(etag) + 2 && *part == '"' && strncmp(part + 1, etag, length - 2) == 0)
			return true;
	}
	return false;
}

/* Source: RFC 9110, section 13.1. */
static fallible check_conditions(const HttpRequest *request, const DeclaredFile *file)
{
	const char *match = http_request_header(request, "If-Match");
	const char *none = http_request_header(request, "If-None-Match");
	const char *etag = file ? file->etag : NULL;

	if (match && !is_among(match, etag))
		return error_hint(
			error_new(ERROR_STALE, "it was changed since it was read"), "read it again, and change that");
	if (none && is_among(none, etag))
		return error_new(ERROR_STALE, "it is declared already");
	return NULL;
}

/* ---- changes ---- */

typedef struct Changes {
	Declaration items[DECLARATIONS_MAX];
	StringList notes[DECLARATIONS_MAX];
	size_t count;
} Changes;

static Changes *changes_free(Changes *changes)
{
	for (size_t i = 0; i < DECLARATIONS_MAX; i++) {
		declaration_clear(&changes->items[i]);
		strings_clear(&changes->notes[i]);
	}
	free(changes);
	return NULL;
}
DEFINE_AUTOPTR(Changes, changes_free)

/* Who sends back what was shown keeps the secret that was not. */
static void keep_secret(char **slot, const char *now)
{
	if (string_equal(*slot, HIDDEN))
		string_replace(slot, now);
}

/* name: where the document has none. */
static fallible read_document(Changes *changes, const Api *api, const Value *document, const char *name)
{
	Declaration *declaration = &changes->items[changes->count];
	const DeclaredFile *now;

	TRY(device_read(api->device, declaration, &changes->notes[changes->count], document, name));
	changes->count++;
	now = directory_find(device_directory(api->device), declaration->name);
	keep_secret(&declaration->registry.password, now ? now->declaration.registry.password : NULL);
	keep_secret(&declaration->registry.sealed, now ? now->declaration.registry.sealed : NULL);
	return NULL;
}

static fallible read_one(Changes *changes, const Api *api, const Value *document, const char *name)
{
	TRY(read_document(changes, api, document, name));
	if (string_equal(changes->items[0].name, name))
		return NULL;
	return error_new(ERROR_INVALID, "field \"name\": it is \"%s\", and not \"%s\"", changes->items[0].name, name);
}

static const char *change_word(Differences *differences, const Declaration *declaration, const DeclaredFile *now)
{
	static const char *const words[DECLARED_CHANGES] = {"keep", "update", "recreate"};
	autoptr(Value) from = now ? declaration_shown(&now->declaration) : NULL;
	autoptr(Value) to = declaration_shown(declaration);
	autoclear(StringList) names = {0};
	DeclaredChange change;

	differences_find(differences, from, to);
	if (!now)
		return "create";
	change = declaration_compare(&names, &now->declaration, declaration);
	if (now->declaration.enabled != declaration->enabled)
		return declaration->enabled ? "enable" : "disable";
	if (!names.count)
		return "none";
	return declaration->enabled ? words[change] : "note"; /* it has no container */
}

static void write_change(
	Writer *writer, const Declaration *declaration, const StringList *notes, const Directory *directory)
{
	const DeclaredFile *now = directory_find(directory, declaration->name);
	autoclear(Differences) differences = {0};

	write_object(writer, NULL);
	write_string(writer, "name", declaration->name);
	write_string(writer, "change", change_word(&differences, declaration, now));
	differences_write(&differences, writer, "differences");
	write_strings(writer, "notes", notes);
	write_object_end(writer);
}

static void write_changes(Buffer *out, const Changes *changes, const Directory *directory)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_array(&writer, "changes");
	for (size_t i = 0; i < changes->count; i++)
		write_change(&writer, &changes->items[i], &changes->notes[i], directory);
	write_array_end(&writer);
	write_object_end(&writer);
}

static char *why_of(const Changes *changes)
{
	if (changes->count == 1)
		return string_printf("apply %s", changes->items[0].name);
	return string_printf("apply %zu containers", changes->count);
}

/* The answer tells what was before. */
static fallible settle(Buffer *out, const HttpRequest *request, Api *api, const Changes *changes)
{
	const Directory *directory = device_directory(api->device);
	autofree char *why = why_of(changes);

	write_changes(out, changes, directory);
	if (http_request_flag(request, "dry-run"))
		return NULL;
	return device_apply(api->device, changes->items, changes->count, why);
}

static fallible read_body(Value **ret, const HttpRequest *request)
{
	size_t length;
	const char *text = http_request_body(request, &length);

	return value_parse_yaml(ret, text ? text : "", text ? length : 0); /* JSON is YAML */
}

/* ---- one ---- */

static fallible put_steps(Buffer *out, HttpRequest *request, Api *api)
{
	const char *name = http_request_param(request, "name");
	autoptr(Changes) changes = mem_new(Changes);
	autoptr(Value) body = NULL;

	device_look(api->device);
	TRY(check_conditions(request, directory_find(device_directory(api->device), name)));
	TRY(read_body(&body, request));
	TRY(read_one(changes, api, body, name));
	return settle(out, request, api, changes);
}

static void respond_change(HttpRequest *request, Api *api, Error *take_error, Buffer *out)
{
	const DeclaredFile *file = directory_find(device_directory(api->device), http_request_param(request, "name"));

	if (take_error) {
		http_respond_error(request, take_error);
		return;
	}
	if (file)
		set_etag(request, file->etag);
	respond_json(request, 200, out);
}

static void put(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = put_steps(&out, request, context);

	respond_change(request, context, error, &out);
}

/* What is changed is read as a whole declaration again. */
static fallible change_steps(Buffer *out, HttpRequest *request, Api *api, PatchReader *reader)
{
	autoptr(Changes) changes = mem_new(Changes);
	autoptr(Value) body = NULL;
	autoptr(Value) document = NULL;
	const DeclaredFile *now;

	device_look(api->device);
	TRY(find(&now, request, api));
	TRY(check_conditions(request, now));
	TRY(read_body(&body, request));
	document = declaration_value(&now->declaration);
	TRY(reader(document, body));
	TRY(read_one(changes, api, document, now->declaration.name));
	return settle(out, request, api, changes);
}

static void patch(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = change_steps(&out, request, context, patch_merge);

	respond_change(request, context, error, &out);
}

static void set_fields(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = change_steps(&out, request, context, patch_fields);

	respond_change(request, context, error, &out);
}

static fallible delete_steps(HttpRequest *request, Api *api)
{
	const DeclaredFile *now;

	device_look(api->device);
	TRY(find(&now, request, api));
	TRY(check_conditions(request, now));
	if (http_request_flag(request, "dry-run"))
		return NULL;
	autofree char *name = mem_strdup(now->declaration.name);
	return device_delete(api->device, name);
}

static void delete (HttpRequest *request, void *context)
{
	Error *error = delete_steps(request, context);

	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 204);
}

static void try_again(HttpRequest *request, void *context)
{
	const Api *api = context;
	const DeclaredFile *now;
	Error *error = find(&now, request, api);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	device_try_again(api->device, now->declaration.name);
	respond_status(request, 204);
}

/* ---- many: {"containers": [{"name": "web", "document": {...}}]}, or its "text" ---- */

static bool is_twice(const Changes *changes)
{
	const Declaration *last = &changes->items[changes->count - 1];

	for (size_t i = 0; i + 1 < changes->count; i++)
		if (string_equal(changes->items[i].name, last->name))
			return true;
	return false;
}

static fallible read_item(Changes *changes, const Api *api, const Value *item, const char *name)
{
	const char *text = value_string(value_get(item, "text"));
	autoptr(Value) document = NULL;

	if (!text)
		return read_document(changes, api, value_get(item, "document"), name);
	TRY(value_parse_yaml(&document, text, strlen(text)));
	return read_document(changes, api, document, name);
}

static fallible read_many(Changes *changes, const Api *api, const Value *body)
{
	const Value *documents = value_get(body, "containers");

	if (!value_is_array(documents))
		return error_new(
			ERROR_INVALID, "field \"containers\" must be an array, not %s", value_kind_name(documents));
	if (value_count(documents) > DECLARATIONS_MAX)
		return error_new(ERROR_TOO_LARGE, "field \"containers\": more than %d at a time", DECLARATIONS_MAX);
	for (size_t i = 0; i < value_count(documents); i++) {
		const char *name = value_string(value_get(value_at(documents, i), "name"));
		TRY_WRAP(read_item(changes, api, value_at(documents, i), name), "%s", name ? name : "containers");
		if (is_twice(changes))
			return error_new(ERROR_INVALID, "containers[%zu]: \"%s\" is there twice", i,
				changes->items[changes->count - 1].name);
	}
	return NULL;
}

static fallible apply_steps(Buffer *out, HttpRequest *request, Api *api)
{
	autoptr(Changes) changes = mem_new(Changes);
	autoptr(Value) body = NULL;

	device_look(api->device);
	TRY(request_object(&body, request));
	TRY(read_many(changes, api, body));
	return settle(out, request, api, changes);
}

static void apply(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = apply_steps(&out, request, context);

	respond_json_or_error(request, error, &out);
}

const HttpRoute declared_routes[] = {
	{"GET", "/kedge/v1/containers", list, 0, 0},
	{"POST", "/kedge/v1/containers", apply, 0, BODY_MAX},
	{"GET", "/kedge/v1/containers/{name}", get, 0, 0},
	{"PUT", "/kedge/v1/containers/{name}", put, 0, 0},
	{"PATCH", "/kedge/v1/containers/{name}", patch, 0, 0},
	{"DELETE", "/kedge/v1/containers/{name}", delete, 0, 0},
	{"POST", "/kedge/v1/containers/{name}/fields", set_fields, 0, 0},
	{"POST", "/kedge/v1/containers/{name}/retry", try_again, 0, 0},
	{0},
};
