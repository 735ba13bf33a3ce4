// SPDX-License-Identifier: Apache-2.0
/* The dashboard at "/": its files out of kedged itself, compressed as they are kept. */
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "api/web_files.h"
#include "base/strings.h"

/* Nothing from elsewhere, and nobody may put the dashboard into a page of theirs. Styles may be set by scripts: the
 * terminal does so. */
#define POLICY                                                                                                         \
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "              \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const char absent[] = "<!doctype html><title>kedge</title><p>This kedged was built without its dashboard. The "
			     "command line does everything that it does: see kedge --help.</p>\n";

static const char refused[] = "the dashboard is sent compressed: the header \"Accept-Encoding\" must allow gzip\n";

static const WebFile *find_file(const char *path)
{
	for (const WebFile *file = web_files; file->path; file++)
		if (string_equal(file->path, path))
			return file;
	return NULL;
}

static void protect(HttpRequest *request)
{
	http_response_header(request, "Content-Security-Policy", POLICY);
	http_response_header(request, "X-Content-Type-Options", "nosniff");
	http_response_header(request, "Referrer-Policy", "no-referrer");
	http_response_header(request, "X-Frame-Options", "DENY");
}

/* One entry of a list such as "gzip;q=1.0, br"; "q=0" is a refusal. */
static bool takes_gzip(const char *accepted)
{
	autoclear(StringList) words = {0};

	strings_split(&words, accepted ? accepted : "", ',');
	for (size_t i = 0; i < words.count; i++) {
		const char *word = string_trim(words.items[i]);
		size_t length = strcspn(word, "; ");
		bool is_right = (length == 4 && !strncasecmp(word, "gzip", 4)) || (length == 1 && *word == '*');
		if (is_right && !strstr(word, "q=0;") && !string_ends(word, "q=0") && !string_ends(word, "q=0.0"))
			return true;
	}
	return false;
}

static bool has_it(const HttpRequest *request, const WebFile *file)
{
	const char *known = http_request_header(request, "If-None-Match");

	return known && strstr(known, file->etag);
}

static void send_file(HttpRequest *request, const WebFile *file)
{
	http_response_header(request, "ETag", file->etag);
	http_response_header(request, "Cache-Control",
		file->is_named_by_content ? "public, max-age=31536000, immutable" : "no-cache");
	http_response_header(request, "Vary", "Accept-Encoding");
	if (has_it(request, file)) {
		respond_status(request, 304);
		return;
	}
	http_response_header(request, "Content-Encoding", "gzip");
	http_respond(request, 200, file->type, file->bytes, file->length);
}

static void serve(HttpRequest *request, const char *path)
{
	const WebFile *file = find_file(path);

	protect(request);
	if (!file && string_equal(path, "/"))
		http_respond(request, 501, "text/html; charset=utf-8", absent, strlen(absent));
	else if (!file)
		http_respond_error(request, error_new(ERROR_NOT_FOUND, "the dashboard has no file \"%.200s\"", path));
	else if (!takes_gzip(http_request_header(request, "Accept-Encoding")))
		http_respond(request, 406, "text/plain", refused, strlen(refused));
	else
		send_file(request, file);
}

static void page(HttpRequest *request, void *context)
{
	(void)context;
	serve(request, "/");
}

static void icon(HttpRequest *request, void *context)
{
	(void)context;
	serve(request, "/favicon.svg");
}

static void asset(HttpRequest *request, void *context)
{
	autofree char *path = string_printf("/assets/%s", http_request_param(request, "name"));

	(void)context;
	serve(request, path);
}

const HttpRoute web_routes[] = {
	{"GET", "/", page, DOCKER_OPEN, 0},
	{"GET", "/favicon.svg", icon, DOCKER_OPEN, 0},
	{"GET", "/assets/{name}", asset, DOCKER_OPEN, 0},
	{0},
};
