// SPDX-License-Identifier: Apache-2.0
/* Pull: a registry's image into the store. kedge-fetch brings verified bytes, the Install unpacks them while they
 * arrive. */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/install.h"
#include "engine/internal.h"
#include "engine/registry.h"
#include "fetch/client.h"
#include "store/blobs.h"

typedef struct Pull {
	Engine *engine;
	Job *job;
	char *key; /* in engine->pulls */
	Reference reference;
	Platform platform;
	Fetcher *fetcher;
	Install *install;
	Source *deadline;
	bool was_here; /* the image was there before this pull */
	Digest top_digest;
	Digest *fetching; /* by layer: the blob that is under way; unset when done */
	bool *resumed;    /* by layer: its beginning is from an earlier try */
	size_t layer_count;
} Pull;

/* Partial blobs on a full disk would keep it full. */
static void pull_make_room(Pull *pull)
{
	for (size_t i = 0; i < pull->layer_count; i++)
		install_stage_bad(pull->install, i);
}

static void pull_count(EngineCounters *counters, const Error *error)
{
	if (!error)
		counters->pulls++;
	else if (error_kind(error) == ERROR_CANCELLED)
		counters->pulls_cancelled++;
	else
		counters->pulls_failed++;
}

static void pull_end(Pull *pull, Error *take_error)
{
	pull_count(&pull->engine->counters, take_error);
	if (take_error && store_is_full(pull->engine->store))
		pull_make_room(pull);
	pull->fetcher = fetcher_free(pull->fetcher);
	pull->install = install_free(pull->install);
	pull->deadline = source_free(pull->deadline);
	table_remove(pull->engine->pulls, pull->key);
	job_end(pull->job, take_error);
}

static void pull_fail(Pull *pull, Error *take_error)
{
	autofree char *name = reference_familiar(&pull->reference);

	if (!string_starts(error_message(take_error), "could not pull")) /* kedge-fetch says so itself */
		take_error = error_wrap(take_error, "could not pull \"%s\"", name);
	pull_end(pull, take_error);
}

static void pull_say(Pull *pull, JobPhase phase, const char *text)
{
	JobProgress progress = {.phase = phase, .item = "", .text = text};

	job_progress(pull->job, &progress);
}

/* ---- the end ---- */

static void pull_installed(void *arg, Error *take_error, const Digest *image_id)
{
	Pull *pull = arg;
	autofree char *name = reference_familiar(&pull->reference), *bare = reference_name(&pull->reference);
	autofree char *text = NULL;

	if (take_error) {
		pull_fail(pull, take_error);
		return;
	}
	pull_say(pull, JOB_DIGEST, pull->top_digest.text);
	text = string_printf(pull->was_here ? "Image is up to date for %s" : "Downloaded newer image for %s", name);
	pull_say(pull, JOB_RESULT, text);
	event_emit(pull->engine, "image", "pull", name, "name", bare, NULL);
	(void)image_id;
	pull_end(pull, NULL);
}

/* ---- blobs ---- */

static size_t pull_layer_of(const Pull *pull, const Digest *blob)
{
	for (size_t i = 0; i < pull->layer_count; i++) {
		if (digest_equal(&pull->fetching[i], blob))
			return i;
	}
	return pull->layer_count;
}

static void pull_item(Pull *pull, JobPhase phase, const Digest *blob, int64_t current, int64_t total)
{
	char item[13];
	JobProgress progress = {.phase = phase, .item = digest_short(item, blob), .current = current, .total = total};

	job_progress(pull->job, &progress);
}

static void fetch_progress(void *arg, const Digest *blob, int64_t bytes)
{
	Pull *pull = arg;
	size_t layer = pull_layer_of(pull, blob);
	const Descriptor *descriptor = layer < pull->layer_count ? install_descriptor(pull->install, layer) : NULL;

	if (!descriptor)
		return;
	pull_item(pull, JOB_DOWNLOADING, blob, bytes, descriptor->size);
	if (!pull->resumed[layer])
		install_blob(pull->install, layer, -1, bytes, false);
}

/* What a registry served under a wrong digest is of no use for resuming. */
static bool worth_resuming(const Error *error)
{
	ErrorKind kind = error_kind(error);

	return kind == ERROR_UNAVAILABLE || kind == ERROR_TIMEOUT || kind == ERROR_CANCELLED;
}

