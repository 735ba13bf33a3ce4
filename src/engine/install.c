// SPDX-License-Identifier: Apache-2.0
#include "engine/install.h"

#include <unistd.h>

#include "base/fault.h"
#include "base/memory.h"
#include "engine/internal.h"
#include "fetch/unpack_client.h"
#include "store/blobs.h"

/* Unpacking is bound by cores and disk: more at a time only costs memory. */
enum { UNPACK_PARALLEL = 2 };

typedef enum LayerState {
	LAYER_PRESENT,   /* in the store already */
	LAYER_DUPLICATE, /* the same diff id as an earlier layer of this image */
	LAYER_WAITING,   /* for its blob, or for its turn */
	LAYER_UNPACKING,
	LAYER_UNPACKED, /* staged and on disk, not visible yet */
} LayerState;

typedef struct InstallLayer {
	Install *install;
	LayerState state;
	Layer layer;
	BlobStage stage;    /* unset: it is in the store, or comes from elsewhere */
	Digest leased_blob; /* the manifest's: a layer that is here may have come with another */
	char item[13];
	int blob_fd;
	int directory_fd;
	int64_t available;
	bool complete;
	Unpacker *unpacker;
} InstallLayer;

struct Install {
	Engine *engine;
	Job *job;
	Manifest manifest;
	Digest manifest_digest, config_digest, repo_digest;
	ImageConfig config;
	Reference reference;
	bool has_reference;
	InstallLayer *layers;
	size_t count, unpacking;
	bool leased, begun, ended;
	Error *error;
	Source *end; /* armed when it has ended */
	StoreSync *sync;
	InstallDone *done;
	void *arg;
};

static void install_progress(InstallLayer *layer, JobPhase phase, int64_t current, int64_t total)
{
	JobProgress progress = {.phase = phase, .item = layer->item, .current = current, .total = total};

	job_progress(layer->install->job, &progress);
}

/* ---- making ---- */

static void install_tell(void *arg);

static fallible install_check(const Manifest *manifest, const ImageConfig *config)
{
	if (config->diff_ids.count != manifest->layer_count)
		return error_new(ERROR_INVALID, "the image's configuration names %zu layers, its manifest %zu",
			config->diff_ids.count, manifest->layer_count);
	return NULL;
}

static bool install_is_duplicate(const Install *install, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (digest_equal(&install->layers[i].layer.diff_id, &install->layers[index].layer.diff_id))
			return true;
	}
	return false;
}

static fallible install_layer_init(Install *install, size_t index)
{
	InstallLayer *layer = &install->layers[index];
	const Descriptor *descriptor = &install->manifest.layers[index];
	bool found = false;

	layer->install = install;
	layer->blob_fd = layer->directory_fd = -1;
	TRY(digest_parse(&layer->layer.diff_id, install->config.diff_ids.items[index]));
	digest_short(layer->item, &descriptor->digest);
	layer->layer.blob = descriptor->digest;
	layer->layer.blob_size = descriptor->size;
	store_lease(install->engine->store, layer->layer.diff_id.text);
	store_lease(install->engine->store, descriptor->digest.text);
	layer->leased_blob = descriptor->digest;
	layer->state = LAYER_WAITING;
	if (install_is_duplicate(install, index)) {
		layer->state = LAYER_DUPLICATE;
		return NULL;
	}
	TRY(layer_find(install->engine->store, &layer->layer.diff_id, &layer->layer, &found));
	if (found)
		layer->state = LAYER_PRESENT;
	return NULL;
}

static fallible install_init(Install *install, const InstallInput *input)
{
	store_lease(install->engine->store, install->manifest_digest.text);
	store_lease(install->engine->store, install->config_digest.text);
	install->leased = true;
	TRY(image_config_parse(&install->config, input->config_text, input->config_length));
	TRY(install_check(&install->manifest, &install->config));
	install->layers = mem_array(NULL, install->manifest.layer_count + 1, sizeof(InstallLayer));
	for (size_t i = 0; i < install->manifest.layer_count; i++) {
		install->layers[i] = (InstallLayer){.blob_fd = -1, .directory_fd = -1};
		install->count = i + 1;
		TRY(install_layer_init(install, i));
	}
	return NULL;
}

fallible install_new(Install **ret, Engine *engine, Job *job, const InstallInput *input, InstallDone *done, void *arg)
{
	autoptr(Install) install = mem_new(Install);

	install->engine = engine;
	install->job = job;
	install->done = done;
	install->arg = arg;
	install->manifest = *input->take_manifest;
	*input->take_manifest = (Manifest){0};
	install->manifest_digest = input->manifest_digest;
	install->config_digest = install->manifest.config.digest;
	install->repo_digest = input->repo_digest;
	if (input->reference) {
		reference_copy(&install->reference, input->reference);
		install->has_reference = true;
	}
	TRY(loop_timer(&install->end, engine->loop, -1, install_tell, install));
	TRY(install_init(install, input));
	for (size_t i = 0; i < install->count; i++)
		install_progress(&install->layers[i],
			install->layers[i].state == LAYER_WAITING ? JOB_WAITING : JOB_EXISTS, 0, 0);
	*ret = take(install);
	return NULL;
}

