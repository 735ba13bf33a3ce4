// SPDX-License-Identifier: Apache-2.0
#include "http/response.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"

void http_response_init(HttpResponse *response, bool bodiless)
{
	*response = (HttpResponse){.bodiless = bodiless};
	buffer_init(&response->line, HTTP_RESPONSE_LINE_MAX);
}

void http_response_clear(HttpResponse *response)
{
	map_clear(&response->headers);
	buffer_clear(&response->line);
}

bool http_response_has_head(const HttpResponse *response)
{
	return response->phase > HTTP_RESPONSE_HEADERS;
}

const char *http_response_find(const HttpResponse *response, const char *lower_name)
{
	return map_get(&response->headers, lower_name);
}

/* ---- the head ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be absent. */
static fallible parse_status_line(HttpResponse *response, const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ')
		return error_new(ERROR_UNAVAILABLE, "the answer is not HTTP/1.1");
	const char *code = line + 9;
	if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2]) || (code[3] && code[3] != ' '))
		return error_new(ERROR_UNAVAILABLE, "the answer's status line has no status");
	response->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	if (response->status < 100)
		return error_new(ERROR_UNAVAILABLE, "the answer's status %d does not exist", response->status);
	response->keep_alive = line[7] >= '1';
	response->phase = HTTP_RESPONSE_HEADERS;
	return NULL;
}

static void add_header(HttpResponse *response, const char *name, const char *value)
{
	const char *before = map_get(&response->headers, name);
	autofree char *joined = before ? string_printf("%s, %s", before, value) : NULL;
	map_set(&response->headers, name, joined ? joined : value);
}

static fallible parse_header(HttpResponse *response, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || colon == line || strpbrk(line, " \t") == line || colon[-1] == ' ' || colon[-1] == '\t')
		return error_new(ERROR_UNAVAILABLE, "the answer has a header line without a name");
	if (response->headers.count >= HTTP_RESPONSE_HEADERS_MAX)
		return error_new(ERROR_TOO_LARGE, "the answer has more than %d headers", HTTP_RESPONSE_HEADERS_MAX);
	*colon = '\0';
	autofree char *name = string_lower(line);
	add_header(response, name, string_trim(colon + 1));
	return NULL;
}

static fallible parse_length(HttpResponse *response, const char *text)
{
	int64_t length;

	TRY_WRAP(string_to_int64(&length, text, 0, INT64_MAX), "the answer's Content-Length");
	response->remaining = (uint64_t)length;
	response->phase = length > 0 ? HTTP_RESPONSE_BODY : HTTP_RESPONSE_COMPLETE;
	return NULL;
}

static bool has_no_body(const HttpResponse *response)
{
	return response->bodiless || response->status == 204 || response->status == 304 || response->status == 101;
}

/* RFC 9112 section 6.3, from a client's side. */
static fallible choose_body(HttpResponse *response)
{
	const char *coding = http_response_find(response, "transfer-encoding");
	const char *length = http_response_find(response, "content-length");

	if (has_no_body(response))
		response->phase = HTTP_RESPONSE_COMPLETE;
	else if (coding && (length || strcasecmp(coding, "chunked") != 0))
		return error_new(ERROR_UNAVAILABLE, "the answer's transfer encoding \"%s\" is unknown", coding);
	else if (coding)
		response->phase = HTTP_RESPONSE_CHUNK_SIZE;
	else if (length)
		return parse_length(response, length);
	else
		response->phase = HTTP_RESPONSE_BODY_TO_END;
	return NULL;
}

/* "100 Continue" and its like are followed by the real answer. */
static bool is_interim(const HttpResponse *response)
{
	return response->status < 200 && response->status != 101;
}

static fallible end_head(HttpResponse *response)
{
	if (is_interim(response)) {
		map_clear(&response->headers);
		response->phase = HTTP_RESPONSE_STATUS;
		return NULL;
	}
	const char *connection = http_response_find(response, "connection");
	if (connection && strcasecmp(connection, "close") == 0)
		response->keep_alive = false;
	TRY(choose_body(response));
	if (response->phase == HTTP_RESPONSE_BODY_TO_END)
		response->keep_alive = false;
	return NULL;
}

