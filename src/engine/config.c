// SPDX-License-Identifier: Apache-2.0
/* What of a configuration the field tables cannot check. */
#include <string.h>

#include "base/memory.h"
#include "engine/network_internal.h"
#include "runtime/runtimes.h"
#include "runtime/spec.h"
#include "runtime/spec_words.h"
#include "telemetry/options.h"

enum { TABLE_NAME_MAX = 32 };

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

/* As nft takes it without quotes. */
static fallible check_table(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (!*name || name[length] || (*name >= '0' && *name <= '9') || length > TABLE_NAME_MAX)
		return error_new(ERROR_INVALID,
			"field \"engine.firewallTable\": \"%.64s\" is no name (a letter, then letters, digits and _, "
			"%d at most)",
			name, TABLE_NAME_MAX);
	return NULL;
}

static fallible check_networks(const EngineConfig *config)
{
	TRY_WRAP(interface_name_check(config->bridge), "field \"engine.bridge\"");
	TRY(check_table(config->firewall_table));
	TRY_WRAP(network_pools_check(&config->address_pools), "field \"engine.addressPools\"");
	return NULL;
}

/* The limits of files that are there by default are for drivers that have them, and for the local log of the others. */
static fallible check_log(const EngineConfig *config)
{
	static const StringPair defaults[] = {{(char *)"max-size", (char *)"10m"}, {(char *)"max-file", (char *)"3"}};
	autoclear(StringMap) options = {0};

	map_copy(&options, &config->log_options);
	for (size_t i = 0; i < COUNT(defaults); i++)
		if (string_equal(map_get(&options, defaults[i].key), defaults[i].value) &&
			!log_driver_has_option(config->log_driver, defaults[i].key))
			map_remove(&options, defaults[i].key);
	return spec_check_log(config->log_driver, &options);
}

fallible engine_config_check(const EngineConfig *config)
{
	TRY(check_path("root", config->root));
	TRY(check_path("runDirectory", config->run_dir));
	TRY(check_path("cniConfigDirectory", config->cni_config_dir));
	for (size_t i = 0; i < config->cni_plugin_dirs.count; i++)
		TRY(check_path("cniPluginDirectories", config->cni_plugin_dirs.items[i]));
	for (size_t i = 0; i < config->cdi_spec_dirs.count; i++)
		TRY(check_path("cdiSpecDirectories", config->cdi_spec_dirs.items[i]));
	TRY(check_path("journalSocket", config->journal_socket));
	TRY(check_cgroup_parent(config->cgroup_parent));
	TRY(check_host_gateway(config->host_gateway));
	TRY(check_runtimes(config));
	TRY(check_networks(config));
	TRY_WRAP(check_log(config), "configuration");
	return NULL;
}
