// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The Docker Engine API on an Engine: one file per resource (system.c, images.c, containers.c, ...), each with its
 * route table and field tables. Source: moby's api/swagger.yaml, 1.24 to 1.43. Differences between versions are asked
 * by docker_version().
 */
#include "engine/engine.h"
#include "http/server.h"

#define DOCKER_API_VERSION "1.43"
#define DOCKER_API_MIN_VERSION "1.12"

typedef struct DockerApi DockerApi;

/* What is served on a socket. Read-only: GET and HEAD of the routes that are marked for monitors, 403 for all else, and
 * no values of environments. Certified (who comes has a certificate) and guarded (who comes may be anybody): what the
 * extra's admit() lets in, nothing without one. */
typedef enum DockerProfile {
	DOCKER_ALL,
	DOCKER_READ_ONLY,
	DOCKER_CERTIFIED,
	DOCKER_GUARDED,
	DOCKER_PROFILES
} DockerProfile;

enum { DOCKER_SOCKETS_MAX = 4 };

/* Flag of a route that monitors need: it changes nothing, and shows what the machine runs, not what that works on. */
enum { DOCKER_MONITOR = HTTP_ROUTE_OWN, DOCKER_OPEN = 2 * HTTP_ROUTE_OWN /* before a login */ };
bool docker_is_read_only(const HttpRequest *request); /* it came on a socket of that profile */

/* What somebody else serves on the same sockets: handlers get that context. Ends with NULL. */
typedef struct DockerExtra {
	const HttpRoute *const *tables;
	void *context;
	/* On sockets of the profiles that ask: an Error is answered. */
	Error *(*admit)(void *context, DockerProfile profile, const HttpRequest *request, const HttpRoute *route);
} DockerExtra;

fallible docker_api_new(DockerApi **ret, Engine *engine, const DockerExtra *extra); /* extra: NULL: nothing else */
/* One more socket to be served, the callee's from now on. */
fallible docker_api_serve(DockerApi *api, int listen_fd, DockerProfile profile);
/* What docker_api_hand_over() of the program before gave for the socket that was served last; the callee's. */
void docker_api_take_over(DockerApi *api, int connections_fd);
DockerApi *docker_api_free(DockerApi *api);
DEFINE_AUTOPTR(DockerApi, docker_api_free)

/* ---- for an upgrade: see http/server.h, "giving way to the next program" ---- */
void docker_api_drain(DockerApi *api, void (*drained)(void *arg), void *arg);
void docker_api_give_way(DockerApi *api); /* jobs end, with a word to their clients */
/* Gives the listening sockets in the order in which they came, and their number. */
size_t docker_api_quiesce(DockerApi *api, int ret_fds[DOCKER_SOCKETS_MAX], void (*quiet)(void *arg), void *arg);
/* The connections of each socket, in that order. */
void docker_api_hand_over(DockerApi *api, int ret_fds[DOCKER_SOCKETS_MAX]);
