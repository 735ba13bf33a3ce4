// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of this folder share. A handler's context is the Api. */
#include "api/api.h"
#include "external/engine.h"
#include "http/json.h"
#include "login/check.h"
#include "login/sessions.h"
#include "json/writer.h"

struct Api {
	Engine *engine;
	ServiceFile *service;
	Device *device;
	ExternalEngine *external;
	int64_t began_ns;  /* monotonic */
	size_t scrapes;    /* metrics.c: that are under way */
	LoginCheck *login; /* session.c; NULL: nobody can log in */
	Sessions sessions;
};

static inline Engine *api_engine(void *context)
{
	return ((Api *)context)->engine;
}

static inline Device *api_device(void *context)
{
	return ((Api *)context)->device;
}

/* session.c, for DockerExtra */
fallible api_admit(void *context, DockerProfile profile, const HttpRequest *request, const HttpRoute *route);

/* ---- routes, one table a file, each ends with .method = NULL ---- */
extern const HttpRoute audit_routes[], check_routes[], convert_routes[], declared_routes[], enforcement_routes[],
	external_routes[], firewall_routes[], inventory_routes[], metrics_routes[], service_routes[], session_routes[],
	snapshot_routes[], terminal_routes[], usage_routes[], web_routes[];
/* All of them, matched in this order. Ends with NULL. */
extern const HttpRoute *const api_route_tables[];
