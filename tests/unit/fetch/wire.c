// SPDX-License-Identifier: Apache-2.0
#include "fetch/wire.h"

#include <sys/socket.h>

#include "check.h"

static void round_trip(const WireMessage *message, WireMessage *ret)
{
	int sockets[2];
	ChannelState state;
	autoclear(Frame) frame = {0};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	autoptr(Channel) here = channel_new(sockets[0]), *there = channel_new(sockets[1]);
	check_ok(wire_send(here, message, NULL, 0, -1));
	check_ok(channel_receive(there, &frame, &state));
	assert_int_equal(state, CHANNEL_FRAME);
	check_ok(wire_parse(ret, frame.text, frame.text_length));
}

static void start_carries_access(void **state)
{
	(void)state;
	char host[] = "h:1", password[] = "p\"\\\n", name[] = "h:1/a:b";
	RegistryAccess access = {.host = host, .plain_http = true, .password = password};
	autoclear(WireMessage) back = {0};

	round_trip(
		&(WireMessage){.type = WIRE_START, .access = &access, .reference = name, .retries = 5, .parallel = 3},
		&back);
	assert_int_equal(back.type, WIRE_START);
	assert_string_equal(back.access->host, host);
	assert_true(back.access->plain_http);
	assert_false(back.access->skip_verify);
	assert_string_equal(back.access->password, password);
	assert_null(back.access->ca_pem);
	assert_string_equal(back.reference, name);
	assert_int_equal(back.retries, 5);
}

static void errors_travel(void **state)
{
	(void)state;
	Error *error = error_hint(error_new(ERROR_UNAUTHORIZED, "no \"entry\""), "knock");
	WireMessage message = {.type = WIRE_FAILED, .error = wire_error_new(error)};
	autoclear(WireMessage) back = {0};

	error_free(error);
	round_trip(&message, &back);
	wire_clear(&message);
	error = wire_error_take(back.error);
	assert_int_equal(error_kind(error), ERROR_UNAUTHORIZED);
	assert_string_equal(error_message(error), "no \"entry\"");
	assert_string_equal(error_hint_text(error), "knock");
	error_free(error);
}

static void refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "{}", "[]", "{\"type\":\"nonsense\"}",
		"{\"type\":\"progress\",\"bytes\":-1}",
		"{\"type\":\"failed\",\"error\":{\"kind\":99,\"message\":\"x\"}}",
		"{\"type\":\"failed\",\"error\":{\"kind\":1}}", "{\"type\":\"login\",\"more\":1}",
		"{\"type\":\"start\",\"parallel\":65}", "{\"type\":7}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		WireMessage message = {0};
		Error *error = wire_parse(&message, bad[i], strlen(bad[i]));
		assert_non_null(error);
		error_free(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_carries_access),
		cmocka_unit_test(errors_travel),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
