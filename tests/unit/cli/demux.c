// SPDX-License-Identifier: Apache-2.0
#include "cli/demux.h"

#include "check.h"

#define FRAME(stream, length) stream "\0\0\0\0\0\0" length
static const char stream[] = FRAME("\1", "\5") "hello" FRAME("\2", "\3") "err" FRAME("\1", "\0") FRAME("\1", "\1") "!";

enum { STREAM_LENGTH = sizeof(stream) - 1 };

typedef struct Pipes {
	int out[2], err[2];
} Pipes;

static void open_pipes(Pipes *pipes, Demux *demux)
{
	assert_int_equal(pipe(pipes->out), 0);
	assert_int_equal(pipe(pipes->err), 0);
	*demux = (Demux){.out = pipes->out[1], .err = pipes->err[1]};
}

static void check_pipes(Pipes *pipes, const char *out, const char *err)
{
	const char *expected[] = {out, err};
	int *both[] = {pipes->out, pipes->err};

	for (int i = 0; i < 2; i++) {
		char text[100];
		close(both[i][1]);
		ssize_t length = read(both[i][0], text, sizeof(text) - 1);
		text[length] = '\0';
		assert_string_equal(text, expected[i]);
		close(both[i][0]);
	}
}

static void any_pieces(void **state)
{
	(void)state;
	for (size_t step = 1; step <= STREAM_LENGTH; step++) {
		Pipes pipes;
		Demux demux;
		open_pipes(&pipes, &demux);
		for (size_t at = 0; at < STREAM_LENGTH; at += step)
			check_ok(
				demux_feed(&demux, stream + at, STREAM_LENGTH - at < step ? STREAM_LENGTH - at : step));
		check_ok(demux_end(&demux));
		check_pipes(&pipes, "hello!", "err");
	}
}

static void raw(void **state)
{
	Pipes pipes;
	Demux demux;

	(void)state;
	open_pipes(&pipes, &demux);
	demux.is_raw = true;
	check_ok(demux_feed(&demux, "\1\2\3 plain", 9));
	check_pipes(&pipes, "\1\2\3 plain", "");
}

static void refused(void **state)
{
	Demux demux = {.out = -1, .err = -1};

	(void)state;
	check_error(demux_feed(&demux, "\7\0\0\0\0\0\0\1", 8), ERROR_UNAVAILABLE,
		"the container's output is not in the form that was announced");
	demux = (Demux){.out = -1, .err = -1};
	check_ok(demux_feed(&demux, stream, STREAM_LENGTH - 1));
	check_error(demux_end(&demux), ERROR_UNAVAILABLE, "the container's output was cut off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_pieces),
		cmocka_unit_test(raw),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
