// SPDX-License-Identifier: Apache-2.0
/* Recording an image: everything that it is made of is looked for, then written in one transaction (invariant 2). */
#include "base/clock.h"
#include "base/fault.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "store/images.h"
#include "store/internal.h"
#include "json/writer.h"

typedef struct Put {
	Store *store;
	const Digest *id;
	const Digest *manifest; /* NULL: none */
	const StringList *diff_ids;
	const ImageConfig *config;
	const Reference *reference;
	const Digest *repo_digest;
	Manifest parsed;
	bool is_manifest_whole; /* its layers' blobs are all here */
	int64_t seq;
} Put;

static fallible missing(const Put *put, const char *what, const char *digest)
{
	return error_new(ERROR_CONFLICT, "cannot record image \"%s\": its %s \"%s\" is not in the store", put->id->text,
		what, digest);
}

static fallible read_manifest(Put *put)
{
	autofree char *text = NULL;
	size_t length = 0;

	put->is_manifest_whole = true;
	if (!put->manifest)
		return NULL;
	if (!blob_has(put->store, put->manifest, NULL))
		return missing(put, "manifest", put->manifest->text);
	TRY(blob_read(&text, &length, put->store, put->manifest, MANIFEST_MAX));
	TRY_WRAP(manifest_parse(&put->parsed, text, length), "manifest \"%s\"", put->manifest->text);
	if (!digest_equal(&put->parsed.config.digest, put->id))
		return error_new(ERROR_INVALID, "manifest \"%s\" is of another image than \"%s\"", put->manifest->text,
			put->id->text);
	for (size_t i = 0; i < put->parsed.layer_count; i++)
		put->is_manifest_whole =
			put->is_manifest_whole && blob_has(put->store, &put->parsed.layers[i].digest, NULL);
	return NULL;
}

static fallible put_layers(const Put *put)
{
	Layer layer;
	bool is_there = false;

	TRY(database_run(put->store->database, "DELETE FROM image_layers WHERE image = ?", "i", put->seq));
	for (size_t i = 0; i < put->diff_ids->count; i++) {
		Digest diff_id;
		TRY(digest_parse(&diff_id, put->diff_ids->items[i]));
		TRY(layer_find(put->store, &diff_id, &layer, &is_there));
		if (!is_there)
			return missing(put, "layer", diff_id.text);
		TRY(database_run(put->store->database,
			"INSERT INTO image_layers(image, position, layer) VALUES(?, ?, ?)", "iii", put->seq, (int64_t)i,
			layer.number));
	}
	return NULL;
}

static char *labels_text(const StringMap *labels)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_map(&writer, NULL, labels);
	return buffer_steal(&out);
}

static int64_t created_ns(const ImageConfig *config)
{
	int64_t ns = 0;

	if (config->created)
		error_free(clock_parse(&ns, config->created)); /* many builders write no time, or none that is one */
	return ns;
}

static fallible put_row(Put *put)
{
	autofree char *labels = labels_text(&put->config->config.labels);
	int64_t config_size = blob_size(put->store, put->id);

	if (config_size < 0)
		return missing(put, "configuration", put->id->text);
	TRY(database_run(put->store->database,
		"INSERT INTO images(id, config_size, manifest_size, created_ns, added_ns, architecture, os, variant, "
		"labels, layer_count, is_hidden)"
		" VALUES(?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)"
		" ON CONFLICT(id) DO UPDATE SET is_hidden = 0, config_size = ?2, layer_count = ?9",
		"siiissssi", put->id->text, config_size, created_ns(put->config), clock_wall_ns(),
		put->config->architecture, put->config->os, put->config->variant, labels,
		(int64_t)put->diff_ids->count));
	return image_seq(&put->seq, put->store, put->id->text);
}

static fallible put_blobs(const Put *put)
{
	TRY(database_run(put->store->database, "DELETE FROM image_blobs WHERE image = ?", "i", put->seq));
	for (size_t i = 0; i < put->parsed.layer_count; i++)
		TRY(database_run(put->store->database, "INSERT OR IGNORE INTO image_blobs(image, blob) VALUES(?, ?)",
			"is", put->seq, put->parsed.layers[i].digest.text));
	return NULL;
}

static fallible put_manifest(const Put *put)
{
	if (!put->manifest)
		return NULL;
	TRY(database_run(put->store->database,
		"UPDATE images SET manifest = ?, manifest_size = ? WHERE seq = ? AND (? OR manifest IS NULL)", "siii",
		put->manifest->text, blob_size(put->store, put->manifest), put->seq, (int64_t)put->is_manifest_whole));
	return database_changes(put->store->database) ? put_blobs(put) : NULL;
}

static fallible put_names(const Put *put)
{
	autofree char *tag = NULL, *digest = NULL;

	if (!put->reference)
		return NULL;
	if (put->reference->tag || !digest_is_set(&put->reference->digest)) {
		tag = image_tag_name(put->reference);
		TRY(image_name_put(put->store, tag, put->seq, false));
	}
	if (!put->repo_digest)
		return NULL;
	digest = image_digest_name(put->reference, put->repo_digest);
	return image_name_put(put->store, digest, put->seq, true);
}

static Error *put_steps(void *arg)
{
	Put *put = arg;

	TRY(put_row(put));
	TRY(put_layers(put));
	TRY(put_manifest(put));
	return put_names(put);
}

static const Digest *set_or_null(const Digest *digest)
{
	return digest && digest_is_set(digest) ? digest : NULL;
}

fallible image_put(Store *store, const Digest *id, const Digest *manifest, const StringList *diff_ids,
	const ImageConfig *config, const Reference *reference, const Digest *repo_digest)
{
	Put put = {.store = store,
		.id = id,
		.manifest = set_or_null(manifest),
		.diff_ids = diff_ids,
		.config = config,
		.reference = reference,
		.repo_digest = set_or_null(repo_digest)};

	TRY(fault("store.image.put"));
	TRY(store_sync_if_needed(store));
	Error *error = read_manifest(&put);
	if (!error)
		error = database_write(store->database, put_steps, &put);
	manifest_clear(&put.parsed);
	return error;
}
