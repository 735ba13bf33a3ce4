// SPDX-License-Identifier: Apache-2.0
#include "telemetry/forward.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "check.h"
#include "shim/logplace.h"

enum { DATAGRAM_MAX = 65507, TAG_LENGTH = 52000, LONG_LENGTH = 16000 };

static int receiver(char address[32])
{
	struct sockaddr_in place = {.sin_family = AF_INET};
	socklen_t length = sizeof(place);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
	assert_int_equal(bind(fd, (const struct sockaddr *)&place, sizeof(place)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &length), 0);
	snprintf(address, 32, "udp://127.0.0.1:%d", ntohs(place.sin_port));
	return fd;
}

static void write_line(int fd, const char *data)
{
	dprintf(fd, "{\"log\":\"%s\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05.000000006Z\"}\n", data);
}

static char *letters(size_t count)
{
	char *text = mem_alloc(count + 1);

	memset(text, 'x', count);
	text[count] = '\0';
	return text;
}

static void a_datagram_that_is_too_large_is_dropped_and_counted(void **state)
{
	char directory[] = "/tmp/unit-forward-XXXXXX", address[32];
	autofree char *long_line = letters(LONG_LENGTH);
	autofree char *message = mem_alloc(DATAGRAM_MAX);
	autoptr(Loop) loop = NULL;
	autoptr(Forward) forward = NULL;
	LogForwarded place = {0};
	LogTarget target = {.tls = {-1, -1, -1}};

	(void)state;
	assert_non_null(mkdtemp(directory));
	autofd dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofd log = openat(dir, "container.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	autofd place_fd = openat(dir, LOG_PLACE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autofd socket = receiver(address);
	write_line(log, "first");
	write_line(log, long_line);
	write_line(log, "last");
	target.driver = mem_strdup("syslog");
	target.id = mem_strdup("1");
	target.name = mem_strdup("web");
	target.tag = letters(TAG_LENGTH);
	map_set(&target.options, "syslog-address", address);
	check_ok(loop_new(&loop));
	forward = forward_new(loop, &target, (ForwardFiles){dup(dir), dup(place_fd)}, NULL, NULL);
	assert_non_null(forward);
	while (!logplace_read(&place, place_fd) || place.sent_lines + place.dropped < 3)
		check_ok(loop_run_once(loop));
	assert_int_equal(place.sent_lines, 2);
	assert_int_equal(place.dropped, 1);
	for (int i = 0; i < 2; i++) {
		ssize_t length = recv(socket, message, DATAGRAM_MAX, 0);
		const char *end = i ? "]: last\n" : "]: first\n";
		assert_true(length > TAG_LENGTH);
		assert_memory_equal(message + length - strlen(end), end, strlen(end));
	}
	check_ok(tree_remove(AT_FDCWD, directory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_datagram_that_is_too_large_is_dropped_and_counted)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