static void fetch_blob_done(void *arg, const Digest *blob, Error *take_error)
{
	Pull *pull = arg;
	size_t layer = pull_layer_of(pull, blob);

	if (take_error) {
		if (layer < pull->layer_count && !worth_resuming(take_error))
			install_stage_bad(pull->install, layer);
		pull_fail(pull, take_error);
		return;
	}
	if (layer == pull->layer_count)
		return;
	pull_item(pull, JOB_DOWNLOADED, blob, 0, 0);
	pull->fetching[layer] = (Digest){0};
	install_blob(pull->install, layer, -1, install_descriptor(pull->install, layer)->size, true);
}

/* The beginning that an earlier try left may be damaged (a power cut), which shows when the digest of all is known.
 * Such a blob is unpacked after that, so that kedge-fetch can begin it afresh without anybody having read the bad
 * bytes. */
static fallible pull_fetch_blob(Pull *pull, size_t layer, const Descriptor *descriptor)
{
	BlobStage stage;
	int64_t offset = 0;
	autofd fd = -1;
	int mine;

	TRY(blob_stage(&stage, &fd, &offset, pull->engine->store, &descriptor->digest));
	install_stage(pull->install, layer, &stage);
	pull->fetching[layer] = descriptor->digest;
	pull->resumed[layer] = offset > 0;
	TRY(fetcher_get(pull->fetcher, &descriptor->digest, descriptor->size, fd, offset));
	mine = take_fd(&fd);
	install_blob(pull->install, layer, mine, 0, false);
	return NULL;
}

static fallible pull_layer(Pull *pull, size_t layer)
{
	const Descriptor *descriptor = install_needs_blob(pull->install, layer);
	int64_t size = 0;
	int fd = -1;

	if (!descriptor)
		return NULL;
	if (!blob_has(pull->engine->store, &descriptor->digest, &size))
		return pull_fetch_blob(pull, layer, descriptor);
	TRY(blob_open(&fd, pull->engine->store, &descriptor->digest));
	install_blob(pull->install, layer, fd, size, true);
	return NULL;
}

/* ---- the manifest ---- */

static fallible pull_note_presence(Pull *pull, const Digest *image_id)
{
	autoptr(Image) image = NULL;
	autofree char *name = reference_familiar(&pull->reference);

	TRY(image_find(&image, pull->engine->store, name));
	pull->was_here = image && digest_equal(&image->id, image_id);
	return NULL;
}

/* The manifest's digest is verified when it comes, and this one's here: nothing else says what an image is. */
static fallible pull_check_config(const FetchedImage *fetched, const Digest *config)
{
	Digest actual;

	digest_of(&actual, fetched->config, fetched->config_length);
	if (!string_starts(config->text, "sha256:") || digest_equal(&actual, config))
		return NULL;
	return error_new(ERROR_INTERNAL, "the configuration that kedge-fetch gave does not have the digest \"%s\"",
		config->text);
}

static fallible pull_put_documents(Pull *pull, const FetchedImage *fetched, const Digest *config)
{
	TRY(pull_check_config(fetched, config));
	TRY(blob_put(pull->engine->store, &fetched->manifest_digest, fetched->manifest, fetched->manifest_length));
	return blob_put(pull->engine->store, config, fetched->config, fetched->config_length);
}

static fallible pull_begin_install(Pull *pull, const FetchedImage *fetched)
{
	autoclear(Manifest) manifest = {0};
	Digest config;
	InstallInput input = {
		.take_manifest = &manifest,
		.manifest_digest = fetched->manifest_digest,
		.config_text = fetched->config,
		.config_length = fetched->config_length,
		.reference = &pull->reference,
		.repo_digest = fetched->top_digest,
	};

	TRY(manifest_parse(&manifest, fetched->manifest, fetched->manifest_length));
	TRY(pull_note_presence(pull, &manifest.config.digest));
	config = manifest.config.digest;
	TRY(install_new(&pull->install, pull->engine, pull->job, &input, pull_installed, pull));
	TRY(pull_put_documents(pull, fetched, &config)); /* after the Install has its leases on them */
	pull->layer_count = install_layer_count(pull->install);
	pull->resumed = mem_alloc(pull->layer_count * sizeof(bool));
	pull->fetching = mem_array(NULL, pull->layer_count + 1, sizeof(Digest));
	for (size_t i = 0; i < pull->layer_count; i++)
		pull->fetching[i] = (Digest){0};
	for (size_t i = 0; i < pull->layer_count; i++)
		TRY(pull_layer(pull, i));
	return NULL;
}

