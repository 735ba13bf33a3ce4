// SPDX-License-Identifier: Apache-2.0
/* Pulls of a declared container's image: so many tries, so long apart, each bounded; with the declaration's own
 * credentials, which leave this file only towards kedge-fetch. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "device/keeper_internal.h"

void kept_pull_forget(Kept *kept)
{
	KeptPull *pull = &kept->pull;

	if (pull->job)
		job_unsubscribe(pull->job);
	source_free(pull->timer);
	free(pull->failure);
	*pull = (KeptPull){0};
}

/* ---- credentials ---- */

/* "https://Registry.local:5000/v2" as images name it; Docker's own has several names. */
static char *host_of(const char *text)
{
	const char *behind = strstr(text, "://"), *host = behind ? behind + 3 : text;
	autofree char *bare = mem_strndup(host, strcspn(host, "/"));
	char *lower = string_lower(bare);

	if (strcmp(lower, "index.docker.io") == 0 || strcmp(lower, "registry-1.docker.io") == 0)
		string_replace(&lower, "docker.io");
	return lower;
}

/* They are for the registry that they were written for. */
static bool are_for(const DeclaredRegistry *registry, const Reference *reference)
{
	autofree char *host = string_empty(registry->host) ? NULL : host_of(registry->host);

	return !host || strcmp(host, reference->registry) == 0;
}

static fallible read_credentials(ImageCredentials *ret, const Kept *kept, const Reference *reference)
{
	const KeeperOptions *options = &kept->keeper->options;
	const DeclaredRegistry *registry = &kept_declaration(kept)->registry;

	if (string_empty(registry->username) || !are_for(registry, reference))
		return NULL;
	TRY(options->unseal(options->arg, &ret->password, registry));
	ret->username = mem_strdup(registry->username);
	return NULL;
}

/* ---- tries ---- */

static void try_later(void *arg)
{
	Kept *kept = arg;

	kept->pull.timer = source_free(kept->pull.timer);
	kept_dirty(kept);
}

static void wait_for(Kept *kept, int64_t delay_ns, LoopHandler *handler)
{
	Error *error;

	source_free(take(kept->pull.timer));
	error = loop_timer(&kept->pull.timer, engine_loop(kept->keeper->engine), delay_ns, handler, kept);
	if (error)
		error_log(error, "declared container \"%s\"", kept->name);
}

/* With the image here nothing depends on the registry: it was asked, that is all. */
static void note_failure(Kept *kept, const Error *error)
{
	const Declaration *declaration = kept_declaration(kept);
	int64_t most = declaration ? declaration->pull_retries : 1;
	autofree char *text = error_text(error);

	kept->pull.tries++;
	free(kept->pull.failure);
	kept->pull.failure = mem_strdup(text);
	kept->pull.is_over = most > 0 && kept->pull.tries >= most;
	if (kept->pull.is_over) {
		autofree char *last = kept->pull.failure;
		kept->pull.failure = string_printf("%s (%lld tries)", last, (long long)kept->pull.tries);
	} else {
		wait_for(kept, declaration ? declaration->pull_interval_ns : 0, try_later);
	}
	kept_say(kept, kept->pull.failure);
}

static void pull_ended(void *arg, const Error *error)
{
	Kept *kept = arg;

	kept->pull.job = NULL;
	kept->pull.timer = source_free(kept->pull.timer);
	if (error) {
		note_failure(kept, error);
	} else {
		kept_pull_forget(kept);
		kept_trouble_forget(kept);
	}
	kept_dirty(kept);
}

static void took_too_long(void *arg)
{
	Kept *kept = arg;
	char limit[CLOCK_TEXT_MAX];
	Error *error;

	clock_format_duration(limit, kept_declaration(kept) ? kept_declaration(kept)->pull_timeout_ns : 0);
	error = error_new(ERROR_TIMEOUT, "its image was not pulled within %s", limit);
	job_unsubscribe(kept->pull.job);
	pull_ended(kept, error);
	error_free(error);
}

static fallible begin(Kept *kept)
{
	static const JobHandlers handlers = {.ended = pull_ended};
	const Declaration *declaration = kept_declaration(kept);
	autoclear(Reference) reference = {0};
	autoclear(ImageCredentials) credentials = {0};
	autoclear(Platform) platform = {0};
	Job *job;

	TRY(reference_parse(&reference, declaration->spec.image));
	reference_default_tag(&reference);
	TRY(read_credentials(&credentials, kept, &reference));
	platform_host(&platform);
	TRY(image_pull(&job, kept->keeper->engine, &reference, &platform, &credentials));
	kept->pull.job = job_subscribe(job, &handlers, kept);
	if (declaration->pull_timeout_ns > 0)
		wait_for(kept, declaration->pull_timeout_ns, took_too_long);
	return NULL;
}

void kept_pull(Kept *kept)
{
	Error *error;

	if (kept->pull.job || kept->pull.timer)
		return;
	error = begin(kept);
	if (!error)
		return;
	note_failure(kept, error);
	error_free(error); /* it is the reason now */
	kept_dirty(kept);
}
