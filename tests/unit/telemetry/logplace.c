// SPDX-License-Identifier: Apache-2.0
#include "shim/logplace.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static int make_file(void)
{
	char path[] = "/tmp/kedge-place-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void test_it_is_read_back(void **state)
{
	LogForwarded place = {.sent = {1, 2, 3, 4}, .sure = {5, 6, 7, 8}, .sent_lines = 9, .dropped = 10}, again;
	int fd = make_file();

	(void)state;
	strcpy(place.error, "reason");
	assert_true(logplace_write(fd, &place));
	assert_int_equal(lseek(fd, 0, SEEK_END), LOG_PLACE_SIZE);
	assert_true(logplace_read(&again, fd));
	assert_memory_equal(&again, &place, sizeof(place));
	close(fd);
}

static void test_a_torn_one_is_none(void **state)
{
	LogForwarded place = {.sure = {5, 6, 7, 8}}, again;
	int fd = make_file();
	char byte = 1;

	(void)state;
	assert_false(logplace_read(&again, fd));
	assert_true(logplace_write(fd, &place));
	assert_int_equal(pwrite(fd, &byte, 1, 60), 1);
	assert_false(logplace_read(&again, fd));
	assert_int_equal(again.sure.file, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_read_back), cmocka_unit_test(test_a_torn_one_is_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
