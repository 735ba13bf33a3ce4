// SPDX-License-Identifier: Apache-2.0
#include "shim/clients.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shim/streams.h"

enum { FRAME_HEAD = 8, STREAM_NUMBERS = 3, READ_AWAY = 4096, READ_AWAY_ROUNDS = 1024 };

static bool wants_output(const Client *client)
{
	for (int number = 0; number < STREAM_NUMBERS; number++)
		if (client->streams[number])
			return true;
	return false;
}

/* ---- letting go ---- */

static void forgive(Client *client, int number)
{
	if (client->owes[number])
		client->streams[number]->clients_waiting--;
	client->owes[number] = false;
}

static void end_output(Client *client)
{
	for (int number = 0; number < STREAM_NUMBERS; number++) {
		if (client->is_leaving && client->busy == number)
			continue;
		forgive(client, number);
		client->streams[number] = NULL;
	}
}

/* What has begun is finished, so that no frame is cut. */
static void leave(Client *client)
{
	client->is_leaving = true;
	client->input = NULL;
	end_output(client);
}

/* Who closes a socket before he has read everything resets it, and the other side may lose what it was sent. */
static void read_away(int fd)
{
	char surplus[READ_AWAY];

	shutdown(fd, SHUT_RDWR);
	for (int i = 0; i < READ_AWAY_ROUNDS && recv(fd, surplus, sizeof(surplus), MSG_DONTWAIT) > 0; i++)
		;
}

static void client_close(Client *client)
{
	client->busy = 0;
	leave(client);
	read_away(client->fd);
	close_fd(&client->fd);
	*client = (Client){.fd = -1};
}

/* ---- output ---- */

static int next_owed(const Client *client)
{
	for (int number = 0; number < STREAM_NUMBERS; number++)
		if (client->owes[number])
			return number;
	return 0;
}

static void set_parts(struct iovec parts[2], uint8_t head[FRAME_HEAD], const Client *client)
{
	const Stream *stream = client->streams[client->busy];
	size_t length = stream->chunk_length, head_size = client->is_framed ? FRAME_HEAD : 0;
	size_t head_sent = client->sent < head_size ? client->sent : head_size, data_sent = client->sent - head_sent;

	head[0] = (uint8_t)stream->number;
	for (int i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(length >> (24 - 8 * i));
	parts[0] = (struct iovec){head + head_sent, head_size - head_sent};
	parts[1] = (struct iovec){stream->data + stream->chunk + data_sent, length - data_sent};
}

static SendResult send_piece(Client *client)
{
	uint8_t head[FRAME_HEAD] = {0};
	struct iovec parts[2];
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	set_parts(parts, head, client);
	size_t left = parts[0].iov_len + parts[1].iov_len;
	ssize_t count = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (count < 0)
		return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == EINTR ? SEND_LATER
												: SEND_FAILED;
	client->stalled_ns = 0;
	client->sent += (size_t)count;
	return (size_t)count == left ? SENT : SEND_LATER;
}

static void piece_done(Client *client)
{
	forgive(client, client->busy);
	client->busy = 0;
	client->sent = 0;
}

void client_send(Client *client)
{
	while (client->busy || (client->busy = next_owed(client))) {
		SendResult result = send_piece(client);
		if (result == SEND_LATER) {
			if (!client->stalled_ns)
				client->stalled_ns = clock_monotonic_ns();
			return;
		}
		piece_done(client);
		if (result == SEND_FAILED) { /* what it sent before it left is still taken */
			end_output(client);
			client->stalled_ns = 0;
			return;
		}
	}
}

int clients_offer(Clients *clients, const Stream *stream)
{
	int count = 0;

	for (size_t i = 0; i < clients->top; i++) {
		Client *client = &clients->table[i];
		if (!client->is_used || client->is_leaving || client->streams[stream->number] != stream)
			continue;
		client->owes[stream->number] = true;
		count++;
	}
	return count;
}

/* ---- input ---- */

static void take_input(Client *client, size_t length)
{
	char *room = input_room(client->input);

	length = keys_pass(&client->keys, room, room + KEYS_MAX, length, &client->has_detached);
	input_put(client->input, length);
	if (client->has_detached)
		leave(client);
}

static void sending_ended(Client *client)
{
	Input *input = client->input;

	client->input = NULL;
	if (client->ends_input)
		input_end(input);
	else
		leave(client);
}

static void client_receive(Client *client)
{
	ssize_t count = recv(client->fd, input_room(client->input) + KEYS_MAX, INPUT_MEMORY - KEYS_MAX, MSG_DONTWAIT);

	if (count > 0)
		take_input(client, (size_t)count);
	else if (!count || (errno != EAGAIN && errno != EINTR))
		sending_ended(client);
}

/* ---- waiting ---- */

/* A client that is held back is not looked at, or its leaving would be told again and again. */
short client_events(const Client *client)
{
	if (client->stalled_ns)
		return client->input && !input_holds(client->input) ? POLLIN | POLLOUT : POLLOUT;
	if (client->input)
		return input_holds(client->input) ? -1 : POLLIN;
	return 0;
}

void client_ready(Client *client, short events)
{
	if (events & POLLOUT)
		client_send(client);
	if (client->input && !input_holds(client->input) && (events & (POLLIN | POLLHUP | POLLERR)))
		client_receive(client);
	else if (!client->input && (events & (POLLHUP | POLLERR)))
		client_close(client);
}

static bool is_stalled(const Client *client, int64_t now_ns, int64_t stall_ns)
{
	return client->stalled_ns && now_ns - client->stalled_ns >= stall_ns;
}

static bool is_done(const Client *client)
{
	return !client->busy && !client->input && (client->is_leaving || !wants_output(client));
}

bool clients_step(Clients *clients, int64_t now_ns, int64_t stall_ns)
{
	bool has_detached = false;

	for (size_t i = 0; i < clients->top; i++) {
		Client *client = &clients->table[i];
		if (!client->is_used)
			continue;
		has_detached |= client->has_detached;
		client->has_detached = false;
		client_send(client);
		if (is_done(client) || is_stalled(client, now_ns, stall_ns))
			client_close(client);
	}
	return has_detached;
}

int64_t clients_next_deadline(const Clients *clients, int64_t stall_ns)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < clients->top; i++) {
		const Client *client = &clients->table[i];
		if (client->is_used && client->stalled_ns && client->stalled_ns + stall_ns < next)
			next = client->stalled_ns + stall_ns;
	}
	return next;
}

