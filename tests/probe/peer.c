// SPDX-License-Identifier: Apache-2.0
/*
 * peer PORT [NAME]: answers over TCP (as HTTP, after the first line that comes), SCTP where the kernel has it (the
 * same, IPv4 alone) and UDP (each datagram) with one line, "NAME PEER PEER-PORT LOCAL\n": who asked, as it is seen
 * here, and at which address. Says "ready" when it listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Place {
	char address[INET6_ADDRSTRLEN];
	int port;
} Place;

static Place place_of(const struct sockaddr_storage *at)
{
	const struct sockaddr_in6 *six = (const void *)at;
	const struct sockaddr_in *four = (const void *)at;
	Place place = {.port = ntohs(six->sin6_port)};

	if (at->ss_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, place.address, sizeof(place.address));
	else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, place.address, sizeof(place.address));
	else
		inet_ntop(AF_INET6, &six->sin6_addr, place.address, sizeof(place.address));
	return place;
}

/* Both families, or IPv4 where the kernel has no other. */
static int open_at(int type, int port)
{
	const int on = 1, off = 0;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), result;

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)); /* an answer leaves from where it was asked */
		result = bind(fd, (void *)&six, sizeof(six));
	} else {
		fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		result = bind(fd, (void *)&four, sizeof(four));
	}
	if (result < 0 || (type == SOCK_STREAM && listen(fd, 512) < 0)) {
		perror("peer: bind");
		exit(1);
	}
	return fd;
}

/* -1 where the kernel has no such sockets. */
static int open_sctp(int port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd >= 0 && (bind(fd, (void *)&four, sizeof(four)) < 0 || listen(fd, 16) < 0)) {
		perror("peer: sctp");
		exit(1);
	}
	return fd;
}

static int say(char *line, size_t size, const char *name, const struct sockaddr_storage *peer, const char *local)
{
	Place its = place_of(peer);

	return snprintf(line, size, "%s %s %d %s\n", name, its.address, its.port, local);
}

/* One connection in a process of its own: a client that says nothing is in nobody's way. */
static void serve(int fd, const char *name, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	char line[256], answer[512], ignored[4096];

	alarm(30);
	getsockname(fd, (void *)&own, &length);
	Place here = place_of(&own);
	int size = say(line, sizeof(line), name, peer, here.address);
	int all = snprintf(answer, sizeof(answer),
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", size, line);
	if (read(fd, ignored, sizeof(ignored)) > 0 && write(fd, answer, (size_t)all) == all)
		shutdown(fd, SHUT_WR);
	while (read(fd, ignored, sizeof(ignored)) > 0)
		continue;
	_exit(0);
}

static void accept_one(int listener, const char *name)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int fd = accept(listener, (void *)&peer, &length);

	if (fd < 0)
		return;
	if (fork() == 0)
		serve(fd, name, &peer);
	close(fd);
}

/* The address that a datagram was sent to; its control message also says where the answer leaves from. */
static void local_of(char *ret, size_t size, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		const struct in6_pktinfo *six = (void *)CMSG_DATA(part);
		const struct in_pktinfo *four = (void *)CMSG_DATA(part);

		if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO)
			inet_ntop(AF_INET, &four->ipi_addr, ret, (socklen_t)size);
		if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
			if (IN6_IS_ADDR_V4MAPPED(&six->ipi6_addr))
				inet_ntop(AF_INET, six->ipi6_addr.s6_addr + 12, ret, (socklen_t)size);
			else
				inet_ntop(AF_INET6, &six->ipi6_addr, ret, (socklen_t)size);
		}
	}
}

static void answer_datagram(int fd, const char *name)
{
	struct sockaddr_storage peer;
	char asked[2048], control[512], line[256], local[INET6_ADDRSTRLEN] = "?";
	struct iovec data = {.iov_base = asked, .iov_len = sizeof(asked)};
	struct msghdr message = {.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	if (recvmsg(fd, &message, 0) < 0)
		return;
	local_of(local, sizeof(local), &message);
	data = (struct iovec){.iov_base = line, .iov_len = (size_t)say(line, sizeof(line), name, &peer, local)};
	/* A part of each family comes with a mapped address: the kernel takes the one that fits and refuses none. */
	if (sendmsg(fd, &message, 0) < 0) {
		message.msg_control = NULL;
		message.msg_controllen = 0;
		sendmsg(fd, &message, 0);
	}
}

int main(int argc, char **argv)
{
	char host[256] = "";

	if (argc < 2) {
		fprintf(stderr, "usage: peer PORT [NAME]\n");
		return 2;
	}
	gethostname(host, sizeof(host) - 1);
	const char *name = argc > 2 ? argv[2] : host;
	struct pollfd at[] = {{.fd = open_at(SOCK_STREAM, atoi(argv[1])), .events = POLLIN},
		{.fd = open_at(SOCK_DGRAM, atoi(argv[1])), .events = POLLIN},
		{.fd = open_sctp(atoi(argv[1])), .events = POLLIN}};

	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	while (poll(at, 3, -1) >= 0 || errno == EINTR) {
		if (at[0].revents & POLLIN)
			accept_one(at[0].fd, name);
		if (at[1].revents & POLLIN)
			answer_datagram(at[1].fd, name);
		if (at[2].revents & POLLIN)
			accept_one(at[2].fd, name);
	}
	return 1;
}
