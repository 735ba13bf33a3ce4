// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>

#include "check.h"
#include "fetch/unpack/dropped.h"

enum { FILES = 5000 };

/* How many descriptors are open. */
static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < FD_SETSIZE; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Never many open at once, and none in the end. */
static void all_are_closed(void **state)
{
	autoptr(Dropped) dropped = dropped_new();
	int before = count_open(), highest = 0;

	(void)state;
	for (int i = 0; i < FILES; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		highest = fd > highest ? fd : highest;
		dropped_add(dropped, fd);
	}
	assert_in_range(highest, 0, before + 60);
	dropped = dropped_free(dropped);
	assert_int_equal(count_open(), before);
}

static void nothing_to_do(void **state)
{
	(void)state;
	assert_null(dropped_free(dropped_new()));
	assert_null(dropped_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_closed),
		cmocka_unit_test(nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
