// SPDX-License-Identifier: Apache-2.0
#include "fetch/channel.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"

enum { HEADER_LENGTH = 8, READ_LENGTH = 64 << 10, BUFFER_KEPT = 256 << 10 };

typedef struct Outgoing {
	List node;
	Buffer data;
	size_t sent;
	int fd;
} Outgoing;

struct Channel {
	int socket;
	List outgoing;
	size_t outgoing_bytes;
	Buffer incoming;
	int *fds;
	size_t fd_count;
};

Channel *channel_new(int take_socket)
{
	Channel *channel = mem_new(Channel);

	channel->socket = take_socket;
	fcntl(take_socket, F_SETFL, fcntl(take_socket, F_GETFL) | O_NONBLOCK);
	fcntl(take_socket, F_SETFD, FD_CLOEXEC);
	list_init(&channel->outgoing);
	buffer_init(&channel->incoming, HEADER_LENGTH + CHANNEL_TEXT_MAX + CHANNEL_PAYLOAD_MAX + READ_LENGTH);
	return channel;
}

static void outgoing_free(Outgoing *outgoing)
{
	list_remove(&outgoing->node);
	close_fd(&outgoing->fd);
	buffer_clear(&outgoing->data);
	free(outgoing);
}

Channel *channel_free(Channel *channel)
{
	if (!channel)
		return NULL;
	list_each(&channel->outgoing, Outgoing, node, outgoing)
		outgoing_free(outgoing);
	for (int fd = channel_take_fd(channel); fd >= 0; fd = channel_take_fd(channel))
		close(fd);
	free(channel->fds);
	buffer_clear(&channel->incoming);
	close(channel->socket);
	free(channel);
	return NULL;
}

int channel_fd(const Channel *channel)
{
	return channel->socket;
}

/* ---- sending ---- */

union FdControl {
	struct cmsghdr align;
	char data[CMSG_SPACE(sizeof(int))];
};

static void attach_fd(struct msghdr *message, union FdControl *control, int fd)
{
	memset(control, 0, sizeof(*control));
	message->msg_control = control;
	message->msg_controllen = sizeof(control->data);
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
}

/* Sends what the socket takes of one frame. */
static fallible send_some(Channel *channel, Outgoing *outgoing, bool *ret_blocked)
{
	struct iovec part = {outgoing->data.data + outgoing->sent, outgoing->data.length - outgoing->sent};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union FdControl control;

	if (outgoing->fd >= 0)
		attach_fd(&message, &control, outgoing->fd);
	ssize_t sent = sendmsg(channel->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	*ret_blocked = sent < 0 && (errno == EAGAIN || errno == EINTR);
	if (sent < 0)
		return *ret_blocked ? NULL : error_errno(errno, "could not send to the other process");
	close_fd(&outgoing->fd);
	outgoing->sent += sent;
	channel->outgoing_bytes -= sent;
	return NULL;
}

fallible channel_flush(Channel *channel)
{
	bool blocked = false;

	while (!blocked && !list_empty(&channel->outgoing)) {
		Outgoing *first = list_entry(channel->outgoing.next, Outgoing, node);
		TRY(send_some(channel, first, &blocked));
		if (first->sent == first->data.length)
			outgoing_free(first);
	}
	return NULL;
}

static fallible duplicate_fd(int *ret, int fd)
{
	*ret = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && *ret < 0)
		return error_errno(errno, "could not duplicate a descriptor");
	return NULL;
}

fallible channel_send(
	Channel *channel, const char *text, size_t text_length, const char *payload, size_t payload_length, int fd)
{
	uint32_t header[2] = {htole32(text_length), htole32(payload_length)};
	int duplicate;

	if (text_length > CHANNEL_TEXT_MAX || payload_length > CHANNEL_PAYLOAD_MAX)
		return error_new(ERROR_TOO_LARGE, "a message of %zu bytes is too large", text_length + payload_length);
	TRY(duplicate_fd(&duplicate, fd));
	Outgoing *outgoing = mem_new(Outgoing);
	outgoing->fd = duplicate;
	buffer_add(&outgoing->data, header, sizeof(header));
	buffer_add(&outgoing->data, text, text_length);
	buffer_add(&outgoing->data, payload, payload_length);
	channel->outgoing_bytes += outgoing->data.length;
	list_append(&channel->outgoing, &outgoing->node);
	return channel_flush(channel);
}

