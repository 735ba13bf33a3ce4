// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What unit tests share; include it instead of cmocka.h. Checks of calls that give an Error take care of it, and say
 * what it was when it was not the expected one.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/files.h"

static inline void check_ok_(Error *error, const char *file, int line)
{
	if (!error)
		return;
	print_error("unexpected error: %s\n", error_message(error));
	error_free(error);
	_fail(file, line);
}

static inline void check_error_(Error *error, ErrorKind kind, const char *message, const char *file, int line)
{
	if (!error) {
		print_error("expected an error: %s\n", message);
		_fail(file, line);
	}
	_assert_string_equal(error_message(error), message, file, line);
	_assert_int_equal(error_kind(error), kind, file, line);
	error_free(error);
}

#define check_ok(expr) check_ok_((expr), __FILE__, __LINE__)
#define check_error(expr, kind, message) check_error_((expr), (kind), (message), __FILE__, __LINE__)
#define check_invalid(expr, message) check_error((expr), ERROR_INVALID, (message))

/* Takes the text, which was made for the check. */
#define check_text(expr, expected)                                                                                     \
	do {                                                                                                           \
		autofree char *check_text_ = (expr);                                                                   \
		assert_string_equal(check_text_, (expected));                                                          \
	} while (0)

/* cmocka set-up and tear-down: *state is the path of a new directory; afterwards it is removed with what is in it. */
static inline int setup_directory(void **state)
{
	char *path = strdup("/tmp/kedge-unit-XXXXXX");

	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static inline int teardown_directory(void **state)
{
	Error *error = tree_remove(AT_FDCWD, *state);
	int result = error ? -1 : 0;

	error_free(error);
	free(*state);
	return result;
}

#define directory_test(function) cmocka_unit_test_setup_teardown(function, setup_directory, teardown_directory)
