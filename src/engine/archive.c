// SPDX-License-Identifier: Apache-2.0
#include "engine/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/memory.h"
#include "oci/image_config.h"
#include "store/blobs.h"
#include "json/fields.h"

/* One entry of docker's manifest.json. */
typedef struct DockerEntry {
	char *config;
	StringList layers, names;
} DockerEntry;

static const Field docker_entry_fields[] = {
	{.name = "Config", .kind = FIELD_STRING, .offset = offsetof(DockerEntry, config), .required = true},
	{.name = "RepoTags", .kind = FIELD_STRINGS, .offset = offsetof(DockerEntry, names)},
	{.name = "Layers",
		.kind = FIELD_STRINGS,
		.offset = offsetof(DockerEntry, layers),
		.max_count = MANIFEST_LAYERS_MAX},
	FIELDS_END,
};

typedef struct ArchiveItem {
	ArchiveImage image;
	bool is_docker;
	DockerEntry docker;
} ArchiveItem;

struct Archive {
	StringMap digests;
	ArchiveItem *items;
	size_t count;
};

/* ---- reading ---- */

static ArchiveItem *archive_add(Archive *archive)
{
	archive->items = mem_array(archive->items, archive->count + 1, sizeof(ArchiveItem));
	archive->items[archive->count] = (ArchiveItem){0};
	return &archive->items[archive->count++];
}

static fallible archive_digest(Digest *ret, const Archive *archive, const char *path)
{
	const char *text = map_get(&archive->digests, path);

	if (!text)
		return error_new(ERROR_INVALID, "the archive names \"%.200s\", but does not hold it", path);
	return digest_parse(ret, text);
}

static void blob_path(char *ret, size_t size, const Digest *digest)
{
	snprintf(ret, size, "blobs/sha256/%s", digest_hex(digest));
}

/* A file below blobs/ must be what its name says. */
static fallible archive_verify_blob(const Archive *archive, const Digest *digest)
{
	char path[DIGEST_TEXT_MAX + 16];
	Digest found;

	blob_path(path, sizeof(path), digest);
	TRY(archive_digest(&found, archive, path));
	if (!digest_equal(&found, digest))
		return error_new(ERROR_INVALID, "the archive's file \"%s\" has the digest %s", path, found.text);
	return NULL;
}

static fallible archive_read_blob(
	char **ret, size_t *ret_length, const Archive *archive, int directory, const Digest *digest, size_t max)
{
	char path[DIGEST_TEXT_MAX + 16];

	TRY(archive_verify_blob(archive, digest));
	blob_path(path, sizeof(path), digest);
	return file_read(ret, ret_length, directory, path, max);
}

static fallible archive_add_oci(Archive *archive, int directory, const Descriptor *descriptor, const char *name);

/* An index inside the layout: the entry for this machine. */
static fallible archive_add_nested(Archive *archive, int directory, const char *text, size_t length, const char *name)
{
	autoclear(Index) index = {0};
	autoclear(Platform) host = {0};
	const IndexEntry *entry;

	TRY(index_parse(&index, text, length));
	platform_host(&host);
	TRY(index_choose(&entry, &index, &host));
	if (string_equal(entry->descriptor.media_type, MEDIA_OCI_INDEX) ||
		string_equal(entry->descriptor.media_type, MEDIA_DOCKER_LIST))
		return error_new(ERROR_INVALID, "the archive's indexes are nested too deep");
	return archive_add_oci(archive, directory, &entry->descriptor, name);
}

static fallible archive_add_oci(Archive *archive, int directory, const Descriptor *descriptor, const char *name)
{
	autofree char *text = NULL;
	size_t length = 0;
	ManifestKind kind;
	ArchiveItem *item;

	TRY(archive_read_blob(&text, &length, archive, directory, &descriptor->digest, MANIFEST_MAX));
	TRY(manifest_kind(&kind, text, length, descriptor->media_type));
	if (kind == MANIFEST_INDEX)
		return archive_add_nested(archive, directory, text, length, name);
	item = archive_add(archive);
	item->image.manifest = descriptor->digest;
	if (name)
		strings_add(&item->image.names, name);
	return NULL;
}

/* A bare tag ("latest", as skopeo writes) names nothing by itself. */
static const char *usable_name(const char *name)
{
	return name && (strchr(name, '/') || strchr(name, ':')) ? name : NULL;
}

static fallible archive_open_oci(Archive *archive, int directory)
{
	autofree char *text = NULL;
	size_t length = 0;
	autoclear(Index) index = {0};

	TRY(file_read(&text, &length, directory, "index.json", MANIFEST_MAX));
	TRY_WRAP(index_parse(&index, text, length), "the archive's index.json");
	if (index.count > ARCHIVE_IMAGES_MAX)
		return error_new(ERROR_TOO_LARGE, "the archive holds %zu images, at most %d are taken", index.count,
			ARCHIVE_IMAGES_MAX);
	for (size_t i = 0; i < index.count; i++)
		TRY(archive_add_oci(archive, directory, &index.entries[i].descriptor,
			usable_name(index.entries[i].reference_name)));
	return NULL;
}

