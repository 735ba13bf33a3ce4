// SPDX-License-Identifier: Apache-2.0
/*
 * Import: a tar stream of a whole file system becomes an image of one layer. The stream is spooled to staging, which
 * makes the layer's blob of it, while kedge-unpack takes it apart as it does any layer; its configuration is made here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "engine/archive.h"
#include "engine/import.h"
#include "fetch/unpack_client.h"
#include "oci/change.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "json/writer.h"

struct ImageImport {
	Engine *engine;
	Job *job;
	ImageConfig config;
	Reference reference;
	bool has_reference;
	const char *what;
	Manifest below; /* what lies below the new layer */
	StringList leases;
	ImageImportHooks hooks;
	char *spool; /* below the store's root */
	int spool_fd, directory_fd;
	int64_t received;
	DigestSum *sum;
	Layer layer; /* its number is 0 before it is staged */
	bool committed;
	Unpacker *unpacker;
	StoreSync *sync;
};

static void import_end(ImageImport *import, Error *take_error)
{
	import->unpacker = unpacker_free(import->unpacker);
	import->sync = store_sync_free(import->sync);
	job_end(import->job, take_error ? error_wrap(take_error, "could not %s", import->what) : NULL);
}

/* ---- the configuration ---- */

static void config_history(ImageConfig *config)
{
	HistoryEntry *entry = mem_new(HistoryEntry);

	entry->created = mem_strdup(config->created);
	entry->comment = mem_strdup(config->comment);
	config->history.items = entry;
	config->history.count = 1;
}

static void config_init(ImageConfig *config, const ImportSettings *settings)
{
	char now[CLOCK_TEXT_MAX];

	clock_format(now, clock_wall_ns());
	string_replace(&config->created, now);
	string_replace(&config->comment, string_empty(settings->message) ? "Imported from -" : settings->message);
	string_replace(&config->architecture, settings->platform.architecture);
	string_replace(&config->os, settings->platform.os);
	string_replace(&config->variant, settings->platform.variant);
	string_replace(&config->rootfs_type, "layers");
	config_history(config);
}

/* ---- making it visible, as engine/install.c does ---- */

static const char *layer_media_type(const ImageImport *import)
{
	unsigned char start[4] = {0};

	if (pread(import->spool_fd, start, sizeof(start), 0) != sizeof(start))
		return MEDIA_OCI_LAYER;
	if (start[0] == 0x1f && start[1] == 0x8b)
		return MEDIA_OCI_LAYER_GZIP;
	return memcmp(start, "\x28\xb5\x2f\xfd", sizeof(start)) == 0 ? MEDIA_OCI_LAYER_ZSTD : MEDIA_OCI_LAYER;
}

static fallible put_document(Digest *ret, Store *store, const char *text, size_t length)
{
	digest_of(ret, text, length);
	return blob_has(store, ret, NULL) ? NULL : blob_put(store, ret, text, length);
}

static fallible put_config(ImageImport *import, Descriptor *ret)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	strings_add(&import->config.diff_ids, import->layer.diff_id.text);
	writer_init(&writer, &text);
	fields_write(image_config_fields, &import->config, &writer, NULL);
	string_replace(&ret->media_type, MEDIA_OCI_CONFIG);
	ret->size = (int64_t)text.length;
	return put_document(&ret->digest, import->engine->store, text.data, text.length);
}

static fallible put_manifest(ImageImport *import, Digest *ret_manifest, Digest *ret_config)
{
	Manifest *manifest = &import->below; /* becomes the new one */
	size_t count = manifest->layer_count;
	autofree char *text = NULL;

	manifest->layers = mem_array(manifest->layers, count + 1, sizeof(Descriptor));
	manifest->layers[count] =
		(Descriptor){mem_strdup(layer_media_type(import)), import->layer.blob, import->received};
	manifest->layer_count = count + 1;
	TRY(put_config(import, &manifest->config));
	*ret_config = manifest->config.digest;
	text = manifest_write(manifest);
	return put_document(ret_manifest, import->engine->store, text, strlen(text));
}

