// SPDX-License-Identifier: Apache-2.0
/* /volumes: list, create, inspect, remove, prune. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "docker/container_sizes.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "docker/spec.h"
#include "docker/volume_list.h"
#include "engine/event.h"

/* ---- one volume ---- */

static void write_map_or_null(Writer *writer, const char *key, const StringMap *map)
{
	if (map)
		write_map(writer, key, map);
	else
		write_null(writer, key);
}

static void write_created(Writer *writer, int64_t created_ns)
{
	char text[CLOCK_TEXT_MAX];

	clock_format(text, created_ns);
	write_stringf(writer, "CreatedAt", "%.*sZ", (int)strcspn(text, ".Z"), text);
}

static void write_usage(Writer *writer, const VolumeView *view, const VolumeUse *use)
{
	write_object(writer, "UsageData");
	write_int(writer, "RefCount", (int64_t)(uintptr_t)table_get(use->users, view->name));
	write_int(writer, "Size", volume_size(use->sizes, view->name));
	write_object_end(writer);
}

static void write_volume(Writer *writer, const Volume *volume, const VolumeUse *use)
{
	autoclear(VolumeView) view = {0};

	volume_view(volume, &view);
	write_object(writer, NULL);
	write_created(writer, view.created_ns);
	write_string(writer, "Driver", VOLUME_DRIVER);
	write_map_or_null(writer, "Labels", view.labels);
	write_string(writer, "Mountpoint", view.path);
	write_string(writer, "Name", view.name);
	write_map_or_null(writer, "Options", view.options);
	write_string(writer, "Scope", "local");
	if (use)
		write_usage(writer, &view, use);
	write_object_end(writer);
}

void write_volumes(Writer *writer, Engine *engine, const ContainerSizes *sizes)
{
	autoptr(Table) users = volume_users(engine);
	const VolumeUse use = {users, sizes};
	Volume **list;
	size_t count = volume_list(&list, engine);

	write_array(writer, "Volumes");
	for (size_t i = 0; i < count; i++)
		write_volume(writer, list[i], &use);
	write_array_end(writer);
	free(list);
}

void volume_names(StringList *ret, Engine *engine)
{
	Volume **list;
	size_t count = volume_list(&list, engine);

	for (size_t i = 0; i < count; i++) {
		autoclear(VolumeView) view = {0};
		volume_view(list[i], &view);
		strings_add(ret, view.name);
	}
	free(list);
}

/* ---- list ---- */

typedef struct ListQuery {
	Filters filters;
	bool dangling_given, dangling;
} ListQuery;

static void list_query_clear(ListQuery *query)
{
	filters_clear(&query->filters);
}
DEFINE_AUTOCLEAR(ListQuery, list_query_clear)

static const StringMap no_labels;

static bool has_labels(const Filters *filters, const VolumeView *view)
{
	return filters_labels(filters, view->labels ? view->labels : &no_labels);
}

static bool is_listed(const ListQuery *query, const VolumeView *view, const Table *users)
{
	bool is_dangling = !table_get(users, view->name);

	return filters_pattern(&query->filters, "name", view->name) &&
	       filters_exact(&query->filters, "driver", VOLUME_DRIVER) && has_labels(&query->filters, view) &&
	       (!query->dangling_given || query->dangling == is_dangling);
}

static fallible read_list_query(ListQuery *query, const HttpRequest *request)
{
	static const char *const known[] = {"name", "driver", "label", "label!", "dangling", NULL};

	TRY(filters_read(&query->filters, request, known));
	return filters_bool(&query->filters, "dangling", &query->dangling_given, &query->dangling);
}

static void make_list(Buffer *out, Engine *engine, const ListQuery *query)
{
	autoptr(Table) users = volume_users(engine);
	Volume **list;
	size_t count = volume_list(&list, engine);
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_array(&writer, "Volumes");
	for (size_t i = 0; i < count; i++) {
		autoclear(VolumeView) view = {0};
		volume_view(list[i], &view);
		if (is_listed(query, &view, users))
			write_volume(&writer, list[i], NULL);
	}
	write_array_end(&writer);
	write_null(&writer, "Warnings");
	write_object_end(&writer);
	free(list);
}

static void list_volumes(HttpRequest *request, void *context)
{
	autoclear(ListQuery) query = {0};
	autoclear(Buffer) out = {0};
	Error *error = read_list_query(&query, request);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	make_list(&out, docker_engine(context), &query);
	respond_json(request, 200, &out);
}

/* ---- create, inspect, remove ---- */

typedef struct CreateBody {
	char *name, *driver;
	StringMap options, labels;
} CreateBody;

#define FIELD(key, type, member)                                                                                       \
	{                                                                                                              \
		.name = (key), .kind = (type), .offset = offsetof(CreateBody, member)                                  \
	}

static const Field create_fields[] = {
	FIELD("Name", FIELD_STRING, name),
	FIELD("Driver", FIELD_STRING, driver),
	FIELD("DriverOpts", FIELD_MAP, options),
	FIELD("Labels", FIELD_MAP, labels),
	FIELDS_END,
};

