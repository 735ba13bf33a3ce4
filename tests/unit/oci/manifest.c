// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.h"

#include "base/buffer.h"
#include "base/strings.h"
#include "check.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define CONFIG "\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"" A "\",\"size\":7}"
#define ENTRY(digest, os, architecture, more)                                                                          \
	"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" digest "\",\"size\":9,\"platform\":{\"os\":\"" os    \
	"\",\"architecture\":\"" architecture "\"" more "}}"

/* ---- kinds ---- */

static const struct {
	const char *text, *content_type;
	ManifestKind kind;
} kinds[] = {
	{"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":{},\"layers\":[]}", NULL,
		MANIFEST_IMAGE},
	{"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":{},\"layers\":[]}", NULL,
		MANIFEST_IMAGE},
	{"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}", NULL, MANIFEST_INDEX},
	{"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_LIST "\",\"manifests\":[]}", NULL, MANIFEST_INDEX},
	{"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", NULL, MANIFEST_IMAGE},
	{"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", "application/json", MANIFEST_IMAGE},
	{"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", MEDIA_OCI_MANIFEST "; charset=utf-8", MANIFEST_IMAGE},
	{"{\"schemaVersion\":2,\"manifests\":[]}", MEDIA_OCI_INDEX, MANIFEST_INDEX},
	{"{\"schemaVersion\":2,\"manifests\":[]}", NULL, MANIFEST_INDEX},
};

static void tells_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		ManifestKind kind = 99;
		check_ok(manifest_kind(&kind, kinds[i].text, strlen(kinds[i].text), kinds[i].content_type));
		assert_int_equal(kind, kinds[i].kind);
	}
}

#define SCHEMA_1 "the manifest has schema version 1, which is not supported (push the image again with a current tool)"

static const struct {
	const char *text, *content_type;
	ErrorKind kind;
	const char *message;
} bad_kinds[] = {
	{"{\"schemaVersion\":1}", NULL, ERROR_UNSUPPORTED, SCHEMA_1},
	{"{\"fsLayers\":[]}", NULL, ERROR_UNSUPPORTED, SCHEMA_1},
	{"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", ERROR_UNSUPPORTED, SCHEMA_1},
	{"{\"layers\":[],\"manifests\":[]}", NULL, ERROR_INVALID, "the manifest is image and index at once"},
	{"{\"config\":{},\"manifests\":[]}", NULL, ERROR_INVALID, "the manifest is image and index at once"},
	{"{}", MEDIA_OCI_INDEX, ERROR_INVALID, "the manifest is neither an image nor an index"},
	{"{\"layers\":[]}", MEDIA_OCI_INDEX, ERROR_INVALID,
		"the manifest says to be of type \"" MEDIA_OCI_INDEX "\", but its members are of another"},
	{"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"manifests\":[]}", MEDIA_OCI_INDEX, ERROR_INVALID,
		"the manifest says to be of type \"" MEDIA_OCI_MANIFEST "\", but its members are of another"},
};

static void refuses_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_kinds) / sizeof(bad_kinds[0]); i++) {
		ManifestKind kind;
		check_error(
			manifest_kind(&kind, bad_kinds[i].text, strlen(bad_kinds[i].text), bad_kinds[i].content_type),
			bad_kinds[i].kind, bad_kinds[i].message);
	}
}

/* ---- images ---- */

static void parses_images(void **state)
{
	(void)state;
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"," CONFIG ",\"layers\":["
		"{\"mediaType\":\"" MEDIA_OCI_LAYER_ZSTD "\",\"digest\":\"" B "\",\"size\":5368709120},"
		"{\"digest\":\"" C "\",\"size\":0}],\"annotations\":{\"a\":\"b\"}}";
	autoclear(Manifest) manifest = {0};

	check_ok(manifest_parse(&manifest, text, strlen(text)));
	assert_string_equal(manifest.media_type, MEDIA_OCI_MANIFEST);
	assert_string_equal(manifest.config.digest.text, A);
	assert_int_equal(manifest.config.size, 7);
	assert_int_equal(manifest.layer_count, 2);
	assert_string_equal(manifest.layers[0].media_type, MEDIA_OCI_LAYER_ZSTD);
	assert_int_equal(manifest.layers[0].size, INT64_C(5368709120));
	assert_string_equal(manifest.layers[1].media_type, "");
}

static void writes_images(void **state)
{
	(void)state;
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"," CONFIG
		",\"layers\":[{\"mediaType\":\"" MEDIA_OCI_LAYER "\",\"digest\":\"" B "\",\"size\":3}]}";
	autoclear(Manifest) manifest = {0};

	check_ok(manifest_parse(&manifest, text, strlen(text)));
	check_text(manifest_write(&manifest), text);
}

