// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fcntl.h>

#include "check.h"

/* What write_lines() sends to standard error. */
static char *capture(const char *directory, void (*write_lines)(void))
{
	autofree char *path = path_join(directory, "log");
	char *text = NULL;
	int saved = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	dup2(fd, STDERR_FILENO);
	write_lines();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	check_ok(file_read(&text, NULL, AT_FDCWD, path, 1 << 20));
	return text;
}

static void two_lines(void)
{
	log_debug("not shown");
	log_warning("disk \"%s\" is full", "a");
	error_log(error_hint(error_new(ERROR_INTERNAL, "broken\nin two"), "mend it"), "start");
}

static void marks_priorities_under_systemd(void **state)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	check_text(capture(*state, two_lines), "<4>disk \"a\" is full\n<4>start: broken in two; mend it\n");
}

static void shows_time_name_and_level_otherwise(void **state)
{
	unsetenv("JOURNAL_STREAM");
	log_set_name("kedged");
	autofree char *text = capture(*state, two_lines);
	assert_string_equal(strchr(text, ' '), strstr(text, " kedged warning: disk \"a\" is full\n"));
	assert_non_null(strstr(text, "Z kedged warning: start: broken in two; mend it\n"));
}

static void long_line(void)
{
	char text[10000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
}

static void cuts_long_lines(void **state)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	autofree char *text = capture(*state, long_line);
	assert_in_range(strlen(text), 4000, 4096);
	assert_string_equal(text + strlen(text) - 2, "x\n");
}

static void knows_its_levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_find("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_find("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_find("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(marks_priorities_under_systemd),
		directory_test(shows_time_name_and_level_otherwise),
		directory_test(cuts_long_lines),
		cmocka_unit_test(knows_its_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