static fallible commit_layer(ImageImport *import)
{
	Store *store = import->engine->store;
	Layer layer = import->layer;

	if (!import->engine->config.keep_blobs)
		layer.blob = (Digest){0};
	else if (!blob_has(store, &layer.blob, NULL))
		TRY(blob_import(store, &layer.blob, store_dir(store), import->spool));
	TRY(fault("engine.import.layer"));
	import->committed = true; /* or discarded, by the call */
	return layers_commit(store, &layer, 1);
}

static void import_tell(ImageImport *import, const Digest *id)
{
	JobProgress progress = {.phase = JOB_RESULT, .item = "", .text = id->text};

	job_progress(import->job, &progress);
	if (import->hooks.recorded)
		import->hooks.recorded(import->hooks.arg, id);
	else
		event_emit(import->engine, "image", "import", id->text, "name", id->text, NULL);
}

static fallible commit(ImageImport *import)
{
	Store *store = import->engine->store;
	Digest manifest, id;

	TRY(commit_layer(import));
	TRY(put_manifest(import, &manifest, &id));
	TRY(fault("engine.import.image"));
	TRY(image_put(store, &id, &manifest, &import->config.diff_ids, &import->config,
		import->has_reference ? &import->reference : NULL, NULL));
	import_tell(import, &id);
	return import->engine->config.keep_blobs ? NULL : layers_drop_blobs(store);
}

static void import_synced(void *arg, Error *take_error)
{
	ImageImport *import = arg;

	import->sync = NULL; /* it is gone after this call */
	import_end(import, take_error ? take_error : commit(import));
}

/* ---- taking the archive apart ---- */

static fallible check_archive(ImageImport *import, const UnpackResult *result)
{
	if (result->entries == 0)
		return error_new(ERROR_INVALID, "it holds no file");
	import->layer.diff_id = result->diff_id;
	import->layer.bytes = result->bytes;
	import->layer.blob_size = import->received;
	digest_sum_end(import->sum, &import->layer.blob);
	store_lease(import->engine->store, import->layer.diff_id.text);
	store_lease(import->engine->store, import->layer.blob.text);
	TRY(layer_mark_opaque(import->engine->store, import->layer.number, &result->opaque));
	return store_sync_start(&import->sync, import->engine->store, import->engine->loop, import_synced, import);
}

static void import_unpacked(void *arg, Error *take_error, const UnpackResult *result)
{
	ImageImport *import = arg;
	Error *error = take_error ? take_error : check_archive(import, result);

	import->unpacker = unpacker_free(import->unpacker);
	if (error)
		import_end(import, error);
}

static void import_cancel(void *arg)
{
	import_end(arg, error_new(ERROR_CANCELLED, "the import was cancelled"));
}

/* ---- life ---- */

static void end_lease(Store *store, const Digest *digest)
{
	if (digest_is_set(digest))
		store_lease_end(store, digest->text);
}

static void import_free(void *arg)
{
	ImageImport *import = arg;
	Store *store = import->engine->store;

	if (import->hooks.free)
		import->hooks.free(import->hooks.arg);
	unpacker_free(import->unpacker);
	store_sync_free(import->sync);
	close_fd(&import->spool_fd);
	close_fd(&import->directory_fd);
	if (import->layer.number && !import->committed)
		error_free(layer_abandon(store, import->layer.number)); /* staging is swept at start as well */
	if (import->spool)
		error_free(file_unlink(store_dir(store), import->spool));
	end_lease(store, &import->layer.diff_id);
	end_lease(store, &import->layer.blob);
	for (size_t i = 0; i < import->leases.count; i++)
		store_lease_end(store, import->leases.items[i]);
	strings_clear(&import->leases);
	manifest_clear(&import->below);
	engine_sweep_soon(import->engine);
	digest_sum_free(import->sum);
	image_config_clear(&import->config);
	reference_clear(&import->reference);
	free(import->spool);
	free(import);
}

