// SPDX-License-Identifier: Apache-2.0
/* Push: layers that the registry lacks, then the configuration, then the manifest, byte for byte as they came. */
#include <unistd.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/internal.h"
#include "engine/registry.h"
#include "engine/repack.h"
#include "store/blobs.h"

typedef struct Push {
	Engine *engine;
	Job *job;
	Reference reference;
	ImageCredentials credentials; /* kept while layers are compressed anew */
	Repack *repack;               /* what is pushed in place of dropped blobs; NULL: the blobs that came */
	Fetcher *fetcher;
	Manifest manifest;
	Digest manifest_digest;
	char *manifest_text;
	size_t manifest_length;
	size_t pending; /* blobs not yet there */
	bool *told;     /* by layer: "already exists" was said */
} Push;

static void push_end(Push *push, Error *take_error)
{
	push->fetcher = fetcher_free(push->fetcher);
	push->repack = repack_free(push->repack);
	job_end(push->job, take_error);
}

static void push_fail(Push *push, Error *take_error)
{
	autofree char *name = reference_familiar(&push->reference);

	if (!string_starts(error_message(take_error), "could not push")) /* kedge-fetch says so itself */
		take_error = error_wrap(take_error, "could not push \"%s\"", name);
	push_end(push, take_error);
}

static const Descriptor *push_layer(const Push *push, const Digest *blob)
{
	for (size_t i = 0; i < push->manifest.layer_count; i++) {
		if (digest_equal(&push->manifest.layers[i].digest, blob))
			return &push->manifest.layers[i];
	}
	return NULL;
}

static void push_say_item(Push *push, JobPhase phase, const Descriptor *layer, int64_t current, const char *text)
{
	char item[13];
	JobProgress progress = {
		.phase = phase,
		.item = digest_short(item, &layer->digest),
		.current = current,
		.total = layer->size,
		.text = text,
	};

	job_progress(push->job, &progress);
}

/* The configuration is a blob too, but nothing that a person counts. */
static void push_item(Push *push, JobPhase phase, const Digest *blob, int64_t current)
{
	const Descriptor *layer = push_layer(push, blob);

	if (layer)
		push_say_item(push, phase, layer, current, NULL);
}

static void put_progress(void *arg, const Digest *blob, int64_t bytes)
{
	push_item(arg, JOB_UPLOADING, blob, bytes);
}

static void put_skipped(void *arg, const Digest *blob, const char *mounted_from)
{
	Push *push = arg;
	const Descriptor *layer = push_layer(push, blob);

	if (!layer)
		return;
	push_say_item(push, mounted_from ? JOB_MOUNTED : JOB_EXISTS, layer, 0, mounted_from);
	push->told[layer - push->manifest.layers] = true;
}

static void put_done(void *arg, const Digest *blob, Error *take_error)
{
	Push *push = arg;
	const Descriptor *layer = push_layer(push, blob);
	Error *error = take_error;

	if (!error && layer && !push->told[layer - push->manifest.layers])
		push_item(push, JOB_UPLOADED, blob, layer->size);
	if (!error && --push->pending == 0)
		error = fetcher_put_manifest(push->fetcher,
			push->manifest.media_type ? push->manifest.media_type : MEDIA_OCI_MANIFEST, push->manifest_text,
			push->manifest_length);
	if (error)
		push_fail(push, error);
}

static void put_manifest_done(void *arg, const Digest *digest)
{
	Push *push = arg;
	autofree char *name = reference_familiar(&push->reference), *bare = reference_name(&push->reference);
	JobProgress progress = {
		.phase = JOB_DIGEST,
		.item = push->reference.tag ? push->reference.tag : "",
		.text = push->manifest_digest.text,
		.total = (int64_t)push->manifest_length,
	};

	(void)digest;
	Error *error = image_add_digest(
		push->engine->store, &push->manifest.config.digest, &push->reference, &push->manifest_digest);
	if (error && error_kind(error) != ERROR_NOT_FOUND) {
		push_fail(push, error);
		return;
	}
	error_free(error); /* removed meanwhile: what was pushed is there all the same */
	job_progress(push->job, &progress);
	event_emit(push->engine, "image", "push", name, "name", bare, NULL);
	push_end(push, NULL);
}

static void put_failed(void *arg, Error *take_error)
{
	push_fail(arg, take_error);
}

static void put_retrying(void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason)
{
	Push *push = arg;
	const Descriptor *layer = push_layer(push, blob);
	(void)attempt;

	if (layer)
		push_say_item(push, JOB_RETRYING, layer, (delay_ms + 999) / 1000, reason);
}

static const FetcherHandlers push_handlers = {
	.progress = put_progress,
	.blob_done = put_done,
	.blob_skipped = put_skipped,
	.manifest_done = put_manifest_done,
	.failed = put_failed,
	.retrying = put_retrying,
};

