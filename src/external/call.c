// SPDX-License-Identifier: Apache-2.0
#include "external/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/response.h"
#include "json/value.h"

enum { PIECE_MAX = 64 << 10, WORDS_MAX = 1000 };

struct ExternalCall {
	Loop *loop;
	ExternalRequest request; /* method and target are in the text that is sent */
	int fd;
	Source *io, *timer, *broken;
	Error *why; /* of broken */
	Buffer text, body;
	size_t sent;
	HttpResponse response;
	bool is_told; /* the head was */
	bool is_over;
};

/* ---- the end ---- */

static void hang_up(ExternalCall *call)
{
	call->io = source_free(call->io);
	call->timer = source_free(call->timer);
	call->broken = source_free(call->broken);
	close_fd(&call->fd);
}

static void finish(ExternalCall *call, Error *take_error)
{
	hang_up(call);
	call->is_over = true;
	call->request.done(call->request.arg, take_error, take_error ? 0 : call->response.status, &call->body);
}

static void free_call(void *arg)
{
	ExternalCall *call = arg;

	error_free(call->why); /* nobody is left to be told */
	buffer_clear(&call->text);
	buffer_clear(&call->body);
	http_response_clear(&call->response);
	free(call);
}

ExternalCall *external_call_free(ExternalCall *call)
{
	if (!call)
		return NULL;
	hang_up(call);
	call->is_over = true;
	loop_defer_free(call->loop, free_call, call);
	return NULL;
}

/* ---- receiving ---- */

static bool is_in_pieces(const ExternalCall *call)
{
	return call->request.data && call->response.status == 200;
}

static void tell_head(ExternalCall *call)
{
	call->is_told = true;
	source_rearm(call->timer, -1);
	call->request.head(call->request.arg);
}

static fallible take_bytes(ExternalCall *call, const char *bytes, size_t length)
{
	size_t used = 0;

	TRY(http_response_feed(&call->response, bytes, length, &used, &call->body));
	if (!http_response_has_head(&call->response) || !is_in_pieces(call))
		return NULL;
	if (call->request.head && !call->is_told)
		tell_head(call);
	if (!call->is_over && call->body.length)
		call->request.data(call->request.arg, call->body.data, call->body.length);
	buffer_truncate(&call->body, 0);
	return NULL;
}

static fallible take_piece(ExternalCall *call, bool *ret_end)
{
	char piece[PIECE_MAX];
	ssize_t length = read(call->fd, piece, sizeof(piece));

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? NULL : error_errno(errno, "the connection broke");
	*ret_end = length == 0;
	return length ? take_bytes(call, piece, (size_t)length) : http_response_end(&call->response);
}

static void receive(ExternalCall *call)
{
	bool is_end = false;
	Error *error = take_piece(call, &is_end);

	if (call->is_over)
		error_free(error); /* nobody wants to know any more */
	else if (error || is_end || call->response.phase == HTTP_RESPONSE_COMPLETE)
		finish(call, error);
}

/* ---- sending ---- */

static fallible send_piece(ExternalCall *call)
{
	ssize_t length = send(call->fd, call->text.data + call->sent, call->text.length - call->sent, MSG_NOSIGNAL);

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? NULL : error_errno(errno, "it cannot be asked");
	call->sent += (size_t)length;
	if (call->sent == call->text.length)
		source_set_events(call->io, LOOP_READ);
	return NULL;
}

static void on_io(void *arg, int fd, unsigned events)
{
	ExternalCall *call = arg;
	Error *error;

	(void)fd;
	(void)events;
	if (call->sent == call->text.length) {
		receive(call);
		return;
	}
	error = send_piece(call);
	if (error)
		finish(call, error);
}

static void on_time(void *arg)
{
	ExternalCall *call = arg;

	finish(call, error_new(ERROR_UNAVAILABLE, "it gave no answer in %lld s",
			     (long long)(call->request.timeout_ns / 1000000000)));
}

static void on_broken(void *arg)
{
	ExternalCall *call = arg;

	finish(call, take(call->why));
}

/* ---- the beginning ---- */

static fallible dial(ExternalCall *call, const ExternalAddress *address)
{
	call->fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (call->fd < 0)
		return error_errno(errno, "no socket could be made");
	if (connect(call->fd, (const struct sockaddr *)&address->socket, address->length) < 0 && errno != EINPROGRESS)
		return error_errno(errno, "it cannot be reached");
	return loop_watch(&call->io, call->loop, call->fd, LOOP_WRITE, on_io, call);
}

static void compose(ExternalCall *call)
{
	buffer_printf(&call->text,
		"%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kedged/" KEDGE_VERSION
		"\r\nAccept: application/json\r\nConnection: close\r\n%s\r\n",
		call->request.method, call->request.target,
		string_equal(call->request.method, "POST") ? "Content-Length: 0\r\n" : "");
}

ExternalCall *external_call_new(Loop *loop, const ExternalAddress *address, const ExternalRequest *request)
{
	ExternalCall *call = mem_new(ExternalCall);

	call->loop = loop;
	call->request = *request;
	call->fd = -1;
	buffer_init(&call->body, request->body_max);
	http_response_init(&call->response, false);
	compose(call);
	call->why = dial(call, address);
	if (!call->why)
		call->why = loop_timer(&call->timer, loop, request->timeout_ns, on_time, call);
	if (call->why)
		error_free(loop_defer(&call->broken, loop, on_broken, call)); /* it never fails: see loop.c */
	return call;
}

char *external_call_words(int status, const Buffer *body)
{
	autoptr(Value) answer = NULL;
	Error *error = value_parse(&answer, buffer_text(body), body->length);
	const char *words = value_string(value_get(answer, "message"));

	error_free(error); /* then its status has to do */
	return words ? string_printf("%.*s", WORDS_MAX, words) : string_printf("its answer is status %d", status);
}

fallible external_call_refusal(int status, const Buffer *body)
{
	autofree char *words = external_call_words(status, body);

	return error_new(ERROR_UNAVAILABLE, "%s", words);
}
