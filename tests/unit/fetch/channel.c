// SPDX-License-Identifier: Apache-2.0
#include "fetch/channel.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/strings.h"
#include "check.h"

typedef struct Pair {
	Channel *here;
	int there;
} Pair;

static int setup_pair(void **state)
{
	Pair *pair = mem_new(Pair);
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		return -1;
	pair->here = channel_new(sockets[0]);
	pair->there = sockets[1];
	*state = pair;
	return 0;
}

static int teardown_pair(void **state)
{
	Pair *pair = *state;

	channel_free(pair->here);
	close_fd(&pair->there);
	free(pair);
	return 0;
}

static ChannelState receive(Channel *channel, Frame *ret)
{
	ChannelState state = CHANNEL_EMPTY;

	check_ok(channel_receive(channel, ret, &state));
	return state;
}

static void carries_frames(void **state)
{
	Pair *pair = *state;
	autoptr(Channel) other = channel_new(take_fd(&pair->there));

	for (int i = 0; i < 3; i++) {
		autofree char *text = string_printf("text %d", i);
		check_ok(channel_send(pair->here, text, strlen(text), "a\0b", i, -1));
	}
	for (int i = 0; i < 3; i++) {
		autoclear(Frame) frame = {0};
		autofree char *text = string_printf("text %d", i);
		assert_int_equal(receive(other, &frame), CHANNEL_FRAME);
		assert_string_equal(frame.text, text);
		assert_int_equal(frame.payload_length, i);
		assert_memory_equal(frame.payload ? frame.payload : "", "a\0b", i);
	}
	Frame none = {0};
	assert_int_equal(receive(other, &none), CHANNEL_EMPTY);
	pair->here = channel_free(pair->here);
	assert_int_equal(receive(other, &none), CHANNEL_ENDED);
}

/* More than the socket takes at once, with a descriptor behind it that must not get lost or go to another frame. */
static void carries_much_and_descriptors(void **state)
{
	Pair *pair = *state;
	autoptr(Channel) other = channel_new(take_fd(&pair->there));
	autofree char *payload = mem_alloc(CHANNEL_PAYLOAD_MAX);
	autoclear(Frame) first = {0}, second = {0};
	char read_back[3] = "";
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	memset(payload, 'x', CHANNEL_PAYLOAD_MAX);
	check_ok(channel_send(pair->here, "1", 1, payload, CHANNEL_PAYLOAD_MAX, -1));
	check_ok(channel_send(pair->here, "2", 1, NULL, 0, pipes[1]));
	close(pipes[1]);
	assert_true(channel_is_pending(pair->here));
	assert_in_range(channel_pending_bytes(pair->here), 1, CHANNEL_PAYLOAD_MAX + 100);
	while (receive(other, &first) != CHANNEL_FRAME)
		check_ok(channel_flush(pair->here));
	assert_int_equal(first.payload_length, CHANNEL_PAYLOAD_MAX);
	while (receive(other, &second) != CHANNEL_FRAME)
		check_ok(channel_flush(pair->here));
	assert_false(channel_is_pending(pair->here));
	assert_int_equal(channel_pending_bytes(pair->here), 0);
	autofd fd = channel_take_fd(other);
	assert_int_equal(channel_take_fd(other), -1);
	assert_int_equal(write(fd, "ok", 2), 2);
	assert_int_equal(read(pipes[0], read_back, 2), 2);
	assert_string_equal(read_back, "ok");
	close(pipes[0]);
}

/* What a helper gone bad could try: descriptors that nobody counts. */
static void takes_one_descriptor_at_a_time(void **state)
{
	Pair *pair = *state;
	int extra[4];
	char data[] = "\1\0\0\0\0\0\0\0x";
	char control[CMSG_SPACE(sizeof(extra))] = {0};
	struct iovec part = {data, 9};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	autoclear(Frame) frame = {0};

	for (int i = 0; i < 4; i++)
		extra[i] = pair->there;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(extra));
	memcpy(CMSG_DATA(header), extra, sizeof(extra));
	assert_int_equal(sendmsg(pair->there, &message, 0), 9);
	autofd before = dup(pair->there);
	assert_int_equal(receive(pair->here, &frame), CHANNEL_FRAME);
	autofd after = dup(pair->there);
	assert_int_equal(after, before + 2);
	close(channel_take_fd(pair->here));
	assert_int_equal(channel_take_fd(pair->here), -1);
}

static void refuses_to_send_too_much(void **state)
{
	Pair *pair = *state;

	check_error(channel_send(pair->here, "", CHANNEL_TEXT_MAX + 1, NULL, 0, -1), ERROR_TOO_LARGE,
		"a message of 4194305 bytes is too large");
	assert_false(channel_is_pending(pair->here));
}

static void refuses_to_receive_too_much(void **state)
{
	static const unsigned char headers[][8] = {
		{1, 0, 64, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 1, 0, 0, 1}, {255, 255, 255, 255, 255, 255, 255, 255}};

	for (size_t i = 0; i < 3; i++) {
		Pair *pair = *state;
		Frame frame = {0};
		ChannelState ignored;
		assert_int_equal(write(pair->there, headers[i], 8), 8);
		check_error(channel_receive(pair->here, &frame, &ignored), ERROR_TOO_LARGE,
			"the other process sent a message that is too large");
		teardown_pair(state);
		setup_pair(state);
	}
}

static void half_a_frame_waits(void **state)
{
	Pair *pair = *state;
	autoclear(Frame) frame = {0};

	assert_int_equal(write(pair->there, "\2\0\0\0\1\0\0\0h", 9), 9);
	assert_int_equal(receive(pair->here, &frame), CHANNEL_EMPTY);
	assert_int_equal(write(pair->there, "ip", 2), 2);
	assert_int_equal(receive(pair->here, &frame), CHANNEL_FRAME);
	assert_string_equal(frame.text, "hi");
	assert_string_equal(frame.payload, "p");
}

static void tells_that_the_other_side_is_gone(void **state)
{
	Pair *pair = *state;

	close_fd(&pair->there);
	Error *error = channel_send(pair->here, "x", 1, NULL, 0, -1);
	assert_non_null(error);
	assert_int_equal(error_number(error), EPIPE);
	error_free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(carries_frames, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(carries_much_and_descriptors, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(takes_one_descriptor_at_a_time, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(refuses_to_send_too_much, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(refuses_to_receive_too_much, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(half_a_frame_waits, setup_pair, teardown_pair),
		cmocka_unit_test_setup_teardown(tells_that_the_other_side_is_gone, setup_pair, teardown_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
