// SPDX-License-Identifier: Apache-2.0
#include "tls/talk.h"

#include <sys/socket.h>

#include "check.h"

static void test_messages(void **state)
{
	int pair[2], fds[TALK_FDS_MAX], sent[TALK_FDS_MAX];
	size_t count = 9;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(talk_receive(pair[0], fds, &count), TALK_NOTHING);
	assert_int_equal(count, 0);
	for (size_t i = 0; i < TALK_FDS_MAX; i++)
		sent[i] = pair[1];
	check_ok(talk_send(pair[1], TALK_LISTENERS, sent, TALK_FDS_MAX));
	check_ok(talk_send(pair[1], TALK_GO, NULL, 0));
	assert_int_equal(talk_receive(pair[0], fds, &count), TALK_LISTENERS);
	assert_int_equal(count, TALK_FDS_MAX);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(close(fds[i]), 0);
	assert_int_equal(talk_receive(pair[0], fds, &count), TALK_GO);
	assert_int_equal(count, 0);
	close(pair[1]);
	assert_int_equal(talk_receive(pair[0], fds, &count), TALK_END);
	Error *error = talk_send(pair[0], TALK_ASK, NULL, 0);
	assert_non_null(error);
	error_free(error);
	close(pair[0]);
}

static void test_no_message(void **state)
{
	int pair[2], fds[TALK_FDS_MAX];
	size_t count;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(send(pair[1], "", 1, 0), 1);
	assert_int_equal(talk_receive(pair[0], fds, &count), TALK_END);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
