// SPDX-License-Identifier: Apache-2.0
/*
 * INVENTORY-V1: what Eclipse Kura's inventory says over REST of the containers and images of a device, and its few
 * requests to them, so that its clients can ask kedge. Every failure is 400 (the request, or what it names, is wrong)
 * or 500 (it could not be done). Source: Kura's documentation, REST APIs, "Inventory V1".
 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/memory.h"
#include "docker/api.h"
#include "engine/container.h"
#include "engine/image.h"
#include "json/fields.h"

#define BASE "/services/inventory/v1"

/* ---- names and versions ---- */

/* A thing in the inventory. */
typedef struct Resource {
	char *name, *version;
	const char *type, *state; /* state: NULL: not shown */
} Resource;

typedef struct Resources {
	Resource *items;
	size_t count;
} Resources;

static void resources_clear(Resources *resources)
{
	for (size_t i = 0; i < resources->count; i++) {
		free(resources->items[i].name);
		free(resources->items[i].version);
	}
	free(resources->items);
}
DEFINE_AUTOCLEAR(Resources, resources_clear)

static void resources_add(Resources *resources, const Resource *take)
{
	resources->items = mem_array(resources->items, resources->count + 1, sizeof(Resource));
	resources->items[resources->count++] = *take;
}

/* "localhost:5000/web:1" into its name and "1"; a digest stands for the tag where there is none. */
static void split_name(char **ret_name, char **ret_version, const char *text)
{
	autoclear(Reference) reference = {0};
	Error *error = reference_parse(&reference, text);

	if (error) { /* an image's id: it has no name */
		error_free(error);
		*ret_name = mem_strdup("none");
		*ret_version = mem_strdup("");
		return;
	}
	*ret_name = reference_name(&reference);
	if (!reference.tag && digest_is_set(&reference.digest))
		*ret_version = mem_strdup(reference.digest.text);
	else
		*ret_version = mem_strdup(reference.tag ? reference.tag : "latest");
}

static bool is_id(const char *image)
{
	return string_starts(image, "sha256:");
}

/* "nginx:latest", the whole of it */
static char *container_version(const ContainerSpec *spec)
{
	autofree char *name = NULL, *version = NULL;

	split_name(&name, &version, is_id(spec->image) ? "" : spec->image);
	return string_printf("%s:%s", name, version);
}

static const char *state_word(ContainerState state)
{
	static const char *const words[CONTAINER_STATES] = {
		[CONTAINER_CREATED] = "unknown",
		[CONTAINER_STARTING] = "installed",
		[CONTAINER_RUNNING] = "active",
		[CONTAINER_PAUSED] = "uninstalled",
		[CONTAINER_STOPPING] = "active",
		[CONTAINER_RESTARTING] = "unknown",
		[CONTAINER_EXITED] = "uninstalled",
		[CONTAINER_REMOVING] = "unknown",
		[CONTAINER_DEAD] = "uninstalled",
	};

	return words[state];
}

static void add_containers(Resources *resources, Engine *engine, bool with_state)
{
	Container **list;
	size_t count = container_list(&list, engine);
	ContainerView view;

	for (size_t i = 0; i < count; i++) {
		container_view(list[i], &view);
		Resource resource = {mem_strdup(view.name), container_version(view.spec), "DOCKER",
			with_state ? state_word(view.state) : NULL};
		resources_add(resources, &resource);
	}
	free(list);
}

/* One for each of its names; one without names is known by its id. */
static void add_image(Resources *resources, const Image *image)
{
	const StringList *names = image->tags.count ? &image->tags : &image->digests;

	for (size_t i = 0; i < names->count; i++) {
		Resource resource = {.type = "CONTAINER_IMAGE"};
		split_name(&resource.name, &resource.version, names->items[i]);
		resources_add(resources, &resource);
	}
	if (names->count == 0)
		resources_add(
			resources, &(Resource){mem_strdup(image->id.text), mem_strdup(""), "CONTAINER_IMAGE", NULL});
}

static fallible add_images(Resources *resources, Engine *engine)
{
	Image **images;
	size_t count;

	TRY(image_list(&images, &count, engine));
	for (size_t i = 0; i < count; i++)
		add_image(resources, images[i]);
	image_list_free(images, count);
	return NULL;
}

/* ---- lists ---- */

static void respond_resources(HttpRequest *request, const char *key, const Resources *resources)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_array(&writer, key);
	for (size_t i = 0; i < resources->count; i++) {
		write_object(&writer, NULL);
		write_string(&writer, "name", resources->items[i].name);
		write_string(&writer, "version", resources->items[i].version);
		write_string(&writer, "type", resources->items[i].type);
		if (resources->items[i].state)
			write_string(&writer, "state", resources->items[i].state);
		write_object_end(&writer);
	}
	write_array_end(&writer);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void containers(HttpRequest *request, void *context)
{
	autoclear(Resources) resources = {0};

	add_containers(&resources, api_engine(context), true);
	respond_resources(request, "containers", &resources);
}

static void images(HttpRequest *request, void *context)
{
	autoclear(Resources) resources = {0};
	Error *error = add_images(&resources, api_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		respond_resources(request, "images", &resources);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const Resource *)a)->name, ((const Resource *)b)->name);
}

