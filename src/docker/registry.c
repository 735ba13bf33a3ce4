// SPDX-License-Identifier: Apache-2.0
/* What registries are asked for clients: /auth, /distribution/NAME/json, /images/search. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/credentials.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "engine/lookup.h"
#include "oci/image_config.h"

enum { SEARCH_DEFAULT = 25, SEARCH_MAX = 100, RESULTS_MAX = 1000, RESULT_TEXT_MAX = 64 << 10 };

/* ---- one question, and its client ---- */

typedef struct Question {
	HttpRequest *request;
	Lookup *lookup;
	Error *(*answer)(Buffer *out, const struct Question *question, const LookupAnswer *answer);
	Filters filters; /* search */
	int64_t limit;
} Question;

static void question_free(void *arg)
{
	Question *question = arg;

	lookup_free(question->lookup);
	filters_clear(&question->filters);
	free(question);
}

static void question_done(void *arg, Error *take_error, const LookupAnswer *answer)
{
	Question *question = arg;
	HttpRequest *request = question->request;
	autoclear(Buffer) out = {0};
	Error *error = take_error ? take_error : question->answer(&out, question, answer);

	http_request_on_gone(request, NULL, NULL);
	question_free(question);
	respond_json_or_error(request, error, &out);
}

/* begin starts the lookup and says how its answer is written. */
static void ask(HttpRequest *request, void *context, Error *(*begin)(Question *question, Engine *engine))
{
	Question *question = mem_new(Question);
	Error *error;

	question->request = request;
	error = begin(question, docker_engine(context));
	if (error) {
		question_free(question);
		http_respond_error(request, error);
		return;
	}
	http_request_on_gone(request, question_free, question);
}

/* ---- POST /auth ---- */

/* "https://index.docker.io/v1/" is Docker Hub; "https://host:5000/v2/" is "host:5000". */
static char *registry_of(const char *address)
{
	const char *host = strstr(address, "://");

	host = host ? host + 3 : address;
	if (string_empty(host) || string_starts(host, "index.docker.io"))
		return mem_strdup("docker.io");
	return mem_strndup(host, strcspn(host, "/"));
}

static fallible write_login(Buffer *out, const Question *question, const LookupAnswer *answer)
{
	Writer writer;

	(void)question;
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "IdentityToken", answer->identity_token ? answer->identity_token : "");
	write_string(&writer, "Status", "Login Succeeded");
	write_object_end(&writer);
	return NULL;
}

static fallible begin_login(Question *question, Engine *engine)
{
	autoclear(ImageCredentials) credentials = {0};
	autoptr(Value) body = NULL;
	autofree char *registry = NULL;
	const char *address;

	TRY(request_object(&body, question->request));
	address = value_string(value_get(body, "serveraddress"));
	registry = registry_of(address ? address : "");
	TRY(credentials_read(&credentials, body));
	question->answer = write_login;
	return lookup_login(&question->lookup, engine, registry, &credentials, question_done, question);
}

static void check_login(HttpRequest *request, void *context)
{
	ask(request, context, begin_login);
}

/* ---- GET /distribution/NAME/json: what a name stands for, before it is pulled ---- */

static void write_platform(Writer *writer, const char *architecture, const char *os, const char *variant)
{
	write_object(writer, NULL);
	write_string(writer, "architecture", architecture);
	write_string(writer, "os", os);
	if (!string_empty(variant))
		write_string(writer, "variant", variant);
	write_object_end(writer);
}

static fallible write_platforms(Writer *writer, const FetchedImage *image)
{
	autoclear(ImageConfig) config = {0};
	autoclear(Index) index = {0};

	if (image->config_length > 0) {
		TRY(image_config_parse(&config, image->config, image->config_length));
		write_platform(writer, config.architecture, config.os, config.variant);
		return NULL;
	}
	TRY(index_parse(&index, image->manifest, image->manifest_length));
	for (size_t i = 0; i < index.count; i++) {
		const Platform *platform = &index.entries[i].platform;
		if (platform->architecture)
			write_platform(writer, platform->architecture, platform->os, platform->variant);
	}
	return NULL;
}

static fallible write_distribution(Buffer *out, const Question *question, const LookupAnswer *answer)
{
	const FetchedImage *image = answer->image;
	Writer writer;

	(void)question;
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_object(&writer, "Descriptor");
	write_string(&writer, "mediaType", image->media_type);
	write_string(&writer, "digest", image->top_digest.text);
	write_int(&writer, "size", (int64_t)image->manifest_length);
	write_object_end(&writer);
	write_array(&writer, "Platforms");
	TRY(write_platforms(&writer, image));
	write_array_end(&writer);
	write_object_end(&writer);
	return NULL;
}

static fallible begin_distribution(Question *question, Engine *engine)
{
	autoclear(ImageCredentials) credentials = {0};
	autoclear(Reference) reference = {0};

	TRY(reference_parse(&reference, http_request_param(question->request, "name")));
	TRY(credentials_parse(&credentials, http_request_header(question->request, "X-Registry-Auth")));
	question->answer = write_distribution;
	return lookup_describe(&question->lookup, engine, &reference, &credentials, question_done, question);
}

static void describe_distribution(HttpRequest *request, void *context)
{
	ask(request, context, begin_distribution);
}

/* ---- GET /images/search ---- */

typedef struct SearchResult {
	char *name, *description;
	int64_t star_count;
	bool is_official, is_automated;
} SearchResult;

