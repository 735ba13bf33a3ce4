// SPDX-License-Identifier: Apache-2.0
#include "api/api.h"

#include <stdlib.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/memory.h"

const HttpRoute *const api_route_tables[] = {audit_routes, check_routes, convert_routes, declared_routes,
	enforcement_routes, external_routes, firewall_routes, inventory_routes, metrics_routes, service_routes,
	session_routes, snapshot_routes, terminal_routes, usage_routes, web_routes, NULL};

fallible api_new(Api **ret, Engine *engine, Device *device, ServiceFile *service, ExternalEngine *external)
{
	Api *api = mem_new(Api);

	api->engine = engine;
	api->device = device;
	api->service = service;
	api->external = external;
	api->began_ns = clock_monotonic_ns();
	*ret = api;
	return NULL;
}

void api_let_log_in(Api *api, const char *passwords)
{
	autofree char *program = engine_program(api->engine, "kedge-login");

	api->login = login_check_new(engine_loop(api->engine), program, passwords);
}

Api *api_free(Api *api)
{
	if (!api)
		return NULL;
	login_check_free(api->login);
	sessions_clear(&api->sessions);
	free(api);
	return NULL;
}

DockerExtra api_extra(Api *api)
{
	return (DockerExtra){.tables = api_route_tables, .context = api, .admit = api_admit};
}
