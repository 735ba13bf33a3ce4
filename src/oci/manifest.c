// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.h"

#include <stddef.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "json/fields.h"
#include "json/writer.h"

#define BLOB_SIZE_MAX (INT64_C(1) << 42)

enum { MEDIA_TYPE_MAX = 255, PLATFORMS_LISTED_MAX = 40 };

/* ---- as written in the document ---- */

typedef struct RawDescriptor {
	char *media_type;
	char *digest;
	int64_t size;
	Platform platform;
	StringMap annotations;
} RawDescriptor;

static const Field platform_fields[] = {
	{.name = "os", .kind = FIELD_STRING, .offset = offsetof(Platform, os), .max_length = 64},
	{.name = "architecture", .kind = FIELD_STRING, .offset = offsetof(Platform, architecture), .max_length = 64},
	{.name = "variant",
		.kind = FIELD_STRING,
		.offset = offsetof(Platform, variant),
		.max_length = 64,
		.omit_empty = true},
	FIELDS_END,
};

#define DESCRIPTOR_FIELDS                                                                                              \
	{.name = "mediaType",                                                                                          \
		.kind = FIELD_STRING,                                                                                  \
		.offset = offsetof(RawDescriptor, media_type),                                                         \
		.max_length = MEDIA_TYPE_MAX},                                                                         \
		{.name = "digest",                                                                                     \
			.kind = FIELD_STRING,                                                                          \
			.offset = offsetof(RawDescriptor, digest),                                                     \
			.required = true,                                                                              \
			.max_length = DIGEST_TEXT_MAX},                                                                \
	{                                                                                                              \
		.name = "size", .kind = FIELD_INT, .offset = offsetof(RawDescriptor, size), .max = BLOB_SIZE_MAX,      \
		.required = true                                                                                       \
	}

static const Field descriptor_fields[] = {DESCRIPTOR_FIELDS, FIELDS_END};

static const Field entry_fields[] = {
	DESCRIPTOR_FIELDS,
	{.name = "platform",
		.kind = FIELD_OBJECT,
		.offset = offsetof(RawDescriptor, platform),
		.sub = platform_fields,
		.omit_empty = true},
	{.name = "annotations", .kind = FIELD_MAP, .offset = offsetof(RawDescriptor, annotations), .omit_empty = true},
	FIELDS_END,
};

typedef struct RawManifest {
	int64_t schema_version;
	char *media_type;
	RawDescriptor config;
	FieldArray layers;
} RawManifest;

static const Field manifest_fields[] = {
	{.name = "schemaVersion",
		.kind = FIELD_INT,
		.offset = offsetof(RawManifest, schema_version),
		.min = 2,
		.max = 2,
		.required = true},
	{.name = "mediaType",
		.kind = FIELD_STRING,
		.offset = offsetof(RawManifest, media_type),
		.max_length = MEDIA_TYPE_MAX},
	{.name = "config",
		.kind = FIELD_OBJECT,
		.offset = offsetof(RawManifest, config),
		.sub = descriptor_fields,
		.required = true},
	{.name = "layers",
		.kind = FIELD_ARRAY,
		.offset = offsetof(RawManifest, layers),
		.sub = descriptor_fields,
		.sub_size = sizeof(RawDescriptor),
		.required = true,
		.max_count = MANIFEST_LAYERS_MAX},
	FIELDS_END,
};

typedef struct RawIndex {
	FieldArray manifests;
} RawIndex;

static const Field index_fields[] = {
	{.name = "manifests",
		.kind = FIELD_ARRAY,
		.offset = offsetof(RawIndex, manifests),
		.sub = entry_fields,
		.sub_size = sizeof(RawDescriptor),
		.required = true,
		.max_count = INDEX_ENTRIES_MAX},
	FIELDS_END,
};

static void raw_manifest_clear(RawManifest *raw)
{
	fields_clear(manifest_fields, raw);
}
DEFINE_AUTOCLEAR(RawManifest, raw_manifest_clear)

static void raw_index_clear(RawIndex *raw)
{
	fields_clear(index_fields, raw);
}
DEFINE_AUTOCLEAR(RawIndex, raw_index_clear)

/* ---- which kind ---- */

typedef struct Outline {
	int64_t schema_version;
	char *media_type;
	Value *manifests, *config, *layers, *fs_layers;
} Outline;

static const Field outline_fields[] = {
	{.name = "schemaVersion", .kind = FIELD_INT, .offset = offsetof(Outline, schema_version)},
	{.name = "mediaType",
		.kind = FIELD_STRING,
		.offset = offsetof(Outline, media_type),
		.max_length = MEDIA_TYPE_MAX},
	{.name = "manifests", .kind = FIELD_VALUE, .offset = offsetof(Outline, manifests)},
	{.name = "config", .kind = FIELD_VALUE, .offset = offsetof(Outline, config)},
	{.name = "layers", .kind = FIELD_VALUE, .offset = offsetof(Outline, layers)},
	{.name = "fsLayers", .kind = FIELD_VALUE, .offset = offsetof(Outline, fs_layers)},
	FIELDS_END,
};

