// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"
#include "http/route.h"

enum {
	QUERY_PARAMS_MAX = 512,
	QUERY_PARAM_COST = 64,       /* bytes that libmicrohttpd keeps of each, beside its text */
	QUERY_MEMORY_MAX = 24 << 10, /* of HTTP_HEADERS_MAX: the headers and the answer's head need some, too */
	DISCARD_MAX = 16 << 20, /* what is read of a refused body, so that the connection can go on; beyond it is cut */
};

/* ---- life ---- */

static HttpRequest *request_new(HttpServer *server, HttpConnection *link, const char *url, const char *method)
{
	HttpRequest *request = mem_new(HttpRequest);

	request->server = server;
	request->connection = link->connection;
	request->link = link;
	request->link->request = request;
	request->path = url;
	request->method = method;
	request->carried.fd = -1;
	list_append(&server->requests, &request->in_server);
	return request;
}

static void watch(HttpRequest *request)
{
	struct epoll_event event = {.events = 0, .data.ptr = request};

	if (!request->watched)
		request->watched = epoll_ctl(request->server->watch_fd, EPOLL_CTL_ADD, request->link->fd, &event) == 0;
}

static void unwatch(HttpRequest *request)
{
	if (request->watched)
		epoll_ctl(request->server->watch_fd, EPOLL_CTL_DEL, request->link->fd, NULL);
	request->watched = false;
}

static void request_free(HttpRequest *request)
{
	unwatch(request);
	list_remove(&request->in_server);
	answer_clear(request);
	map_clear(&request->params);
	map_clear(&request->query);
	strings_clear(&request->repeated);
	map_clear(&request->headers);
	buffer_clear(&request->body);
	buffer_clear(&request->carried.cursor);
	close_fd(&request->carried.fd);
	free(request->own_method);
	free(request->own_path);
	free(request);
}

/* ---- waiting ---- */

void request_suspend(HttpRequest *request)
{
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	watch(request);
}

void request_resume(HttpRequest *request)
{
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	server_kick(request->server);
}

/* One that is ours ends with its request. */
static void end_connection(HttpRequest *request)
{
	HttpConnection *link = request->link;

	request_free(request);
	close_fd(&link->fd);
	connection_free(link);
}

static void end_body(HttpRequest *request, bool complete)
{
	if (request->body_ended)
		return;
	request->body_ended = true;
	if (request->body_end && !request->answered)
		request->body_end(request->body_arg, complete);
}

void request_leave(HttpRequest *request)
{
	unwatch(request);
	if (request->left)
		return;
	request->left = true;
	if (request->stream)
		stream_stop(request->stream);
	end_body(request, false);
	if (!request->answered && request->gone)
		request->gone(request->gone_arg);
	if (!request->connection)
		end_connection(request);
	else if (!request->server->handed_over)
		request_resume(request);
}

void request_give_back(HttpRequest *request)
{
	HttpServer *server = request->server;

	if (request->connection) {
		request_resume(request);
		return;
	}
	if (request->is_old) {
		end_connection(request);
		return;
	}
	unwatch(request);
	int fd = take_fd(&request->link->fd);
	end_connection(request);
	carry_return(server, fd);
}

void request_completed(
	void *server, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode code)
{
	HttpRequest *request = *slot;

	(void)connection, (void)code;
	*slot = NULL;
	if (!request)
		return;
	request_leave(request);
	connection_answered(server, request->link);
	request_free(request);
}

/* ---- taking it apart ---- */

typedef struct QueryReader {
	HttpRequest *request;
	Error *error;
} QueryReader;

fallible request_add_query(HttpRequest *request, const char *key, const char *decoded)
{
	if (!*key) /* "?&a=1", "?=1": it is of no parameter, and stands for the end where a query is carried */
		return NULL;
	if (request->query.count + request->repeated.count >= QUERY_PARAMS_MAX)
		return error_new(ERROR_INVALID, "more than %d query parameters", QUERY_PARAMS_MAX);
	if (!map_get(&request->query, key))
		map_set(&request->query, key, decoded);
	else
		strings_printf(&request->repeated, "%s=%s", key, decoded);
	return NULL;
}

static fallible add_query(HttpRequest *request, const char *key, const char *value)
{
	autofree char *decoded = NULL;

	TRY_WRAP(
		percent_decode(&decoded, value ? value : "", value ? strlen(value) : 0), "query parameter \"%s\"", key);
	return request_add_query(request, key, decoded);
}

