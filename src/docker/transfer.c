// SPDX-License-Identifier: Apache-2.0
/* Images on the way: pull, push, load, import, and the credentials for it. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/credentials.h"
#include "docker/internal.h"
#include "docker/progress.h"
#include "docker/upload.h"

/* ---- pull ---- */

/* fromImage and tag, where the tag may be a digest, and fromImage may have its own. */
static fallible read_reference(Reference *ret, const char *image, const char *tag)
{
	bool is_digest = tag && strchr(tag, ':');
	autofree char *name = string_printf("%s%s%s", image,
		string_empty(tag) ? ""
		: is_digest       ? "@"
				  : ":",
		tag ? tag : "");

	TRY(reference_parse(ret, name));
	reference_default_tag(ret);
	return NULL;
}

static fallible read_platform(Platform *ret, const char *text)
{
	if (!string_empty(text))
		return platform_parse(ret, text);
	platform_host(ret);
	return NULL;
}

static fallible begin_pull(Job **ret, Reference *reference, HttpRequest *request, Engine *engine)
{
	const char *image = http_request_query(request, "fromImage");
	autoclear(ImageCredentials) credentials = {0};
	autoclear(Platform) platform = {0};

	if (string_empty(image))
		return error_new(ERROR_INVALID, "query parameter \"fromImage\" is missing");
	TRY(read_reference(reference, image, http_request_query(request, "tag")));
	TRY(read_platform(&platform, http_request_query(request, "platform")));
	TRY(credentials_parse(&credentials, http_request_header(request, "X-Registry-Auth")));
	return image_pull(ret, engine, reference, &platform, &credentials);
}

static void pull_image(HttpRequest *request, void *context)
{
	autoclear(Reference) reference = {0};
	Job *job;
	Error *error = begin_pull(&job, &reference, request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		progress_follow(request, job, PROGRESS_PULL, reference.repository,
			reference.tag ? reference.tag : reference.digest.text);
}

/* ---- push ---- */

static fallible begin_push(Job **ret, Reference *reference, HttpRequest *request, Engine *engine)
{
	autoclear(ImageCredentials) credentials = {0};

	TRY(read_reference(reference, http_request_param(request, "name"), http_request_query(request, "tag")));
	TRY(credentials_parse(&credentials, http_request_header(request, "X-Registry-Auth")));
	return image_push(ret, engine, reference, &credentials);
}

static void push_image(HttpRequest *request, void *context)
{
	autoclear(Reference) reference = {0};
	autofree char *name = NULL;
	Job *job;
	Error *error = begin_push(&job, &reference, request, docker_engine(context));

	if (error) {
		http_respond_error(request, error);
		return;
	}
	name = string_printf("%s/%s", reference.registry, reference.repository);
	progress_follow(request, job, PROGRESS_PUSH, name, reference.tag);
}

/* ---- load ---- */

static Error *load_data(void *sink, const void *bytes, size_t length)
{
	return image_load_data(sink, bytes, length);
}

static void load_finish(void *sink)
{
	image_load_finish(sink);
}

static void load_abandon(void *sink)
{
	image_load_abandon(sink);
}

static void load_images(HttpRequest *request, void *context)
{
	static const UploadSink taker = {load_data, load_finish, load_abandon};
	ImageLoad *load;
	Job *job;
	Error *error = image_load_begin(&load, &job, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		upload_follow(request, &taker, load, job, PROGRESS_LOAD);
}

/* ---- import ---- */

static Error *import_data(void *sink, const void *bytes, size_t length)
{
	return image_import_data(sink, bytes, length);
}

static void import_finish(void *sink)
{
	image_import_finish(sink);
}

static void import_abandon(void *sink)
{
	image_import_abandon(sink);
}

static fallible read_import_name(Reference *ret, const HttpRequest *request, const char *repository)
{
	TRY(read_reference(ret, repository, http_request_query(request, "tag")));
	if (digest_is_set(&ret->digest))
		return error_new(ERROR_INVALID, "cannot import digest reference");
	return NULL;
}

static fallible begin_import(ImageImport **ret, Job **ret_job, const HttpRequest *request, Engine *engine)
{
	const char *repository = http_request_query(request, "repo");
	autoclear(Reference) reference = {0};
	autoclear(Platform) platform = {0};
	autoclear(StringList) changes = {0};

	if (!string_equal(http_request_query(request, "fromSrc"), "-"))
		return error_hint(error_new(ERROR_UNSUPPORTED, "cannot import from a URL"),
			"download it first, and give the file");
	if (!string_empty(repository))
		TRY(read_import_name(&reference, request, repository));
	TRY(read_platform(&platform, http_request_query(request, "platform")));
	http_request_query_all(&changes, request, "changes");
	const ImportSettings settings = {
		.reference = string_empty(repository) ? NULL : &reference,
		.message = http_request_query(request, "message"),
		.platform = platform,
		.changes = changes,
	};
	return image_import_begin(ret, ret_job, engine, &settings);
}

static void import_image(HttpRequest *request, void *context)
{
	static const UploadSink taker = {import_data, import_finish, import_abandon};
	ImageImport *import;
	Job *job;
	Error *error = begin_import(&import, &job, request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		upload_follow(request, &taker, import, job, PROGRESS_IMPORT);
}

/* ---- POST /images/create is both: an import has a body, and a pull's, if it has one, says nothing ---- */

typedef struct Waiting {
	HttpRequest *request;
	void *context;
} Waiting;

static void skip_data(void *arg, const char *bytes, size_t length)
{
	(void)arg, (void)bytes, (void)length;
}

static void body_skipped(void *arg, bool complete)
{
	Waiting *waiting = arg;

	if (complete)
		pull_image(waiting->request, waiting->context);
	free(waiting);
}

static void create_image(HttpRequest *request, void *context)
{
	Waiting *waiting;

	if (!string_empty(http_request_query(request, "fromSrc"))) {
		import_image(request, context);
		return;
	}
	waiting = mem_new(Waiting);
	*waiting = (Waiting){request, context};
	http_request_on_body(request, skip_data, body_skipped, waiting);
}

const HttpRoute transfer_routes[] = {
	{"POST", "/images/create", create_image, HTTP_BODY_STREAM, 0},
	{"POST", "/images/load", load_images, HTTP_BODY_STREAM, 0},
	{"POST", "/images/{name...}/push", push_image, 0, 0},
	{0},
};
