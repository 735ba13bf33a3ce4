// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of this folder share: each resource's route table, and the few forms that all answers have. A
 * handler's context is the DockerApi; the version of the API that the client speaks travels with the request.
 */
#include "base/list.h"
#include "docker/api.h"
#include "engine/container.h"
#include "http/json.h"
#include "json/writer.h"

struct DockerApi {
	Engine *engine;
	HttpServer *servers[DOCKER_SOCKETS_MAX];
	size_t server_count;
	HttpRoute *routes;
	DockerExtra extra; /* all NULL: there is none */
	size_t loud; /* servers that are not quiet yet */
	void (*quiet)(void *arg);
	void *quiet_arg;
	List attaches;      /* attach.c: connections that were taken over */
	List exec_sessions; /* exec.c: clients of commands in containers */
	char device_id[65];
	char *endpoints[2]; /* networks.c: what a container on each of the built-in networks says of it */
};

enum { DOCKER_VERSION_MIN = 12, DOCKER_VERSION_MAX = 43 };

/* 43 for "/v1.43/..." and for a path without version. */
int docker_version(const HttpRequest *request);

static inline Engine *docker_engine(void *context)
{
	return ((DockerApi *)context)->engine;
}

/* ---- requests ---- */
/* The container of the route's {id}; answers 404 or 409 itself and gives NULL. */
Container *find_container(HttpRequest *request, void *context);
/* "h" and "w" of a terminal, in characters. */
fallible request_console_size(int *ret_rows, int *ret_columns, const HttpRequest *request);

void attaches_end(DockerApi *api);
void attaches_carry(DockerApi *api); /* before docker_api_hand_over() hands over */
void exec_sessions_end(DockerApi *api);

/* ---- routes, one table a file, each ends with .method = NULL ---- */
extern const HttpRoute system_routes[], info_routes[], disk_routes[], event_routes[];
extern const HttpRoute image_routes[], transfer_routes[], registry_routes[], archive_routes[], container_prune_routes[],
	container_routes[], life_routes[], update_routes[];
extern const HttpRoute logs_routes[], attach_routes[], exec_routes[], stats_routes[], top_routes[], network_routes[],
	volume_routes[], volume_archive_routes[], container_file_routes[], commit_routes[], absent_routes[];
/* All of them, matched in this order; what is in absent_routes is what is not here. Ends with NULL. */
extern const HttpRoute *const docker_route_tables[];