static void install_layer_clear(InstallLayer *layer)
{
	Store *store = layer->install ? layer->install->engine->store : NULL;

	unpacker_free(layer->unpacker);
	close_fd(&layer->blob_fd);
	close_fd(&layer->directory_fd);
	if (!store)
		return;
	if (layer->state == LAYER_UNPACKING || layer->state == LAYER_UNPACKED)
		error_free(layer_abandon(store, layer->layer.number)); /* staging is swept at start as well */
	blob_leave(store, &layer->stage);
	store_lease_end(store, layer->layer.diff_id.text);
	store_lease_end(store, layer->leased_blob.text);
}

Install *install_free(Install *install)
{
	if (!install)
		return NULL;
	for (size_t i = 0; i < install->count; i++)
		install_layer_clear(&install->layers[i]);
	if (install->leased) {
		store_lease_end(install->engine->store, install->manifest_digest.text);
		store_lease_end(install->engine->store, install->config_digest.text);
	}
	free(install->layers);
	source_free(install->end);
	store_sync_free(install->sync);
	error_free(install->error);
	manifest_clear(&install->manifest);
	image_config_clear(&install->config);
	reference_clear(&install->reference);
	free(install);
	return NULL;
}

size_t install_layer_count(const Install *install)
{
	return install->count;
}

const Descriptor *install_needs_blob(const Install *install, size_t layer)
{
	return install->layers[layer].state == LAYER_WAITING ? &install->manifest.layers[layer] : NULL;
}

/* ---- ending ---- */

/* Before the sync, so that what nobody wants to keep is not even written to the disk. */
static void install_forget_blobs(Install *install)
{
	for (size_t i = 0; i < install->count; i++) {
		InstallLayer *layer = &install->layers[i];
		if (layer->state != LAYER_UNPACKED)
			continue;
		install_stage_bad(install, i);
		layer->layer.blob = (Digest){0};
		layer->layer.blob_size = 0;
	}
}

/* The blobs' bytes are on disk since the sync; their names are made durable with the layers'. */
static fallible install_commit_blobs(Install *install)
{
	for (size_t i = 0; i < install->count; i++) {
		InstallLayer *layer = &install->layers[i];
		if (layer->state == LAYER_UNPACKED && digest_is_set(&layer->stage.digest))
			TRY(blob_commit(install->engine->store, &layer->stage));
	}
	return NULL;
}

static fallible install_commit_layers(Install *install)
{
	Layer *fresh = mem_array(NULL, install->count + 1, sizeof(Layer));
	autofree void *owner = fresh;
	size_t count = 0;

	for (size_t i = 0; i < install->count; i++) {
		if (install->layers[i].state == LAYER_UNPACKED)
			fresh[count++] = install->layers[i].layer;
	}
	if (count)
		TRY(layers_commit(install->engine->store, fresh, count));
	for (size_t i = 0; i < install->count; i++) {
		if (install->layers[i].state == LAYER_UNPACKED)
			install->layers[i].state = LAYER_PRESENT;
	}
	return NULL;
}

static fallible install_commit(Install *install)
{
	TRY(fault("engine.install.blobs"));
	TRY(install_commit_blobs(install));
	TRY(fault("engine.install.layers"));
	TRY(install_commit_layers(install));
	TRY(fault("engine.install.image"));
	TRY(image_put(install->engine->store, &install->config_digest, &install->manifest_digest,
		&install->config.diff_ids, &install->config, install->has_reference ? &install->reference : NULL,
		digest_is_set(&install->repo_digest) ? &install->repo_digest : NULL));
	if (install->engine->config.keep_blobs)
		return NULL;
	engine_sweep_soon(install->engine);
	return layers_drop_blobs(install->engine->store);
}

static void install_tell_error(Install *install, Error *take_error)
{
	install->done(install->arg, take_error, take_error ? NULL : &install->config_digest);
}

static void install_synced(void *arg, Error *take_error)
{
	Install *install = arg;

	install->sync = NULL; /* it is gone after this call */
	install_tell_error(install, take_error ? take_error : install_commit(install));
}

static bool install_has_fresh_layers(const Install *install)
{
	for (size_t i = 0; i < install->count; i++) {
		if (install->layers[i].state == LAYER_UNPACKED)
			return true;
	}
	return false;
}

/* The end is told from the loop, so that the caller may free the Install in it. What was unpacked goes to disk first,
 * without holding up the loop. */
