// SPDX-License-Identifier: Apache-2.0
/* /_ping, /version: what clients ask first. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "docker/internal.h"
#include "docker/machine.h"

static void ping(HttpRequest *request, void *context)
{
	(void)context;
	http_response_header(request, "Builder-Version", "1");
	http_response_header(request, "Cache-Control", "no-cache, no-store, must-revalidate");
	http_response_header(request, "Pragma", "no-cache");
	http_response_header(request, "Swarm", "inactive");
	http_respond(request, 200, "text/plain; charset=utf-8", "OK",
		string_equal(http_request_method(request), "HEAD") ? 0 : 2);
}

/* ---- /version ---- */

static void write_component(Writer *writer, const char *name, const char *version, const StringMap *details)
{
	write_object(writer, NULL);
	write_string(writer, "Name", name);
	write_string(writer, "Version", version);
	write_map(writer, "Details", details);
	write_object_end(writer);
}

static void write_engine(Writer *writer, const struct utsname *host)
{
	autoclear(StringMap) details = {0};

	map_set(&details, "ApiVersion", DOCKER_API_VERSION);
	map_set(&details, "Arch", machine_architecture());
	map_set(&details, "BuildTime", machine_build_time());
	map_set(&details, "Experimental", "false");
	map_set(&details, "GitCommit", "");
	map_set(&details, "GoVersion", "");
	map_set(&details, "KernelVersion", host->release);
	map_set(&details, "MinAPIVersion", DOCKER_API_MIN_VERSION);
	map_set(&details, "Os", "linux");
	write_component(writer, "Engine", KEDGE_VERSION, &details);
}

static void write_runtime(Writer *writer, const EngineInfo *info)
{
	autoclear(StringMap) details = {0};

	map_set(&details, "GitCommit", "");
	write_component(writer, info->default_runtime ? info->default_runtime : "",
		info->runtime_version ? info->runtime_version : "", &details);
}

static void write_version(Writer *writer, const EngineInfo *info)
{
	struct utsname host;

	uname(&host);
	write_object(writer, "Platform");
	write_string(writer, "Name", "kedge");
	write_object_end(writer);
	write_array(writer, "Components");
	write_engine(writer, &host);
	write_runtime(writer, info);
	write_array_end(writer);
	write_string(writer, "Version", KEDGE_VERSION);
	write_string(writer, "ApiVersion", DOCKER_API_VERSION);
	write_string(writer, "MinAPIVersion", DOCKER_API_MIN_VERSION);
	write_string(writer, "GitCommit", "");
	write_string(writer, "GoVersion", "");
	write_string(writer, "Os", "linux");
	write_string(writer, "Arch", machine_architecture());
	write_string(writer, "KernelVersion", host.release);
	write_string(writer, "BuildTime", machine_build_time());
}

static fallible make_version(Buffer *out, Engine *engine)
{
	autoclear(EngineInfo) info = {0};
	Writer writer;

	TRY(engine_info(&info, engine));
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_version(&writer, &info);
	write_object_end(&writer);
	return NULL;
}

static void version(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = make_version(&out, docker_engine(context));

	respond_json_or_error(request, error, &out);
}

const HttpRoute system_routes[] = {
	{"GET", "/_ping", ping, DOCKER_MONITOR, 0},
	{"GET", "/version", version, DOCKER_MONITOR, 0},
	{0},
};
