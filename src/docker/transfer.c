// SPDX-License-Identifier: Apache-2.0
/* Images on the way: pull, push, load, and the credentials for it. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/credentials.h"
#include "docker/internal.h"
#include "docker/progress.h"

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

	if (!string_empty(http_request_query(request, "fromSrc")))
		return error_new(ERROR_UNSUPPORTED, "importing an image from an archive is not available yet");
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

/* ---- load: the body is an archive, fed as it comes ---- */

typedef struct Load {
	HttpRequest *request;
	ImageLoad *load; /* NULL: the job has ended */
	Job *job;
	JobSubscription *subscription;
	Error *failure; /* why the job ended while the body still came */
} Load;

/* The archive was found bad while the client still sends: what comes is thrown away, the answer waits for the body's
 * end. */
static void load_ended_early(void *arg, const Error *error)
{
	Load *load = arg;

	load->subscription = NULL;
	load->load = NULL;
	if (error)
		load->failure = error_new(error_kind(error), "%s", error_message(error));
}

static void load_free(Load *load)
{
	if (load->load)
		image_load_abandon(load->load);
	error_free(load->failure);
	free(load);
}

static void load_data(void *arg, const char *bytes, size_t length)
{
	Load *load = arg;
	Error *error = load->load ? image_load_data(load->load, bytes, length) : NULL;

	if (!error)
		return;
	http_respond_error(load->request, error);
	load_free(load);
}

static void load_body_complete(Load *load)
{
	if (!load->load) {
		http_respond_error(load->request, take(load->failure));
		return;
	}
	progress_follow(load->request, load->job, PROGRESS_LOAD, "", NULL);
	job_unsubscribe(load->subscription);
	image_load_finish(load->load);
	load->load = NULL;
}

static void load_end(void *arg, bool complete)
{
	Load *load = arg;

	if (complete)
		load_body_complete(load);
	load_free(load);
}

static void load_images(HttpRequest *request, void *context)
{
	static const JobHandlers handlers = {.ended = load_ended_early};
	Load *load = mem_new(Load);
	Error *error = image_load_begin(&load->load, &load->job, docker_engine(context));

	load->request = request;
	if (error) {
		free(load);
		http_respond_error(request, error);
		return;
	}
	load->subscription = job_subscribe(load->job, &handlers, load);
	http_request_on_body(request, load_data, load_end, load);
}

/* ---- credentials ---- */

typedef struct Login {
	HttpRequest *request;
	JobSubscription *subscription;
} Login;

static void login_ended(void *arg, const Error *error)
{
	static const char body[] = "{\"IdentityToken\":\"\",\"Status\":\"Login Succeeded\"}\n";
	Login *login = arg;

	if (error)
		http_respond_error(login->request, error_copy(error));
	else
		http_respond(login->request, 200, "application/json", body, sizeof(body) - 1);
	free(login);
}

static void login_gone(void *arg)
{
	Login *login = arg;

	job_unsubscribe(login->subscription);
	free(login);
}

/* "https://index.docker.io/v1/" is Docker Hub; "https://host:5000/v2/" is "host:5000". */
static char *registry_of(const char *address)
{
	const char *host = strstr(address, "://");

	host = host ? host + 3 : address;
	if (string_empty(host) || string_starts(host, "index.docker.io"))
		return mem_strdup("docker.io");
	return mem_strndup(host, strcspn(host, "/"));
}

static fallible begin_login(Job **ret, HttpRequest *request, Engine *engine)
{
	autoclear(ImageCredentials) credentials = {0};
	autoptr(Value) body = NULL;
	autofree char *registry = NULL;
	const char *address;

	TRY(request_object(&body, request));
	address = value_string(value_get(body, "serveraddress"));
	registry = registry_of(address ? address : "");
	TRY(credentials_read(&credentials, body));
	return image_login(ret, engine, registry, &credentials);
}

static void check_login(HttpRequest *request, void *context)
{
	static const JobHandlers handlers = {.ended = login_ended};
	Login *login;
	Job *job;
	Error *error = begin_login(&job, request, docker_engine(context));

	if (error) {
		http_respond_error(request, error);
		return;
	}
	login = mem_new(Login);
	login->request = request;
	http_request_on_gone(request, login_gone, login);
	login->subscription = job_subscribe(job, &handlers, login);
}

const HttpRoute transfer_routes[] = {
	{"POST", "/images/create", pull_image, 0, 0},
	{"POST", "/images/load", load_images, HTTP_BODY_STREAM, 0},
	{"POST", "/images/{name...}/push", push_image, 0, 0},
	{"POST", "/auth", check_login, 0, 0},
	{0},
};
