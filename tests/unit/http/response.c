// SPDX-License-Identifier: Apache-2.0
#include "http/response.h"

#include "check.h"

/* Feeds text in pieces of `step` bytes; gives the error of the first piece that has one. */
static Error *feed_in(HttpResponse *response, const char *text, size_t step, Buffer *body, size_t *ret_left)
{
	size_t length = strlen(text), at = 0;

	while (at < length) {
		size_t piece = length - at < step ? length - at : step, used;
		TRY(http_response_feed(response, text + at, piece, &used, body));
		at += used;
		if (used < piece)
			break;
	}
	*ret_left = length - at;
	return NULL;
}

/* Whatever the pieces are, the result is the same. */
static void check_body(const char *text, int status, const char *expected, size_t expected_left)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		autoclear(HttpResponse) response;
		autoclear(Buffer) body = {0};
		size_t left;

		http_response_init(&response, false);
		check_ok(feed_in(&response, text, step, &body, &left));
		check_ok(http_response_end(&response));
		assert_int_equal(response.status, status);
		assert_string_equal(buffer_text(&body), expected);
		assert_int_equal(left, expected_left);
	}
}

static void check_refused(const char *text, ErrorKind kind, const char *message)
{
	autoclear(HttpResponse) response;
	autoclear(Buffer) body = {0};
	size_t left;

	http_response_init(&response, false);
	check_error(feed_in(&response, text, strlen(text), &body, &left), kind, message);
}

static void bodies(void **state)
{
	(void)state;
	check_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 0);
	check_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", 200, "hello", 4);
	check_body("HTTP/1.1 200\r\n\r\nto the end", 200, "to the end", 0);
	check_body("HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0);
	check_body("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, "", 0);
	check_body("HTTP/1.1 500 No\nContent-Length: 2\n\nno", 500, "no", 0);
	check_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201, "", 0);
}

static void chunks(void **state)
{
	(void)state;
	check_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
		200, "hello world", 0);
	check_body(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest",
		200, "0123456789", 4);
}

static void upgrade_leaves_the_rest(void **state)
{
	autoclear(HttpResponse) response;
	autoclear(Buffer) body = {0};
	size_t left;

	(void)state;
	http_response_init(&response, false);
	check_ok(feed_in(&response, "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw", 100, &body, &left));
	assert_int_equal(response.status, 101);
	assert_int_equal(left, 3);
	assert_int_equal(body.length, 0);
}

static void head_has_no_body(void **state)
{
	autoclear(HttpResponse) response;
	autoclear(Buffer) body = {0};
	size_t left;

	(void)state;
	http_response_init(&response, true);
	check_ok(feed_in(&response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 100, &body, &left));
	assert_int_equal(response.phase, HTTP_RESPONSE_COMPLETE);
}

static void headers(void **state)
{
	autoclear(HttpResponse) response;
	autoclear(Buffer) body = {0};
	size_t left;

	(void)state;
	http_response_init(&response, false);
	check_ok(feed_in(&response,
		"HTTP/1.1 200 OK\r\nX-One:  a b \r\nx-one: c\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 7,
		&body, &left));
	assert_string_equal(http_response_find(&response, "x-one"), "a b, c");
	assert_null(http_response_find(&response, "x-two"));
	assert_false(response.keep_alive);
}

static void refused(void **state)
{
	(void)state;
	check_refused("SSH-2.0-OpenSSH\r\n", ERROR_UNAVAILABLE, "the answer is not HTTP/1.1");
	check_refused("HTTP/1.1 2x0 OK\r\n", ERROR_UNAVAILABLE, "the answer's status line has no status");
	check_refused(
		"HTTP/1.1 200 OK\r\nno colon\r\n", ERROR_UNAVAILABLE, "the answer has a header line without a name");
	check_refused(
		"HTTP/1.1 200 OK\r\nA: b\rc\r\n", ERROR_UNAVAILABLE, "the answer has a line with a control character");
	check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ERROR_UNAVAILABLE,
		"the answer's transfer encoding \"gzip\" is unknown");
	check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", ERROR_UNAVAILABLE,
		"the answer's transfer encoding \"chunked\" is unknown");
	check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ERROR_UNAVAILABLE,
		"the answer has a chunk without a size");
	check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", ERROR_UNAVAILABLE,
		"the answer has a chunk that is longer than its size");
	check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", ERROR_TOO_LARGE,
		"the answer has a chunk of more than 2^60 bytes");
}

static void heads_are_bounded(void **state)
{
	autoclear(HttpResponse) line, head;
	autoclear(Buffer) body = {0}, text = {0};
	size_t left;

	(void)state;
	http_response_init(&line, false);
	buffer_add_text(&text, "HTTP/1.1 200 OK\r\nA: ");
	while (text.length < HTTP_RESPONSE_LINE_MAX + 100)
		buffer_add_text(&text, "aaaaaaaaaaaaaaaa");
	check_error(feed_in(&line, buffer_text(&text), 1000, &body, &left), ERROR_TOO_LARGE,
		"the answer's head is too large");

	http_response_init(&head, false);
	buffer_truncate(&text, 0);
	buffer_add_text(&text, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i <= HTTP_RESPONSE_HEADERS_MAX; i++)
		buffer_printf(&text, "H%d: x\r\n", i);
	check_error(feed_in(&head, buffer_text(&text), 1000, &body, &left), ERROR_TOO_LARGE,
		"the answer has more than 128 headers");
}

static void cut_off(void **state)
{
	static const char *const texts[] = {"HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		autoclear(HttpResponse) response;
		autoclear(Buffer) body = {0};
		size_t left;

		http_response_init(&response, false);
		check_ok(feed_in(&response, texts[i], 100, &body, &left));
		check_error(http_response_end(&response), ERROR_UNAVAILABLE,
			"the connection was closed in the middle of the answer");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(chunks),
		cmocka_unit_test(upgrade_leaves_the_rest),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(headers),
		cmocka_unit_test(refused),
		cmocka_unit_test(heads_are_bounded),
		cmocka_unit_test(cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
