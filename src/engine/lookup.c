// SPDX-License-Identifier: Apache-2.0
#include "engine/lookup.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/internal.h"
#include "engine/registry.h"

struct Lookup {
	Engine *engine;
	Fetcher *fetcher;
	LookupDone *done;
	void *arg;
};

/* ---- answers: done may free the lookup, so nothing follows its call ---- */

static void on_logged_in(void *arg, const char *identity_token)
{
	const Lookup *lookup = arg;

	lookup->done(lookup->arg, NULL, &(LookupAnswer){.identity_token = identity_token});
}

static void on_resolved(void *arg, const FetchedImage *image)
{
	const Lookup *lookup = arg;

	lookup->done(lookup->arg, NULL, &(LookupAnswer){.image = image});
}

static void on_found(void *arg, const char *text, size_t length)
{
	const Lookup *lookup = arg;

	lookup->done(lookup->arg, NULL, &(LookupAnswer){.text = text, .length = length});
}

static void on_failed(void *arg, Error *take_error)
{
	const Lookup *lookup = arg;

	lookup->done(lookup->arg, take_error, NULL);
}

/* ---- questions ---- */

static fallible lookup_new(Lookup **ret, Engine *engine, const Reference *reference,
	const ImageCredentials *credentials, LookupDone *done, void *arg)
{
	static const FetcherHandlers handlers = {
		.logged_in = on_logged_in, .resolved = on_resolved, .found = on_found, .failed = on_failed};
	autoptr(Lookup) lookup = NULL;

	if (engine->lookups >= LOOKUPS_MAX)
		return error_new(ERROR_UNAVAILABLE, "registries are asked %d questions already", LOOKUPS_MAX);
	lookup = mem_new(Lookup);
	lookup->engine = engine;
	engine->lookups++;
	lookup->done = done;
	lookup->arg = arg;
	TRY(registry_fetcher(&lookup->fetcher, engine, reference, credentials, &handlers, lookup));
	*ret = take(lookup);
	return NULL;
}

/* What is asked of a registry as a whole is asked in the name of a repository that nothing looks at. */
static fallible registry_reference_of(Reference *ret, const char *registry)
{
	autofree char *text = string_printf("%s/any", registry);

	return reference_parse(ret, text);
}

fallible lookup_login(Lookup **ret, Engine *engine, const char *registry, const ImageCredentials *credentials,
	LookupDone *done, void *arg)
{
	autoclear(Reference) reference = {0};
	autoptr(Lookup) lookup = NULL;

	TRY(registry_reference_of(&reference, registry));
	TRY(lookup_new(&lookup, engine, &reference, credentials, done, arg));
	TRY(fetcher_login(lookup->fetcher));
	*ret = take(lookup);
	return NULL;
}

fallible lookup_describe(Lookup **ret, Engine *engine, const Reference *reference, const ImageCredentials *credentials,
	LookupDone *done, void *arg)
{
	autoptr(Lookup) lookup = NULL;

	TRY(lookup_new(&lookup, engine, reference, credentials, done, arg));
	TRY(fetcher_resolve(lookup->fetcher, NULL));
	*ret = take(lookup);
	return NULL;
}

fallible lookup_search(Lookup **ret, Engine *engine, const char *registry, const char *term, int64_t limit,
	const ImageCredentials *credentials, LookupDone *done, void *arg)
{
	autoclear(Reference) reference = {0};
	autoptr(Lookup) lookup = NULL;

	TRY(registry_reference_of(&reference, registry));
	TRY(lookup_new(&lookup, engine, &reference, credentials, done, arg));
	TRY(fetcher_search(lookup->fetcher, term, limit));
	*ret = take(lookup);
	return NULL;
}

Lookup *lookup_free(Lookup *lookup)
{
	if (!lookup)
		return NULL;
	fetcher_free(lookup->fetcher);
	lookup->engine->lookups--;
	free(lookup);
	return NULL;
}