static fallible archive_open_docker(Archive *archive, int directory)
{
	autofree char *text = NULL;
	size_t length = 0;
	autoptr(Value) value = NULL;

	TRY(file_read(&text, &length, directory, "manifest.json", MANIFEST_MAX));
	TRY_WRAP(value_parse(&value, text, length), "the archive's manifest.json");
	if (!value_is_array(value) || value_count(value) > ARCHIVE_IMAGES_MAX)
		return error_new(ERROR_INVALID, "the archive's manifest.json must be an array of at most %d images",
			ARCHIVE_IMAGES_MAX);
	for (size_t i = 0; i < value_count(value); i++) {
		ArchiveItem *item = archive_add(archive);
		item->is_docker = true;
		TRY_WRAP(fields_read(docker_entry_fields, &item->docker, value_at(value, i), 0),
			"the archive's manifest.json");
		strings_copy(&item->image.names, &item->docker.names);
	}
	return NULL;
}

static fallible archive_read(Archive *archive, int directory)
{
	if (file_exists(directory, "index.json"))
		return archive_open_oci(archive, directory);
	if (file_exists(directory, "manifest.json"))
		return archive_open_docker(archive, directory);
	return error_new(
		ERROR_INVALID, "the archive has neither index.json (OCI layout) nor manifest.json (docker save)");
}

fallible archive_open(Archive **ret, int directory, const StringMap *digests)
{
	autoptr(Archive) archive = mem_new(Archive);

	map_copy(&archive->digests, digests);
	TRY(archive_read(archive, directory));
	if (!archive->count)
		return error_new(ERROR_INVALID, "the archive holds no image");
	*ret = take(archive);
	return NULL;
}

Archive *archive_free(Archive *archive)
{
	if (!archive)
		return NULL;
	for (size_t i = 0; i < archive->count; i++) {
		strings_clear(&archive->items[i].image.names);
		fields_clear(docker_entry_fields, &archive->items[i].docker);
	}
	free(archive->items);
	map_clear(&archive->digests);
	free(archive);
	return NULL;
}

size_t archive_count(const Archive *archive)
{
	return archive->count;
}

const ArchiveImage *archive_image(const Archive *archive, size_t index)
{
	return &archive->items[index].image;
}

/* ---- into the store ---- */

static fallible import_file(Store *store, const Digest *digest, int directory, const char *path)
{
	if (blob_has(store, digest, NULL))
		return NULL;
	return blob_import(store, digest, directory, path);
}

static fallible import_blob(const Archive *archive, Store *store, const Digest *digest, int directory)
{
	char path[DIGEST_TEXT_MAX + 16];

	if (blob_has(store, digest, NULL))
		return NULL;
	TRY(archive_verify_blob(archive, digest));
	blob_path(path, sizeof(path), digest);
	return import_file(store, digest, directory, path);
}

static fallible import_oci(const Archive *archive, const ArchiveItem *item, Store *store, int directory)
{
	autofree char *text = NULL;
	size_t length = 0;
	autoclear(Manifest) manifest = {0};

	TRY(import_blob(archive, store, &item->image.manifest, directory));
	TRY(blob_read(&text, &length, store, &item->image.manifest, MANIFEST_MAX));
	TRY(manifest_parse(&manifest, text, length));
	TRY(import_blob(archive, store, &manifest.config.digest, directory));
	for (size_t i = 0; i < manifest.layer_count; i++)
		TRY(import_blob(archive, store, &manifest.layers[i].digest, directory));
	return NULL;
}

static fallible file_size(int64_t *ret, int directory, const char *path)
{
	struct stat status;

	if (fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(errno, "could not look at \"%s\" of the archive", path);
	*ret = status.st_size;
	return NULL;
}

static fallible docker_descriptor(
	Descriptor *ret, const Archive *archive, int directory, const char *path, const char *media_type)
{
	TRY(archive_digest(&ret->digest, archive, path));
	TRY(file_size(&ret->size, directory, path));
	string_replace(&ret->media_type, media_type);
	return NULL;
}

/* Such an archive has no manifest: one is made over its own files, with the layers plain as they are. */
static fallible docker_manifest(Manifest *ret, const Archive *archive, const DockerEntry *entry, int directory)
{
	string_replace(&ret->media_type, MEDIA_OCI_MANIFEST);
	TRY(docker_descriptor(&ret->config, archive, directory, entry->config, MEDIA_OCI_CONFIG));
	ret->layers = mem_array(NULL, entry->layers.count + 1, sizeof(Descriptor));
	for (size_t i = 0; i < entry->layers.count; i++) {
		ret->layers[i] = (Descriptor){0};
		ret->layer_count = i + 1;
		TRY(docker_descriptor(&ret->layers[i], archive, directory, entry->layers.items[i], MEDIA_OCI_LAYER));
	}
	return NULL;
}

static fallible import_docker(const Archive *archive, ArchiveItem *item, Store *store, int directory)
{
	const DockerEntry *entry = &item->docker;
	autoclear(Manifest) manifest = {0};
	autofree char *text = NULL;

	TRY(docker_manifest(&manifest, archive, entry, directory));
	TRY(import_file(store, &manifest.config.digest, directory, entry->config));
	for (size_t i = 0; i < manifest.layer_count; i++)
		TRY(import_file(store, &manifest.layers[i].digest, directory, entry->layers.items[i]));
	text = manifest_write(&manifest);
	digest_of(&item->image.manifest, text, strlen(text));
	return blob_put(store, &item->image.manifest, text, strlen(text));
}

fallible archive_import(Archive *archive, size_t index, Store *store, int directory)
{
	ArchiveItem *item = &archive->items[index];

	return item->is_docker ? import_docker(archive, item, store, directory)
			       : import_oci(archive, item, store, directory);
}

fallible archive_read_manifest(Manifest *ret, Store *store, const Digest *digest)
{
	autofree char *text = NULL;
	size_t length = 0;

	TRY(blob_read(&text, &length, store, digest, MANIFEST_MAX));
	return manifest_parse(ret, text, length);
}
