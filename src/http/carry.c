// SPDX-License-Identifier: Apache-2.0
/*
 * Connections from one program to the next. They travel in the queue of a socket pair, of which the next program gets
 * one end: a program that does not know what it is closes them all by closing that. First comes a memory file with
 * texts and numbers, then the descriptors that these speak of, in their order.
 *
 * The file: texts, each behind its length in four bytes. The first names this form; then for each connection its
 * method, path, cursor, the coded bytes that its client has not got yet, marks ("+": a further descriptor belongs to
 * it; "0": the client speaks HTTP/1.0), and names and values of its query up to an empty name. A connection without a
 * method has nothing but such bytes to get, mostly none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"

#define FORM "kedge connections 1"

enum {
	BATCH = 200, /* descriptors in a message; the kernel takes 253 */
	FDS_MAX = 2 * HTTP_CONNECTIONS_MAX + 1,
	FILE_MAX = 1 << 30,
};

/* ---- giving ---- */

struct Parcel {
	Buffer text;
	int *fds;
	size_t count;
};

static void add_fd(Parcel *parcel, int fd)
{
	parcel->fds = mem_array(parcel->fds, parcel->count + 1, sizeof(int));
	parcel->fds[parcel->count++] = fd;
}

static void add_text(Parcel *parcel, const void *text, size_t length)
{
	uint32_t count = (uint32_t)length;

	buffer_add(&parcel->text, &count, sizeof(count));
	buffer_add(&parcel->text, text, length);
}

static void add_string(Parcel *parcel, const char *text)
{
	add_text(parcel, text, strlen(text));
}

static void add_map(Parcel *parcel, const StringMap *map)
{
	for (size_t i = 0; i < map->count; i++) {
		add_string(parcel, map->items[i].key);
		add_string(parcel, map->items[i].value);
	}
}

static void add_query(Parcel *parcel, const HttpRequest *request)
{
	add_map(parcel, &request->query);
	for (size_t i = 0; i < request->repeated.count; i++) {
		const char *pair = request->repeated.items[i], *value = strchr(pair, '=') + 1;
		add_text(parcel, pair, (size_t)(value - pair) - 1);
		add_string(parcel, value);
	}
}

static void add_rest(Parcel *parcel, HttpStream *stream)
{
	size_t length;

	if (stream->ended && stream->request->connection) /* libmicrohttpd would send it */
		chunks_add_last(&stream->chunks);
	const char *rest = chunks_rest(&stream->chunks, &length);
	add_text(parcel, rest, length);
}

static void add_marks(Parcel *parcel, const HttpRequest *request, bool has_fd)
{
	char marks[3] = "";

	if (has_fd)
		strcat(marks, "+");
	if (request && request->is_old)
		strcat(marks, "0");
	add_string(parcel, marks);
}

static void add_handler(Parcel *parcel, HttpRequest *request)
{
	HttpCarry carry = {.fd = -1};

	request->stream->carry(request->stream->carry_arg, &carry);
	add_string(parcel, request->method);
	add_string(parcel, request->path);
	add_text(parcel, buffer_text(&carry.cursor), carry.cursor.length);
	add_rest(parcel, request->stream);
	add_marks(parcel, request, carry.fd >= 0);
	if (carry.fd >= 0)
		add_fd(parcel, carry.fd);
	add_query(parcel, request);
	buffer_clear(&carry.cursor);
}

static void add_bytes(Parcel *parcel, HttpRequest *request)
{
	for (int i = 0; i < 3; i++)
		add_string(parcel, "");
	if (request)
		add_rest(parcel, request->stream);
	else
		add_string(parcel, "");
	add_marks(parcel, request, false);
}

static void add_connection(Parcel *parcel, HttpConnection *link)
{
	add_fd(parcel, link->fd);
	if (link->request && !link->request->stream->ended)
		add_handler(parcel, link->request);
	else
		add_bytes(parcel, link->request);
	add_string(parcel, "");
}

static fallible send_fds(int queue, const int *fds, size_t count)
{
	char control[CMSG_SPACE(BATCH * sizeof(int))] = {0};
	struct iovec byte = {.iov_base = (char[]){'c'}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
	memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	if (sendmsg(queue, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return error_errno(errno, "could not hand over %zu descriptors", count);
	return NULL;
}

static fallible send_parcel(int queue, const Parcel *parcel)
{
	autofd file = memfd_create("kedge-connections", MFD_CLOEXEC);

	if (file < 0)
		return error_errno(errno, "could not make a memory file");
	TRY(file_write_all(file, parcel->text.data, parcel->text.length, "memory file"));
	TRY(send_fds(queue, &file, 1));
	for (size_t sent = 0; sent < parcel->count; sent += BATCH) {
		size_t left = parcel->count - sent;
		TRY(send_fds(queue, parcel->fds + sent, left < BATCH ? left : BATCH));
	}
	return NULL;
}

static fallible send_to_next(int *ret_fd, const Parcel *parcel)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(errno, "could not make a socket pair");
	autofd mine = pair[0], next = pair[1];
	TRY(send_parcel(mine, parcel));
	*ret_fd = take_fd(&next);
	return NULL;
}

static Parcel *parcel_of(HttpServer *server)
{
	if (!server->parcel) {
		server->parcel = mem_new(Parcel);
		add_string(server->parcel, FORM);
	}
	return server->parcel;
}

static void parcel_free(Parcel *parcel)
{
	buffer_clear(&parcel->text);
	free(parcel->fds);
	free(parcel);
}

void http_server_carry_socket(
	HttpServer *server, const char *path, const StringMap *query, const Buffer *cursor, int fd)
{
	Parcel *parcel = parcel_of(server);

	add_fd(parcel, fd);
	add_string(parcel, "POST");
	add_string(parcel, path);
	add_text(parcel, buffer_text(cursor), cursor->length);
	add_string(parcel, "");
	add_string(parcel, "s");
	add_map(parcel, query);
	add_string(parcel, "");
}

int http_server_hand_over(HttpServer *server)
{
	Parcel *parcel = parcel_of(server);
	Error *error = NULL;
	int fd = -1;

	list_each(&server->connections, HttpConnection, in_server, link)
		if (connection_may_be_carried(link))
			add_connection(parcel, link);
	if (parcel->count > 0)
		error = send_to_next(&fd, parcel);
	if (error)
		error_log(error, "clients are cut by the upgrade");
	server->handed_over = true;
	parcel_free(take(server->parcel));
	return fd;
}

/* ---- taking ---- */

typedef struct Reader {
	int fds[FDS_MAX]; /* the first is the file */
	size_t count, next;
	char *text;
	size_t length, at;
	bool is_bad;
} Reader;

static void keep_fds(Reader *reader, struct msghdr *message)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; head->cmsg_type == SCM_RIGHTS && i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
			if (reader->count < FDS_MAX)
				reader->fds[reader->count++] = fd;
			else
				close(fd);
		}
	}
}

