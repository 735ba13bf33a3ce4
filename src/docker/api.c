// SPDX-License-Identifier: Apache-2.0
#include "docker/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/network.h"

/* Matched in this order. */
static const HttpRoute *const tables[] = {system_routes, check_routes, info_routes, disk_routes, event_routes,
	container_routes, container_prune_routes, life_routes, update_routes, logs_routes, attach_routes, stats_routes,
	top_routes, image_routes, transfer_routes, archive_routes, network_routes, absent_routes};

/* ---- versions ---- */

static fallible check_version(int minor, const char *text, size_t length)
{
	if (minor < DOCKER_VERSION_MIN)
		return error_new(ERROR_INVALID,
			"client version %.*s is too old. Minimum supported API version is %s, please upgrade your "
			"client to a newer version",
			(int)length, text, DOCKER_API_MIN_VERSION);
	if (minor > DOCKER_VERSION_MAX)
		return error_new(ERROR_INVALID, "client version %.*s is too new. Maximum supported API version is %s",
			(int)length, text, DOCKER_API_VERSION);
	return NULL;
}

/* "/v1.43/info" -> "/info", 43. What is no version is left to the routes. */
static fallible cut_version(void *context, HttpRequest *request, const char **path)
{
	const char *text = *path + 2, *slash;
	int minor = DOCKER_VERSION_MAX;
	size_t length;

	(void)context;
	if (string_starts(*path, "/v") && *text >= '0' && *text <= '9') {
		length = strspn(text, "0123456789.");
		slash = text + length;
		if (*slash != '/' || length > 8)
			return NULL;
		minor = atoi(text) > 1 ? DOCKER_VERSION_MAX + 1 : string_starts(text, "1.") ? atoi(text + 2) : 0;
		TRY(check_version(minor, text, length));
		*path = slash;
	}
	http_request_set_data(request, (void *)(intptr_t)minor);
	return NULL;
}

int docker_version(const HttpRequest *request)
{
	return (int)(intptr_t)http_request_data(request);
}

/* ---- life ---- */

static HttpRoute *join_tables(void)
{
	HttpRoute *routes = NULL;
	size_t count = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const HttpRoute *route = tables[i]; route->method; route++) {
			routes = mem_array(routes, count + 2, sizeof(HttpRoute));
			routes[count++] = *route;
			routes[count] = (HttpRoute){0};
		}
	}
	return routes;
}

static fallible read_device_id(DockerApi *api)
{
	autoclear(EngineInfo) info = {0};

	TRY(engine_info(&info, api->engine));
	memcpy(api->device_id, info.id, sizeof(api->device_id));
	return NULL;
}

fallible docker_api_new(DockerApi **ret, Engine *engine, int listen_fd)
{
	static const char *const headers[] = {
		"Api-Version: " DOCKER_API_VERSION,
		"Docker-Experimental: false",
		"Ostype: linux",
		"Server: kedge/" KEDGE_VERSION " (linux)",
		NULL,
	};
	autoptr(DockerApi) api = mem_new(DockerApi);
	HttpServerOptions options = {.rewrite = cut_version, .headers = headers, .context = api};

	api->engine = engine;
	list_init(&api->attaches);
	TRY(read_device_id(api));
	networks_prepare(api);
	options.routes = api->routes = join_tables();
	TRY(http_server_new(&api->server, engine_loop(engine), listen_fd, &options));
	*ret = take(api);
	return NULL;
}

DockerApi *docker_api_free(DockerApi *api)
{
	if (!api)
		return NULL;
	http_server_free(api->server);
	attaches_end(api);
	free(api->routes);
	networks_clear(api);
	free(api);
	return NULL;
}

int docker_api_quiesce(DockerApi *api, void (*quiet)(void *arg), void *arg)
{
	return http_server_quiesce(api->server, quiet, arg);
}

/* ---- what all resources use ---- */

void respond_json(HttpRequest *request, int status, Buffer *take)
{
	buffer_add_char(take, '\n');
	http_respond_buffer(request, status, "application/json", take);
}

void respond_status(HttpRequest *request, int status)
{
	http_respond(request, status, NULL, NULL, 0);
}

Container *find_container(HttpRequest *request, void *context)
{
	Container *container = NULL;
	Error *error = container_find(&container, docker_engine(context), http_request_param(request, "id"));

	if (error)
		http_respond_error(request, error);
	return container;
}

fallible request_int(int64_t *ret, const HttpRequest *request, const char *name, int64_t otherwise)
{
	const char *text = http_request_query(request, name);
	char *end;

	*ret = otherwise;
	if (string_empty(text))
		return NULL;
	*ret = strtoll(text, &end, 10);
	if (*end || strlen(text) > 18)
		return error_new(ERROR_INVALID, "query parameter \"%s\": \"%.32s\" is not a whole number", name, text);
	return NULL;
}

fallible request_time(int64_t *ret_ns, const HttpRequest *request, const char *name)
{
	const char *text = http_request_query(request, name);

	*ret_ns = 0;
	if (string_empty(text) || string_equal(text, "0"))
		return NULL;
	TRY_WRAP(clock_parse_point(ret_ns, text), "query parameter \"%s\"", name);
	return NULL;
}

fallible request_object(Value **ret, const HttpRequest *request)
{
	size_t length;
	const char *body = http_request_body(request, &length);
	autoptr(Value) value = NULL;

	if (length == 0)
		value = value_object();
	else
		TRY_WRAP(value_parse(&value, body, length), "request body");
	if (!value_is_object(value))
		return error_new(ERROR_INVALID, "request body must be an object, not %s", value_kind_name(value));
	*ret = take(value);
	return NULL;
}