/* ---- chunks ---- */

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a;extension": at most 15 digits, so that it cannot overflow. */
static fallible parse_chunk_size(HttpResponse *response, const char *line)
{
	uint64_t size = 0;
	int digits = 0;

	for (; hex_digit(line[digits]) >= 0; digits++) {
		if (digits == 15)
			return error_new(ERROR_TOO_LARGE, "the answer has a chunk of more than 2^60 bytes");
		size = size * 16 + (uint64_t)hex_digit(line[digits]);
	}
	if (digits == 0 || (line[digits] && !strchr("; \t", line[digits])))
		return error_new(ERROR_UNAVAILABLE, "the answer has a chunk without a size");
	response->remaining = size;
	response->phase = size > 0 ? HTTP_RESPONSE_CHUNK : HTTP_RESPONSE_TRAILER;
	return NULL;
}

static fallible end_chunk(HttpResponse *response, const char *line)
{
	if (line[0])
		return error_new(ERROR_UNAVAILABLE, "the answer has a chunk that is longer than its size");
	response->phase = HTTP_RESPONSE_CHUNK_SIZE;
	return NULL;
}

/* ---- lines and data ---- */

static fallible take_line(HttpResponse *response, char *line)
{
	switch (response->phase) {
	case HTTP_RESPONSE_STATUS:
		return parse_status_line(response, line);
	case HTTP_RESPONSE_HEADERS:
		return line[0] ? parse_header(response, line) : end_head(response);
	case HTTP_RESPONSE_CHUNK_SIZE:
		return parse_chunk_size(response, line);
	case HTTP_RESPONSE_CHUNK_END:
		return end_chunk(response, line);
	default: /* a trailer: nothing here uses them */
		if (!line[0])
			response->phase = HTTP_RESPONSE_COMPLETE;
		return NULL;
	}
}

static bool is_head_line(const HttpResponse *response)
{
	return response->phase <= HTTP_RESPONSE_HEADERS || response->phase == HTTP_RESPONSE_TRAILER;
}

static fallible check_line(HttpResponse *response, size_t length)
{
	if (is_head_line(response))
		response->head_length += length;
	if (buffer_overflown(&response->line) || response->head_length > HTTP_RESPONSE_HEAD_MAX)
		return error_new(ERROR_TOO_LARGE, "the answer's head is too large");
	return NULL;
}

static fallible feed_line(HttpResponse *response, const char *data, size_t length, size_t *ret_used)
{
	const char *end = memchr(data, '\n', length);
	size_t used = end ? (size_t)(end - data) + 1 : length;

	buffer_add(&response->line, data, used);
	TRY(check_line(response, used));
	*ret_used = used;
	if (!end)
		return NULL;

	autofree char *line = buffer_steal(&response->line);
	size_t text = strcspn(line, "\r\n");
	if (strcmp(line + text, "\n") != 0 && strcmp(line + text, "\r\n") != 0)
		return error_new(ERROR_UNAVAILABLE, "the answer has a line with a control character");
	line[text] = '\0';
	return take_line(response, line);
}

static fallible feed_data(HttpResponse *response, const char *data, size_t length, size_t *ret_used, Buffer *out)
{
	size_t used = length;

	if (response->phase != HTTP_RESPONSE_BODY_TO_END && response->remaining < used)
		used = (size_t)response->remaining;
	if (!buffer_add(out, data, used))
		return error_new(ERROR_TOO_LARGE, "the answer is larger than %zu bytes", out->limit);
	*ret_used = used;
	if (response->phase == HTTP_RESPONSE_BODY_TO_END)
		return NULL;
	response->remaining -= used;
	if (response->remaining == 0)
		response->phase =
			response->phase == HTTP_RESPONSE_CHUNK ? HTTP_RESPONSE_CHUNK_END : HTTP_RESPONSE_COMPLETE;
	return NULL;
}

static bool takes_data(HttpResponsePhase phase)
{
	return phase == HTTP_RESPONSE_BODY || phase == HTTP_RESPONSE_BODY_TO_END || phase == HTTP_RESPONSE_CHUNK;
}

fallible http_response_feed(HttpResponse *response, const char *data, size_t length, size_t *ret_used, Buffer *out)
{
	size_t at = 0;

	while (at < length && response->phase != HTTP_RESPONSE_COMPLETE) {
		size_t used = 0;
		if (takes_data(response->phase))
			TRY(feed_data(response, data + at, length - at, &used, out));
		else
			TRY(feed_line(response, data + at, length - at, &used));
		at += used;
	}
	*ret_used = at;
	return NULL;
}

fallible http_response_end(HttpResponse *response)
{
	if (response->phase == HTTP_RESPONSE_BODY_TO_END)
		response->phase = HTTP_RESPONSE_COMPLETE;
	if (response->phase != HTTP_RESPONSE_COMPLETE)
		return error_new(ERROR_UNAVAILABLE, "the connection was closed in the middle of the answer");
	return NULL;
}