static void outline_clear(Outline *outline)
{
	fields_clear(outline_fields, outline);
}
DEFINE_AUTOCLEAR(Outline, outline_clear)

static const struct {
	const char *media_type;
	ManifestKind kind;
} known_types[] = {
	{MEDIA_OCI_INDEX, MANIFEST_INDEX},
	{MEDIA_DOCKER_LIST, MANIFEST_INDEX},
	{MEDIA_OCI_MANIFEST, MANIFEST_IMAGE},
	{MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE},
};

/* Parameters ("; charset=utf-8") do not count. */
static bool media_type_equal(const char *type, const char *known)
{
	size_t length = strlen(known);

	return strncmp(type, known, length) == 0 && strchr("; ", type[length]);
}

static bool find_kind(ManifestKind *ret, const char *media_type)
{
	for (size_t i = 0; media_type && i < sizeof(known_types) / sizeof(known_types[0]); i++) {
		if (!media_type_equal(media_type, known_types[i].media_type))
			continue;
		*ret = known_types[i].kind;
		return true;
	}
	return false;
}

static bool is_schema_1(const Outline *outline, const char *content_type)
{
	return outline->schema_version == 1 || outline->fs_layers ||
	       (content_type && strstr(content_type, "docker.distribution.manifest.v1+"));
}

static fallible kind_of_members(ManifestKind *ret, const Outline *outline)
{
	bool is_image = outline->config || outline->layers;

	if (outline->manifests && is_image)
		return error_new(ERROR_INVALID, "the manifest is image and index at once");
	if (!outline->manifests && !is_image)
		return error_new(ERROR_INVALID, "the manifest is neither an image nor an index");
	*ret = outline->manifests ? MANIFEST_INDEX : MANIFEST_IMAGE;
	return NULL;
}

fallible manifest_kind(ManifestKind *ret, const char *text, size_t length, const char *content_type)
{
	autoclear(Outline) outline = {0};
	ManifestKind members = MANIFEST_IMAGE, said;

	TRY(fields_read_text(outline_fields, &outline, "manifest", text, length, 0));
	if (is_schema_1(&outline, content_type))
		return error_new(ERROR_UNSUPPORTED, "the manifest has schema version 1, which is not supported (push "
						    "the image again with a current tool)");
	TRY(kind_of_members(&members, &outline));
	const char *media_type = outline.media_type ? outline.media_type : content_type;
	/* A document that can be read as two kinds would be checked as one and used as the other (CVE-2021-41190). */
	if (find_kind(&said, media_type) && said != members)
		return error_new(ERROR_INVALID,
			"the manifest says to be of type \"%s\", but its members are of another", media_type);
	*ret = members;
	return NULL;
}

/* ---- image manifests ---- */

static fallible take_descriptor(Descriptor *ret, RawDescriptor *raw)
{
	TRY(digest_parse(&ret->digest, raw->digest));
	ret->size = raw->size;
	ret->media_type = raw->media_type ? take(raw->media_type) : mem_strdup("");
	return NULL;
}

static fallible take_layers(Manifest *ret, RawManifest *raw)
{
	RawDescriptor *layers = raw->layers.items;

	ret->layers = mem_alloc(raw->layers.count * sizeof(Descriptor));
	for (size_t i = 0; i < raw->layers.count; i++) {
		ret->layer_count = i + 1;
		TRY_WRAP(take_descriptor(&ret->layers[i], &layers[i]), "manifest: layers[%zu]", i);
	}
	return NULL;
}

fallible manifest_parse(Manifest *ret, const char *text, size_t length)
{
	autoclear(RawManifest) raw = {0};
	autoclear(Manifest) parsed = {0};

	if (length > MANIFEST_MAX)
		return error_new(ERROR_TOO_LARGE, "the manifest is larger than %d bytes", MANIFEST_MAX);
	TRY(fields_read_text(manifest_fields, &raw, "manifest", text, length, 0));
	parsed.media_type = take(raw.media_type);
	TRY_WRAP(take_descriptor(&parsed.config, &raw.config), "manifest: config");
	TRY(take_layers(&parsed, &raw));
	*ret = parsed;
	parsed = (Manifest){0};
	return NULL;
}

void manifest_clear(Manifest *manifest)
{
	free(manifest->media_type);
	free(manifest->config.media_type);
	for (size_t i = 0; i < manifest->layer_count; i++)
		free(manifest->layers[i].media_type);
	free(manifest->layers);
	*manifest = (Manifest){0};
}