static bool is_long(const char *query)
{
	size_t count = 1;

	for (const char *at = query; (at = strchr(at, '&')); at++)
		count++;
	return count > QUERY_PARAMS_MAX || count * QUERY_PARAM_COST + strlen(query) > QUERY_MEMORY_MAX;
}

/*
 * Called with the address as it came, before it is taken apart. A query whose parameters do not fit into the
 * connection's memory would leave libmicrohttpd (0.9.75) without room for an answer, and the client waiting: it is cut
 * off here, where it still lies in that memory, and refused as soon as the headers are there.
 */
void *request_announced(void *server, const char *url, struct MHD_Connection *connection)
{
	char *query = strchr((char *)url, '?');

	(void)server;
	if (query && is_long(query + 1)) {
		query[1] = '\0';
		connection_of(connection)->has_long_query = true;
	}
	return NULL; /* the request begins with its headers */
}

static enum MHD_Result on_query(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	QueryReader *reader = arg;

	(void)kind;
	reader->error = add_query(reader->request, key, value);
	return reader->error ? MHD_NO : MHD_YES;
}

static fallible read_query(HttpRequest *request)
{
	QueryReader reader = {.request = request};

	if (request->link->has_long_query) {
		request->link->has_long_query = false;
		return error_new(ERROR_INVALID,
			"the request's address has more than %d query parameters, or too long ones", QUERY_PARAMS_MAX);
	}
	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_query, &reader);
	return reader.error;
}

static fallible read_params(HttpRequest *request, const RouteMatch *match)
{
	for (size_t i = 0; i < match->count; i++) {
		const RouteParam *param = &match->params[i];
		autofree char *name = mem_strndup(param->name, param->name_length);
		autofree char *value = NULL;

		TRY(percent_decode(&value, param->value, param->value_length));
		map_set(&request->params, name, value);
	}
	return NULL;
}

static size_t body_max(const HttpRequest *request)
{
	return request->route->body_max ? request->route->body_max : HTTP_BODY_MAX;
}

static fallible too_large(const HttpRequest *request)
{
	return error_new(ERROR_TOO_LARGE, "request body is larger than %zu bytes", body_max(request));
}

/* What the client says that it will send; a chunked body says nothing. */
static uint64_t announced_length(const HttpRequest *request)
{
	const char *text = http_request_header(request, "Content-Length");

	return text ? strtoull(text, NULL, 10) : 0;
}

static fallible find_route(HttpRequest *request)
{
	const HttpServerOptions *options = &request->server->options;
	const char *path = request->path;
	RouteMatch match;

	if (options->rewrite)
		TRY(options->rewrite(options->context, request, &path));
	request->route = route_find(&match, options->routes, request->method, path);
	if (options->admit)
		TRY(options->admit(options->context, request, request->route));
	if (!request->route)
		return error_new(ERROR_NOT_FOUND, "page not found");
	return read_params(request, &match);
}

static fallible read_head(HttpRequest *request)
{
	TRY(read_query(request));
	TRY(find_route(request));
	request->body.limit = body_max(request);
	if (!(request->route->flags & HTTP_BODY_STREAM) && announced_length(request) > body_max(request))
		return too_large(request);
	return NULL;
}

/* ---- libmicrohttpd's calls: once with the headers, for each piece of the body, at the end, and after each resume ----
 */

static void call_handler(HttpRequest *request)
{
	const HttpRoute *route = request->route;

	request->called = true;
	route->handler(request, route->context ? route->context : request->server->options.context);
}

static enum MHD_Result take_headers(HttpRequest *request)
{
	Error *error = read_head(request);

	if (error)
		http_respond_error(request, error);
	else if (request->route->flags & HTTP_BODY_STREAM)
		call_handler(request);
	/* An answer given now ends the connection after it, which is right only where reading the body would take too
	 * long. */
	if (request->response && announced_length(request) > DISCARD_MAX)
		return answer_queue(request);
	return MHD_YES;
}

static enum MHD_Result take_body(HttpRequest *request, const char *data, size_t *length)
{
	size_t count = *length;

	if (request->body_paused && !request->answered) {
		request_suspend(request);
		return MHD_YES;
	}
	*length = 0;
	connection_asked(request->link, count);
	if (request->body_data && !request->answered) {
		request->body_data(request->body_arg, data, count);
	} else if (request->response || request->called || request->too_large) {
		request->discarded += count;
	} else if (!buffer_add(&request->body, data, count)) {
		request->too_large = true;
		buffer_clear(&request->body);
	}
	return request->discarded > DISCARD_MAX && !request->called ? MHD_NO : MHD_YES;
}

