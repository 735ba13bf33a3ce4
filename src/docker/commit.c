// SPDX-License-Identifier: Apache-2.0
/* POST /commit: an image made of a container. Source: moby api/swagger.yaml, ImageCommit. */
#include "engine/commit.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/internal.h"

typedef struct CommitCall {
	HttpRequest *request;
	JobSubscription *subscription;
	char *id;
} CommitCall;

static void call_free(CommitCall *call)
{
	free(call->id);
	free(call);
}

static void on_progress(void *arg, const JobProgress *progress)
{
	CommitCall *call = arg;

	if (progress->phase == JOB_RESULT)
		string_replace(&call->id, progress->text);
}

static void respond_id(HttpRequest *request, const char *id)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "Id", id);
	write_object_end(&writer);
	respond_json(request, 201, &out);
}

static void on_ended(void *arg, const Error *error)
{
	CommitCall *call = arg;

	if (error)
		http_respond_error(call->request, error_copy(error));
	else
		respond_id(call->request, call->id);
	call_free(call);
}

static void on_gone(void *arg)
{
	CommitCall *call = arg;

	job_unsubscribe(call->subscription);
	call_free(call);
}

/* Clients send "null" for none. *ret_given: there is one. */
static fallible read_config(ImageConfig *ret, bool *ret_given, const HttpRequest *request)
{
	size_t length;
	const char *body = http_request_body(request, &length);
	autoptr(Value) value = NULL;

	if (!length)
		return NULL;
	TRY_WRAP(value_parse(&value, body, length), "request body");
	if (value_is_null(value))
		return NULL;
	TRY_WRAP(fields_read(image_run_fields, ret, value, 0), "request body");
	*ret_given = true;
	return NULL;
}

/* repo and tag; a repo that has a tag of its own keeps its name alone where another is given. */
static fallible read_name(Reference *ret, const char *repository, const char *tag)
{
	autofree char *whole = NULL;

	TRY(reference_parse(ret, repository));
	if (digest_is_set(&ret->digest))
		return error_new(ERROR_INVALID, "refusing to create a tag with a digest reference");
	if (!string_empty(tag)) {
		reference_clear(ret);
		const char *slash = strrchr(repository, '/'), *colon = strchr(slash ? slash : repository, ':');
		size_t length = colon ? (size_t)(colon - repository) : strlen(repository);
		whole = string_printf("%.*s:%s", (int)length, repository, tag);
		TRY(reference_parse(ret, whole));
	}
	reference_default_tag(ret);
	return NULL;
}

/* Older clients send one text of several. */
static void add_lines(StringList *out, const char *text)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.items[i])
			strings_add(out, lines.items[i]);
}

static bool is_unasked(const HttpRequest *request, const char *name)
{
	return !http_request_query(request, name);
}

static fallible begin_commit(Job **ret, HttpRequest *request, Container *container)
{
	const char *repository = http_request_query(request, "repo");
	autoclear(ImageConfig) config = {0};
	autoclear(Reference) reference = {0};
	autoclear(StringList) given = {0}, changes = {0};
	bool has_config = false;

	TRY(read_config(&config, &has_config, request));
	if (!string_empty(repository))
		TRY(read_name(&reference, repository, http_request_query(request, "tag")));
	http_request_query_all(&given, request, "changes");
	for (size_t i = 0; i < given.count; i++)
		add_lines(&changes, given.items[i]);
	const CommitRequest wanted = {
		.reference = string_empty(repository) ? NULL : &reference,
		.author = http_request_query(request, "author"),
		.comment = http_request_query(request, "comment"),
		.pauses = is_unasked(request, "pause") || http_request_flag(request, "pause"),
		.changes = &changes,
		.config = has_config ? &config : NULL,
	};
	return container_commit(ret, container, &wanted);
}

static void commit_container(HttpRequest *request, void *context)
{
	static const JobHandlers handlers = {.progress = on_progress, .ended = on_ended};
	const char *name = http_request_query(request, "container");
	Container *container = NULL;
	Job *job;
	Error *error = string_empty(name) ? error_new(ERROR_INVALID, "invalid name or ID supplied: \"\"")
					  : container_find(&container, docker_engine(context), name);

	if (!error)
		error = begin_commit(&job, request, container);
	if (error) {
		http_respond_error(request, error);
		return;
	}
	CommitCall *call = mem_new(CommitCall);
	call->request = request;
	http_request_on_gone(request, on_gone, call);
	call->subscription = job_subscribe(job, &handlers, call);
}

const HttpRoute commit_routes[] = {
	{"POST", "/commit", commit_container, 0, 0},
	{0},
};