bool channel_is_pending(const Channel *channel)
{
	return !list_empty(&channel->outgoing);
}

size_t channel_pending_bytes(const Channel *channel)
{
	return channel->outgoing_bytes;
}

/* ---- receiving ---- */

static fallible keep_fd(Channel *channel, const struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return NULL;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (channel->fd_count == CHANNEL_FDS_MAX) {
		close(fd);
		return error_new(ERROR_TOO_LARGE, "the other process sent too many descriptors");
	}
	channel->fds = mem_array(channel->fds, channel->fd_count + 1, sizeof(int));
	channel->fds[channel->fd_count++] = fd;
	return NULL;
}

int channel_take_fd(Channel *channel)
{
	if (channel->fd_count == 0)
		return -1;
	int fd = channel->fds[0];
	channel->fd_count--;
	memmove(channel->fds, channel->fds + 1, channel->fd_count * sizeof(int));
	return fd;
}

static ChannelState state_of(ssize_t length)
{
	if (length > 0)
		return CHANNEL_FRAME;
	return length < 0 && (errno == EAGAIN || errno == EINTR) ? CHANNEL_EMPTY : CHANNEL_ENDED;
}

/* CMSG_LEN, not CMSG_SPACE: with the padding a second descriptor would fit. The kernel drops those that do not. */
static fallible read_some(Channel *channel, ChannelState *ret_state)
{
	union FdControl control;
	struct iovec part = {buffer_reserve(&channel->incoming, READ_LENGTH), READ_LENGTH};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};

	ssize_t length = recvmsg(channel->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	*ret_state = state_of(length);
	if (length <= 0)
		return NULL;
	buffer_commit(&channel->incoming, length);
	return keep_fd(channel, &message);
}

static uint32_t read_length(const char *data)
{
	uint32_t length;

	memcpy(&length, data, sizeof(length));
	return le32toh(length);
}

/* True and the frame's whole length once all of it is there. */
static fallible find_frame(const Buffer *incoming, size_t *ret_text, size_t *ret_payload, bool *ret_whole)
{
	*ret_whole = false;
	if (incoming->length < HEADER_LENGTH)
		return NULL;
	*ret_text = read_length(incoming->data);
	*ret_payload = read_length(incoming->data + sizeof(uint32_t));
	if (*ret_text > CHANNEL_TEXT_MAX || *ret_payload > CHANNEL_PAYLOAD_MAX)
		return error_new(ERROR_TOO_LARGE, "the other process sent a message that is too large");
	*ret_whole = incoming->length >= HEADER_LENGTH + *ret_text + *ret_payload;
	return NULL;
}

static void take_frame(Buffer *incoming, Frame *ret, size_t text_length, size_t payload_length)
{
	const char *text = incoming->data + HEADER_LENGTH;

	ret->text = mem_alloc(text_length + 1);
	memcpy(ret->text, text, text_length);
	ret->text_length = text_length;
	ret->payload_length = payload_length;
	ret->payload = NULL;
	if (payload_length) {
		ret->payload = mem_alloc(payload_length + 1);
		memcpy(ret->payload, text + text_length, payload_length);
	}
	buffer_consume(incoming, HEADER_LENGTH + text_length + payload_length);
	if (incoming->length == 0 && incoming->capacity > BUFFER_KEPT)
		buffer_clear(incoming);
}

fallible channel_receive(Channel *channel, Frame *ret, ChannelState *ret_state)
{
	size_t text_length, payload_length;
	ChannelState state = CHANNEL_FRAME;
	bool whole = false;

	while (state == CHANNEL_FRAME) {
		TRY(find_frame(&channel->incoming, &text_length, &payload_length, &whole));
		if (whole)
			break;
		TRY(read_some(channel, &state));
	}
	if (whole)
		take_frame(&channel->incoming, ret, text_length, payload_length);
	*ret_state = state;
	return NULL;
}

void frame_clear(Frame *frame)
{
	free(frame->text);
	free(frame->payload);
	*frame = (Frame){0};
}
