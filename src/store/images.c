// SPDX-License-Identifier: Apache-2.0
#include "store/images.h"

#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/memory.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "store/internal.h"
#include "json/writer.h"

enum { ID_PREFIX_MIN = 2 };

Image *image_free(Image *image)
{
	if (!image)
		return NULL;
	free(image->layers);
	strings_clear(&image->tags);
	strings_clear(&image->digests);
	free(image->architecture);
	free(image->os);
	free(image->variant);
	map_clear(&image->labels);
	free(image);
	return NULL;
}

/* ---- reading ---- */

static void labels_read(StringMap *ret, const char *json)
{
	autoptr(Value) labels = NULL;
	const char *key = NULL;
	Value *value = NULL;
	size_t cursor = 0;

	error_free(value_parse(&labels, json, strlen(json))); /* we wrote it; a damaged one filters as none */
	while (labels && value_each(labels, &cursor, &key, &value))
		if (value_string(value))
			map_set(ret, key, value_string(value));
}

static void digest_set(Digest *ret, const char *text)
{
	if (text && strlen(text) < sizeof(ret->text))
		strcpy(ret->text, text);
}

static fallible read_row(Image *image, Store *store, int64_t seq, bool *ret_found)
{
	autoclear(Query) query = {0};

	TRY(database_query(&query, store->database,
		"SELECT id, manifest, created_ns, added_ns, architecture, os, variant, labels FROM images WHERE seq = "
		"?",
		"i", seq));
	TRY(query_next(&query, ret_found));
	if (!*ret_found)
		return NULL;
	digest_set(&image->id, query_text(&query, 0));
	digest_set(&image->manifest, query_text(&query, 1));
	image->created_ns = query_int(&query, 2);
	image->added_ns = query_int(&query, 3);
	image->architecture = mem_strdup(query_text(&query, 4));
	image->os = mem_strdup(query_text(&query, 5));
	image->variant = mem_strdup(query_text(&query, 6));
	labels_read(&image->labels, query_text(&query, 7));
	return NULL;
}

static fallible read_layers(Image *image, Store *store, int64_t seq)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, store->database,
		"SELECT " LAYER_COLUMNS " FROM image_layers JOIN layers ON layers.number = image_layers.layer"
		" WHERE image_layers.image = ? ORDER BY image_layers.position",
		"i", seq));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		image->layers = mem_array(image->layers, image->layer_count + 1, sizeof(Layer));
		layer_from_query(&image->layers[image->layer_count], &query, 0);
		image->bytes += image->layers[image->layer_count++].bytes;
	}
}

static fallible read_names(Image *image, Store *store, int64_t seq)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, store->database, "SELECT name, is_digest FROM names WHERE image = ? ORDER BY seq", "i", seq));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		strings_add(query_int(&query, 1) ? &image->digests : &image->tags, query_text(&query, 0));
	}
}

/* *ret is NULL when there is none. */
static fallible image_load(Image **ret, Store *store, int64_t seq)
{
	autoptr(Image) image = mem_new(Image);
	bool is_there = false;

	TRY(read_row(image, store, seq, &is_there));
	if (is_there) {
		TRY(read_layers(image, store, seq));
		TRY(read_names(image, store, seq));
	}
	*ret = is_there ? take(image) : NULL;
	return NULL;
}

fallible image_read_config(ImageConfig *ret, char **ret_text, Store *store, const Digest *id)
{
	autofree char *text = NULL;
	size_t length = 0;

	TRY_WRAP(blob_read(&text, &length, store, id, IMAGE_CONFIG_MAX), "configuration of image \"%s\"", id->text);
	TRY_WRAP(image_config_parse(ret, text, length), "configuration of image \"%s\"", id->text);
	if (ret_text)
		*ret_text = take(text);
	return NULL;
}

/* ---- finding ---- */

static char *tag_name(const Reference *reference)
{
	autofree char *name = reference_name(reference);

	return string_printf("%s:%s", name, reference->tag ? reference->tag : "latest");
}

static char *digest_name(const Reference *reference, const Digest *digest)
{
	autofree char *name = reference_name(reference);

	return string_printf("%s@%s", name, digest->text);
}