static void inventory(HttpRequest *request, void *context)
{
	autoclear(Resources) resources = {0};
	Error *error = add_images(&resources, api_engine(context));

	if (error) {
		http_respond_error(request, error);
		return;
	}
	add_containers(&resources, api_engine(context), false);
	if (resources.count)
		qsort(resources.items, resources.count, sizeof(Resource), by_name);
	respond_resources(request, "inventory", &resources);
}

/* ---- requests ---- */

typedef struct Named {
	char *name, *version;
} Named;

static const Field named_fields[] = {
	{.name = "name", .kind = FIELD_STRING, .offset = offsetof(Named, name), .required = true},
	{.name = "version", .kind = FIELD_STRING, .offset = offsetof(Named, version), .required = true},
	FIELDS_END,
};

static void named_clear(Named *named)
{
	fields_clear(named_fields, named);
}
DEFINE_AUTOCLEAR(Named, named_clear)

static fallible read_named(Named *ret, const HttpRequest *request)
{
	autoptr(Value) body = NULL;
	size_t length;

	http_request_body(request, &length);
	if (length == 0)
		return error_new(ERROR_INVALID, "the request has no body");
	TRY(request_object(&body, request));
	return fields_read(named_fields, ret, body, 0);
}

/* In the two codes that there are. */
static void respond_failure(HttpRequest *request, ErrorKind kind, Error *take_error)
{
	autofree char *text = error_text(take_error);

	error_free(take_error);
	http_respond_error(request, error_new(kind, "%s", text));
}

static void respond_end(HttpRequest *request, Error *take_error)
{
	if (take_error)
		respond_failure(request, ERROR_INTERNAL, take_error);
	else
		respond_status(request, 200);
}

/* A start or a stop. A client that leaves does not stop it. */
typedef struct Order {
	HttpRequest *request; /* NULL: the client left */
	Container *container;
} Order;

static void order_gone(void *arg)
{
	((Order *)arg)->request = NULL;
}

static void order_done(void *arg, Error *take_error)
{
	Order *order = arg;

	if (order->request)
		respond_end(order->request, take_error);
	else
		error_free(take_error); /* who asked has left; the container's state has it, too */
	container_unref(order->container);
	free(order);
}

typedef fallible GiveOrder(Container *container, bool *ret_already, Order *order);

static fallible give_start(Container *container, bool *ret_already, Order *order)
{
	return container_start(container, ret_already, order_done, order);
}

static fallible give_stop(Container *container, bool *ret_already, Order *order)
{
	return container_stop(container, STOP_TIMEOUT_OWN, 0, ret_already, order_done, order);
}

/* By its whole name: an id is none. */
static fallible find_named(Container **ret, Engine *engine, const HttpRequest *request)
{
	autoclear(Named) named = {0};
	ContainerView view;

	TRY(read_named(&named, request));
	TRY(container_find(ret, engine, named.name));
	container_view(*ret, &view);
	if (!string_equal(view.name, named.name))
		return error_new(ERROR_NOT_FOUND, "No such container: %.200s", named.name);
	return NULL;
}

static void give_order(HttpRequest *request, Engine *engine, GiveOrder *give)
{
	Container *container;
	bool already = false;
	Error *error = find_named(&container, engine, request);
	Order *order;

	if (error) {
		respond_failure(request, ERROR_INVALID, error);
		return;
	}
	order = mem_new(Order);
	*order = (Order){request, container_ref(container)};
	http_request_on_gone(request, order_gone, order);
	error = give(container, &already, order);
	if (error || already) {
		http_request_on_gone(request, NULL, NULL);
		order_done(order, error);
	}
}

static void start(HttpRequest *request, void *context)
{
	give_order(request, api_engine(context), give_start);
}

static void stop(HttpRequest *request, void *context)
{
	give_order(request, api_engine(context), give_stop);
}

/* As the list names it: a version may be a digest, and one without names has none. */
static char *image_name(const Named *named)
{
	if (string_empty(named->version))
		return mem_strdup(named->name);
	return string_printf("%s%c%s", named->name, is_id(named->version) ? '@' : ':', named->version);
}

static fallible find_image(char **ret_name, Engine *engine, const HttpRequest *request)
{
	autoclear(Named) named = {0};
	autoptr(Image) image = NULL;
	autofree char *name = NULL;

	TRY(read_named(&named, request));
	name = image_name(&named);
	TRY(image_lookup(&image, engine, name));
	*ret_name = take(name);
	return NULL;
}

static void delete_image(HttpRequest *request, void *context)
{
	autoclear(ImageRemoval) removal = {0};
	autofree char *name = NULL;
	Error *error = find_image(&name, api_engine(context), request);

	if (error)
		respond_failure(request, ERROR_INVALID, error);
	else
		respond_end(request, image_remove(&removal, api_engine(context), name, false));
}

const HttpRoute inventory_routes[] = {
	{"GET", BASE "/inventory", inventory, DOCKER_MONITOR, 0},
	{"GET", BASE "/containers", containers, DOCKER_MONITOR, 0},
	{"POST", BASE "/containers/_start", start, 0, 0},
	{"POST", BASE "/containers/_stop", stop, 0, 0},
	{"GET", BASE "/images", images, DOCKER_MONITOR, 0},
	{"POST", BASE "/images/_delete", delete_image, 0, 0},
	{0},
};