static void create_body_clear(CreateBody *body)
{
	fields_clear(create_fields, body);
}
DEFINE_AUTOCLEAR(CreateBody, create_body_clear)

static void respond_volume(HttpRequest *request, int status, const Volume *volume)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_volume(&writer, volume, NULL);
	respond_json(request, status, &out);
}

static fallible make_volume(Volume **ret, const HttpRequest *request, Engine *engine)
{
	autoclear(CreateBody) body = {0};
	autoptr(Value) value = NULL;

	TRY(request_object(&value, request));
	TRY(fields_read(create_fields, &body, value, 0));
	if (!spec_asks_for_nothing(value_get(value, "ClusterVolumeSpec"), NULL))
		return error_new(ERROR_UNSUPPORTED, "field \"ClusterVolumeSpec\": there are no volumes of a cluster");
	const VolumeSpec spec = {
		.name = body.name,
		.driver = body.driver,
		.options = value_is_object(value_get(value, "DriverOpts")) ? &body.options : NULL,
		.labels = value_is_object(value_get(value, "Labels")) ? &body.labels : NULL,
	};
	return volume_create(ret, engine, &spec);
}

static void create_volume(HttpRequest *request, void *context)
{
	Volume *volume;
	Error *error = make_volume(&volume, request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		respond_volume(request, 201, volume);
}

static void inspect_volume(HttpRequest *request, void *context)
{
	Volume *volume;
	Error *error = volume_find(&volume, docker_engine(context), http_request_param(request, "name"));

	if (error)
		http_respond_error(request, error);
	else
		respond_volume(request, 200, volume);
}

static void remove_volume(HttpRequest *request, void *context)
{
	Error *error = volume_remove(
		docker_engine(context), http_request_param(request, "name"), http_request_flag(request, "force"));

	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 204);
}

/* ---- prune ---- */

typedef struct PruneQuery {
	Filters filters;
	bool all; /* those with a name, too */
} PruneQuery;

static void prune_query_clear(PruneQuery *query)
{
	filters_clear(&query->filters);
}
DEFINE_AUTOCLEAR(PruneQuery, prune_query_clear)

/* Before API 1.42 names did not count. */
static fallible read_prune_query(PruneQuery *query, const HttpRequest *request)
{
	static const char *const known[] = {"label", "label!", "all", NULL};
	bool is_given;

	TRY(filters_read(&query->filters, request, known));
	TRY(filters_bool(&query->filters, "all", &is_given, &query->all));
	query->all |= docker_version(request) < 42;
	return NULL;
}

/* One with options is another file system's name, whose loss nothing would bring back: Docker spares it as well. */
static bool is_prunable(const PruneQuery *query, const VolumeView *view, const Table *users)
{
	return !table_get(users, view->name) && (query->all || view->is_anonymous) &&
	       !(view->options && view->options->count) && has_labels(&query->filters, view);
}

static void find_prunable(StringList *ret, Engine *engine, const PruneQuery *query)
{
	autoptr(Table) users = volume_users(engine);
	Volume **list;
	size_t count = volume_list(&list, engine);

	for (size_t i = 0; i < count; i++) {
		autoclear(VolumeView) view = {0};
		volume_view(list[i], &view);
		if (is_prunable(query, &view, users))
			strings_add(ret, view.name);
	}
	free(list);
}

static void respond_pruned(HttpRequest *request, const StringList *removed, int64_t bytes)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "VolumesDeleted", removed);
	write_int(&writer, "SpaceReclaimed", bytes);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void prune_measured(HttpRequest *request, void *context, const ContainerSizes *sizes)
{
	Engine *engine = docker_engine(context);
	autoclear(PruneQuery) query = {0};
	autoclear(StringList) names = {0}, removed = {0};
	int64_t bytes = 0;

	error_free(read_prune_query(&query, request)); /* it was read before */
	find_prunable(&names, engine, &query);
	for (size_t i = 0; i < names.count; i++) {
		int64_t size = volume_size(sizes, names.items[i]);
		Error *error = volume_remove(engine, names.items[i], false);
		if (error) {
			error_log(error, "volume \"%s\" was not pruned", names.items[i]);
			continue;
		}
		strings_add(&removed, names.items[i]);
		bytes += size > 0 ? size : 0;
	}
	event_pruned(engine, "volume", bytes);
	respond_pruned(request, &removed, bytes);
}

static void prune_volumes(HttpRequest *request, void *context)
{
	autoclear(PruneQuery) query = {0};
	autoclear(StringList) names = {0};
	Error *error = read_prune_query(&query, request);

	if (error) {
		http_respond_error(request, error);
		return;
	}
	find_prunable(&names, docker_engine(context), &query);
	sizes_measure_with_volumes(request, context, NULL, 0, &names, prune_measured);
}

const HttpRoute volume_routes[] = {
	{"GET", "/volumes", list_volumes, DOCKER_MONITOR, 0},
	{"POST", "/volumes/create", create_volume, 0, 0},
	{"POST", "/volumes/prune", prune_volumes, 0, 0},
	{"GET", "/volumes/{name}", inspect_volume, DOCKER_MONITOR, 0},
	{"DELETE", "/volumes/{name}", remove_volume, 0, 0},
	{0},
};
