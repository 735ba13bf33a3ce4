// SPDX-License-Identifier: Apache-2.0
#include "engine/repack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "engine/archive.h"
#include "engine/internal.h"
#include "engine/pack.h"
#include "store/blobs.h"
#include "store/snapshots.h"
#include "json/value.h"

enum { TRAILER_LINE = 7 + 64 + 1, TRAILER = 2 * TRAILER_LINE };

struct Repack {
	Engine *engine;
	Manifest manifest; /* becomes the new one */
	Digest config;
	int64_t *numbers; /* of the layers' directories */
	StringList diff_ids;
	StringList leases;
	size_t next; /* layer */
	Pack *pack;
	char *path; /* of the file that is being written, below the store's root */
	int file;
	int64_t length;
	Error *error; /* while writing it */
	Source *begin;
	RepackDone *done;
	void *arg;
};

static void repack_lease(Repack *repack, const char *digest)
{
	store_lease(repack->engine->store, digest);
	strings_add(&repack->leases, digest);
}

/* ---- configuration and manifest ---- */

static fallible config_with(char **ret, const Repack *repack)
{
	autofree char *text = NULL;
	autoptr(Value) config = NULL;
	autoclear(Buffer) out = {0};
	Value *diff_ids = value_array();
	size_t length;

	for (size_t i = 0; i < repack->diff_ids.count; i++)
		value_append(diff_ids, value_new_string(repack->diff_ids.items[i]));
	Error *error = blob_read(&text, &length, repack->engine->store, &repack->config, IMAGE_CONFIG_MAX);
	if (!error)
		error = value_parse(&config, text, length);
	if (error) {
		value_free(diff_ids);
		return error;
	}
	value_set(value_get(config, "rootfs"), "diff_ids", diff_ids);
	value_write(config, &out);
	*ret = buffer_steal(&out);
	return NULL;
}

static fallible put_document(Repack *repack, Digest *ret, const char *text)
{
	digest_of(ret, text, strlen(text));
	repack_lease(repack, ret->text);
	return blob_put(repack->engine->store, ret, text, strlen(text));
}

/* OCI's types throughout: a manifest of one family does not speak of another's. */
static void set_types(Manifest *manifest)
{
	string_replace(&manifest->media_type, MEDIA_OCI_MANIFEST);
	string_replace(&manifest->config.media_type, MEDIA_OCI_CONFIG);
	for (size_t i = 0; i < manifest->layer_count; i++)
		if (string_equal(manifest->layers[i].media_type, MEDIA_DOCKER_LAYER_GZIP))
			string_replace(&manifest->layers[i].media_type, MEDIA_OCI_LAYER_GZIP);
}

static fallible put_documents(Repack *repack, Digest *ret)
{
	Manifest *manifest = &repack->manifest;
	autofree char *config = NULL, *text = NULL;

	TRY(config_with(&config, repack));
	TRY(put_document(repack, &manifest->config.digest, config));
	manifest->config.size = (int64_t)strlen(config);
	set_types(manifest);
	text = manifest_write(manifest);
	return put_document(repack, ret, text);
}

static void finish(Repack *repack, Error *take_error)
{
	Digest manifest = {0};
	Error *error = take_error ? take_error : put_documents(repack, &manifest);

	repack->done(repack->arg, error, error ? NULL : &manifest);
}

/* ---- one layer ---- */

static void drop_file(Repack *repack)
{
	close_fd(&repack->file);
	if (repack->path)
		unlinkat(store_dir(repack->engine->store), repack->path, 0);
	free(take(repack->path));
}

static fallible read_trailer(Repack *repack, Digest *ret_blob, Digest *ret_diff_id)
{
	char lines[TRAILER + 1] = "";

	repack->length -= TRAILER;
	if (repack->length <= 0 || pread(repack->file, lines, TRAILER, repack->length) != TRAILER ||
		lines[TRAILER_LINE - 1] != '\n' || lines[TRAILER - 1] != '\n')
		return error_new(ERROR_INTERNAL, "kedge-pack wrote no digests");
	lines[TRAILER_LINE - 1] = lines[TRAILER - 1] = '\0';
	TRY(digest_parse(ret_blob, lines));
	return digest_parse(ret_diff_id, lines + TRAILER_LINE);
}

static fallible use_file(Repack *repack)
{
	Store *store = repack->engine->store;
	Descriptor *layer = &repack->manifest.layers[repack->next];
	Digest blob, diff_id;

	TRY(take(repack->error));
	TRY(read_trailer(repack, &blob, &diff_id));
	if (ftruncate(repack->file, repack->length) < 0)
		return error_errno(errno, "could not cut \"%s\"", repack->path);
	repack_lease(repack, blob.text);
	TRY(blob_import(store, &blob, store_dir(store), repack->path));
	free(take(repack->path));
	close_fd(&repack->file);
	layer->digest = blob;
	layer->size = repack->length;
	string_replace(&layer->media_type, MEDIA_OCI_LAYER_GZIP);
	strings_add(&repack->diff_ids, diff_id.text);
	repack->next++;
	return NULL;
}

