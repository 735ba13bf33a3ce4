// SPDX-License-Identifier: Apache-2.0
#include "engine/registry.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/internal.h"

/* As programs in Go have it: what is on this host is never asked for through a proxy. */
static void use_proxies(RegistryAccess *access, const EngineConfig *config)
{
	bool has_exceptions = !string_empty(config->no_proxy);

	string_replace(&access->http_proxy, config->http_proxy);
	string_replace(&access->https_proxy, config->https_proxy);
	free(access->no_proxy);
	access->no_proxy = string_equal(config->no_proxy, "*")
				   ? mem_strdup("*")
				   : string_printf("localhost,127.0.0.0/8,::1%s%s", has_exceptions ? "," : "",
					     has_exceptions ? config->no_proxy : "");
}

static fallible mirrors_for(RegistryMirrors *ret, const Engine *engine, const RegistryAccess *access)
{
	const EngineConfig *config = &engine->config;

	TRY(registry_mirrors_load(
		ret, access, config->registries_dir, config->certs_dir, &config->insecure_registries));
	for (size_t i = 0; i < ret->count; i++)
		use_proxies(&((RegistryAccess *)ret->items)[i], config);
	return NULL;
}

static fallible access_for(
	RegistryAccess *ret, const Engine *engine, const char *host, const ImageCredentials *credentials)
{
	const EngineConfig *config = &engine->config;

	TRY(registry_access_load(ret, host, config->registries_dir, config->certs_dir, &config->insecure_registries));
	use_proxies(ret, config);
	if (!credentials)
		return NULL;
	if (!string_empty(credentials->username)) {
		string_replace(&ret->username, credentials->username);
		string_replace(&ret->password, credentials->password);
	}
	if (!string_empty(credentials->identity_token))
		string_replace(&ret->identity_token, credentials->identity_token);
	return NULL;
}

fallible registry_fetcher(Fetcher **ret, Engine *engine, const Reference *reference,
	const ImageCredentials *credentials, const FetcherHandlers *handlers, void *arg)
{
	const EngineConfig *config = &engine->config;
	autoclear(RegistryAccess) access = {0};
	autoclear(RegistryMirrors) mirrors = {0};
	autofree char *program = engine_program(engine, "kedge-fetch");
	FetcherOptions options = {
		.program = program,
		.user = config->fetch_user,
		.retries = config->download_retries > 0 ? config->download_retries : -1,
		.retry_interval_ms = config->retry_interval_ns / NANOS_PER_MILLI,
		.parallel = config->max_downloads,
		.stall_timeout_s = config->download_stall_ns / NANOS_PER_SECOND,
	};

	TRY(access_for(&access, engine, reference->registry, credentials));
	TRY(mirrors_for(&mirrors, engine, &access));
	options.mirrors = mirrors;
	return fetcher_start(ret, engine->loop, &options, &access, reference, handlers, arg);
}

/* ---- credentials of one request ---- */

void image_credentials_copy(ImageCredentials *to, const ImageCredentials *from)
{
	*to = (ImageCredentials){
		.username = mem_strdup(from->username),
		.password = mem_strdup(from->password),
		.identity_token = mem_strdup(from->identity_token),
	};
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void image_credentials_clear(ImageCredentials *credentials)
{
	free(credentials->username);
	wipe(credentials->password);
	wipe(credentials->identity_token);
	*credentials = (ImageCredentials){0};
}
