// SPDX-License-Identifier: Apache-2.0
/* Frames and messages as a helper gone bad could send them: read in pieces over a real socket, kept within the bounds.
 */
#include <sys/socket.h>

#include "fetch/channel.h"
#include "fetch/wire.h"

#include "fuzz.h"

static void feed(int socket, const uint8_t *data, size_t size)
{
	ssize_t sent = send(socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)sent;
	shutdown(socket, SHUT_WR);
}

static bool read_one(Channel *channel)
{
	autoclear(Frame) frame = {0};
	autoclear(WireMessage) message = {0};
	ChannelState state = CHANNEL_ENDED;

	error_free(channel_receive(channel, &frame, &state)); /* then nothing came */
	if (state != CHANNEL_FRAME)
		return false;
	must_hold(frame.text_length <= CHANNEL_TEXT_MAX && frame.payload_length <= CHANNEL_PAYLOAD_MAX);
	Error *error = wire_parse(&message, frame.text, frame.text_length);
	must_hold(error || (message.type >= 0 && message.type < WIRE_TYPES));
	error_free(error);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return 0;
	autoptr(Channel) channel = channel_new(sockets[0]);
	feed(sockets[1], data, size);
	while (read_one(channel))
		;
	close(sockets[1]);
	return 0;
}
