// SPDX-License-Identifier: Apache-2.0
#include "shim/passed.h"

#include "check.h"

static void send_two(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.head = {CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	char text[] = "x";
	struct iovec part = {text, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	const int both[] = {fd, fd};

	memcpy(CMSG_DATA(&control.head), both, sizeof(both));
	assert_int_equal(sendmsg(socket, &message, 0), 1);
}

/* The lowest number that is free tells whether one is left open. */
static int next_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

static void test_a_second_descriptor_is_dropped(void **state)
{
	int pair[2], fd = -1;
	char text[4];
	struct iovec part = {text, sizeof(text)};

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	send_two(pair[0], pair[0]);
	int before = next_descriptor();
	assert_int_equal(passed_receive(pair[1], &part, 1, &fd), 1);
	assert_int_equal(fd, before);
	close(fd);
	assert_int_equal(fcntl(before + 1, F_GETFD), -1);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_second_descriptor_is_dropped)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