static fallible import_open(ImageImport *import)
{
	static const UnpackerHandlers handlers = {.done = import_unpacked};
	Engine *engine = import->engine;
	autofree char *program = engine_program(engine, "kedge-unpack");
	UnpackerOptions options = {.program = program, .mode = UNPACK_LAYER, .sync = true};
	char random[17];

	string_random_hex(random, 16);
	import->spool = string_printf("staging/import-%s", random);
	TRY(file_open(&import->spool_fd, store_dir(engine->store), import->spool, O_RDWR | O_CREAT | O_EXCL, 0600));
	TRY(layer_stage(engine->store, &import->layer.number, &import->directory_fd));
	options.input_fd = import->spool_fd;
	options.directory_fd = import->directory_fd;
	return unpacker_start(&import->unpacker, engine->loop, &options, &handlers, import);
}

/* ---- what lies below ---- */

static void lease(ImageImport *import, const char *digest)
{
	store_lease(import->engine->store, digest);
	strings_add(&import->leases, digest);
}

/* A manifest of one family does not speak of another's. */
static void use_own_types(Manifest *manifest)
{
	string_replace(&manifest->media_type, MEDIA_OCI_MANIFEST);
	for (size_t i = 0; i < manifest->layer_count; i++)
		if (string_equal(manifest->layers[i].media_type, MEDIA_DOCKER_LAYER_GZIP))
			string_replace(&manifest->layers[i].media_type, MEDIA_OCI_LAYER_GZIP);
}

/* The container that it is made of may go meanwhile, and its image with it. */
static fallible take_base(ImageImport *import, const Image *base)
{
	if (!base)
		return NULL;
	for (size_t i = 0; i < base->layer_count; i++)
		lease(import, base->layers[i].diff_id.text);
	if (!digest_is_set(&base->manifest))
		return error_new(ERROR_UNSUPPORTED, "image %s has no manifest", base->id.text);
	TRY(archive_read_manifest(&import->below, import->engine->store, &base->manifest));
	for (size_t i = 0; i < import->below.layer_count; i++)
		lease(import, import->below.layers[i].digest.text);
	use_own_types(&import->below);
	return NULL;
}

static fallible import_prepare(ImageImport *import, const NewImage *image)
{
	import->what = image->what;
	import->config = *image->take_config;
	*image->take_config = (ImageConfig){0};
	if (image->reference)
		reference_copy(&import->reference, image->reference);
	import->has_reference = image->reference != NULL;
	TRY(take_base(import, image->base));
	return import_open(import);
}

fallible image_import_begin_new(
	ImageImport **ret, Job **ret_job, Engine *engine, const NewImage *image, const ImageImportHooks *hooks)
{
	static const JobImplementation implementation = {.cancel = import_cancel, .free = import_free};
	ImageImport *import = mem_new(ImageImport);
	Error *error;

	import->engine = engine;
	import->spool_fd = import->directory_fd = -1;
	import->sum = digest_sum_new();
	error = import_prepare(import, image);
	if (error) {
		import_free(import);
		return error;
	}
	import->hooks = *hooks;
	import->job = job_new(engine, &implementation, import);
	*ret = import;
	*ret_job = import->job;
	return NULL;
}

fallible image_import_begin(ImageImport **ret, Job **ret_job, Engine *engine, const ImportSettings *settings)
{
	static const ImageImportHooks none = {0};
	autoclear(ImageConfig) config = {0};
	const NewImage image = {&config, NULL, settings->reference, "import the archive"};

	config_init(&config, settings);
	for (size_t i = 0; i < settings->changes.count; i++)
		TRY(image_config_change(&config, settings->changes.items[i]));
	return image_import_begin_new(ret, ret_job, engine, &image, &none);
}

fallible image_import_data(ImageImport *import, const void *data, size_t length)
{
	TRY(fault("engine.import.spool"));
	TRY_WRAP(file_write_all(import->spool_fd, data, length, "archive"), "could not %s", import->what);
	digest_sum_add(import->sum, data, length);
	import->received += (int64_t)length;
	if (import->unpacker)
		unpacker_input(import->unpacker, import->received, false);
	return NULL;
}

void image_import_finish(ImageImport *import)
{
	if (import->unpacker)
		unpacker_input(import->unpacker, import->received, true);
}

void image_import_abandon(ImageImport *import)
{
	job_cancel(import->job);
}

void image_import_fail(ImageImport *import, Error *take_error)
{
	import_end(import, take_error);
}