typedef struct SearchResults {
	FieldArray results;
} SearchResults;

static const Field result_fields[] = {
	{.name = "name",
		.kind = FIELD_STRING,
		.offset = offsetof(SearchResult, name),
		.required = true,
		.max_length = RESULT_TEXT_MAX},
	{.name = "description",
		.kind = FIELD_STRING,
		.offset = offsetof(SearchResult, description),
		.max_length = RESULT_TEXT_MAX},
	{.name = "star_count", .kind = FIELD_INT, .offset = offsetof(SearchResult, star_count), .max = INT32_MAX},
	{.name = "is_official", .kind = FIELD_BOOL, .offset = offsetof(SearchResult, is_official)},
	{.name = "is_automated", .kind = FIELD_BOOL, .offset = offsetof(SearchResult, is_automated)},
	FIELDS_END,
};

static const Field results_fields[] = {
	{.name = "results",
		.kind = FIELD_ARRAY,
		.offset = offsetof(SearchResults, results),
		.sub = result_fields,
		.sub_size = sizeof(SearchResult),
		.max_count = RESULTS_MAX},
	FIELDS_END,
};

static void search_results_clear(SearchResults *results)
{
	fields_clear(results_fields, results);
}
DEFINE_AUTOCLEAR(SearchResults, search_results_clear)

static fallible fits_flag(bool *ret, const Filters *filters, const char *name, bool value)
{
	bool given, wanted;

	TRY(filters_bool(filters, name, &given, &wanted));
	*ret = !given || wanted == value;
	return NULL;
}

/* Each value of "stars" is a least; the largest counts. */
static fallible fits_stars(bool *ret, const Filters *filters, int64_t stars)
{
	const StringList *values = filters_values(filters, "stars");
	int64_t least;

	*ret = true;
	for (size_t i = 0; values && i < values->count; i++) {
		TRY_WRAP(string_to_int64(&least, values->items[i], 0, INT32_MAX), "invalid filter 'stars=%.64s'",
			values->items[i]);
		*ret = *ret && stars >= least;
	}
	return NULL;
}

static fallible result_fits(bool *ret, const Filters *filters, const SearchResult *result)
{
	bool official, automated, stars;

	TRY(fits_flag(&official, filters, "is-official", result->is_official));
	TRY(fits_flag(&automated, filters, "is-automated", result->is_automated));
	TRY(fits_stars(&stars, filters, result->star_count));
	*ret = official && automated && stars;
	return NULL;
}

static fallible write_results(Buffer *out, const Question *question, const LookupAnswer *answer)
{
	autoclear(SearchResults) found = {0};
	const SearchResult *results;
	int64_t left = question->limit;
	Writer writer;

	TRY(fields_read_text(results_fields, &found, "answer of the registry", answer->text, answer->length, 0));
	results = found.results.items;
	writer_init(&writer, out);
	write_array(&writer, NULL);
	for (size_t i = 0; i < found.results.count && left > 0; i++) {
		bool fits;
		TRY(result_fits(&fits, &question->filters, &results[i]));
		if (!fits)
			continue;
		fields_write(result_fields, &results[i], &writer, NULL);
		left--;
	}
	write_array_end(&writer);
	return NULL;
}

/* "host:5000/term" asks that registry for "term"; anything else is Docker Hub's. */
static char *split_term(const char **term)
{
	const char *slash = strchr(*term, '/');
	autofree char *host = slash ? mem_strndup(*term, slash - *term) : NULL;

	if (!host || (!strpbrk(host, ".:") && !string_equal(host, "localhost")))
		return mem_strdup("docker.io");
	*term = slash + 1;
	if (string_equal(host, "index.docker.io"))
		return mem_strdup("docker.io");
	return take(host);
}

static fallible read_search(Question *question)
{
	static const char *const known[] = {"is-automated", "is-official", "stars", NULL};
	static const SearchResult any = {0};
	bool fits;

	TRY(request_int(&question->limit, question->request, "limit", SEARCH_DEFAULT));
	if (question->limit == 0)
		question->limit = SEARCH_DEFAULT;
	if (question->limit < 1 || question->limit > SEARCH_MAX)
		return error_new(ERROR_INVALID, "Limit %lld is outside the range of [1, %d]",
			(long long)question->limit, SEARCH_MAX);
	TRY(filters_read(&question->filters, question->request, known));
	return result_fits(&fits, &question->filters, &any); /* values that are none are told at once */
}

static fallible begin_search(Question *question, Engine *engine)
{
	const char *term = http_request_query(question->request, "term");
	autoclear(ImageCredentials) credentials = {0};
	autofree char *registry = NULL;

	TRY(read_search(question));
	TRY(credentials_parse(&credentials, http_request_header(question->request, "X-Registry-Auth")));
	if (string_empty(term))
		return error_new(ERROR_INVALID, "query parameter \"term\" is missing");
	registry = split_term(&term);
	question->answer = write_results;
	return lookup_search(
		&question->lookup, engine, registry, term, question->limit, &credentials, question_done, question);
}

static void search_images(HttpRequest *request, void *context)
{
	ask(request, context, begin_search);
}

const HttpRoute registry_routes[] = {
	{"POST", "/auth", check_login, 0, 0},
	{"GET", "/images/search", search_images, 0, 0},
	{"GET", "/distribution/{name...}/json", describe_distribution, 0, 0},
	{0},
};