static void install_tell(void *arg)
{
	Install *install = arg;
	Error *error = take(install->error);

	if (error) {
		install_tell_error(install, error);
		return;
	}
	if (!install->engine->config.keep_blobs)
		install_forget_blobs(install);
	if (!install_has_fresh_layers(install)) {
		install_synced(install, NULL);
		return;
	}
	error = store_sync_start(
		&install->sync, install->engine->store, install->engine->loop, install_synced, install);
	if (error)
		install_tell_error(install, error);
}

static void install_end(Install *install, Error *take_error)
{
	if (install->ended) {
		error_free(take_error); /* the first one is told */
		return;
	}
	install->ended = true;
	install->error = take_error;
	source_rearm(install->end, 0);
}

static void install_check_end(Install *install)
{
	for (size_t i = 0; i < install->count; i++) {
		LayerState state = install->layers[i].state;
		if (state == LAYER_WAITING || state == LAYER_UNPACKING)
			return;
	}
	if (install->begun)
		install_end(install, NULL);
}

/* ---- unpacking ---- */

static void install_next(Install *install);

static fallible install_layer_unpacked(InstallLayer *layer, const UnpackResult *result)
{
	Store *store = layer->install->engine->store;

	if (!digest_equal(&result->diff_id, &layer->layer.diff_id))
		return error_new(ERROR_INVALID,
			"layer %s: its content has the digest %s, the image's configuration says %s", layer->item,
			result->diff_id.text, layer->layer.diff_id.text);
	TRY(layer_mark_opaque(store, layer->layer.number, &result->opaque));
	layer->layer.bytes = result->bytes;
	return NULL;
}

static void unpack_done(void *arg, Error *take_error, const UnpackResult *result)
{
	InstallLayer *layer = arg;
	Install *install = layer->install;
	Error *error =
		take_error ? error_wrap(take_error, "layer %s", layer->item) : install_layer_unpacked(layer, result);

	layer->unpacker = unpacker_free(layer->unpacker);
	close_fd(&layer->blob_fd);
	close_fd(&layer->directory_fd);
	install->unpacking--;
	if (error) {
		install_end(install, error);
		return;
	}
	layer->state = LAYER_UNPACKED;
	install_progress(layer, JOB_UNPACKING, layer->layer.blob_size, layer->layer.blob_size);
	install_progress(layer, JOB_COMPLETE, 0, 0);
	install_next(install);
	install_check_end(install);
}

static void unpack_progress(void *arg, int64_t input_bytes)
{
	InstallLayer *layer = arg;

	if (layer->complete) /* while it still arrives, the download's line is the one to show */
		install_progress(layer, JOB_UNPACKING, input_bytes, layer->layer.blob_size);
}

static fallible install_layer_start(InstallLayer *layer)
{
	static const UnpackerHandlers handlers = {.progress = unpack_progress, .done = unpack_done};
	Engine *engine = layer->install->engine;
	autofree char *program = engine_program(engine, "kedge-unpack");
	UnpackerOptions options = {.program = program, .mode = UNPACK_LAYER};

	TRY(layer_stage(engine->store, &layer->layer.number, &layer->directory_fd));
	layer->state = LAYER_UNPACKING;
	options.input_fd = layer->blob_fd;
	options.input_available = layer->available;
	options.input_complete = layer->complete;
	options.directory_fd = layer->directory_fd;
	TRY(unpacker_start(&layer->unpacker, engine->loop, &options, &handlers, layer));
	layer->install->unpacking++;
	return NULL;
}

static void install_next(Install *install)
{
	for (size_t i = 0; i < install->count && install->unpacking < UNPACK_PARALLEL && !install->ended; i++) {
		InstallLayer *layer = &install->layers[i];
		Error *error;

		if (layer->state != LAYER_WAITING || layer->blob_fd < 0)
			continue;
		error = install_layer_start(layer);
		if (error)
			install_end(install, error);
	}
}

void install_stage(Install *install, size_t layer, const BlobStage *stage)
{
	install->layers[layer].stage = *stage;
}

void install_stage_bad(Install *install, size_t layer)
{
	/* what cannot be removed is swept at start */
	error_free(blob_abandon(install->engine->store, &install->layers[layer].stage));
}

void install_blob(Install *install, size_t index, int take_fd, int64_t available, bool complete)
{
	InstallLayer *layer = &install->layers[index];

	if (take_fd >= 0 && layer->blob_fd < 0 && layer->state == LAYER_WAITING)
		layer->blob_fd = take_fd;
	else if (take_fd >= 0)
		close(take_fd);
	layer->available = available;
	layer->complete = complete;
	if (layer->unpacker)
		unpacker_input(layer->unpacker, available, complete);
	install_next(install);
}

void install_begin(Install *install)
{
	install->begun = true;
	install_check_end(install);
}

const Descriptor *install_descriptor(const Install *install, size_t layer)
{
	return &install->manifest.layers[layer];
}
