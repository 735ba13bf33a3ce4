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

fallible docker_api_new(DockerApi **ret, Engine *engine, int listen_fd); /* makes the HTTP server on it */
DockerApi *docker_api_free(DockerApi *api);
DEFINE_AUTOPTR(DockerApi, docker_api_free)
/* For an upgrade: gives the listening socket, see http_server_quiesce(). */
int docker_api_quiesce(DockerApi *api, void (*quiet)(void *arg), void *arg);