static const struct {
	const char *text, *message;
} bad_images[] = {
	{"", "manifest: "},
	{"[]", "manifest: "},
	{"{\"schemaVersion\":2," CONFIG "}", "manifest: field \"layers\" is missing"},
	{"{\"schemaVersion\":2,\"layers\":[]}", "manifest: field \"config\" is missing"},
	{"{\"schemaVersion\":3," CONFIG ",\"layers\":[]}", "manifest: "},
	{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A "\"},\"layers\":[]}",
		"manifest: config: field \"size\" is missing"},
	{"{\"schemaVersion\":2,\"config\":{\"digest\":\"../x\",\"size\":1},\"layers\":[]}",
		"manifest: config: invalid digest \"../x\": it must start with \"sha256:\" or \"sha512:\""},
	{"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" A
	 "\",\"size\":1},{\"digest\":\"sha256:1\",\"size\":1}]}",
		"manifest: layers[1]: invalid digest "},
	{"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" A "\",\"size\":-1}]}",
		"manifest: field \"layers[0].size\" must be between 0 and "},
	{"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" A "\",\"size\":9223372036854775807}]}",
		"manifest: field \"layers[0].size\" must be between 0 and "},
	{"{\"schemaVersion\":2," CONFIG ",\"layers\":[1]}",
		"manifest: field \"layers[0]\" must be an object, not a number"},
};

/* The rest of some messages is the JSON reader's. */
static void refuses_images(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_images) / sizeof(bad_images[0]); i++) {
		Manifest manifest = {0};
		Error *error = manifest_parse(&manifest, bad_images[i].text, strlen(bad_images[i].text));
		assert_non_null(error);
		if (!string_starts(error_message(error), bad_images[i].message))
			assert_string_equal(error_message(error), bad_images[i].message);
		error_free(error);
		assert_null(manifest.layers);
	}
}

static void bounds_layers(void **state)
{
	(void)state;
	autoclear(Buffer) text = {0};
	Manifest manifest = {0};

	buffer_add_text(&text, "{\"schemaVersion\":2," CONFIG ",\"layers\":[");
	for (int i = 0; i <= MANIFEST_LAYERS_MAX; i++)
		buffer_printf(&text, "%s{\"digest\":\"" A "\",\"size\":1}", i ? "," : "");
	buffer_add_text(&text, "]}");
	Error *error = manifest_parse(&manifest, text.data, text.length);
	assert_non_null(error);
	error_free(error);
}

/* ---- indexes ---- */

static void choose(Index *index, const char *platform, const char *expected)
{
	autoclear(Platform) wanted = {0};
	const IndexEntry *entry;

	check_ok(platform_parse(&wanted, platform));
	check_ok(index_choose(&entry, index, &wanted));
	assert_string_equal(entry->descriptor.digest.text, expected);
}

static void read_index(Index *ret, const char *entries)
{
	autofree char *text = string_printf("{\"schemaVersion\":2,\"manifests\":[%s]}", entries);

	check_ok(index_parse(ret, text, strlen(text)));
}

static void chooses(void **state)
{
	(void)state;
	autoclear(Index) index = {0};

	read_index(&index,
		ENTRY(A, "linux", "arm", ",\"variant\":\"v6\"") "," ENTRY(B, "linux", "arm",
			",\"variant\":\"v7\"") "," ENTRY(C, "linux", "amd64", "") "," ENTRY(A, "linux", "amd64", ""));
	choose(&index, "linux/arm/v7", B);
	choose(&index, "linux/arm/v6", A);
	choose(&index, "linux/arm64", B);
	choose(&index, "linux/amd64", C);
}

static void lists_what_there_is(void **state)
{
	(void)state;
	autoclear(Index) index = {0};
	autoclear(Platform) wanted = {0};
	const IndexEntry *entry;

	read_index(&index, ENTRY(A, "linux", "arm", ",\"variant\":\"v6\"") "," ENTRY(C, "linux", "amd64", "") "," ENTRY(
				   C, "linux", "amd64", "") "," ENTRY(B, "unknown", "unknown", ""));
	check_ok(platform_parse(&wanted, "linux/s390x"));
	check_error(index_choose(&entry, &index, &wanted), ERROR_NOT_FOUND,
		"no image for platform \"linux/s390x\": the index has linux/arm/v6, linux/amd64");
	index_clear(&index);
	read_index(&index, ENTRY(B, "unknown", "unknown", ""));
	check_error(index_choose(&entry, &index, &wanted), ERROR_NOT_FOUND,
		"no image for platform \"linux/s390x\": the index has nothing");
}

static void takes_a_lone_entry_without_platform(void **state)
{
	(void)state;
	autoclear(Index) index = {0};

	read_index(&index, "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" B
			   "\",\"size\":9,\"annotations\":{\"org.opencontainers.image.ref.name\":\"1.0\"}}");
	choose(&index, "linux/riscv64", B);
	assert_string_equal(index.entries[0].reference_name, "1.0");
}

static void skips_what_is_no_image(void **state)
{
	(void)state;
	autoclear(Index) index = {0};
	autoclear(Platform) wanted = {0};
	const IndexEntry *entry;

	read_index(&index, "{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"digest\":\"" B
			   "\",\"size\":9,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}");
	check_ok(platform_parse(&wanted, "linux/amd64"));
	check_error(index_choose(&entry, &index, &wanted), ERROR_NOT_FOUND,
		"no image for platform \"linux/amd64\": the index has nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_kinds),
		cmocka_unit_test(refuses_kinds),
		cmocka_unit_test(parses_images),
		cmocka_unit_test(writes_images),
		cmocka_unit_test(refuses_images),
		cmocka_unit_test(bounds_layers),
		cmocka_unit_test(chooses),
		cmocka_unit_test(lists_what_there_is),
		cmocka_unit_test(takes_a_lone_entry_without_platform),
		cmocka_unit_test(skips_what_is_no_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
