// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/memory.h"
#include "base/socket.h"
#include "http/response.h"

enum { READ_SIZE = 64 << 10, REFUSAL_LIMIT_MS = 3000 };

struct HttpClient {
	char *path; /* NULL: dial says how */
	HttpDial dial;
	HttpHints hints;
	int fd;        /* -1: not connected */
	int status_fd; /* of the dialled connection; -1: none */
	HttpResponse response;
	Buffer body;      /* decoded, not yet given out */
	Buffer left_over; /* raw bytes behind the response: a 101's early data */
	bool is_reused;   /* the connection has carried a call before this one */
};

HttpClient *http_client_new(const char *socket_path)
{
	HttpClient *client = mem_new(HttpClient);

	client->path = socket_path ? mem_strdup(socket_path) : NULL;
	client->fd = client->status_fd = -1;
	http_response_init(&client->response, false);
	return client;
}

HttpClient *http_client_new_by(const HttpDial *dial)
{
	HttpClient *client = http_client_new(NULL);

	client->dial = *dial;
	return client;
}

HttpClient *http_client_free(HttpClient *client)
{
	if (!client)
		return NULL;
	close_fd(&client->fd);
	close_fd(&client->status_fd);
	http_response_clear(&client->response);
	buffer_clear(&client->body);
	buffer_clear(&client->left_over);
	free(client->path);
	free(client);
	return NULL;
}

void http_client_set_hints(HttpClient *client, const HttpHints *hints)
{
	client->hints = *hints;
}

/* ---- connecting ---- */

static fallible hinted(Error *error, const char *hint)
{
	return hint ? error_hint(error, "%s", hint) : error;
}

static fallible connect_error(const HttpClient *client, int number)
{
	Error *error = error_errno(number, "cannot reach kedged at \"%s\"", client->path);

	if (number == EACCES || number == EPERM)
		return error_hint(error, "run it as root, or as a member of the socket's group");
	return hinted(error, client->hints.unreachable);
}

static fallible connect_socket(HttpClient *client)
{
	struct sockaddr_un address;

	close_fd(&client->status_fd);
	if (client->dial.connect)
		return client->dial.connect(client->dial.arg, &client->fd, &client->status_fd);
	TRY(socket_address(&address, client->path));
	autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return connect_error(client, errno);
	client->fd = take_fd(&fd);
	return NULL;
}

/* A connection is used again only when its last answer was read whole and lets it. */
static bool may_reuse(const HttpClient *client)
{
	return client->fd >= 0 && client->response.phase == HTTP_RESPONSE_COMPLETE && client->response.keep_alive &&
	       client->left_over.length == 0;
}

static fallible prepare(HttpClient *client, const HttpCall *call)
{
	client->is_reused = may_reuse(client);
	if (!client->is_reused)
		close_fd(&client->fd);
	http_response_clear(&client->response);
	http_response_init(&client->response, strcmp(call->method, "HEAD") == 0);
	buffer_clear(&client->body);
	buffer_clear(&client->left_over);
	return client->fd >= 0 ? NULL : connect_socket(client);
}

/* ---- sending ---- */

static void write_head(Buffer *out, const HttpCall *call)
{
	buffer_printf(out, "%s %s HTTP/1.1\r\nHost: kedge\r\nUser-Agent: kedge/" KEDGE_VERSION "\r\n", call->method,
		call->target);
	for (size_t i = 0; call->headers && call->headers[i]; i++)
		buffer_printf(out, "%s\r\n", call->headers[i]);
	if (call->content_type)
		buffer_printf(out, "Content-Type: %s\r\n", call->content_type);
	if (call->sends_file)
		buffer_add_text(out, "Transfer-Encoding: chunked\r\n");
	else if (call->body || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0)
		buffer_printf(out, "Content-Length: %zu\r\n", call->length);
	if (call->upgrades)
		buffer_add_text(out, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	buffer_add_text(out, "\r\n");
}

static fallible send_parts(HttpClient *client, struct iovec *parts, size_t count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};

	while (message.msg_iovlen > 0) {
		ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return error_errno(errno, "could not send the request to kedged");
		while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen > 0) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
			message.msg_iov->iov_len -= (size_t)sent;
		}
	}
	return NULL;
}

static fallible send_chunk(HttpClient *client, const char *data, size_t length)
{
	char size[32];
	int digits = snprintf(size, sizeof(size), "%zx\r\n", length);
	struct iovec parts[] = {
		{size, (size_t)digits},
		{(void *)data, length},
		{(void *)"\r\n", 2},
	};
	return send_parts(client, parts, 3);
}

static fallible send_file(HttpClient *client, const HttpCall *call)
{
	autofree char *data = mem_alloc(READ_SIZE);
	int64_t bytes = 0;

	for (;;) {
		ssize_t length = read(call->file_fd, data, READ_SIZE);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return error_errno(errno, "could not read the input");
		TRY(send_chunk(client, data, (size_t)length)); /* one of length 0 ends the body */
		if (length == 0)
			return NULL;
		bytes += length;
		if (call->sent)
			call->sent(call->sent_arg, bytes);
	}
}