static void write_descriptor(Writer *writer, const char *key, const Descriptor *descriptor)
{
	write_object(writer, key);
	write_string(writer, "mediaType", descriptor->media_type);
	write_string(writer, "digest", descriptor->digest.text);
	write_int(writer, "size", descriptor->size);
	write_object_end(writer);
}

char *manifest_write(const Manifest *manifest)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_int(&writer, "schemaVersion", 2);
	write_string(&writer, "mediaType", manifest->media_type ? manifest->media_type : MEDIA_OCI_MANIFEST);
	write_descriptor(&writer, "config", &manifest->config);
	write_array(&writer, "layers");
	for (size_t i = 0; i < manifest->layer_count; i++)
		write_descriptor(&writer, NULL, &manifest->layers[i]);
	write_array_end(&writer);
	write_object_end(&writer);
	return buffer_steal(&out);
}

/* ---- indexes ---- */

static const char *const name_annotations[] = {"io.containerd.image.name", "org.opencontainers.image.ref.name"};

static fallible take_entry(IndexEntry *ret, RawDescriptor *raw)
{
	TRY(take_descriptor(&ret->descriptor, raw));
	ret->platform = raw->platform;
	raw->platform = (Platform){0};
	for (size_t i = 0; !ret->reference_name && i < sizeof(name_annotations) / sizeof(name_annotations[0]); i++)
		ret->reference_name = mem_strdup(map_get(&raw->annotations, name_annotations[i]));
	return NULL;
}

static fallible take_entries(Index *ret, RawIndex *raw)
{
	RawDescriptor *items = raw->manifests.items;

	ret->entries = mem_alloc(raw->manifests.count * sizeof(IndexEntry));
	for (size_t i = 0; i < raw->manifests.count; i++) {
		ret->count = i + 1;
		TRY_WRAP(take_entry(&ret->entries[i], &items[i]), "index: manifests[%zu]", i);
	}
	return NULL;
}

fallible index_parse(Index *ret, const char *text, size_t length)
{
	autoclear(RawIndex) raw = {0};
	autoclear(Index) parsed = {0};

	if (length > MANIFEST_MAX)
		return error_new(ERROR_TOO_LARGE, "the index is larger than %d bytes", MANIFEST_MAX);
	TRY(fields_read_text(index_fields, &raw, "index", text, length, 0));
	TRY(take_entries(&parsed, &raw));
	*ret = parsed;
	parsed = (Index){0};
	return NULL;
}

void index_clear(Index *index)
{
	for (size_t i = 0; i < index->count; i++) {
		free(index->entries[i].descriptor.media_type);
		platform_clear(&index->entries[i].platform);
		free(index->entries[i].reference_name);
	}
	free(index->entries);
	*index = (Index){0};
}

static bool is_attestation(const IndexEntry *entry)
{
	return string_equal(entry->platform.os, "unknown") && string_equal(entry->platform.architecture, "unknown");
}

/* Entries that may be what the caller wants: no attestations, no nested indexes, no artifacts with other manifests. */
static bool is_candidate(const IndexEntry *entry)
{
	ManifestKind kind;

	if (is_attestation(entry))
		return false;
	return string_empty(entry->descriptor.media_type) ||
	       (find_kind(&kind, entry->descriptor.media_type) && kind == MANIFEST_IMAGE);
}

static bool has_platform(const IndexEntry *entry)
{
	return !string_empty(entry->platform.os) || !string_empty(entry->platform.architecture);
}

static char *list_platforms(const Index *index)
{
	autoclear(StringList) names = {0};

	for (size_t i = 0; i < index->count && names.count < PLATFORMS_LISTED_MAX; i++) {
		if (!is_candidate(&index->entries[i]))
			continue;
		autofree char *name = platform_text(&index->entries[i].platform);
		if (!strings_has(&names, name))
			strings_add(&names, name);
	}
	return names.count ? strings_join(&names, ", ") : mem_strdup("nothing");
}

fallible index_choose(const IndexEntry **ret, const Index *index, const Platform *wanted)
{
	const IndexEntry *best = NULL;
	int best_score = 0;

	for (size_t i = 0; i < index->count; i++) {
		const IndexEntry *entry = &index->entries[i];
		if (!is_candidate(entry))
			continue;
		/* A lone entry without a platform is what image layouts of one image have. */
		int score = has_platform(entry) ? platform_score(wanted, &entry->platform) : index->count == 1;
		if (score <= best_score)
			continue;
		best = entry;
		best_score = score;
	}
	if (!best) {
		autofree char *platform = platform_text(wanted);
		autofree char *there = list_platforms(index);
		return error_new(ERROR_NOT_FOUND, "no image for platform \"%s\": the index has %s", platform, there);
	}
	*ret = best;
	return NULL;
}