/* The name that a reference means: its digest counts more than its tag. */
static char *stored_name(const Reference *reference)
{
	return digest_is_set(&reference->digest) ? digest_name(reference, &reference->digest) : tag_name(reference);
}

static fallible seq_by_id(int64_t *ret, Store *store, const char *id)
{
	return database_number(ret, store->database, "SELECT seq FROM images WHERE id = ? AND NOT is_hidden", "s", id);
}

static fallible seq_by_name(int64_t *ret, Store *store, const char *name)
{
	autoclear(Reference) reference = {0};
	autofree char *stored = NULL;

	TRY(reference_parse(&reference, name));
	stored = stored_name(&reference);
	return database_number(ret, store->database, "SELECT image FROM names WHERE name = ?", "s", stored);
}

/* 'g' comes behind every hex digit. */
static fallible seq_by_prefix(int64_t *ret, Store *store, const char *hex)
{
	autofree char *from = string_printf("sha256:%s", hex), *to = string_printf("sha256:%sg", hex);
	autoclear(Query) query = {0};
	bool has_row = false, has_second = false;
	int64_t seq = 0;

	TRY(database_query(&query, store->database,
		"SELECT seq FROM images WHERE id >= ? AND id < ? AND NOT is_hidden LIMIT 2", "ss", from, to));
	TRY(query_next(&query, &has_row));
	if (has_row) {
		seq = query_int(&query, 0);
		TRY(query_next(&query, &has_second));
	}
	if (has_second)
		return error_new(ERROR_CONFLICT, "the image id \"%s\" is ambiguous: several images begin with it", hex);
	*ret = seq;
	return NULL;
}

static bool is_id_prefix(const char *text)
{
	size_t length = strspn(text, "0123456789abcdef");

	return length >= ID_PREFIX_MIN && length <= 64 && !text[length];
}

/* A whole id beats a name, a name beats the beginning of an id, as Docker has it. */
static fallible seq_find(int64_t *ret, Store *store, const char *name)
{
	const char *hex = string_starts(name, "sha256:") ? name + strlen("sha256:") : name;

	*ret = 0;
	if (string_starts(name, "sha512:"))
		return seq_by_id(ret, store, name);
	if (is_id_prefix(hex) && (hex != name || strlen(hex) == 64))
		return seq_by_prefix(ret, store, hex);
	Error *error = seq_by_name(ret, store, name);
	if ((!error && *ret) || !is_id_prefix(hex))
		return error;
	error_free(error); /* no reference, but it may be the beginning of an id */
	return seq_by_prefix(ret, store, hex);
}

fallible image_find(Image **ret, Store *store, const char *name)
{
	int64_t seq = 0;

	TRY(seq_find(&seq, store, name));
	if (seq)
		return image_load(ret, store, seq);
	*ret = NULL;
	return NULL;
}

