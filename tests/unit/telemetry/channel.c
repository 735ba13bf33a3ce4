// SPDX-License-Identifier: Apache-2.0
/* A receiver with two addresses, at the first of which nobody answers. */
#include "telemetry/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "check.h"

enum { ROUNDS = 100, FILLERS = 3 };

/* Two addresses of one name: /etc/hosts is another one for this process. */
static bool name_addresses(const char *name)
{
	char path[] = "/tmp/unit-hosts-XXXXXX";
	int fd = mkstemp(path);

	dprintf(fd, "127.0.0.2 %s\n127.0.0.3 %s\n", name, name);
	close(fd);
	bool is_done = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		       mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
	unlink(path);
	return is_done;
}

static int listen_at(const char *address, in_port_t *port)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = *port};
	socklen_t length = sizeof(place);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &place.sin_addr);
	assert_int_equal(bind(fd, (const struct sockaddr *)&place, sizeof(place)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &length), 0);
	*port = place.sin_port;
	return fd;
}

/* Its queue is full: the kernel answers nobody else. */
static void fill(int fds[FILLERS], const char *address, in_port_t port)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = port};

	inet_pton(AF_INET, address, &place.sin_addr);
	for (int i = 0; i < FILLERS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(
			connect(fds[i], (const struct sockaddr *)&place, sizeof(place)) == 0 || errno == EINPROGRESS);
	}
}

static void nothing(void *arg)
{
	(void)arg;
}

static void next_address_is_tried(void **state)
{
	in_port_t port = 0;
	int fillers[FILLERS], silent, answering;
	char text[8], name[] = "two.test";
	autoptr(Loop) loop = NULL;
	autoptr(Channel) channel = NULL;
	const int tls[] = {-1, -1, -1};
	ChannelResult result = CHANNEL_LATER;

	(void)state;
	if (!name_addresses(name))
		skip();
	silent = listen_at("127.0.0.2", &port);
	answering = listen_at("127.0.0.3", &port);
	fill(fillers, "127.0.0.2", port);
	snprintf(text, sizeof(text), "%d", ntohs(port));
	LogAddress address = {.transport = LOG_TCP, .host = name, .port = text};
	const ChannelOptions options = {&address, tls, false};
	check_ok(loop_new(&loop));
	check_ok(channel_open(&channel, loop, &options, nothing, NULL));
	for (int i = 0; i < ROUNDS && result == CHANNEL_LATER; i++) {
		check_ok(loop_run_once(loop));
		result = channel_ready(channel);
	}
	assert_string_equal(channel_problem(channel), "");
	assert_int_equal(result, CHANNEL_DONE);
	for (int i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(silent);
	close(answering);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_address_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
