// SPDX-License-Identifier: Apache-2.0
#include "store/images.h"

#include <string.h>

#include "base/fault.h"
#include "base/memory.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "store/internal.h"
#include "json/writer.h"

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
	digest_from_record(&image->id, query_text(&query, 0));
	digest_from_record(&image->manifest, query_text(&query, 1));
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

fallible image_load(Image **ret, Store *store, int64_t seq)
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

char *image_tag_name(const Reference *reference)
{
	autofree char *name = reference_name(reference);

	return string_printf("%s:%s", name, reference->tag ? reference->tag : "latest");
}

char *image_digest_name(const Reference *reference, const Digest *digest)
{
	autofree char *name = reference_name(reference);

	return string_printf("%s@%s", name, digest->text);
}

/* The name that a reference means: its digest counts more than its tag. */
static char *stored_name(const Reference *reference)
{
	return digest_is_set(&reference->digest) ? image_digest_name(reference, &reference->digest)
						 : image_tag_name(reference);
}

fallible image_seq(int64_t *ret, Store *store, const char *id)
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

	return length >= IMAGE_ID_DIGITS_MIN && length <= 64 && !text[length];
}

/* A whole id beats a name, a name beats the beginning of an id, as Docker has it. */
static fallible seq_find(int64_t *ret, Store *store, const char *name)
{
	const char *hex = string_starts(name, "sha256:") ? name + strlen("sha256:") : name;

	*ret = 0;
	if (string_starts(name, "sha512:"))
		return image_seq(ret, store, name);
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

/* ---- names ---- */

fallible image_name_put(Store *store, const char *name, int64_t seq, bool is_digest)
{
	return database_run(store->database,
		"INSERT INTO names(name, image, is_digest) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET image = "
		"?2",
		"sii", name, seq, (int64_t)is_digest);
}

fallible image_not_found(const char *id)
{
	return error_new(ERROR_NOT_FOUND, "no such image: %s", id);
}

fallible image_tag(Store *store, const Digest *id, const Reference *reference)
{
	autofree char *name = image_tag_name(reference);
	int64_t seq = 0;

	if (digest_is_set(&reference->digest))
		return error_new(ERROR_INVALID, "cannot tag image \"%s\" with a digest", id->text);
	TRY(image_seq(&seq, store, id->text));
	if (!seq)
		return image_not_found(id->text);
	TRY(fault("store.image.tag"));
	return image_name_put(store, name, seq, false);
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
	int64_t seq = 0;

	TRY(database_number(&seq, deletion->store->database, "SELECT seq FROM images WHERE id = ?", "s", deletion->id));
	return image_hide(deletion->store, seq);
}

fallible image_delete(Store *store, const Digest *id)
{
	Deletion deletion = {.store = store, .id = id->text};

	TRY(fault("store.image.delete"));
	return database_write(store->database, delete_steps, &deletion);
}

fallible image_hide(Store *store, int64_t seq)
{
	TRY(database_run(store->database, "DELETE FROM names WHERE image = ?", "i", seq));
	TRY(database_run(store->database, "UPDATE images SET is_hidden = 1 WHERE seq = ?", "i", seq));
	return images_drop_hidden(store);
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