static void fetch_resolved(void *arg, const FetchedImage *fetched)
{
	Pull *pull = arg;
	Error *error;

	if (pull->install) {
		pull_fail(pull, error_new(ERROR_INTERNAL, "kedge-fetch resolved it twice"));
		return;
	}
	pull->top_digest = fetched->top_digest;
	pull_say(pull, JOB_NAME, pull->reference.repository);
	error = pull_begin_install(pull, fetched);
	if (error)
		pull_fail(pull, error);
	else
		install_begin(pull->install);
}

static void fetch_failed(void *arg, Error *take_error)
{
	pull_fail(arg, take_error);
}

static void fetch_retrying(void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason)
{
	Pull *pull = arg;
	char item[13];
	JobProgress progress = {
		.phase = JOB_RETRYING,
		.item = digest_is_set(blob) ? digest_short(item, blob) : "",
		.text = reason,
		.current = (delay_ms + 999) / 1000,
		.total = attempt,
	};

	job_progress(pull->job, &progress);
}

static const FetcherHandlers pull_handlers = {
	.resolved = fetch_resolved,
	.progress = fetch_progress,
	.blob_done = fetch_blob_done,
	.failed = fetch_failed,
	.retrying = fetch_retrying,
};

/* ---- the job ---- */

static void pull_cancel(void *arg)
{
	Pull *pull = arg;

	pull_end(pull, error_new(ERROR_CANCELLED, "the pull was cancelled"));
}

static void pull_free(void *arg)
{
	Pull *pull = arg;

	fetcher_free(pull->fetcher);
	source_free(pull->deadline);
	install_free(pull->install);
	reference_clear(&pull->reference);
	platform_clear(&pull->platform);
	free(pull->fetching);
	free(pull->resumed);
	free(pull->key);
	free(pull);
}

/* What came is kept for the next try. */
static void pull_too_late(void *arg)
{
	Pull *pull = arg;
	char limit[CLOCK_TEXT_MAX];

	clock_format_duration(limit, pull->engine->config.download_timeout_ns);
	pull_fail(pull, error_new(ERROR_TIMEOUT, "it took longer than the download timeout of %s", limit));
}

static fallible pull_start(Pull *pull, const ImageCredentials *credentials)
{
	int64_t timeout_ns = pull->engine->config.download_timeout_ns;

	if (timeout_ns > 0)
		TRY(loop_timer(&pull->deadline, pull->engine->loop, timeout_ns, pull_too_late, pull));
	TRY(registry_fetcher(&pull->fetcher, pull->engine, &pull->reference, credentials, &pull_handlers, pull));
	return fetcher_resolve(pull->fetcher, &pull->platform);
}

/* Two clients that ask for the same with the same credentials share one job; other credentials get their own answer. */
static char *pull_key(const Reference *reference, const Platform *platform, const ImageCredentials *credentials)
{
	autofree char *name = reference_full(reference);
	autofree char *text = platform_text(platform);
	const char *user = credentials && credentials->username ? credentials->username : "";
	const char *secret = credentials && credentials->password ? credentials->password : "";
	const char *token = credentials && credentials->identity_token ? credentials->identity_token : "";

	return string_printf("%s\n%s\n%s\n%s\n%s", name, text, user, secret, token);
}

fallible image_pull(Job **ret, Engine *engine, const Reference *reference, const Platform *platform,
	const ImageCredentials *credentials)
{
	static const JobImplementation implementation = {.cancel = pull_cancel, .free = pull_free};
	autofree char *key = pull_key(reference, platform, credentials);
	Job *running = table_get(engine->pulls, key);
	Pull *pull;
	Error *error;

	if (running) {
		*ret = running;
		return NULL;
	}
	pull = mem_new(Pull);
	pull->engine = engine;
	pull->key = take(key);
	reference_copy(&pull->reference, reference);
	pull->platform =
		(Platform){mem_strdup(platform->os), mem_strdup(platform->architecture), mem_strdup(platform->variant)};
	error = pull_start(pull, credentials);
	if (error) {
		pull_free(pull);
		return error;
	}
	pull->job = job_new(engine, &implementation, pull);
	table_set(engine->pulls, pull->key, pull->job);
	*ret = pull->job;
	return NULL;
}
