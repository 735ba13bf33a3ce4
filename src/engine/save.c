// SPDX-License-Identifier: Apache-2.0
/*
 * Save: the archive is the store's own blobs under their names in an OCI layout, with the index that tools of the OCI
 * read and the manifest.json that `docker load` reads. Sources: OCI image spec, image-layout.md; moby image/tarexport.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/archive.h"
#include "engine/export.h"
#include "engine/internal.h"
#include "engine/repack.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "store/blobs.h"
#include "json/writer.h"

#define BLOBS_PATH "blobs/sha256"

typedef struct Chosen {
	Image *image;
	StringList names; /* familiar */
	Manifest manifest;
	char *manifest_type;
	int64_t manifest_size;
	Repack *repack; /* whose manifest stands in for the image's; NULL: its blobs are here */
} Chosen;

typedef struct Save {
	Engine *engine;
	Chosen *items;
	size_t count;
	StringList blobs; /* digests, each once */
	Pack *pack;       /* which owns this */
	size_t ready;     /* of the items: their blobs are here */
} Save;

static void save_free(void *object)
{
	Save *save = object;

	for (size_t i = 0; i < save->count; i++) {
		image_free(save->items[i].image);
		strings_clear(&save->items[i].names);
		manifest_clear(&save->items[i].manifest);
		free(save->items[i].manifest_type);
		repack_free(save->items[i].repack);
	}
	free(save->items);
	strings_clear(&save->blobs);
	free(save);
}

/* ---- which images, by which names ---- */

static fallible choose_image(Save *save, Image *take_image, const char *name)
{
	autoptr(Image) image = take_image;
	size_t i = 0;

	while (i < save->count && !digest_equal(&save->items[i].image->id, &image->id))
		i++;
	if (i == ARCHIVE_IMAGES_MAX)
		return error_new(ERROR_TOO_LARGE, "an archive holds at most %d images", ARCHIVE_IMAGES_MAX);
	if (i == save->count) {
		save->items = mem_array(save->items, save->count + 1, sizeof(Chosen));
		save->items[save->count++] = (Chosen){.image = take(image)};
	}
	if (name && !strings_has(&save->items[i].names, name))
		strings_add(&save->items[i].names, name);
	return NULL;
}

static bool is_tag_of(const char *tag, const char *repository)
{
	size_t length = strlen(repository);

	return strncmp(tag, repository, length) == 0 && tag[length] == ':' && !strchr(tag + length, '/');
}

/* A name without a tag stands for all of its tags. */
static fallible choose_repository(Save *save, const char *repository, bool *ret_found)
{
	Image **images;
	size_t count;
	Error *error = NULL;

	TRY(image_list(&images, &count, save->engine));
	for (size_t i = 0; i < count && !error; i++) {
		for (size_t n = 0; images[i] && n < images[i]->tags.count && !error; n++) {
			autofree char *tag = mem_strdup(images[i]->tags.items[n]);
			Image *image = NULL;
			if (!is_tag_of(tag, repository))
				continue;
			*ret_found = true;
			error = image_lookup(&image, save->engine, tag);
			if (!error)
				error = choose_image(save, image, tag);
		}
	}
	image_list_free(images, count);
	return error;
}

static fallible choose_named(Save *save, const char *name, const Reference *reference)
{
	autofree char *familiar = reference ? reference_familiar(reference) : NULL;
	Image *image = NULL;

	TRY(image_lookup(&image, save->engine, name));
	return choose_image(save, image, familiar && strings_has(&image->tags, familiar) ? familiar : NULL);
}

static fallible choose(Save *save, const char *name)
{
	autoclear(Reference) reference = {0};
	autofree char *repository = NULL;
	bool found = false;
	Error *error = reference_parse(&reference, name);

	if (error) {
		error_free(error); /* an id is no reference; one that is neither is not there */
		return choose_named(save, name, NULL);
	}
	if (reference.tag || digest_is_set(&reference.digest))
		return choose_named(save, name, &reference);
	repository = reference_name(&reference);
	TRY(choose_repository(save, repository, &found));
	return found ? NULL : choose_named(save, name, NULL);
}

