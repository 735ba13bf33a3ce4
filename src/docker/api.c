// SPDX-License-Identifier: Apache-2.0
#include "docker/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/network.h"
#include "engine/job.h"

const HttpRoute *const docker_route_tables[] = {system_routes, check_routes, info_routes, disk_routes, event_routes,
	container_routes, container_prune_routes, life_routes, update_routes, logs_routes, attach_routes, exec_routes,
	stats_routes, top_routes, image_routes, transfer_routes, registry_routes, archive_routes, container_file_routes,
	commit_routes, network_routes, volume_routes, absent_routes, NULL};

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

/* Beside the version in the request's data. */
enum { READ_ONLY = 1 << 8, VERSION_MASK = READ_ONLY - 1 };

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
	return (int)(intptr_t)http_request_data(request) & VERSION_MASK;
}

/* ---- the read-only profile ---- */

static fallible cut_version_read_only(void *context, HttpRequest *request, const char **path)
{
	TRY(cut_version(context, request, path));
	http_request_set_data(request, (void *)((intptr_t)http_request_data(request) | READ_ONLY));
	return NULL;
}

static fallible admit_reader(const HttpRequest *request, const HttpRoute *route)
{
	const char *method = http_request_method(request);
	bool reads = string_equal(method, "GET") || string_equal(method, "HEAD");

	if (reads && route && route->flags & DOCKER_MONITOR)
		return NULL;
	return error_new(ERROR_FORBIDDEN, "%s %.200s is not allowed on the read-only socket", method,
		http_request_path(request));
}

bool docker_is_read_only(const HttpRequest *request)
{
	return (int)(intptr_t)http_request_data(request) & READ_ONLY;
}

/* ---- life ---- */

static HttpRoute *join_tables(void)
{
	HttpRoute *routes = NULL;
	size_t count = 0;

	for (const HttpRoute *const *table = docker_route_tables; *table; table++) {
		for (const HttpRoute *route = *table; route->method; route++) {
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

fallible docker_api_new(DockerApi **ret, Engine *engine)
{
	autoptr(DockerApi) api = mem_new(DockerApi);

	api->engine = engine;
	list_init(&api->attaches);
	list_init(&api->exec_sessions);
	TRY(read_device_id(api));
	networks_prepare(api);
	api->routes = join_tables();
	*ret = take(api);
	return NULL;
}

fallible docker_api_serve(DockerApi *api, int listen_fd, DockerProfile profile)
{
	static const char *const headers[] = {
		"Api-Version: " DOCKER_API_VERSION,
		"Docker-Experimental: false",
		"Ostype: linux",
		"Server: kedge/" KEDGE_VERSION " (linux)",
		NULL,
	};
	static const HttpServerOptions profiles[DOCKER_PROFILES] = {
		[DOCKER_ALL] = {.rewrite = cut_version, .headers = headers},
		[DOCKER_READ_ONLY] = {.rewrite = cut_version_read_only, .admit = admit_reader, .headers = headers},
	};
	HttpServerOptions options = profiles[profile];

	options.routes = api->routes;
	options.context = api;
	TRY(http_server_new(&api->servers[api->server_count], engine_loop(api->engine), listen_fd, &options));
	api->server_count++;
	return NULL;
}

void docker_api_take_over(DockerApi *api, int connections_fd)
{
	http_server_take_over(api->servers[api->server_count - 1], connections_fd);
}

DockerApi *docker_api_free(DockerApi *api)
{
	if (!api)
		return NULL;
	for (size_t i = 0; i < api->server_count; i++)
		http_server_free(api->servers[i]);
	attaches_end(api);
	exec_sessions_end(api);
	free(api->routes);
	networks_clear(api);
	free(api);
	return NULL;
}

/* ---- giving way ---- */

static void wait_for_all(DockerApi *api, void (*call)(void *arg), void *arg)
{
	api->quiet = call;
	api->quiet_arg = arg;
	api->loud = api->server_count;
}

static void server_is_quiet(void *arg)
{
	DockerApi *api = arg;

	if (--api->loud == 0)
		api->quiet(api->quiet_arg);
}

void docker_api_drain(DockerApi *api, void (*drained)(void *arg), void *arg)
{
	wait_for_all(api, drained, arg);
	for (size_t i = 0; i < api->server_count; i++)
		http_server_drain(api->servers[i], server_is_quiet, api);
}

void docker_api_give_way(DockerApi *api)
{
	jobs_give_way(api->engine);
}

size_t docker_api_quiesce(DockerApi *api, int ret_fds[DOCKER_SOCKETS_MAX], void (*quiet)(void *arg), void *arg)
{
	wait_for_all(api, quiet, arg);
	for (size_t i = 0; i < api->server_count; i++)
		ret_fds[i] = http_server_quiesce(api->servers[i], server_is_quiet, api);
	return api->server_count;
}

void docker_api_hand_over(DockerApi *api, int ret_fds[DOCKER_SOCKETS_MAX])
{
	attaches_carry(api);
	for (size_t i = 0; i < api->server_count; i++)
		ret_fds[i] = http_server_hand_over(api->servers[i]);
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
