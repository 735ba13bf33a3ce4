// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"
#include "json/writer.h"

enum {
	STREAM_BLOCK = 32 << 10,
	STREAM_KEPT = 256 << 10, /* a queue that grew beyond this gives its memory back when it is empty */
};

/* ---- preparing and queueing ---- */

static void add_headers(struct MHD_Response *response, const StringMap *headers)
{
	for (size_t i = 0; i < headers->count; i++)
		MHD_add_response_header(response, headers->items[i].key, headers->items[i].value);
}

static void prepare(HttpRequest *request, int status, const char *content_type, struct MHD_Response *response)
{
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

static void stream_free(HttpStream *stream)
{
	buffer_clear(&stream->queue);
	free(stream);
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
	prepare(request, status, content_type, MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE));
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

/* ---- streams: libmicrohttpd asks for more whenever the socket took what it had ---- */

static void shrink_queue(HttpStream *stream)
{
	if (stream->taken == stream->queue.length) {
		stream->taken = 0;
		if (stream->queue.capacity > STREAM_KEPT)
			buffer_clear(&stream->queue);
		else
			buffer_truncate(&stream->queue, 0);
	} else if (stream->taken > stream->queue.length / 2) {
		buffer_consume(&stream->queue, stream->taken);
		stream->taken = 0;
	}
}

static ssize_t take_queued(HttpStream *stream, char *out, size_t max)
{
	size_t pending = http_stream_pending(stream);
	size_t count = pending < max ? pending : max;

	memcpy(out, stream->queue.data + stream->taken, count);
	stream->taken += count;
	shrink_queue(stream);
	if (http_stream_pending(stream) == 0 && stream->drain && !stream->ended)
		stream->drain(stream->drain_arg);
	return count;
}

static ssize_t on_room(void *arg, uint64_t position, char *out, size_t max)
{
	HttpRequest *request = arg;

	(void)position;
	if (request->left || request->stream->broken)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (http_stream_pending(request->stream) > 0)
		return take_queued(request->stream, out, max);
	if (request->stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	request_suspend(request);
	return 0;
}

/* HEAD gets no stream: libmicrohttpd 0.9.75 would end one with a last chunk, which the client takes for the next
 * answer. */
static struct MHD_Response *stream_response(HttpRequest *request)
{
	if (string_equal(request->method, "HEAD"))
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_room, request, NULL);
}

HttpStream *http_respond_stream(HttpRequest *request, int status, const char *content_type)
{
	request->stream = mem_new(HttpStream);
	request->stream->request = request;
	prepare(request, status, content_type, stream_response(request));
	return request->stream;
}

void http_stream_write(HttpStream *stream, const void *data, size_t length)
{
	if (stream->request->left || length == 0)
		return;
	buffer_add(&stream->queue, data, length);
	request_resume(stream->request);
}

size_t http_stream_pending(const HttpStream *stream)
{
	return stream->queue.length - stream->taken;
}

void http_stream_on_drain(HttpStream *stream, void (*drain)(void *arg), void *arg)
{
	stream->drain = drain;
	stream->drain_arg = arg;
}

void http_stream_end(HttpStream *stream)
{
	stream->ended = true;
	stream->request->answered = true;
	request_resume(stream->request);
}

void http_stream_may_last(HttpStream *stream)
{
	stream->may_last = true;
}

void http_stream_break(HttpStream *stream)
{
	stream->broken = true;
	http_stream_end(stream);
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

void http_hijack(HttpRequest *request, const char *content_type,
	void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg)
{
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, request);

	request->answered = true;
	request->hijacked = ready;
	request->hijack_arg = arg;
	MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "tcp");
	prepare(request, MHD_HTTP_SWITCHING_PROTOCOLS, content_type, response);
}
