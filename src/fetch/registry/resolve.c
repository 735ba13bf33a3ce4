// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/resolve.h"

#include <string.h>

#include "base/memory.h"
#include "fetch/hash.h"
#include "oci/image_config.h"

enum { DOCUMENT_TIMEOUT_S = 300 };

struct Resolve {
	Registry *registry;
	const Platform *platform;
	Call *call;
	Digest expected;       /* of the document that is asked for; unset for a tag */
	int64_t expected_size; /* -1: not known */
	Resolved resolved;
	void (*done)(void *arg, Error *take_error, const Resolved *resolved);
	void *arg;
};

/* ---- one document ---- */

static void ask(Resolve *resolve, const char *target, size_t max, HttpDone *done)
{
	call_free(resolve->call);
	resolve->call = call_new(resolve->registry, "GET", target, done, resolve);
	CallSpec *spec = call_spec(resolve->call);
	spec->right = RIGHT_PULL;
	spec->is_document = true;
	spec->request.answer_max = max;
	spec->request.limit_s = DOCUMENT_TIMEOUT_S;
}

static void ask_manifest(Resolve *resolve, const char *name, HttpDone *done)
{
	autofree char *target = string_printf("manifests/%s", name);
	StringList *headers;

	ask(resolve, target, MANIFEST_MAX, done);
	headers = &call_spec(resolve->call)->request.headers;
	strings_add(headers,
		"Accept: " MEDIA_OCI_INDEX ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_LIST ", " MEDIA_DOCKER_MANIFEST);
	call_start(resolve->call);
}

static fallible check_digest(const char *what, const HttpAnswer *answer, const Digest *expected, Digest *ret)
{
	autoptr(Hash) hash = NULL;

	TRY(hash_new_for(&hash, expected));
	hash_add(hash, buffer_text(&answer->body), answer->body.length);
	hash_end(hash, ret);
	if (digest_equal(ret, expected))
		return NULL;
	return error_new(ERROR_INTERNAL, "the registry sent a %s with digest %s where %s was asked for", what,
		ret->text, expected->text);
}

static fallible check_size(const char *what, const HttpAnswer *answer, int64_t expected)
{
	if (expected < 0 || (int64_t)answer->body.length == expected)
		return NULL;
	return error_new(ERROR_INTERNAL, "the registry sent a %s of %zu bytes where %lld were announced", what,
		answer->body.length, (long long)expected);
}

/* By tag, the registry's own word is all there is to compare with; without it the digest is only computed. */
static fallible verify(const Resolve *resolve, const char *what, const HttpAnswer *answer, Digest *ret)
{
	Digest expected = resolve->expected;

	TRY(check_size(what, answer, resolve->expected_size));
	if (!digest_is_set(&expected) && answer->digest)
		TRY_WRAP(digest_parse(&expected, answer->digest), "the registry sent a bad digest");
	if (digest_is_set(&expected))
		return check_digest(what, answer, &expected, ret);
	autoptr(Hash) hash = hash_new();
	hash_add(hash, buffer_text(&answer->body), answer->body.length);
	hash_end(hash, ret);
	return NULL;
}

static void expect(Resolve *resolve, const Digest *digest, int64_t size)
{
	resolve->expected = digest ? *digest : (Digest){0};
	resolve->expected_size = size;
}

static void fail(Resolve *resolve, Error *take_error)
{
	resolve->done(resolve->arg, take_error, NULL);
}

/* ---- configuration ---- */

static fallible use_config(Resolve *resolve, HttpAnswer *answer)
{
	autoclear(ImageConfig) config = {0};
	Digest digest;

	TRY(verify(resolve, "configuration", answer, &digest));
	TRY(image_config_parse(&config, buffer_text(&answer->body), answer->body.length));
	resolve->resolved.config = answer->body;
	answer->body = (Buffer){0};
	return NULL;
}

static void on_config(void *arg, Error *take_error, HttpAnswer *answer)
{
	Resolve *resolve = arg;
	Error *error = take_error ? take_error : use_config(resolve, answer);

	if (error)
		fail(resolve, error_wrap(error, "image configuration"));
	else
		resolve->done(resolve->arg, NULL, &resolve->resolved);
}

static bool is_image_config(const char *media_type)
{
	return string_empty(media_type) || string_equal(media_type, MEDIA_OCI_CONFIG) ||
	       string_equal(media_type, MEDIA_DOCKER_CONFIG);
}

static void ask_config(Resolve *resolve, const Descriptor *config)
{
	autofree char *target = string_printf("blobs/%s", config->digest.text);

	expect(resolve, &config->digest, config->size);
	ask(resolve, target, IMAGE_CONFIG_MAX, on_config);
	call_start(resolve->call);
}

