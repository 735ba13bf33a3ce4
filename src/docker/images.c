// SPDX-License-Identifier: Apache-2.0
/* Images: list, inspect, history, tag, remove. Moving them to and from registries is transfer.c. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/filters.h"
#include "docker/forms.h"
#include "docker/image_summary.h"
#include "docker/internal.h"
#include "engine/event.h"
#include "oci/image_config.h"

/* ---- list ---- */

static const char *const list_filters[] = {"reference", "label", "label!", "dangling", "before", "since", NULL};

typedef struct ImageQuery {
	Filters filters;
	bool dangling_given, dangling;
	int64_t until_ns;            /* prune: made before; 0: not given */
	int64_t before_ns, since_ns; /* creation times of the images named; 0: not given */
	bool wants_shared;
	Table *users, *layers; /* image_summary.h */
} ImageQuery;

/* "busybox", "busybox:1*", "host/a/?": against the whole name, or without its tag. */
static bool name_fits(const char *pattern, const char *name)
{
	autofree char *bare = mem_strdup(name);
	char *mark = strrchr(bare, strchr(bare, '@') ? '@' : ':');

	if (mark)
		*mark = '\0';
	return fnmatch(pattern, name, FNM_PATHNAME) == 0 || fnmatch(pattern, bare, FNM_PATHNAME) == 0;
}

static bool reference_fits(const Filters *filters, const char *name)
{
	const StringList *patterns = filters_values(filters, "reference");

	for (size_t i = 0; patterns && i < patterns->count; i++)
		if (name_fits(patterns->items[i], name))
			return true;
	return !patterns;
}

static void fitting_names(StringList *ret, const Filters *filters, const StringList *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (reference_fits(filters, names->items[i]))
			strings_add(ret, names->items[i]);
}

static bool image_fits(const ImageQuery *query, const Image *image)
{
	bool is_dangling = image->tags.count == 0;

	if (query->dangling_given && query->dangling != is_dangling)
		return false;
	if (query->before_ns && image->created_ns >= query->before_ns)
		return false;
	if (query->since_ns && image->created_ns <= query->since_ns)
		return false;
	return filters_labels(&query->filters, &image->labels);
}

static void write_summary(Writer *writer, const ImageQuery *query, const Image *image)
{
	autoclear(StringList) tags = {0}, digests = {0};

	fitting_names(&tags, &query->filters, &image->tags);
	fitting_names(&digests, &query->filters, &image->digests);
	if (tags.count + digests.count == 0 && filters_values(&query->filters, "reference"))
		return;
	write_image_summary(writer, image, &tags, &digests, &(ImageUse){query->users, query->layers});
}

/* The time of the image that "before" or "since" names. */
static fallible read_bound(int64_t *ret_ns, const ImageQuery *query, Engine *engine, const char *name)
{
	const StringList *values = filters_values(&query->filters, name);
	autoptr(Image) image = NULL;

	if (!values)
		return NULL;
	TRY(image_lookup(&image, engine, values->items[0]));
	*ret_ns = image->created_ns;
	return NULL;
}

/* Until 1.40 "filter" was another word for one reference. */
static fallible read_old_filter(ImageQuery *query, const HttpRequest *request)
{
	const char *pattern = http_request_query(request, "filter");
	autoclear(Buffer) text = {0};
	Writer writer;

	if (string_empty(pattern) || docker_version(request) > 40)
		return NULL;
	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_array(&writer, "reference");
	write_string(&writer, NULL, pattern);
	write_array_end(&writer);
	write_object_end(&writer);
	filters_clear(&query->filters);
	return filters_parse(&query->filters, buffer_text(&text), list_filters);
}

static fallible read_image_query(ImageQuery *query, Engine *engine, const HttpRequest *request)
{
	TRY(filters_read(&query->filters, request, list_filters));
	TRY(read_old_filter(query, request));
	TRY(filters_bool(&query->filters, "dangling", &query->dangling_given, &query->dangling));
	TRY(read_bound(&query->before_ns, query, engine, "before"));
	return read_bound(&query->since_ns, query, engine, "since");
}

