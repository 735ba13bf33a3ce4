// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What Docker has no word for, on the same sockets as its API (docker/api.h): /kedge/v1/..., one file per resource,
 * each with its route table and field tables. A new resource is one file here and a line in api_route_tables.
 */
#include "device/device.h"
#include "device/service_file.h"
#include "docker/api.h"
#include "engine/engine.h"
#include "external/engine.h"

typedef struct Api Api;

fallible api_new(Api **ret, Engine *engine, Device *device, ServiceFile *service, ExternalEngine *external);
/* Whom that file has (login/password_file.h), on guarded sockets. */
void api_let_log_in(Api *api, const char *passwords);
/* Who has logged in goes on in the next program of this process: a descriptor with it, the caller's; -1: nobody has. */
int api_hand_over_sessions(const Api *api);
void api_take_over_sessions(Api *api, int take_fd); /* -1 is fine */
Api *api_free(Api *api);                            /* after the DockerApi that serves it */
DEFINE_AUTOPTR(Api, api_free)

/* For docker_api_new(). */
DockerExtra api_extra(Api *api);
