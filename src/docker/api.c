// SPDX-License-Identifier: Apache-2.0
#include "docker/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/internal.h"
#include "docker/network.h"
#include "engine/job.h"

const HttpRoute *const docker_route_tables[] = {system_routes, info_routes, disk_routes, event_routes, container_routes,
	container_prune_routes, life_routes, update_routes, logs_routes, attach_routes, exec_routes, stats_routes,
	top_routes, image_routes, transfer_routes, registry_routes, archive_routes, container_file_routes,
	commit_routes, network_routes, volume_routes, volume_archive_routes, absent_routes, NULL};

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

static fallible admit_reader(void *context, const HttpRequest *request, const HttpRoute *route)
{
	const char *method = http_request_method(request);
	bool reads = string_equal(method, "GET") || string_equal(method, "HEAD");

	(void)context;
	if (reads && route && route->flags & DOCKER_MONITOR)
		return NULL;
	return error_new(ERROR_FORBIDDEN, "%s %.200s is not allowed on the read-only socket", method,
		http_request_path(request));
}

bool docker_is_read_only(const HttpRequest *request)
{
	return (int)(intptr_t)http_request_data(request) & READ_ONLY;
}

/* ---- behind the TLS door ---- */

static fallible admit_by_extra(
	const DockerApi *api, DockerProfile profile, const HttpRequest *request, const HttpRoute *route)
{
	if (!api->extra.admit)
		return error_new(ERROR_FORBIDDEN, "nobody is let in here");
	return api->extra.admit(api->extra.context, profile, request, route);
}

static fallible admit_certified(void *context, const HttpRequest *request, const HttpRoute *route)
{
	return admit_by_extra(context, DOCKER_CERTIFIED, request, route);
}

static fallible admit_guarded(void *context, const HttpRequest *request, const HttpRoute *route)
{
	return admit_by_extra(context, DOCKER_GUARDED, request, route);
}

/* ---- life ---- */

static size_t count_routes(const HttpRoute *const *tables)
{
	size_t count = 0;

	for (; *tables; tables++)
		for (const HttpRoute *route = *tables; route->method; route++)
			count++;
	return count;
}

static HttpRoute *add_tables(HttpRoute *at, const HttpRoute *const *tables, void *context)
{
	for (; *tables; tables++) {
		for (const HttpRoute *route = *tables; route->method; route++) {
			*at = *route;
			at++->context = context;
		}
	}
	return at;
}

static HttpRoute *join_tables(const DockerExtra *extra)
{
	size_t count = count_routes(docker_route_tables) + (extra ? count_routes(extra->tables) : 0);
	HttpRoute *routes = mem_array(NULL, count + 1, sizeof(HttpRoute));
	HttpRoute *end = add_tables(routes, docker_route_tables, NULL);

	if (extra)
		end = add_tables(end, extra->tables, extra->context);
	*end = (HttpRoute){0};
	return routes;
}

static fallible read_device_id(DockerApi *api)
{
	autoclear(EngineInfo) info = {0};

	TRY(engine_info(&info, api->engine));
	memcpy(api->device_id, info.id, sizeof(api->device_id));
	return NULL;
}

fallible docker_api_new(DockerApi **ret, Engine *engine, const DockerExtra *extra)
{
	autoptr(DockerApi) api = mem_new(DockerApi);

	api->engine = engine;
	list_init(&api->attaches);
	list_init(&api->exec_sessions);
	TRY(read_device_id(api));
	networks_prepare(api);
	api->routes = join_tables(extra);
	if (extra)
		api->extra = *extra;
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
		[DOCKER_CERTIFIED] = {.rewrite = cut_version, .admit = admit_certified, .headers = headers},
		[DOCKER_GUARDED] = {.rewrite = cut_version, .admit = admit_guarded, .headers = headers},
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

Container *find_container(HttpRequest *request, void *context)
{
	Container *container = NULL;
	Error *error = container_find(&container, docker_engine(context), http_request_param(request, "id"));

	if (error)
		http_respond_error(request, error);
	return container;
}