static fallible make_list(Buffer *out, Engine *engine, ImageQuery *query)
{
	Image **images;
	size_t count;
	Writer writer;

	TRY(image_list(&images, &count, engine));
	if (query->wants_shared)
		query->layers = image_layers(images, count);
	writer_init(&writer, out);
	write_array(&writer, NULL);
	for (size_t i = 0; i < count; i++)
		if (image_fits(query, images[i]))
			write_summary(&writer, query, images[i]);
	write_array_end(&writer);
	image_list_free(images, count);
	return NULL;
}

static void image_query_clear(ImageQuery *query)
{
	filters_clear(&query->filters);
	table_free(query->users);
	table_free(query->layers);
}
DEFINE_AUTOCLEAR(ImageQuery, image_query_clear)

static void list_images(HttpRequest *request, void *context)
{
	autoclear(ImageQuery) query = {0};
	autoclear(Buffer) out = {0};
	Error *error = read_image_query(&query, docker_engine(context), request);

	query.users = image_users(docker_engine(context));
	query.wants_shared = docker_version(request) >= 42 && http_request_flag(request, "shared-size");
	if (!error)
		error = make_list(&out, docker_engine(context), &query);
	respond_json_or_error(request, error, &out);
}

/* ---- inspect ---- */

static void write_run_config(Writer *writer, const ImageConfig *config)
{
	static const char *const no[] = {
		"AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"};

	write_object(writer, "Config");
	write_string(writer, "Hostname", "");
	write_string(writer, "Domainname", "");
	write_string(writer, "User", config->config.user);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		write_bool(writer, no[i], false);
	if (config->config.exposed_ports.count > 0)
		write_set_or_null(writer, "ExposedPorts", &config->config.exposed_ports);
	write_strings(writer, "Env", &config->config.env);
	write_strings_or_null(writer, "Cmd", &config->config.command);
	if (config->config.health)
		fields_write(health_check_fields, config->config.health, writer, "Healthcheck");
	write_string(writer, "Image", "");
	write_set_or_null(writer, "Volumes", &config->config.volumes);
	write_string(writer, "WorkingDir", config->config.workdir);
	write_strings_or_null(writer, "Entrypoint", &config->config.entrypoint);
	write_strings_or_null(writer, "OnBuild", &config->config.on_build);
	write_map(writer, "Labels", &config->config.labels);
	if (config->config.stop_signal)
		write_string(writer, "StopSignal", config->config.stop_signal);
	if (config->config.shell.count > 0)
		write_strings(writer, "Shell", &config->config.shell);
	write_object_end(writer);
}

static void write_layers(Writer *writer, const Image *image)
{
	write_object(writer, "RootFS");
	write_string(writer, "Type", "layers");
	write_array(writer, "Layers");
	for (size_t i = 0; i < image->layer_count; i++)
		write_string(writer, NULL, image->layers[i].diff_id.text);
	write_array_end(writer);
	write_object_end(writer);
}

static void write_image(Writer *writer, const Image *image, const ImageConfig *config)
{
	char time[CLOCK_TEXT_MAX];

	write_string(writer, "Id", image->id.text);
	write_strings(writer, "RepoTags", &image->tags);
	write_strings(writer, "RepoDigests", &image->digests);
	write_string(writer, "Parent", config->parent);
	write_string(writer, "Comment", config->comment);
	write_string(writer, "Created", config->created ? config->created : "0001-01-01T00:00:00Z");
	write_string(writer, "Container", "");
	write_string(writer, "DockerVersion", config->docker_version);
	write_string(writer, "Author", config->author);
	write_run_config(writer, config);
	write_string(writer, "Architecture", image->architecture);
	if (!string_empty(image->variant))
		write_string(writer, "Variant", image->variant);
	write_string(writer, "Os", image->os);
	write_int(writer, "Size", image->bytes);
	write_int(writer, "VirtualSize", image->bytes);
	write_raw(writer, "GraphDriver", "{\"Data\":null,\"Name\":\"overlayfs\"}");
	write_layers(writer, image);
	clock_format(time, image->added_ns);
	write_object(writer, "Metadata");
	write_string(writer, "LastTagTime", time);
	write_object_end(writer);
}

