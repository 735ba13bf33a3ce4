// SPDX-License-Identifier: Apache-2.0
#include "engine/registry.h"

#include "base/clock.h"
#include "base/memory.h"
#include "engine/internal.h"

static fallible access_for(
	RegistryAccess *ret, const Engine *engine, const char *host, const ImageCredentials *credentials)
{
	const EngineConfig *config = &engine->config;

	TRY(registry_access_load(ret, host, config->registries_dir, config->certs_dir, &config->insecure_registries));
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
	autofree char *program = engine_program(engine, "kedge-fetch");
	FetcherOptions options = {
		.program = program,
		.user = config->fetch_user,
		.retries = config->download_retries,
		.parallel = config->max_downloads,
		.stall_timeout_s = config->download_stall_ns / NANOS_PER_SECOND,
	};

	TRY(access_for(&access, engine, reference->registry, credentials));
	return fetcher_start(ret, engine->loop, &options, &access, reference, handlers, arg);
}