/* ---- manifest ---- */

static fallible use_image(Resolve *resolve, HttpAnswer *answer, const Digest *digest)
{
	autoclear(Manifest) manifest = {0};
	Resolved *resolved = &resolve->resolved;

	TRY(manifest_parse(&manifest, buffer_text(&answer->body), answer->body.length));
	if (!is_image_config(manifest.config.media_type))
		return error_new(ERROR_UNSUPPORTED, "this is no container image: its configuration is of type \"%s\"",
			manifest.config.media_type);
	if (manifest.config.size > IMAGE_CONFIG_MAX)
		return error_new(ERROR_TOO_LARGE, "the image configuration is larger than %d bytes", IMAGE_CONFIG_MAX);
	resolved->digest = *digest;
	if (!digest_is_set(&resolved->top_digest))
		resolved->top_digest = *digest;
	resolved->media_type = manifest.media_type
				       ? take(manifest.media_type)
				       : mem_strdup(answer->content_type ? answer->content_type : MEDIA_OCI_MANIFEST);
	resolved->manifest = answer->body;
	answer->body = (Buffer){0};
	ask_config(resolve, &manifest.config);
	return NULL;
}

static void on_chosen(void *arg, Error *take_error, HttpAnswer *answer);

static fallible use_index(Resolve *resolve, HttpAnswer *answer, const Digest *digest)
{
	autoclear(Index) index = {0};
	const IndexEntry *entry;

	TRY(index_parse(&index, buffer_text(&answer->body), answer->body.length));
	TRY(index_choose(&entry, &index, resolve->platform));
	resolve->resolved.top_digest = *digest;
	resolve->resolved.index = answer->body;
	answer->body = (Buffer){0};
	expect(resolve, &entry->descriptor.digest, entry->descriptor.size);
	ask_manifest(resolve, entry->descriptor.digest.text, on_chosen);
	return NULL;
}

/* Nobody asked for one platform: the index is the result. */
static fallible use_top(Resolve *resolve, HttpAnswer *answer, const Digest *digest)
{
	autoclear(Index) index = {0};
	Resolved *resolved = &resolve->resolved;

	TRY(index_parse(&index, buffer_text(&answer->body), answer->body.length));
	resolved->digest = resolved->top_digest = *digest;
	resolved->media_type = mem_strdup(answer->content_type ? answer->content_type : MEDIA_OCI_INDEX);
	resolved->manifest = answer->body;
	answer->body = (Buffer){0};
	resolve->done(resolve->arg, NULL, resolved);
	return NULL;
}

static fallible use_manifest(Resolve *resolve, HttpAnswer *answer, bool may_be_index)
{
	ManifestKind kind;
	Digest digest;

	TRY(verify(resolve, "manifest", answer, &digest));
	TRY(manifest_kind(&kind, buffer_text(&answer->body), answer->body.length, answer->content_type));
	if (kind == MANIFEST_IMAGE)
		return use_image(resolve, answer, &digest);
	if (!resolve->platform)
		return use_top(resolve, answer, &digest);
	if (!may_be_index)
		return error_new(ERROR_UNSUPPORTED, "an index within an index is not supported");
	return use_index(resolve, answer, &digest);
}

static void on_chosen(void *arg, Error *take_error, HttpAnswer *answer)
{
	Error *error = take_error ? take_error : use_manifest(arg, answer, false);

	if (error)
		fail(arg, error);
}

static void on_top(void *arg, Error *take_error, HttpAnswer *answer)
{
	Error *error = take_error ? take_error : use_manifest(arg, answer, true);

	if (error)
		fail(arg, error);
}

/* ---- life ---- */

Resolve *resolve_start(Registry *registry, const Platform *platform,
	void (*done)(void *arg, Error *take_error, const Resolved *resolved), void *arg)
{
	const Reference *reference = registry_reference(registry);
	bool by_digest = digest_is_set(&reference->digest);
	Resolve *resolve = mem_new(Resolve);

	resolve->registry = registry;
	resolve->platform = platform;
	resolve->done = done;
	resolve->arg = arg;
	expect(resolve, by_digest ? &reference->digest : NULL, -1);
	ask_manifest(resolve, by_digest ? reference->digest.text : reference->tag ? reference->tag : "latest", on_top);
	return resolve;
}

Resolve *resolve_free(Resolve *resolve)
{
	if (!resolve)
		return NULL;
	call_free(resolve->call);
	buffer_clear(&resolve->resolved.index);
	buffer_clear(&resolve->resolved.manifest);
	buffer_clear(&resolve->resolved.config);
	free(resolve->resolved.media_type);
	free(resolve);
	return NULL;
}
