// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "cli/host.h"
#include "cli/terminal.h"
#include "json/writer.h"

enum { LINE_MAX_LENGTH = 4 << 20 };

/* ---- targets ---- */

static void add_encoded(Buffer *out, const char *text, const char *kept)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if ((*c < 0x80 && isalnum(*c)) || strchr(kept, *c))
			buffer_add_char(out, (char)*c);
		else
			buffer_printf(out, "%%%02X", *c);
	}
}

void target_path(Buffer *target, const char *before, const char *part, const char *after)
{
	buffer_add_text(target, before);
	add_encoded(target, part, "-._~");
	buffer_add_text(target, after);
}

void target_image(Buffer *target, const char *name, const char *after)
{
	buffer_add_text(target, "/images/");
	add_encoded(target, name, "-._~/:@");
	buffer_add_text(target, after);
}

void target_query(Buffer *target, const char *key, const char *value)
{
	if (!value)
		return;
	buffer_add_char(target, strchr(buffer_text(target), '?') ? '&' : '?');
	buffer_printf(target, "%s=", key);
	add_encoded(target, value, "-._~");
}

void target_query_int(Buffer *target, const char *key, int64_t value)
{
	autofree char *text = string_printf("%lld", (long long)value);
	target_query(target, key, text);
}

void target_query_flag(Buffer *target, const char *key, bool value)
{
	target_query(target, key, value ? "1" : NULL);
}

/* All values of one key, which is written where it is met first. */
static void write_filter(Writer *writer, const StringList *filters, size_t first, size_t key_length)
{
	const char *key = filters->items[first];
	autofree char *name = string_printf("%.*s", (int)key_length, key);

	for (size_t i = 0; i < first; i++)
		if (strncmp(filters->items[i], key, key_length + 1) == 0)
			return;
	write_object(writer, name);
	for (size_t i = first; i < filters->count; i++)
		if (strncmp(filters->items[i], key, key_length + 1) == 0)
			write_bool(writer, filters->items[i] + key_length + 1, true);
	write_object_end(writer);
}

fallible target_query_filters(Buffer *target, const StringList *filters)
{
	autoclear(Buffer) json = {0};
	Writer writer;

	if (filters->count == 0)
		return NULL;
	writer_init(&writer, &json);
	write_object(&writer, NULL);
	for (size_t i = 0; i < filters->count; i++) {
		const char *equals = strchr(filters->items[i], '=');
		if (!equals || equals == filters->items[i])
			return error_new(
				ERROR_INVALID, "filter \"%s\" is not of the form NAME=VALUE", filters->items[i]);
		write_filter(&writer, filters, i, (size_t)(equals - filters->items[i]));
	}
	write_object_end(&writer);
	target_query(target, "filters", buffer_text(&json));
	return NULL;
}

/* ---- calls ---- */

/* Docker's texts that say what is wrong, and not what would be right. */
static const struct {
	const char *words, *hint;
} expected[] = {
	{"invalid filter '", "--help lists the filters"},
	{"invalid condition: ", "it is not-running, next-exit or removed"},
	{"Invalid signal: ", "it is a name such as HUP or TERM, or a number"},
	{"invalid restart policy", "it is no, always, unless-stopped or on-failure[:MAX]"},
};

static fallible hint_at_expected(Error *error)
{
	for (size_t i = 0; i < COUNT(expected); i++)
		if (strstr(error_message(error), expected[i].words))
			return error_hint(error, "%s", expected[i].hint);
	return error;
}

Error *api_failure(ErrorKind kind, const char *message, const char *hint)
{
	autofree char *tail = string_printf(": %s", hint ? hint : "");
	size_t length = strlen(message), tail_length = strlen(tail);

	if (!hint || length < tail_length || !string_equal(message + length - tail_length, tail))
		return hint_at_expected(error_new(kind, "%s", message));
	return error_hint(error_new(kind, "%.*s", (int)(length - tail_length), message), "%s", hint);
}

