// SPDX-License-Identifier: Apache-2.0
/* A client's bytes behind the handshake: [0: what the relay is to do][1: how much came with the request] frames...
 * Whatever they are, the relay comes to its end with its client, and passes on no more than the client has sent. */
#include "websocket/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

enum { OUTPUT_SIZE = 3000, SIZE_MAX_OF_CLIENT = 64 << 10, TEXT = 1, INPUT = 2, OUTPUT = 4 };

static size_t read_away(int fd)
{
	char bytes[4096];
	size_t sum = 0;
	ssize_t count;

	while ((count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		sum += (size_t)count;
	close(fd);
	return sum;
}

static void run(unsigned flags, const uint8_t *early, size_t early_length, const uint8_t *rest, size_t length)
{
	static const char output[OUTPUT_SIZE] = "\xc3\xa9\xff\xe2\x82";
	int client[2], plain[2];

	must_hold(socketpair(AF_UNIX, SOCK_STREAM, 0, client) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, plain) == 0);
	must_hold(send(client[0], rest, length, MSG_DONTWAIT) == (ssize_t)length);
	must_hold(shutdown(client[0], SHUT_WR) == 0);
	if (flags & OUTPUT)
		must_hold(send(plain[0], output, sizeof(output), MSG_DONTWAIT) == (ssize_t)sizeof(output));
	const RelaySides sides = {.client = client[1],
		.plain = plain[1],
		.early = (const char *)early,
		.early_length = early_length,
		.is_text = flags & TEXT,
		.takes_input = flags & INPUT};
	must_hold(!relay_run(&sides));
	must_hold(read_away(plain[0]) <= (flags & INPUT ? early_length + length : 0));
	read_away(client[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > SIZE_MAX_OF_CLIENT)
		return 0;
	size_t early = data[1] < size - 2 ? data[1] : size - 2;
	run(data[0], data + 2, early, data + 2 + early, size - 2 - early);
	return 0;
}
