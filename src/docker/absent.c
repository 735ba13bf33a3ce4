// SPDX-License-Identifier: Apache-2.0
/*
 * What Docker has and this device has not: a clean answer each, so that clients which try one thing after another
 * (`docker inspect`, `docker system prune`, Portainer) find their way. Last in the order of tables.
 */
#include <string.h>

#include "docker/internal.h"

/* ---- as a node that is in no swarm ---- */

static void no_swarm(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request,
		error_new(ERROR_UNAVAILABLE,
			"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
			"connect this node to swarm and try again."));
}

static void not_in_swarm(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request, error_new(ERROR_UNAVAILABLE, "This node is not part of a swarm"));
}

/* A Docker without a swarm would make one, or join it. */
static void never_in_swarm(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(
		request, error_new(ERROR_UNSUPPORTED, "swarms are not available: this engine is for one device"));
}

/* ---- empty collections ---- */

static void respond_text(HttpRequest *request, const char *json)
{
	http_respond(request, 200, "application/json", json, strlen(json));
}

static void no_plugins(HttpRequest *request, void *context)
{
	(void)context;
	respond_text(request, "[]\n");
}

static void no_cache_pruned(HttpRequest *request, void *context)
{
	(void)context;
	respond_text(request, "{\"CachesDeleted\":null,\"SpaceReclaimed\":0}\n");
}

/* ---- things by a name that nothing has ---- */

static void no_plugin(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request,
		error_new(ERROR_NOT_FOUND, "plugin \"%.300s\" not found", http_request_param(request, "name")));
}

static void never_a_plugin(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request, error_new(ERROR_UNSUPPORTED, "plugins are not available"));
}

/* ---- work that is not done here yet ---- */

/* By the end of the path. */
static const struct Work {
	const char *suffix, *words;
} work[] = {
	{"/build", "building an image"},
	{"/session", "building an image with BuildKit"},
	{"/grpc", "building an image with BuildKit"},
};

static const char *work_words(const char *path)
{
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++)
		if (string_ends(path, work[i].suffix))
			return work[i].words;
	return "this request";
}

static void not_available(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request,
		error_new(ERROR_UNSUPPORTED, "%s is not available yet", work_words(http_request_path(request))));
}

const HttpRoute absent_routes[] = {
	{"GET", "/swarm", no_swarm, 0, 0},
	{"GET", "/swarm/unlockkey", no_swarm, 0, 0},
	{"POST", "/swarm/init", never_in_swarm, 0, 0},
	{"POST", "/swarm/join", never_in_swarm, 0, 0},
	{"POST", "/swarm/leave", not_in_swarm, 0, 0},
	{"POST", "/swarm/unlock", not_in_swarm, 0, 0},
	{"POST", "/swarm/update", no_swarm, 0, 0},
	{"GET", "/nodes", no_swarm, 0, 0},
	{"GET", "/nodes/{name}", no_swarm, 0, 0},
	{"POST", "/nodes/{name}/update", no_swarm, 0, 0},
	{"DELETE", "/nodes/{name}", no_swarm, 0, 0},
	{"GET", "/services", no_swarm, 0, 0},
	{"POST", "/services/create", no_swarm, 0, 0},
	{"GET", "/services/{name}", no_swarm, 0, 0},
	{"GET", "/services/{name}/logs", no_swarm, 0, 0},
	{"POST", "/services/{name}/update", no_swarm, 0, 0},
	{"DELETE", "/services/{name}", no_swarm, 0, 0},
	{"GET", "/tasks", no_swarm, 0, 0},
	{"GET", "/tasks/{name}", no_swarm, 0, 0},
	{"GET", "/tasks/{name}/logs", no_swarm, 0, 0},
	{"GET", "/secrets", no_swarm, 0, 0},
	{"POST", "/secrets/create", no_swarm, 0, 0},
	{"GET", "/secrets/{name}", no_swarm, 0, 0},
	{"POST", "/secrets/{name}/update", no_swarm, 0, 0},
	{"DELETE", "/secrets/{name}", no_swarm, 0, 0},
	{"GET", "/configs", no_swarm, 0, 0},
	{"POST", "/configs/create", no_swarm, 0, 0},
	{"GET", "/configs/{name}", no_swarm, 0, 0},
	{"POST", "/configs/{name}/update", no_swarm, 0, 0},
	{"DELETE", "/configs/{name}", no_swarm, 0, 0},
	{"GET", "/plugins", no_plugins, 0, 0},
	{"GET", "/plugins/privileges", never_a_plugin, 0, 0},
	{"GET", "/plugins/{name...}/json", no_plugin, 0, 0},
	{"POST", "/plugins/pull", never_a_plugin, 0, 0},
	{"POST", "/plugins/create", never_a_plugin, HTTP_BODY_STREAM, 0},
	{"POST", "/plugins/{name...}/enable", no_plugin, 0, 0},
	{"POST", "/plugins/{name...}/disable", no_plugin, 0, 0},
	{"POST", "/plugins/{name...}/upgrade", no_plugin, 0, 0},
	{"POST", "/plugins/{name...}/push", no_plugin, 0, 0},
	{"POST", "/plugins/{name...}/set", no_plugin, 0, 0},
	{"DELETE", "/plugins/{name...}", no_plugin, 0, 0},
	{"PUT", "/volumes/{name}", no_swarm, 0, 0},
	{"POST", "/build/prune", no_cache_pruned, 0, 0},
	{"POST", "/build", not_available, HTTP_BODY_STREAM, 0},
	{"POST", "/session", not_available, 0, 0},
	{"POST", "/grpc", not_available, 0, 0},
	{0},
};