static fallible list_seqs(int64_t **ret, size_t *ret_count, Store *store)
{
	autoclear(Query) query = {0};
	autofree int64_t *seqs = NULL;
	size_t count = 0;
	bool has_row = false;

	TRY(database_query(&query, store->database,
		"SELECT seq FROM images WHERE NOT is_hidden ORDER BY created_ns DESC, seq DESC", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			break;
		if (count % 64 == 0)
			seqs = mem_array(seqs, count + 64, sizeof(*seqs));
		seqs[count++] = query_int(&query, 0);
	}
	*ret = take(seqs);
	*ret_count = count;
	return NULL;
}

fallible image_each(Store *store, bool (*visit)(void *arg, Image *take), void *arg)
{
	autofree int64_t *seqs = NULL;
	size_t count = 0;

	TRY(list_seqs(&seqs, &count, store));
	for (size_t i = 0; i < count; i++) {
		Image *image = NULL;
		TRY(image_load(&image, store, seqs[i]));
		if (image && !visit(arg, image))
			return NULL;
	}
	return NULL;
}

/* ---- putting ---- */

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
	return seq_by_id(&put->seq, put->store, put->id->text);
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

static fallible put_name(Store *store, const char *name, int64_t seq, bool is_digest)
{
	return database_run(store->database,
		"INSERT INTO names(name, image, is_digest) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET image = "
		"?2",
		"sii", name, seq, (int64_t)is_digest);
}

static fallible put_names(const Put *put)
{
	autofree char *tag = NULL, *digest = NULL;

	if (!put->reference)
		return NULL;
	if (put->reference->tag || !digest_is_set(&put->reference->digest)) {
		tag = tag_name(put->reference);
		TRY(put_name(put->store, tag, put->seq, false));
	}
	if (!put->repo_digest)
		return NULL;
	digest = digest_name(put->reference, put->repo_digest);
	return put_name(put->store, digest, put->seq, true);
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

/* ---- names ---- */

static fallible not_found(const char *id)
{
	return error_new(ERROR_NOT_FOUND, "no such image: %s", id);
}

fallible image_tag(Store *store, const Digest *id, const Reference *reference)
{
	autofree char *name = tag_name(reference);
	int64_t seq = 0;

	if (digest_is_set(&reference->digest))
		return error_new(ERROR_INVALID, "cannot tag image \"%s\" with a digest", id->text);
	TRY(seq_by_id(&seq, store, id->text));
	if (!seq)
		return not_found(id->text);
	TRY(fault("store.image.tag"));
	return put_name(store, name, seq, false);
}

fallible image_untag(Store *store, const Reference *reference, bool *ret_was_there)
{
	autofree char *name = stored_name(reference);

	TRY(fault("store.image.untag"));
	TRY(database_run(store->database, "DELETE FROM names WHERE name = ?", "s", name));
	*ret_was_there = database_changes(store->database) > 0;
	return NULL;
}

/* ---- deleting ---- */

typedef struct Deletion {
	Store *store;
	const char *id;
} Deletion;

static Error *delete_steps(void *arg)
{
	const Deletion *deletion = arg;
	Database *database = deletion->store->database;
	int64_t seq = 0;

	TRY(database_number(&seq, database, "SELECT seq FROM images WHERE id = ?", "s", deletion->id));
	TRY(database_run(database, "DELETE FROM names WHERE image = ?", "i", seq));
	TRY(database_run(database, "UPDATE images SET is_hidden = 1 WHERE seq = ?", "i", seq));
	return images_drop_hidden(deletion->store);
}

fallible image_delete(Store *store, const Digest *id)
{
	Deletion deletion = {.store = store, .id = id->text};

	TRY(fault("store.image.delete"));
	return database_write(store->database, delete_steps, &deletion);
}

fallible image_erase(Store *store, int64_t seq)
{
	TRY(database_run(store->database, "DELETE FROM names WHERE image = ?", "i", seq));
	TRY(database_run(store->database, "DELETE FROM image_layers WHERE image = ?", "i", seq));
	TRY(database_run(store->database, "DELETE FROM image_blobs WHERE image = ?", "i", seq));
	return database_run(store->database, "DELETE FROM images WHERE seq = ?", "i", seq);
}

fallible images_drop_hidden(Store *store)
{
	int64_t seq = 0;

	for (;;) {
		TRY(database_number(&seq, store->database,
			"SELECT seq FROM images WHERE is_hidden AND id NOT IN (SELECT image FROM pins) LIMIT 1", ""));
		if (!seq)
			return NULL;
		TRY(image_erase(store, seq));
	}
}

/* ---- pins ---- */

fallible image_pin(Store *store, const char *container_id, const Digest *id)
{
	int64_t seq = 0;

	TRY(seq_by_id(&seq, store, id->text));
	if (!seq)
		return not_found(id->text);
	TRY(fault("store.image.pin"));
	return database_run(store->database,
		"INSERT INTO pins(container, image) VALUES(?1, ?2) ON CONFLICT(container) DO UPDATE SET image = ?2",
		"ss", container_id, id->text);
}

fallible image_pinned(Image **ret, Store *store, const char *container_id)
{
	int64_t seq = 0;

	TRY(database_number(&seq, store->database,
		"SELECT images.seq FROM pins JOIN images ON images.id = pins.image WHERE pins.container = ?", "s",
		container_id));
	if (seq)
		return image_load(ret, store, seq);
	*ret = NULL;
	return NULL;
}

fallible image_unpin(Store *store, const char *container_id)
{
	TRY(fault("store.image.unpin"));
	return database_run(store->database, "DELETE FROM pins WHERE container = ?", "s", container_id);
}
