// SPDX-License-Identifier: Apache-2.0
#include "device/lease.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static char *make_file(void **state)
{
	char *path = path_join(*state, "f");

	check_ok(file_replace(AT_FDCWD, path, "x", 1, 0600));
	return path;
}

static void tells_what_is_being_written(void **state)
{
	autofree char *path = make_file(state);
	autofd fd = open(path, O_RDONLY), writer = -1;

	assert_false(file_is_being_written(fd));
	writer = open(path, O_WRONLY);
	assert_true(file_is_being_written(fd));
	close_fd(&writer);
	assert_false(file_is_being_written(fd));
}

/* Whoever opens it at that moment is not the end of who asks. */
static void writers_may_come_meanwhile(void **state)
{
	autofree char *path = make_file(state);
	autofd fd = open(path, O_RDONLY);
	pid_t other = fork();

	while (!other)
		close(open(path, O_WRONLY));
	for (int i = 0; i < 50000; i++)
		(void)file_is_being_written(fd);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(tells_what_is_being_written),
		directory_test(writers_may_come_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
