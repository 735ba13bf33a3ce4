// SPDX-License-Identifier: Apache-2.0
#include "shim/logfile.h"

#include <sys/stat.h>

#include "check.h"
#include "shim/logplace.h"

static char batch[LOG_BATCH_SIZE];

static LogFile open_log(void **state, int64_t max_size, int64_t max_files)
{
	LogFile log = {.fd = -1, .batch = batch, .max_size = max_size, .max_files = max_files};

	check_ok(dir_open(&log.directory, AT_FDCWD, *state));
	logfile_open(&log);
	return log;
}

static void close_log(LogFile *log)
{
	logfile_close(log);
	close_fd(&log->directory);
}

static void add(LogFile *log, const char *text)
{
	LogEntry entry = {LOG_STDOUT, 1, text, strlen(text), true};

	logfile_add(log, &entry);
}

static char *read_log(void **state, const char *name)
{
	autofree char *path = path_join(*state, name);
	char *text;

	check_ok(file_read(&text, NULL, AT_FDCWD, path, 1 << 20));
	return text;
}

static bool exists(void **state, const char *name)
{
	autofree char *path = path_join(*state, name);

	return file_exists(AT_FDCWD, path);
}

#define LINE(text) "{\"log\":\"" text "\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00.000000001Z\"}\n"

static void test_batches(void **state)
{
	LogFile log = open_log(state, 0, 1);

	add(&log, "one");
	add(&log, "two");
	check_text(read_log(state, LOG_FILE_NAME), "");
	logfile_flush(&log);
	check_text(read_log(state, LOG_FILE_NAME), LINE("one") LINE("two"));
	close_log(&log);
}

static void test_continues(void **state)
{
	LogFile log = open_log(state, 0, 1);

	add(&log, "one");
	close_log(&log);
	log = open_log(state, 0, 1);
	add(&log, "two");
	close_log(&log);
	check_text(read_log(state, LOG_FILE_NAME), LINE("one") LINE("two"));
}

/* An inode is used again: what was sent of the file that had it before says nothing of the one that has it now. */
static void test_unsent_lines_stay_though_an_inode_comes_again(void **state)
{
	autofree char *older = path_join(*state, LOG_FILE_NAME ".1"), *place_path = path_join(*state, LOG_PLACE_NAME);
	LogFile log = open_log(state, 1, 2);
	LogForwarded place = {.sent = {.birth = 1, .offset = 1}};
	struct stat status;

	check_ok(file_replace(AT_FDCWD, older, LINE("old"), strlen(LINE("old")), 0600));
	log.keeps_unsent = true;
	add(&log, "new");
	logfile_flush(&log);
	assert_false(logfile_has_room(&log));
	assert_int_equal(fstat(log.fd, &status), 0);
	place.sent.file = status.st_ino;
	autofd fd = open(place_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(logplace_write(fd, &place));
	if (logplace_birth(log.fd, "")) /* of a file system that keeps it */
		assert_false(logfile_has_room(&log));
	place.sent.birth = logplace_birth(log.fd, "");
	assert_true(logplace_write(fd, &place));
	assert_true(logfile_has_room(&log));
	close_log(&log);
}

static void test_torn_line(void **state)
{
	autofree char *path = path_join(*state, LOG_FILE_NAME);

	check_ok(file_replace(AT_FDCWD, path, "{\"log\":\"to", 10, 0600));
	LogFile log = open_log(state, 0, 1);
	add(&log, "next");
	close_log(&log);
	check_text(read_log(state, LOG_FILE_NAME), "{\"log\":\"to\n" LINE("next"));
}

static void test_rotates(void **state)
{
	LogFile log = open_log(state, sizeof(LINE("a")) * 2 - 2, 3);
	char text[] = "a";

	for (int i = 0; i < 7; i++, text[0]++)
		add(&log, text);
	close_log(&log);
	check_text(read_log(state, LOG_FILE_NAME), LINE("g"));
	check_text(read_log(state, LOG_FILE_NAME ".1"), LINE("e") LINE("f"));
	check_text(read_log(state, LOG_FILE_NAME ".2"), LINE("c") LINE("d"));
	assert_false(exists(state, LOG_FILE_NAME ".3"));
}

static void test_one_file(void **state)
{
	LogFile log = open_log(state, 100, 1);

	add(&log, "a");
	add(&log, "b");
	add(&log, "c");
	close_log(&log);
	check_text(read_log(state, LOG_FILE_NAME), LINE("c"));
	assert_false(exists(state, LOG_FILE_NAME ".1"));
}

/* /dev/full as the log: every write fails with ENOSPC. */
static void test_no_space(void **state)
{
	LogFile log = open_log(state, 0, 1);
	int file = log.fd;

	log.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	add(&log, "lost");
	add(&log, "lost too");
	logfile_flush(&log);
	add(&log, "lost again");
	logfile_flush(&log);
	assert_int_equal(log.dropped, 3);
	close(log.fd);
	log.fd = file;
	add(&log, "kept");
	close_log(&log);
	autofree char *text = read_log(state, LOG_FILE_NAME);
	assert_non_null(strstr(text, "3 lines of this container's output were not logged: No space left on device\\n"));
	assert_true(strlen(text) > sizeof(LINE("kept")));
	assert_string_equal(text + strlen(text) - strlen(LINE("kept")), LINE("kept"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_batches),
		directory_test(test_continues),
		directory_test(test_unsent_lines_stay_though_an_inode_comes_again),
		directory_test(test_torn_line),
		directory_test(test_rotates),
		directory_test(test_one_file),
		directory_test(test_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
