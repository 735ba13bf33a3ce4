// SPDX-License-Identifier: Apache-2.0
/*
 * Answers that are written as they come. libmicrohttpd sends the head; when it asks for the body, the connection is
 * suspended and the socket is ours: what a handler writes is sent once a turn of the loop, without copies in between,
 * and what the socket did not take is known to the byte. libmicrohttpd gets the connection back for the last chunk and
 * the next request.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"

enum { STREAM_BLOCK = 256 }; /* libmicrohttpd's own buffer, of which it uses nothing but the last chunk */

/* ---- sending ---- */

static int stream_fd(const HttpStream *stream)
{
	return stream->request->link->fd;
}

static bool is_done(const HttpStream *stream)
{
	return stream->ended && chunks_pending(&stream->chunks) == 0;
}

static void stream_run(HttpStream *stream);

static void on_room(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	stream_run(arg);
}

static void wait_for_room(HttpStream *stream)
{
	Error *error;

	if (chunks_pending(&stream->chunks) == 0)
		stream->room = source_free(stream->room);
	if (chunks_pending(&stream->chunks) == 0 || stream->room)
		return;
	error = loop_watch(
		&stream->room, stream->request->server->loop, stream_fd(stream), LOOP_WRITE, on_room, stream);
	if (error)
		error_log(error, "could not wait for a client to read");
}

static void stream_run(HttpStream *stream)
{
	if (stream->broken || !chunks_send(&stream->chunks, stream_fd(stream))) {
		request_leave(stream->request);
		return;
	}
	wait_for_room(stream);
	if (is_done(stream))
		request_give_back(stream->request);
	else if (!stream->ended && stream->drain && chunks_pending(&stream->chunks) == 0)
		stream->drain(stream->drain_arg);
}

static void on_turn(void *arg)
{
	HttpStream *stream = arg;

	stream->turn = source_free(stream->turn);
	stream_run(stream);
}

static void send_soon(HttpStream *stream)
{
	Error *error;

	if (!stream->is_open || stream->turn || (stream->room && !stream->broken))
		return;
	error = loop_defer(&stream->turn, stream->request->server->loop, on_turn, stream);
	if (error)
		error_log(error, "could not schedule an answer");
}

/* ---- libmicrohttpd's side: asked after the head was sent, and again when the connection is given back ---- */

/*
 * A connection that is ended by what on_asked() returns is forgotten by libmicrohttpd (0.9.75) for as long as an older
 * one stays: its socket would be open for minutes. One that cannot be written to is closed at once: it gets a byte that
 * goes nowhere.
 */
static ssize_t cut(const HttpStream *stream, char *out)
{
	shutdown(stream_fd(stream), SHUT_RDWR);
	*out = '\0';
	return 1;
}

static ssize_t on_asked(void *arg, uint64_t position, char *out, size_t max)
{
	HttpRequest *request = arg;
	HttpStream *stream = request->stream;

	(void)position, (void)max;
	if (request->left || stream->broken || !chunks_send(&stream->chunks, stream_fd(stream)))
		return cut(stream, out);
	if (is_done(stream))
		return request->is_old ? cut(stream, out) : MHD_CONTENT_READER_END_OF_STREAM;
	stream->is_open = true;
	request_suspend(request);
	send_soon(stream); /* what is left, and telling that there is room */
	connections_look(request->server);
	return 0;
}

/* HEAD gets no stream: libmicrohttpd 0.9.75 would end one with a last chunk, which the client takes for the next
 * answer. */
static struct MHD_Response *stream_response(HttpRequest *request)
{
	if (string_equal(request->method, "HEAD"))
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_asked, request, NULL);
}

/* ---- what handlers ask ---- */

HttpStream *stream_new(HttpRequest *request)
{
	request->stream = mem_new(HttpStream);
	request->stream->request = request;
	request->stream->chunks.is_plain = request->is_old;
	return request->stream;
}

void stream_stop(HttpStream *stream)
{
	stream->turn = source_free(stream->turn);
	stream->room = source_free(stream->room);
	stream->drain = NULL;
}

void stream_free(HttpStream *stream)
{
	stream_stop(stream);
	chunks_clear(&stream->chunks);
	free(stream);
}

HttpStream *http_respond_stream(HttpRequest *request, int status, const char *content_type)
{
	if (request->stream) /* it began elsewhere */
		return request->stream;
	stream_new(request);
	answer_prepare(request, status, content_type, stream_response(request));
	return request->stream;
}

void http_stream_write(HttpStream *stream, const void *data, size_t length)
{
	if (stream->request->left || length == 0)
		return;
	chunks_add(&stream->chunks, data, length);
	send_soon(stream);
}

size_t http_stream_pending(const HttpStream *stream)
{
	return chunks_pending(&stream->chunks);
}

void http_stream_on_drain(HttpStream *stream, void (*drain)(void *arg), void *arg)
{
	stream->drain = drain;
	stream->drain_arg = arg;
}

void stream_finish(HttpStream *stream)
{
	stream->ended = true;
	stream->request->answered = true;
	send_soon(stream);
	connections_look(stream->request->server);
}

void http_stream_end(HttpStream *stream)
{
	if (!stream->request->connection)
		chunks_add_last(&stream->chunks);
	stream_finish(stream);
}

void http_stream_break(HttpStream *stream)
{
	stream->broken = true;
	http_stream_end(stream);
}

void http_stream_on_carry(HttpStream *stream, void (*carry)(void *arg, HttpCarry *ret), void *arg)
{
	stream->carry = carry;
	stream->carry_arg = arg;
}