/* The daemon's words; what is no JSON (something else listens there) is shown cut. */
fallible api_error(HttpClient *client)
{
	autoclear(Buffer) body = {.limit = API_ERROR_MAX};
	autoptr(Value) value = NULL;
	int status = http_client_status(client);
	ErrorKind kind = error_kind_of_http(status);

	TRY(http_client_read_all(client, &body));
	Error *ill_formed = value_parse(&value, buffer_text(&body), body.length);
	error_free(ill_formed); /* the text itself is shown below */
	const char *message = value_string(value_get(value, "message"));
	if (message)
		return api_failure(kind, message, value_string(value_get(value, "hint")));
	return error_new(kind, "kedged answered with status %d: %.200s", status,
		string_trim(body.data ? body.data : (char[]){""}));
}

fallible api_open(HttpClient *client, const HttpCall *call)
{
	TRY(http_client_call(client, call));
	return http_client_status(client) >= 400 ? api_error(client) : NULL;
}

static fallible call_for_text(Cli *cli, Buffer *body, const HttpCall *call)
{
	buffer_init(body, API_ANSWER_MAX);
	TRY(api_open(cli->client, call));
	return http_client_read_all(cli->client, body);
}

static fallible call_for_value(Cli *cli, Value **ret, const HttpCall *call)
{
	autoclear(Buffer) body = {0};

	TRY(call_for_text(cli, &body, call));
	if (!ret)
		return NULL;
	*ret = NULL;
	if (body.length > 0)
		TRY_WRAP(value_parse(ret, body.data, body.length), "kedged's answer to %s %s", call->method,
			call->target);
	return NULL;
}

fallible api_get(Cli *cli, Value **ret, const char *target)
{
	HttpCall call = {.method = "GET", .target = target};
	return call_for_value(cli, ret, &call);
}

fallible api_get_text(Cli *cli, char **ret, const char *target)
{
	HttpCall call = {.method = "GET", .target = target};
	autoclear(Buffer) body = {0};

	TRY(call_for_text(cli, &body, &call));
	*ret = buffer_steal(&body);
	return NULL;
}

fallible api_send(Cli *cli, Value **ret, const char *method, const char *target, const char *json)
{
	HttpCall call = {.method = method, .target = target};

	if (json) {
		call.content_type = "application/json";
		call.body = json;
		call.length = strlen(json);
	}
	return call_for_value(cli, ret, &call);
}

fallible api_post(Cli *cli, Value **ret, const char *target, const char *json)
{
	return api_send(cli, ret, "POST", target, json);
}

fallible api_delete(Cli *cli, Value **ret, const char *target)
{
	HttpCall call = {.method = "DELETE", .target = target};
	return call_for_value(cli, ret, &call);
}

void api_print_warnings(const Value *answer)
{
	const Value *warnings = value_get(answer, "Warnings");

	fflush(stdout);
	for (size_t i = 0; i < value_count(warnings); i++) {
		const char *text = value_string(value_at(warnings, i));
		terminal_tell(stderr, "WARNING", NULL, text ? text : "");
	}
}

HttpClient *api_connect(const Cli *cli)
{
	return host_client(cli->host);
}

fallible api_stream(HttpClient **ret, const Cli *cli, const char *target)
{
	HttpCall call = {.method = "GET", .target = target};
	autoptr(HttpClient) client = api_connect(cli);

	TRY(api_open(client, &call));
	*ret = take(client);
	return NULL;
}

/* ---- lines ---- */

static bool is_blank(const char *text, size_t length)
{
	while (length > 0 && isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	return length == 0;
}

static fallible parse_line(const char *text, size_t length, ApiLine *each, void *arg)
{
	autoptr(Value) value = NULL;

	if (is_blank(text, length))
		return NULL;
	TRY_WRAP(value_parse(&value, text, length), "a line from kedged");
	return each(arg, value);
}

static fallible parse_lines(Buffer *text, ApiLine *each, void *arg)
{
	size_t at = 0;
	const char *end;

	while (at < text->length && (end = memchr(text->data + at, '\n', text->length - at))) {
		TRY(parse_line(text->data + at, (size_t)(end - text->data) - at, each, arg));
		at = (size_t)(end - text->data) + 1;
	}
	buffer_consume(text, at);
	return NULL;
}

fallible api_each_line(HttpClient *client, ApiLine *each, void *arg)
{
	autoclear(Buffer) text = {.limit = LINE_MAX_LENGTH};
	bool end = false;

	while (!end) {
		TRY(http_client_read(client, &text, &end));
		TRY(parse_lines(&text, each, arg));
	}
	return parse_line(buffer_text(&text), text.length, each, arg);
}
