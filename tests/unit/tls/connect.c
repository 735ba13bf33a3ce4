// SPDX-License-Identifier: Apache-2.0
/* What a kedge-tls says of its end, also one that does not come to any. */
#include "tls/connect.h"

#include <fcntl.h>
#include <string.h>

#include "check.h"

static Error *reason_of(const char *words, bool ends)
{
	const TlsPlace place = {.place = (char[]){"host:1"}};
	int ends_of_pipe[2];

	assert_int_equal(pipe2(ends_of_pipe, O_CLOEXEC), 0);
	assert_int_equal(write(ends_of_pipe[1], words, strlen(words)), strlen(words));
	if (ends)
		close(ends_of_pipe[1]);
	Error *error = tls_connect_reason(ends_of_pipe[0], &place);
	if (!ends)
		close(ends_of_pipe[1]);
	return error;
}

static void test_a_reason(void **state)
{
	(void)state;
	Error *error = reason_of("it is over", true);
	assert_non_null(error);
	assert_non_null(strstr(error_message(error), "it is over"));
	error_free(error);
	assert_null(reason_of("", true));
}

/* It still has something to give to a server that stands still. */
static void test_no_end(void **state)
{
	(void)state;
	assert_null(reason_of("", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reason),
		cmocka_unit_test(test_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