static fallible find_image(Image **ret, ImageConfig *ret_config, Engine *engine, const char *name)
{
	TRY(image_lookup(ret, engine, name));
	return image_describe(ret_config, engine, *ret);
}

static fallible make_inspect(Buffer *out, Engine *engine, const char *name)
{
	autoclear(ImageConfig) config = {0};
	autoptr(Image) image = NULL;
	Writer writer;

	TRY(find_image(&image, &config, engine, name));
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_image(&writer, image, &config);
	write_object_end(&writer);
	return NULL;
}

static void inspect_image(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = make_inspect(&out, docker_engine(context), http_request_param(request, "name"));

	respond_json_or_error(request, error, &out);
}

/* ---- history, newest first; layers belong to the entries that are not empty, in order ---- */

static void write_entry(
	Writer *writer, const Image *image, const HistoryEntry *entry, const Layer *layer, bool is_newest)
{
	int64_t created_ns = 0;
	Error *error = entry->created ? clock_parse(&created_ns, entry->created) : NULL;

	error_free(error); /* a time that cannot be read is shown as none */
	write_object(writer, NULL);
	write_string(writer, "Id", is_newest ? image->id.text : "<missing>");
	write_int(writer, "Created", created_ns / NANOS_PER_SECOND);
	write_string(writer, "CreatedBy", entry->created_by);
	if (is_newest && image->tags.count > 0)
		write_strings(writer, "Tags", &image->tags);
	else
		write_null(writer, "Tags");
	write_int(writer, "Size", layer ? layer->bytes : 0);
	write_string(writer, "Comment", entry->comment);
	write_object_end(writer);
}

static void write_history(Writer *writer, const Image *image, const ImageConfig *config)
{
	const HistoryEntry *entries = config->history.items;
	size_t layer = image->layer_count;

	for (size_t i = config->history.count; i-- > 0;) {
		const Layer *own = entries[i].empty_layer || layer == 0 ? NULL : &image->layers[--layer];
		write_entry(writer, image, &entries[i], own, i + 1 == config->history.count);
	}
	while (config->history.count == 0 && layer-- > 0)
		write_entry(writer, image, &(HistoryEntry){0}, &image->layers[layer], layer + 1 == image->layer_count);
}

static fallible make_history(Buffer *out, Engine *engine, const char *name)
{
	autoclear(ImageConfig) config = {0};
	autoptr(Image) image = NULL;
	Writer writer;

	TRY(find_image(&image, &config, engine, name));
	writer_init(&writer, out);
	write_array(&writer, NULL);
	write_history(&writer, image, &config);
	write_array_end(&writer);
	return NULL;
}

static void image_history(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = make_history(&out, docker_engine(context), http_request_param(request, "name"));

	respond_json_or_error(request, error, &out);
}

/* ---- tag, remove ---- */

static fallible add_tag(HttpRequest *request, Engine *engine)
{
	const char *repository = http_request_query(request, "repo"), *tag = http_request_query(request, "tag");
	autoclear(Reference) reference = {0};
	autofree char *name = NULL;

	if (string_empty(repository))
		return error_new(ERROR_INVALID, "query parameter \"repo\" is missing");
	name = string_printf("%s%s%s", repository, string_empty(tag) ? "" : ":", string_empty(tag) ? "" : tag);
	TRY(reference_parse(&reference, name));
	if (digest_is_set(&reference.digest))
		return error_new(ERROR_INVALID, "refusing to create a tag with a digest reference");
	reference_default_tag(&reference);
	return image_add_tag(engine, http_request_param(request, "name"), &reference);
}

static void tag_image(HttpRequest *request, void *context)
{
	Error *error = add_tag(request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 201);
}

static void write_removed(Writer *writer, const char *key, const StringList *names)
{
	for (size_t i = 0; i < names->count; i++) {
		write_object(writer, NULL);
		write_string(writer, key, names->items[i]);
		write_object_end(writer);
	}
}

