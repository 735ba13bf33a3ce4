// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the store's tests share: stores in temporary directories, and small images whose digests are numbers (the store
 * computes none). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "check.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "store/check.h"
#include "store/images.h"
#include "store/layers.h"
#include "store/records.h"
#include "store/snapshots.h"
#include "store/store.h"

enum { CONFIGS = 0x10000, MANIFESTS = 0x20000, LAYERS = 0x30000, BLOBS = 0x40000 }; /* ranges of digests */

static inline Digest numbered(int number)
{
	Digest digest;

	snprintf(
		digest.text, sizeof(digest.text), "sha256:%08x%056x", (unsigned)number * 2654435761u, (unsigned)number);
	return digest;
}

static inline Store *store_at(const char *root)
{
	Store *store = NULL;

	check_ok(store_open(&store, root));
	return store;
}

static inline Reference reference_of(const char *text)
{
	Reference reference = {0};

	check_ok(reference_parse(&reference, text));
	return reference;
}

static inline const char *container_id(int number)
{
	static char ids[4][65];
	static int next;

	next = (next + 1) % 4;
	snprintf(ids[next], sizeof(ids[next]), "%064x", (unsigned)number);
	return ids[next];
}

/* A layer with one file, and its compressed blob; Error * so that it can be used where faults are expected. */
static inline fallible try_layer(Store *store, int number)
{
	Layer layer = {.diff_id = numbered(LAYERS + number), .blob = numbered(BLOBS + number), .bytes = 100 + number};
	BlobStage stage;
	int64_t offset = 0;
	autofd dir = -1, blob = -1;

	TRY(blob_stage(&stage, &blob, &offset, store, &layer.blob));
	TRY(file_write_all(blob, "compressed", 10, "blob"));
	layer.blob_size = 10;
	TRY(blob_commit(store, &stage));
	TRY(layer_stage(store, &layer.number, &dir));
	TRY(file_replace(dir, "file", "content", 7, 0644));
	TRY(store_sync(store));
	return layers_commit(store, &layer, 1);
}

/* Image `number` of layers first..first + count - 1; reference may be NULL. */
static inline fallible try_image(Store *store, int number, int first, int count, const char *reference_text)
{
	Digest id = numbered(CONFIGS + number), manifest_id = numbered(MANIFESTS + number);
	autoclear(StringList) diff_ids = {0};
	autoclear(Reference) reference = {0};
	autoclear(ImageConfig) config = {0};
	autoclear(Buffer) layers = {0}, text = {0}, manifest = {0};

	for (int i = first; i < first + count; i++) {
		Digest diff_id = numbered(LAYERS + i), blob = numbered(BLOBS + i);
		strings_add(&diff_ids, diff_id.text);
		buffer_printf(&text, "%s\"%s\"", i > first ? "," : "", diff_id.text);
		buffer_printf(&layers, "%s{\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP "\",\"digest\":\"%s\",\"size\":10}",
			i > first ? "," : "", blob.text);
	}
	autofree char *config_text = string_printf(
		"{\"created\":\"2024-01-01T00:00:%02dZ\",\"architecture\":\"amd64\",\"os\":\"linux\","
		"\"config\":{\"Labels\":{\"n\":\"%d\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
		number % 60, number, buffer_text(&text));
	buffer_printf(&manifest,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
		"\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[%s]}",
		id.text, strlen(config_text), buffer_text(&layers));
	TRY(image_config_parse(&config, config_text, strlen(config_text)));
	TRY(blob_put(store, &id, config_text, strlen(config_text)));
	TRY(blob_put(store, &manifest_id, buffer_text(&manifest), manifest.length));
	if (reference_text)
		TRY(reference_parse(&reference, reference_text));
	return image_put(
		store, &id, &manifest_id, &diff_ids, &config, reference_text ? &reference : NULL, &manifest_id);
}

static inline void put_image(Store *store, int number, int first, int count, const char *reference)
{
	bool is_there = false;
	Layer layer;

	for (int i = first; i < first + count; i++) {
		Digest diff_id = numbered(LAYERS + i);
		check_ok(layer_find(store, &diff_id, &layer, &is_there));
		if (!is_there)
			check_ok(try_layer(store, i));
	}
	check_ok(try_image(store, number, first, count, reference));
}

static inline Image *find_image(Store *store, const char *name)
{
	Image *image = NULL;

	check_ok(image_find(&image, store, name));
	return image;
}

static inline bool has_image(Store *store, const char *name)
{
	autoptr(Image) image = find_image(store, name);

	return image;
}

static inline void sweep_all(Store *store)
{
	bool has_more = true;

	for (int i = 0; has_more; i++) {
		assert_true(i < 100000);
		check_ok(store_sweep(store, &has_more));
	}
}

static inline void print_problem(void *arg, const char *problem)
{
	++*(int *)arg;
	print_message("problem: %s\n", problem);
}

static inline int problems_in(Store *store, bool repair)
{
	int count = 0;

	check_ok(store_check(store, repair, print_problem, &count));
	return count;
}

static inline Error *count_entry(void *arg, int dir_fd, const char *name, unsigned char type)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	++*(int *)arg;
	return NULL;
}

static inline int entries_in(Store *store, const char *path)
{
	int count = 0;

	check_ok(dir_each(store_dir(store), path, count_entry, &count));
	return count;
}
