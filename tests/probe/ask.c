// SPDX-License-Identifier: Apache-2.0
/*
 * ask tcp|udp|sctp ADDRESS PORT: asks a peer over IPv4 and prints the last line of its answer. Status 1 and errno's
 * words when it is refused or nothing comes for five seconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int open_to(const char *protocol, const char *address, int port)
{
	const struct timeval patience = {.tv_sec = 5};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int type = strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, strcmp(protocol, "sctp") == 0 ? IPPROTO_SCTP : 0);

	inet_pton(AF_INET, address, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (void *)&at, sizeof(at)) < 0 || send(fd, "ask\n", 4, 0) != 4) {
		perror(protocol);
		exit(1);
	}
	return fd;
}

/* An answer is one datagram, one message or what comes until the first end of a line that is the last byte. */
static void print_answer(int fd, const char *protocol)
{
	char answer[2048];
	ssize_t size = 0, got;

	while ((got = recv(fd, answer + size, sizeof(answer) - 1 - (size_t)size, 0)) > 0) {
		size += got;
		if (answer[size - 1] == '\n')
			break;
	}
	if (got <= 0) {
		perror(protocol);
		exit(1);
	}
	answer[size - 1] = '\0';
	const char *line = strrchr(answer, '\n');
	puts(line ? line + 1 : answer);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: ask tcp|udp|sctp ADDRESS PORT\n");
		return 2;
	}
	print_answer(open_to(argv[1], argv[2], atoi(argv[3])), argv[1]);
	return 0;
}