static bool receive_fds(Reader *reader, int queue)
{
	char control[CMSG_SPACE(BATCH * sizeof(int))], byte;
	struct iovec piece = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

	if (recvmsg(queue, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return false;
	keep_fds(reader, &message);
	return true;
}

static fallible read_text(Reader *reader)
{
	off_t length = reader->count > 0 ? lseek(reader->fds[0], 0, SEEK_END) : -1;

	if (length < 0 || length > FILE_MAX)
		return error_new(ERROR_INVALID, "there is no list of them");
	reader->next = 1;
	reader->text = mem_alloc((size_t)length);
	reader->length = (size_t)length;
	if (pread(reader->fds[0], reader->text, reader->length, 0) != length)
		return error_new(ERROR_INVALID, "their list could not be read");
	return NULL;
}

static const char *take_text(Reader *reader, size_t *ret_length)
{
	uint32_t length = 0;

	if (reader->length - reader->at >= sizeof(length))
		memcpy(&length, reader->text + reader->at, sizeof(length));
	else
		reader->is_bad = true;
	if (reader->is_bad || reader->length - reader->at - sizeof(length) < length) {
		reader->is_bad = true;
		*ret_length = 0;
		return "";
	}
	const char *text = reader->text + reader->at + sizeof(length);
	reader->at += sizeof(length) + length;
	*ret_length = length;
	return text;
}

static char *take_string(Reader *reader)
{
	size_t length;
	const char *text = take_text(reader, &length);

	return mem_strndup(text, length);
}

static int take_next_fd(Reader *reader)
{
	if (reader->next < reader->count)
		return reader->fds[reader->next++];
	reader->is_bad = true;
	return -1;
}

static void take_query(Reader *reader, HttpRequest *request)
{
	for (;;) {
		autofree char *key = take_string(reader);
		if (string_empty(key))
			return;
		autofree char *value = take_string(reader);
		error_free(request_add_query(request, key, value)); /* there are no more than there were */
	}
}

static void take_request(Reader *reader, HttpRequest *request)
{
	size_t length;
	const char *text = take_text(reader, &length);

	buffer_add(&request->carried.cursor, text, length);
	text = take_text(reader, &length);
	chunks_add_coded(&request->stream->chunks, text, length);
	autofree char *marks = take_string(reader);
	request->is_old = request->stream->chunks.is_plain = strpbrk(marks, "0s");
	request->carried.is_socket = strchr(marks, 's');
	if (strchr(marks, '+'))
		request->carried.fd = take_next_fd(reader);
	take_query(reader, request);
}

static void take_connection(HttpServer *server, Reader *reader)
{
	HttpConnection *link = connection_new(server, take_next_fd(reader));
	autofree char *method = take_string(reader), *path = take_string(reader);
	HttpRequest *request = request_taken_over(server, link, method, path);

	take_request(reader, request);
	if (reader->is_bad)
		request_leave(request);
	else if (*method)
		request_begin_again(request);
	else if (chunks_pending(&request->stream->chunks) > 0)
		stream_finish(request->stream);
	else
		request_give_back(request);
}

static fallible take_connections(HttpServer *server, Reader *reader)
{
	TRY(read_text(reader));
	autofree char *form = take_string(reader);
	if (!string_equal(form, FORM))
		return error_new(ERROR_INVALID, "their list is not of the form \"" FORM "\"");
	while (!reader->is_bad && reader->at < reader->length)
		take_connection(server, reader);
	return reader->is_bad ? error_new(ERROR_INVALID, "their list is damaged") : NULL;
}

void http_server_take_over(HttpServer *server, int fd)
{
	autofd queue = fd;
	autofree Reader *reader = mem_new(Reader);
	Error *error;

	while (receive_fds(reader, queue))
		;
	error = take_connections(server, reader);
	if (error)
		error_log(error, "clients of the program before are cut");
	if (reader->count > 0)
		close(reader->fds[0]);
	while (reader->next > 0 && reader->next < reader->count)
		close(take_next_fd(reader));
	free(reader->text);
}

/* Its client may ask for more on it. */
void carry_return(HttpServer *server, int fd)
{
	struct sockaddr address = {.sa_family = AF_UNIX};

	if (MHD_add_connection(server->daemon, fd, &address, sizeof(address.sa_family)) != MHD_YES)
		log_debug("a client's connection was closed after its answer");
	server_kick(server);
}