/* ---- what they are made of ---- */

static fallible need_blob(Save *save, const Image *image, const Digest *digest, const char *what)
{
	if (!blob_has(save->engine->store, digest, NULL))
		return error_hint(error_new(ERROR_CONFLICT, "%s %s of image %.19s is not kept here", what, digest->text,
					  image->id.text),
			"pull the image again by a kedged with \"keepBlobs: true\" to save it");
	if (!strings_has(&save->blobs, digest->text))
		strings_add(&save->blobs, digest->text);
	return NULL;
}

static fallible read_manifest(Chosen *chosen, Store *store)
{
	autofree char *text = NULL;
	size_t length = 0;

	TRY(blob_read(&text, &length, store, &chosen->image->manifest, MANIFEST_MAX));
	TRY(manifest_parse(&chosen->manifest, text, length));
	chosen->manifest_size = (int64_t)length;
	chosen->manifest_type = mem_strdup(
		string_empty(chosen->manifest.media_type) ? MEDIA_OCI_MANIFEST : chosen->manifest.media_type);
	return NULL;
}

static fallible gather(Save *save, Chosen *chosen)
{
	const Image *image = chosen->image;

	if (!digest_is_set(&image->manifest))
		return error_new(ERROR_CONFLICT, "image %.19s has no manifest", image->id.text);
	TRY(need_blob(save, image, &image->manifest, "manifest"));
	TRY(read_manifest(chosen, save->engine->store));
	TRY(need_blob(save, image, &image->id, "configuration"));
	for (size_t i = 0; i < chosen->manifest.layer_count; i++)
		TRY(need_blob(save, image, &chosen->manifest.layers[i].digest, "layer"));
	return NULL;
}

/* ---- documents ---- */

static void write_platform(Writer *writer, const Image *image)
{
	write_object(writer, "platform");
	write_string(writer, "architecture", image->architecture);
	write_string(writer, "os", image->os);
	if (!string_empty(image->variant))
		write_string(writer, "variant", image->variant);
	write_object_end(writer);
}

static void write_annotations(Writer *writer, const char *name)
{
	autoclear(Reference) reference = {0};
	autofree char *full = NULL;

	error_free(reference_parse(&reference, name)); /* it is one of the store's */
	full = reference_full(&reference);
	write_object(writer, "annotations");
	write_string(writer, "io.containerd.image.name", full);
	write_string(writer, "org.opencontainers.image.ref.name", reference.tag);
	write_object_end(writer);
}

/* name NULL: the image has none. */
static void write_index_entry(Writer *writer, const Chosen *chosen, const char *name)
{
	write_object(writer, NULL);
	write_string(writer, "mediaType", chosen->manifest_type);
	write_string(writer, "digest", chosen->image->manifest.text);
	write_int(writer, "size", chosen->manifest_size);
	if (name)
		write_annotations(writer, name);
	write_platform(writer, chosen->image);
	write_object_end(writer);
}

static void write_index(Buffer *out, const Save *save)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_int(&writer, "schemaVersion", 2);
	write_string(&writer, "mediaType", MEDIA_OCI_INDEX);
	write_array(&writer, "manifests");
	for (size_t i = 0; i < save->count; i++) {
		const StringList *names = &save->items[i].names;
		for (size_t n = 0; n < names->count; n++)
			write_index_entry(&writer, &save->items[i], names->items[n]);
		if (!names->count)
			write_index_entry(&writer, &save->items[i], NULL);
	}
	write_array_end(&writer);
	write_object_end(&writer);
}

static void write_blob_path(Writer *writer, const char *key, const Digest *digest)
{
	write_stringf(writer, key, BLOBS_PATH "/%s", digest_hex(digest));
}

static void write_docker_entry(Writer *writer, const Chosen *chosen)
{
	write_object(writer, NULL);
	write_blob_path(writer, "Config", &chosen->image->id);
	if (chosen->names.count)
		write_strings(writer, "RepoTags", &chosen->names);
	else
		write_null(writer, "RepoTags");
	write_array(writer, "Layers");
	for (size_t i = 0; i < chosen->manifest.layer_count; i++)
		write_blob_path(writer, NULL, &chosen->manifest.layers[i].digest);
	write_array_end(writer);
	write_object_end(writer);
}