static void finish_body(HttpRequest *request)
{
	if (request->called)
		end_body(request, true);
	else if (request->response)
		return;
	else if (request->too_large)
		http_respond_error(request, too_large(request));
	else
		call_handler(request);
}

static enum MHD_Result take_end(HttpRequest *request)
{
	if (!request->body_ended && http_request_header(request, "Transfer-Encoding"))
		request->link->unasked = 0; /* how its chunks were marked is not told */
	if (!request->body_ended)
		finish_body(request);
	request->body_ended = true;
	if (request->response)
		return answer_queue(request);
	request_suspend(request);
	return MHD_YES;
}

static size_t head_length(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
}

enum MHD_Result request_handle(void *server, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **slot)
{
	HttpRequest *request = *slot;

	if (!request) {
		request = *slot = request_new(server, connection_of(connection), url, method);
		request->is_old = string_equal(version, MHD_HTTP_VERSION_1_0);
		connection_asked(request->link, head_length(connection));
		return take_headers(request);
	}
	if (request->left)
		return MHD_NO;
	return *upload_size > 0 ? take_body(request, upload, upload_size) : take_end(request);
}

/* ---- requests that another program took ---- */

HttpRequest *request_taken_over(HttpServer *server, HttpConnection *link, const char *method, const char *path)
{
	char *own_method = mem_strdup(method), *own_path = mem_strdup(path);
	HttpRequest *request = request_new(server, link, own_path, own_method);

	request->own_method = own_method;
	request->own_path = own_path;
	request->body_ended = true;
	stream_new(request)->is_open = true;
	watch(request);
	return request;
}

void request_begin_again(HttpRequest *request)
{
	Error *error = find_route(request);

	if (error)
		http_respond_error(request, error);
	else
		call_handler(request);
}

int http_request_take_socket(HttpRequest *request)
{
	unwatch(request);
	int fd = take_fd(&request->link->fd);
	end_connection(request);
	return fd;
}

/* ---- what handlers ask ---- */

const char *http_request_method(const HttpRequest *request)
{
	return request->method;
}

const char *http_request_path(const HttpRequest *request)
{
	return request->path;
}

const char *http_request_param(const HttpRequest *request, const char *name)
{
	return map_get(&request->params, name);
}

const char *http_request_query(const HttpRequest *request, const char *name)
{
	return map_get(&request->query, name);
}

void http_request_query_all(StringList *ret, const HttpRequest *request, const char *name)
{
	const char *first = http_request_query(request, name);
	size_t length = strlen(name);

	if (first)
		strings_add(ret, first);
	for (size_t i = 0; i < request->repeated.count; i++) {
		const char *pair = request->repeated.items[i];
		if (strncmp(pair, name, length) == 0 && pair[length] == '=')
			strings_add(ret, pair + length + 1);
	}
}

bool http_request_flag(const HttpRequest *request, const char *name)
{
	static const char *const no[] = {"", "0", "no", "false", "none"};
	const char *value = map_get(&request->query, name);

	if (!value)
		return false;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (!strcasecmp(value, no[i]))
			return false;
	return true;
}

const char *http_request_header(const HttpRequest *request, const char *name)
{
	if (!request->connection)
		return NULL;
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_request_body(const HttpRequest *request, size_t *ret_length)
{
	if (ret_length)
		*ret_length = request->body.length;
	return buffer_text(&request->body);
}

void http_request_set_data(HttpRequest *request, void *data)
{
	request->data = data;
}

void *http_request_data(const HttpRequest *request)
{
	return request->data;
}

void http_request_on_body(HttpRequest *request, void (*data)(void *arg, const char *bytes, size_t length),
	void (*end)(void *arg, bool complete), void *arg)
{
	request->body_data = data;
	request->body_end = end;
	request->body_arg = arg;
}

void http_request_pause_body(HttpRequest *request, bool paused)
{
	request->body_paused = paused;
	if (!paused && !request->body_ended)
		request_resume(request);
}

void http_request_on_gone(HttpRequest *request, void (*gone)(void *arg), void *arg)
{
	request->gone = gone;
	request->gone_arg = arg;
}

HttpCarry *http_request_carried(HttpRequest *request)
{
	return request->connection ? NULL : &request->carried;
}