static void go_on(Repack *repack);

static void on_packed(void *arg, Error *take_error)
{
	Repack *repack = arg;
	Error *error = take_error ? take_error : use_file(repack);

	repack->pack = pack_free(repack->pack);
	if (error)
		finish(repack, error_wrap(error, "compressing layer %zu", repack->next + 1));
	else
		go_on(repack);
}

static void on_data(void *arg, const char *data, size_t length)
{
	Repack *repack = arg;

	if (!repack->error)
		repack->error = file_write_all(repack->file, data, length, repack->path);
	repack->length += (int64_t)length;
}

static fallible pack_layer(Repack *repack)
{
	static const PackHandlers handlers = {.data = on_data, .ended = on_packed};
	Store *store = repack->engine->store;
	autofree char *layers = layers_path(store);
	autofree char *directory = string_printf("%s/%lld", layers, (long long)repack->numbers[repack->next]);
	char name[17];

	string_random_hex(name, 16);
	repack->path = string_printf("staging/repack-%s", name); /* swept at the next start */
	repack->length = 0;
	TRY(file_open(&repack->file, store_dir(store), repack->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
	const PackOptions options = {.arguments = {"--layer", directory}};
	return pack_start(&repack->pack, repack->engine, &options, &handlers, repack);
}

/* A layer that still has its blob stays as it is. */
static bool keep_layer(Repack *repack, const char *diff_id)
{
	const Digest *blob = &repack->manifest.layers[repack->next].digest;

	if (!blob_has(repack->engine->store, blob, NULL))
		return false;
	repack_lease(repack, blob->text);
	strings_add(&repack->diff_ids, diff_id);
	repack->next++;
	return true;
}

static void go_on(Repack *repack)
{
	Error *error;

	while (repack->next < repack->manifest.layer_count && keep_layer(repack, repack->leases.items[repack->next]))
		;
	if (repack->next == repack->manifest.layer_count) {
		finish(repack, NULL);
		return;
	}
	error = pack_layer(repack);
	if (error)
		finish(repack, error);
}

static void on_begin(void *arg)
{
	go_on(arg);
}

/* ---- life ---- */

fallible repack_is_needed(bool *ret, Engine *engine, const Image *image)
{
	autoclear(Manifest) manifest = {0};

	*ret = false;
	if (!digest_is_set(&image->manifest))
		return NULL;
	TRY(archive_read_manifest(&manifest, engine->store, &image->manifest));
	for (size_t i = 0; i < manifest.layer_count; i++)
		*ret = *ret || !blob_has(engine->store, &manifest.layers[i].digest, NULL);
	return NULL;
}

/* The first leases are those of the layers, in order. */
static fallible repack_init(Repack *repack, const Image *image)
{
	TRY(archive_read_manifest(&repack->manifest, repack->engine->store, &image->manifest));
	if (repack->manifest.layer_count != image->layer_count)
		return error_new(ERROR_INTERNAL, "the image has %zu layers, its manifest %zu", image->layer_count,
			repack->manifest.layer_count);
	repack->config = image->id;
	repack->numbers = mem_array(NULL, image->layer_count + 1, sizeof(int64_t));
	for (size_t i = 0; i < image->layer_count; i++) {
		repack->numbers[i] = image->layers[i].number;
		repack_lease(repack, image->layers[i].diff_id.text);
	}
	repack_lease(repack, image->id.text);
	return loop_defer(&repack->begin, repack->engine->loop, on_begin, repack);
}

fallible repack_start(Repack **ret, Engine *engine, const Image *image, RepackDone *done, void *arg)
{
	autoptr(Repack) repack = mem_new(Repack);

	*repack = (Repack){.engine = engine, .file = -1, .done = done, .arg = arg};
	TRY(repack_init(repack, image));
	*ret = take(repack);
	return NULL;
}

static void release(void *arg)
{
	free(arg);
}

Repack *repack_free(Repack *repack)
{
	if (!repack)
		return NULL;
	pack_free(repack->pack);
	drop_file(repack);
	source_free(repack->begin);
	error_free(repack->error);
	for (size_t i = 0; i < repack->leases.count; i++)
		store_lease_end(repack->engine->store, repack->leases.items[i]);
	strings_clear(&repack->leases);
	strings_clear(&repack->diff_ids);
	manifest_clear(&repack->manifest);
	free(repack->numbers);
	engine_sweep_soon(repack->engine);
	loop_defer_free(repack->engine->loop, release, repack);
	return NULL;
}