static void write_docker_manifest(Buffer *out, const Save *save)
{
	Writer writer;

	writer_init(&writer, out);
	write_array(&writer, NULL);
	for (size_t i = 0; i < save->count; i++)
		write_docker_entry(&writer, &save->items[i]);
	write_array_end(&writer);
}

/* ---- the plan (pack/plan.h) ---- */

static void plan_text(Buffer *plan, const char *path, const char *text, size_t length)
{
	buffer_printf(plan, "text %s %zu\n", path, length);
	buffer_add(plan, text, length);
	buffer_add_char(plan, '\n');
}

static void plan_document(Buffer *plan, const char *path, const Save *save, void (*write)(Buffer *, const Save *))
{
	autoclear(Buffer) text = {0};

	write(&text, save);
	plan_text(plan, path, text.data, text.length);
}

static void make_plan(Buffer *plan, const Save *save)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

	buffer_add_text(plan, "directory blobs\ndirectory " BLOBS_PATH "\n");
	for (size_t i = 0; i < save->blobs.count; i++) {
		const char *hex = strchr(save->blobs.items[i], ':') + 1;
		buffer_printf(plan, "file " BLOBS_PATH "/%s %s\n", hex, hex);
	}
	plan_document(plan, "index.json", save, write_index);
	plan_document(plan, "manifest.json", save, write_docker_manifest);
	plan_text(plan, "oci-layout", layout, sizeof(layout) - 1);
}

/* ---- from the choice to the archive ---- */

static fallible save_pack(Save *save)
{
	autoclear(Buffer) plan = {0};
	autofree char *blobs = string_printf("%s/" BLOBS_PATH, store_root(save->engine->store));

	for (size_t i = 0; i < save->count; i++)
		TRY(gather(save, &save->items[i]));
	make_plan(&plan, save);
	const PackOptions options = {.arguments = {"--plan", blobs}, .input = &plan, .leases = &save->blobs};
	return pack_begin(save->pack, &options);
}

static fallible save_go_on(Save *save);

/* What is saved is the image with the digests that its layers have now. */
static fallible use_repacked(Save *save, const Digest *manifest)
{
	Chosen *chosen = &save->items[save->ready++];
	autoclear(Manifest) parsed = {0};

	TRY(archive_read_manifest(&parsed, save->engine->store, manifest));
	chosen->image->manifest = *manifest;
	chosen->image->id = parsed.config.digest;
	return save_go_on(save);
}

static void save_repacked(void *arg, Error *take_error, const Digest *manifest)
{
	Save *save = arg;
	Error *error = take_error ? take_error : use_repacked(save, manifest);

	if (error)
		pack_fail(save->pack, error);
}

static fallible save_go_on(Save *save)
{
	for (; save->ready < save->count; save->ready++) {
		Chosen *chosen = &save->items[save->ready];
		bool is_needed = false;
		TRY(repack_is_needed(&is_needed, save->engine, chosen->image));
		if (is_needed)
			return repack_start(&chosen->repack, save->engine, chosen->image, save_repacked, save);
	}
	return save_pack(save);
}

fallible image_save(Pack **ret, Engine *engine, const StringList *names, const PackHandlers *handlers, void *arg)
{
	autoptr(Pack) pack = pack_new(engine, handlers, arg);
	Save *save = mem_new(Save);

	*save = (Save){.engine = engine, .pack = pack};
	pack_own(pack, save_free, save);
	for (size_t i = 0; i < names->count; i++)
		TRY(choose(save, names->items[i]));
	TRY(save_go_on(save));
	for (size_t i = 0; i < save->count; i++) {
		const char *id = save->items[i].image->id.text;
		event_emit(engine, "image", "save", id, "name", id, NULL);
	}
	*ret = take(pack);
	return NULL;
}