/* ---- coming and going ---- */

static Client *free_place(Clients *clients)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (clients->table[i].is_used)
			continue;
		if (i >= clients->top)
			clients->top = i + 1;
		return &clients->table[i];
	}
	return NULL;
}

static bool read_request(ShimClient *ret, const void *request, size_t length)
{
	if (length < sizeof(*ret))
		return false;
	memcpy(ret, request, sizeof(*ret));
	return ret->key_count <= KEYS_MAX && ret->early_length <= REQUEST_MAX &&
	       length - sizeof(*ret) == (size_t)ret->key_count + ret->early_length;
}

/* What came early is the client's first input. It waits behind what another client has sent before; one that finds no
 * room is let go, rather than heard from the middle on. */
static void take_early(Client *client, const char *early, size_t length)
{
	char passed[REQUEST_MAX + KEYS_MAX];

	if (!client->input || !length)
		return;
	length = keys_pass(&client->keys, passed, early, length, &client->has_detached);
	if (!input_add(client->input, passed, length) || client->has_detached)
		leave(client);
}

void clients_add(Clients *clients, const ClientSource *source, const void *request, size_t length, int fd)
{
	autofd socket = fd;
	ShimClient asked;
	Client *client = free_place(clients);
	const char *rest = (const char *)request + sizeof(asked);

	if (socket < 0 || !client || !read_request(&asked, request, length))
		return;
	*client = (Client){.is_used = true, .is_framed = asked.is_framed, .ends_input = asked.ends_input};
	client->fd = take_fd(&socket);
	client->streams[1] = asked.wants & SHIM_WANTS_STDOUT ? source->out : NULL;
	client->streams[2] = asked.wants & SHIM_WANTS_STDERR ? source->err : NULL;
	client->input = asked.wants & SHIM_WANTS_STDIN ? source->input : NULL;
	client->keys.count = asked.key_count;
	memcpy(client->keys.bytes, rest, asked.key_count);
	take_early(client, rest + asked.key_count, asked.early_length);
}

static bool belongs(const Client *client, const ClientSource *source)
{
	return (source->out && client->streams[1] == source->out) ||
	       (source->err && client->streams[2] == source->err) || (source->input && client->input == source->input);
}

bool clients_release(Clients *clients, const ClientSource *source)
{
	bool are_gone = true;

	for (size_t i = 0; i < clients->top; i++) {
		Client *client = &clients->table[i];
		if (!client->is_used || !belongs(client, source))
			continue;
		client->input = NULL;
		if (client->busy || next_owed(client))
			are_gone = false;
		else
			client_close(client);
	}
	return are_gone;
}

void clients_let_go(Clients *clients)
{
	for (size_t i = 0; i < clients->top; i++) {
		if (clients->table[i].is_used)
			close_fd(&clients->table[i].fd);
		clients->table[i] = (Client){.fd = -1};
	}
}

bool clients_are_gone(const Clients *clients)
{
	for (size_t i = 0; i < clients->top; i++)
		if (clients->table[i].is_used)
			return false;
	return true;
}
