// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>

#include "check.h"

static void carries_kind_and_message(void **state)
{
	Error *error = error_new(ERROR_CONFLICT, "name \"%s\" is taken", "web");

	(void)state;
	assert_int_equal(error_kind(error), ERROR_CONFLICT);
	assert_string_equal(error_message(error), "name \"web\" is taken");
	assert_int_equal(error_number(error), 0);
	assert_null(error_hint_text(error));
	assert_null(error_free(error));
	assert_null(error_free(NULL));
}

static void wraps_and_hints(void **state)
{
	Error *error = error_wrap(error_new(ERROR_INVALID, "no %%s"), "line %d", 3);

	(void)state;
	error = error_wrap(error_hint(error, "try \"%s\"", "x"), "file \"f\"");
	assert_string_equal(error_message(error), "file \"f\": line 3: no %s");
	assert_string_equal(error_hint_text(error), "try \"x\"");
	error = error_hint(error, "other");
	assert_string_equal(error_hint_text(error), "other");
	error_free(error);
}

static void takes_its_kind_from_errno(void **state)
{
	static const struct {
		int number;
		ErrorKind kind;
	} cases[] = {{ENOENT, ERROR_NOT_FOUND}, {EEXIST, ERROR_CONFLICT}, {ENOSPC, ERROR_UNAVAILABLE},
		{EDQUOT, ERROR_UNAVAILABLE}, {EACCES, ERROR_FORBIDDEN}, {ETIMEDOUT, ERROR_TIMEOUT},
		{ENOSYS, ERROR_UNSUPPORTED}, {EIO, ERROR_INTERNAL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		Error *error = error_errno(cases[i].number, "x");
		assert_int_equal(error_kind(error), cases[i].kind);
		assert_int_equal(error_number(error), cases[i].number);
		error_free(error);
	}
	check_error(error_errno(ENOENT, "could not open \"%s\"", "a"), ERROR_NOT_FOUND,
		"could not open \"a\": No such file or directory");
}

static void every_kind_is_one_status_and_one_exit_code(void **state)
{
	(void)state;
	for (ErrorKind kind = 0; kind < ERROR_KINDS; kind++) {
		assert_non_null(error_kind_name(kind));
		assert_int_equal(error_kind_of_http(error_http_status(kind)), kind);
		assert_true(error_exit_code(kind) > 0 && error_exit_code(kind) < 125);
	}
	assert_int_equal(error_http_status(ERROR_NOT_FOUND), 404);
	assert_int_equal(error_kind_of_http(418), ERROR_INVALID);
	assert_int_equal(error_kind_of_http(429), ERROR_UNAVAILABLE);
	assert_int_equal(error_kind_of_http(502), ERROR_UNAVAILABLE);
	assert_int_equal(error_kind_of_http(511), ERROR_INTERNAL);
	assert_true(error_may_pass(ERROR_UNAVAILABLE));
	assert_false(error_may_pass(ERROR_INVALID));
}

static Error *third_of(int *calls, int fails_at)
{
	for (int i = 1; i <= 3; i++) {
		++*calls;
		TRY_WRAP(i == fails_at ? error_new(ERROR_INTERNAL, "no") : NULL, "call %d", i);
	}
	return NULL;
}

static void try_returns_at_once(void **state)
{
	int calls = 0;

	(void)state;
	check_error(third_of(&calls, 2), ERROR_INTERNAL, "call 2: no");
	assert_int_equal(calls, 2);
	check_ok(third_of(&calls, 0));
	assert_int_equal(calls, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_kind_and_message),
		cmocka_unit_test(wraps_and_hints),
		cmocka_unit_test(takes_its_kind_from_errno),
		cmocka_unit_test(every_kind_is_one_status_and_one_exit_code),
		cmocka_unit_test(try_returns_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