static void push_cancel(void *arg)
{
	push_end(arg, error_new(ERROR_CANCELLED, "the push was cancelled"));
}

static void push_free(void *arg)
{
	Push *push = arg;

	fetcher_free(push->fetcher);
	repack_free(push->repack);
	image_credentials_clear(&push->credentials);
	reference_clear(&push->reference);
	manifest_clear(&push->manifest);
	free(push->manifest_text);
	free(push->told);
	free(push);
}

static fallible push_blob(Push *push, const Descriptor *descriptor)
{
	autofree char *origin = NULL;
	autofd fd = -1;
	int64_t size = 0;

	if (!blob_has(push->engine->store, &descriptor->digest, &size))
		return error_hint(error_new(ERROR_CONFLICT, "layer %s is not kept here", descriptor->digest.text),
			"pull the image again by a kedged with \"keepBlobs: true\" to push it");
	TRY(blob_open(&fd, push->engine->store, &descriptor->digest));
	TRY(blob_origin(&origin, push->engine->store, &descriptor->digest, &push->reference));
	TRY(fetcher_put(push->fetcher, &descriptor->digest, size, fd, origin));
	push->pending++;
	return NULL;
}

static bool push_is_repeated(const Push *push, size_t layer)
{
	for (size_t i = 0; i < layer; i++) {
		if (digest_equal(&push->manifest.layers[i].digest, &push->manifest.layers[layer].digest))
			return true;
	}
	return false;
}

static fallible push_begin(Push *push)
{
	for (size_t i = 0; i < push->manifest.layer_count; i++) {
		if (push_is_repeated(push, i))
			continue;
		push_item(push, JOB_PREPARING, &push->manifest.layers[i].digest, 0);
		TRY(push_blob(push, &push->manifest.layers[i]));
	}
	return push_blob(push, &push->manifest.config);
}

static fallible push_read(Push *push, const Digest *manifest)
{
	push->manifest_digest = *manifest;
	TRY(blob_read(&push->manifest_text, &push->manifest_length, push->engine->store, manifest, MANIFEST_MAX));
	TRY(manifest_parse(&push->manifest, push->manifest_text, push->manifest_length));
	push->told = mem_alloc(push->manifest.layer_count + 1);
	return registry_fetcher(
		&push->fetcher, push->engine, &push->reference, &push->credentials, &push_handlers, push);
}

/* ---- without the blobs that came ---- */

static void push_repacked(void *arg, Error *take_error, const Digest *manifest)
{
	Push *push = arg;
	Error *error = take_error ? take_error : push_read(push, manifest);

	if (!error)
		error = push_begin(push);
	if (error)
		push_fail(push, error);
}

static fallible push_repack(Push *push, const Image *image)
{
	JobProgress note = {
		.phase = JOB_NOTE,
		.item = "",
		.text = "Compressed layers are not kept here: they are compressed anew, and the digests will change",
	};

	job_progress(push->job, &note);
	return repack_start(&push->repack, push->engine, image, push_repacked, push);
}

/* ---- the job ---- */

static fallible push_find(Image **ret, Push *push, bool *ret_needs_repack)
{
	autofree char *name = reference_familiar(&push->reference);
	autoptr(Image) image = NULL;

	TRY(image_find(&image, push->engine->store, name));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "An image does not exist locally with the tag: %s", name);
	TRY(repack_is_needed(ret_needs_repack, push->engine, image));
	if (!*ret_needs_repack)
		TRY(push_read(push, &image->manifest));
	*ret = take(image);
	return NULL;
}

static Push *push_new(Engine *engine, const Reference *reference, const ImageCredentials *credentials)
{
	Push *push = mem_new(Push);

	push->engine = engine;
	reference_copy(&push->reference, reference);
	if (credentials)
		image_credentials_copy(&push->credentials, credentials);
	return push;
}

fallible image_push(Job **ret, Engine *engine, const Reference *reference, const ImageCredentials *credentials)
{
	static const JobImplementation implementation = {.cancel = push_cancel, .free = push_free};
	Push *push = push_new(engine, reference, credentials);
	JobProgress name = {.phase = JOB_NAME, .item = "", .text = push->reference.repository};
	autoptr(Image) image = NULL;
	bool needs_repack = false;
	Error *error = push_find(&image, push, &needs_repack);

	if (error) {
		push_free(push);
		return error;
	}
	push->job = job_new(engine, &implementation, push);
	job_progress(push->job, &name);
	error = needs_repack ? push_repack(push, image) : push_begin(push);
	if (error) /* told from the loop, as any end */
		completion_later(engine, put_failed, push, error);
	*ret = push->job;
	return NULL;
}