static fallible send_call(HttpClient *client, const HttpCall *call)
{
	autoclear(Buffer) head = {0};

	write_head(&head, call);
	struct iovec parts[] = {{head.data, head.length}, {(void *)call->body, call->length}};
	TRY(send_parts(client, parts, call->body ? 2 : 1));
	return call->sends_file ? send_file(client, call) : NULL;
}

/* ---- receiving ---- */

static fallible feed(HttpClient *client, const char *data, size_t length)
{
	size_t used;

	TRY(http_response_feed(&client->response, data, length, &used, &client->body));
	buffer_add(&client->left_over, data + used, length - used);
	return NULL;
}

/* Why something was refused is said with the refusal; any other answer may take its time. */
static fallible wait_for_refusal(const HttpClient *client)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
	bool is_refusal = http_response_has_head(&client->response) && client->response.status >= 400;

	if (!is_refusal || poll(&poll_fd, 1, REFUSAL_LIMIT_MS) != 0)
		return NULL;
	return error_new(ERROR_TIMEOUT, "kedged answered with status %d, and did not say why within %d seconds",
		client->response.status, REFUSAL_LIMIT_MS / 1000);
}

/* One recv(2); *ret_closed: the other side has ended. */
static fallible receive(HttpClient *client, bool *ret_closed)
{
	char data[READ_SIZE];
	ssize_t length;

	TRY(wait_for_refusal(client));
	do
		length = recv(client->fd, data, sizeof(data), 0);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return error_errno(errno, "could not read kedged's answer");
	*ret_closed = length == 0;
	return length > 0 ? feed(client, data, (size_t)length) : NULL;
}

static fallible receive_more(HttpClient *client)
{
	bool closed = false;

	TRY(receive(client, &closed));
	return closed ? http_response_end(&client->response) : NULL;
}

static fallible receive_head(HttpClient *client)
{
	while (!http_response_has_head(&client->response))
		TRY(receive_more(client));
	return NULL;
}

/*
 * A server may refuse a body before it has read it all and close: then sending fails, and the answer that waits says
 * more than the broken pipe.
 */
static fallible send_and_receive_head(HttpClient *client, const HttpCall *call)
{
	Error *unsent = send_call(client, call);

	if (unsent && error_number(unsent) != EPIPE && error_number(unsent) != ECONNRESET)
		return unsent;
	Error *error = receive_head(client);
	if (unsent && error) {
		error_free(error); /* follows from the failed sending */
		return unsent;
	}
	error_free(unsent);
	return error;
}

/* What whoever made the connection knows of its end is more than we saw. */
static fallible explain(HttpClient *client, Error *error)
{
	Error *reason;

	close_fd(&client->fd);
	reason = client->status_fd < 0 ? NULL : client->dial.explain(client->dial.arg, take_fd(&client->status_fd));
	if (!reason)
		return hinted(error, client->hints.broken);
	error_free(error); /* it follows from the reason */
	return reason;
}

static bool may_repeat(const HttpCall *call)
{
	return strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
}

fallible http_client_call(HttpClient *client, const HttpCall *call)
{
	TRY(prepare(client, call));
	Error *error = send_and_receive_head(client, call);
	if (!error)
		return NULL;
	bool stale = client->is_reused && client->response.phase == HTTP_RESPONSE_STATUS &&
		     client->response.line.length == 0;
	if (!stale || !may_repeat(call))
		return explain(client, error);
	close_fd(&client->fd);
	error_free(error); /* the kept connection had been closed meanwhile: a new one tells */
	return http_client_call(client, call);
}

int http_client_status(const HttpClient *client)
{
	return client->response.status;
}

const char *http_client_header(const HttpClient *client, const char *lower_name)
{
	return http_response_find(&client->response, lower_name);
}

fallible http_client_read(HttpClient *client, Buffer *out, bool *ret_end)
{
	while (client->body.length == 0 && client->response.phase != HTTP_RESPONSE_COMPLETE)
		TRY(receive_more(client));
	if (!buffer_add(out, client->body.data, client->body.length))
		return error_new(ERROR_TOO_LARGE, "kedged's answer is larger than %zu bytes", out->limit);
	*ret_end = client->body.length == 0;
	buffer_truncate(&client->body, 0);
	return NULL;
}

fallible http_client_read_all(HttpClient *client, Buffer *out)
{
	bool end = false;

	while (!end)
		TRY(http_client_read(client, out, &end));
	return NULL;
}

int http_client_poll_fd(const HttpClient *client)
{
	bool waits = client->body.length == 0 && client->response.phase != HTTP_RESPONSE_COMPLETE;

	return waits ? client->fd : -1;
}

int http_client_hijack(HttpClient *client, Buffer *early)
{
	buffer_add(early, client->left_over.data, client->left_over.length);
	buffer_clear(&client->left_over);
	return take_fd(&client->fd);
}