static void remove_image(HttpRequest *request, void *context)
{
	autoclear(ImageRemoval) removal = {0};
	autoclear(Buffer) out = {0};
	Writer writer;
	Error *error = image_remove(&removal, docker_engine(context), http_request_param(request, "name"),
		http_request_flag(request, "force"));

	if (error) {
		http_respond_error(request, error);
		return;
	}
	writer_init(&writer, &out);
	write_array(&writer, NULL);
	write_removed(&writer, "Untagged", &removal.untagged);
	write_removed(&writer, "Deleted", &removal.deleted);
	write_array_end(&writer);
	respond_json(request, 200, &out);
}

/* ---- prune: images without a name, or with all=... (dangling=false) those that no container uses ---- */

static bool is_unused(const ImageQuery *query, const Image *image, bool only_dangling)
{
	return !image_users_of(query->users, image) && (!only_dangling || image->tags.count == 0) &&
	       (query->until_ns == 0 || image->created_ns < query->until_ns) &&
	       filters_labels(&query->filters, &image->labels);
}

static fallible measure_layers(int64_t *ret_bytes, Engine *engine)
{
	Image **images;
	size_t count;

	TRY(image_list(&images, &count, engine));
	*ret_bytes = image_layers_bytes(images, count);
	image_list_free(images, count);
	return NULL;
}

static fallible prune_all(ImageRemoval *removed, Engine *engine, const ImageQuery *query)
{
	bool only_dangling = !query->dangling_given || query->dangling;
	Image **images;
	size_t count;

	TRY(image_list(&images, &count, engine));
	for (size_t i = 0; i < count; i++) {
		autoclear(ImageRemoval) removal = {0};
		if (!is_unused(query, images[i], only_dangling))
			continue;
		Error *error = image_remove(&removal, engine, images[i]->id.text, true);
		error_free(error); /* what cannot be removed now stays */
		for (size_t n = 0; n < removal.untagged.count; n++)
			strings_add(&removed->untagged, removal.untagged.items[n]);
		for (size_t n = 0; n < removal.deleted.count; n++)
			strings_add(&removed->deleted, removal.deleted.items[n]);
	}
	image_list_free(images, count);
	return NULL;
}

static fallible prune(Buffer *out, Engine *engine, const HttpRequest *request)
{
	static const char *const known[] = {"dangling", "label", "label!", "until", NULL};
	autoclear(ImageRemoval) removed = {0};
	autoclear(ImageQuery) query = {0};
	int64_t before = 0, after = 0;
	Writer writer;

	TRY(filters_read(&query.filters, request, known));
	TRY(filters_bool(&query.filters, "dangling", &query.dangling_given, &query.dangling));
	TRY(filters_until(&query.filters, &query.until_ns));
	query.users = image_users(engine);
	TRY(measure_layers(&before, engine));
	TRY(prune_all(&removed, engine, &query));
	TRY(measure_layers(&after, engine));
	event_pruned(engine, "image", before - after);
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_array(&writer, "ImagesDeleted");
	write_removed(&writer, "Untagged", &removed.untagged);
	write_removed(&writer, "Deleted", &removed.deleted);
	write_array_end(&writer);
	write_int(&writer, "SpaceReclaimed", before - after);
	write_object_end(&writer);
	return NULL;
}

static void prune_images(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = prune(&out, docker_engine(context), request);

	respond_json_or_error(request, error, &out);
}

const HttpRoute image_routes[] = {
	{"GET", "/images/json", list_images, DOCKER_MONITOR, 0},
	{"POST", "/images/prune", prune_images, 0, 0},
	{"GET", "/images/{name...}/json", inspect_image, DOCKER_MONITOR, 0},
	{"GET", "/images/{name...}/history", image_history, 0, 0},
	{"POST", "/images/{name...}/tag", tag_image, 0, 0},
	{"DELETE", "/images/{name...}", remove_image, 0, 0},
	{0},
};
