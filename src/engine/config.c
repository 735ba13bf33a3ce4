// SPDX-License-Identifier: Apache-2.0
/* What of a configuration the field tables cannot check. */
#include <string.h>

#include "base/memory.h"
#include "engine/engine.h"
#include "runtime/runtimes.h"
#include "runtime/spec.h"
#include "runtime/spec_words.h"

static fallible check_path(const char *field, const char *path)
{
	if (path && *path == '/')
		return NULL;
	return error_new(ERROR_INVALID, "field \"engine.%s\": path \"%s\" is not absolute", field, path ? path : "");
}

static fallible check_cgroup_parent(const char *path)
{
	TRY(check_path("cgroupParent", path));
	if (strstr(path, ".."))
		return error_new(ERROR_INVALID, "field \"engine.cgroupParent\": path \"%s\" contains \"..\"", path);
	return NULL;
}

static fallible check_host_gateway(const char *address)
{
	if (string_empty(address) || spec_is_address(address))
		return NULL;
	return error_new(ERROR_INVALID, "field \"engine.hostGateway\": \"%s\" is not an address", address);
}

static fallible check_runtimes(const EngineConfig *config)
{
	const char *name = config->default_runtime;

	for (size_t i = 0; i < config->runtimes.count; i++)
		TRY_WRAP(check_path("runtimes", config->runtimes.items[i].value), "runtime \"%s\"",
			config->runtimes.items[i].key);
	if (string_empty(name) || map_get(&config->runtimes, name) || runtimes_is_found_by_itself(name))
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "field \"engine.defaultRuntime\": there is no runtime \"%s\"", name),
		"crun and runc are found by themselves, others are listed in \"engine.runtimes\"");
}

fallible engine_config_check(const EngineConfig *config)
{
	TRY(check_path("root", config->root));
	TRY(check_path("runDirectory", config->run_dir));
	TRY(check_cgroup_parent(config->cgroup_parent));
	TRY(check_host_gateway(config->host_gateway));
	TRY(check_runtimes(config));
	TRY_WRAP(spec_check_log(config->log_driver, &config->log_options), "configuration");
	return NULL;
}
