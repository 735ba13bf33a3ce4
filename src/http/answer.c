// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"
#include "json/writer.h"

/* ---- preparing and queueing ---- */

static void add_headers(struct MHD_Response *response, const StringMap *headers)
{
	for (size_t i = 0; i < headers->count; i++)
		MHD_add_response_header(response, headers->items[i].key, headers->items[i].value);
}

/* The answer to a request that is gone on with has begun elsewhere: its end is all that can be told. */
static void end_begun(HttpRequest *request, struct MHD_Response *response)
{
	MHD_destroy_response(response);
	http_stream_end(request->stream);
}

void answer_prepare(HttpRequest *request, int status, const char *content_type, struct MHD_Response *response)
{
	if (!request->connection) {
		end_begun(request, response);
		return;
	}
	if (content_type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	add_headers(response, &request->server->headers);
	add_headers(response, &request->headers);
	request->response = response;
	request->status = status;
	request_resume(request);
}

enum MHD_Result answer_queue(HttpRequest *request)
{
	struct MHD_Response *response = take(request->response);
	enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);

	MHD_destroy_response(response); /* our reference: the connection has its own */
	return result;
}

void answer_clear(HttpRequest *request)
{
	if (request->response)
		MHD_destroy_response(request->response);
	request->response = NULL;
	if (request->stream)
		stream_free(take(request->stream));
	if (request->hijacked)
		request->hijacked(request->hijack_arg, -1, NULL, 0);
	request->hijacked = NULL;
}

/* ---- whole answers ---- */

void http_response_header(HttpRequest *request, const char *name, const char *value)
{
	map_set(&request->headers, name, value);
}

static void respond_memory(HttpRequest *request, int status, const char *content_type, void *body, size_t length)
{
	request->answered = true;
	answer_prepare(
		request, status, content_type, MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE));
}

void http_respond(HttpRequest *request, int status, const char *content_type, const void *body, size_t length)
{
	respond_memory(request, status, content_type, length ? mem_dup(body, length) : NULL, length);
}

void http_respond_buffer(HttpRequest *request, int status, const char *content_type, Buffer *take)
{
	size_t length = take->length;

	respond_memory(request, status, content_type, buffer_steal(take), length);
}

void http_respond_error(HttpRequest *request, Error *take)
{
	autoclear(Buffer) body = {0};
	autofree char *message = error_text(take);
	Writer writer;

	writer_init(&writer, &body);
	write_object(&writer, NULL);
	write_string(&writer, "message", message);
	if (error_hint_text(take))
		write_string(&writer, "hint", error_hint_text(take));
	write_object_end(&writer);
	buffer_add_char(&body, '\n');
	http_respond_buffer(request, error_http_status(error_kind(take)), "application/json", &body);
	error_free(take); /* it was answered */
}

/* ---- taking the connection over ---- */

static void on_upgrade(void *arg, struct MHD_Connection *connection, void *slot, const char *early, size_t length,
	MHD_socket socket, struct MHD_UpgradeResponseHandle *handle)
{
	HttpRequest *request = arg;
	void (*hijacked)(void *, int, const char *, size_t) = take(request->hijacked);
	int fd = fcntl(socket, F_DUPFD_CLOEXEC, 3);

	(void)connection, (void)slot;
	/* libmicrohttpd closes its own descriptor, without shutdown(2): ours goes on. */
	hijacked(request->hijack_arg, fd, early, fd < 0 ? 0 : length);
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
	server_kick(request->server);
}

void answer_hijack(HttpRequest *request, const char *protocol,
	void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg)
{
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, request);

	request->answered = true;
	request->hijacked = ready;
	request->hijack_arg = arg;
	MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, protocol);
	answer_prepare(request, MHD_HTTP_SWITCHING_PROTOCOLS, NULL, response);
}

void http_hijack(HttpRequest *request, const char *content_type,
	void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg)
{
	http_response_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	answer_hijack(request, "tcp", ready, arg);
}
