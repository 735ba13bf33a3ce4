// SPDX-License-Identifier: Apache-2.0
/* Logs in blocks: what writes them is killed, what they lie on is damaged, and what reads them gets all the rest. */
#include "shim/gather.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "check.h"
#include "shim/logfile.h"
#include "shim/logtext.h"

enum { LINE_SIZE = 80 };

static char batch[LOG_BATCH_SIZE], memory[GATHER_MEMORY];

typedef struct Fixture {
	char *directory, *run;
	Gather gather;
	LogFile log;
} Fixture;

static void begin(Fixture *fixture)
{
	fixture->gather = (Gather){.memory = memory, .compresses = true, .fd = -1};
	check_ok(dir_open(&fixture->gather.directory, AT_FDCWD, fixture->run));
	fixture->log = (LogFile){.fd = -1, .batch = batch, .max_files = 3, .gather = &fixture->gather};
	check_ok(dir_open(&fixture->log.directory, AT_FDCWD, fixture->directory));
	logfile_open(&fixture->log);
}

/* As SIGKILL does it. */
static void killed(Fixture *fixture)
{
	close_fd(&fixture->gather.fd);
	close_fd(&fixture->gather.directory);
	close_fd(&fixture->log.fd);
	close_fd(&fixture->log.directory);
}

static void finish(Fixture *fixture)
{
	logfile_close(&fixture->log);
	killed(fixture);
}

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof(*fixture));

	setup_directory((void **)&fixture->directory);
	fixture->run = path_join(fixture->directory, "run");
	check_ok(dir_make(AT_FDCWD, fixture->run, 0700));
	begin(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	finish(fixture);
	free(fixture->run);
	teardown_directory((void **)&fixture->directory);
	free(fixture);
	return 0;
}

static void add(Fixture *fixture, const char *text)
{
	LogEntry entry = {LOG_STDOUT, 1, text, strlen(text), true};

	logfile_add(&fixture->log, &entry);
	logfile_flush(&fixture->log);
}

static void add_numbers(Fixture *fixture, int first, int last)
{
	char text[16];

	for (int number = first; number <= last; number++) {
		snprintf(text, sizeof(text), "%d", number);
		add(fixture, text);
	}
}

static void add_block(Fixture *fixture, int first, int last)
{
	add_numbers(fixture, first, last);
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
}

/* The text of one file: "1\n2\n...", notes in brackets. */
static char *read_file(const Fixture *fixture, const char *name)
{
	autoptr(LogText) text = logtext_new(fixture->directory, fixture->run);
	autoclear(Buffer) lines = {0}, heard = {0};
	autofree char *path = path_join(fixture->directory, name);
	LogPosition position = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	struct stat status;
	char time[LOG_TIME_MAX];
	LogEntry entry;
	size_t length;

	assert_int_equal(fstat(position.fd, &status), 0);
	position.inode = status.st_ino;
	while ((length = logtext_read(text, &position, buffer_reserve(&lines, LOG_TEXT_SLICE), -1)))
		buffer_commit(&lines, length);
	buffer_commit(&lines, logtext_torn_end(text, &position, buffer_reserve(&lines, LOG_TEXT_SLICE)));
	for (char *line = lines.data, *end; line && (end = strchr(line, '\n')); line = end + 1)
		if (logline_read(&entry, time, line, (size_t)(end - line)))
			buffer_printf(&heard, entry.stream == LOG_STDERR ? "[%.*s]" : "%.*s ", (int)entry.length - 1,
				entry.data);
	logposition_clear(&position);
	return buffer_steal(&heard);
}

static void check_file(const Fixture *fixture, const char *name, const char *expected)
{
	autofree char *heard = read_file(fixture, name);

	assert_string_equal(heard, expected);
}

static void check_log(const Fixture *fixture, const char *expected)
{
	check_file(fixture, LOG_FILE_NAME, expected);
}

static int64_t size_of(const Fixture *fixture, const char *name)
{
	autofree char *path = path_join(fixture->directory, name);
	struct stat status;

	return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* ---- gathering ---- */

static void test_lines_are_gathered_and_read(void **state)
{
	Fixture *fixture = *state;

	add_numbers(fixture, 1, 3);
	assert_int_equal(size_of(fixture, LOG_FILE_NAME), LOG_BLOCKS_BEGIN);
	check_log(fixture, "1 2 3 ");
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	assert_true(size_of(fixture, LOG_FILE_NAME) > LOG_BLOCKS_BEGIN);
	assert_int_equal(size_of(fixture, "run/" LOG_GATHERED_NAME), -1);
	check_log(fixture, "1 2 3 ");
	add(fixture, "4");
	check_log(fixture, "1 2 3 4 ");
}

static void test_they_leave_in_time(void **state)
{
	Fixture *fixture = *state;
	int64_t now_ns = clock_monotonic_ns();

	assert_true(logfile_deadline(&fixture->log) == INT64_MAX);
	add(fixture, "1");
	int64_t due_ns = logfile_deadline(&fixture->log);
	assert_true(due_ns >= now_ns + GATHER_NS && due_ns <= clock_monotonic_ns() + GATHER_NS);
	assert_false(logfile_step(&fixture->log, due_ns - 1));
	assert_int_equal(size_of(fixture, LOG_FILE_NAME), LOG_BLOCKS_BEGIN);
	assert_true(logfile_step(&fixture->log, due_ns));
	assert_true(size_of(fixture, LOG_FILE_NAME) > LOG_BLOCKS_BEGIN);
	assert_true(logfile_deadline(&fixture->log) == INT64_MAX);
	check_log(fixture, "1 ");
}

static void test_many_leave_in_large_blocks(void **state)
{
	Fixture *fixture = *state;
	LogBlock block = {.at = 0};
	int64_t end = LOG_BLOCKS_BEGIN, count = 0, lines = 0;

	add_numbers(fixture, 1, 20000);
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	while (logblock_find(&block, fixture->log.fd, end, size_of(fixture, LOG_FILE_NAME))) {
		assert_int_equal(block.at, end);
		assert_true(block.is_deflated && block.stored < block.length);
		lines += block.lines;
		end = logblock_end(&block);
		count++;
	}
	assert_int_equal(end, size_of(fixture, LOG_FILE_NAME));
	assert_int_equal(lines, 20000);
	assert_int_equal(count, (fixture->log.size + GATHER_BYTES - 1) / GATHER_BYTES);
	assert_true(size_of(fixture, LOG_FILE_NAME) * 6 < fixture->log.size);
}

static void test_nothing_is_gathered_behind_the_end(void **state)
{
	Fixture *fixture = *state;

	add(fixture, "1");
	logfile_end(&fixture->log);
	int64_t size = size_of(fixture, LOG_FILE_NAME);
	assert_true(size > LOG_BLOCKS_BEGIN);
	add(fixture, "2");
	assert_true(size_of(fixture, LOG_FILE_NAME) > size);
	assert_int_equal(size_of(fixture, "run/" LOG_GATHERED_NAME), -1);
	check_log(fixture, "1 2 ");
}

static void test_blocks_without_compression(void **state)
{
	Fixture *fixture = *state;

	fixture->gather.compresses = false;
	add_block(fixture, 1, 100);
	assert_true(size_of(fixture, LOG_FILE_NAME) == LOG_BLOCKS_BEGIN + LOG_BLOCK_HEAD + fixture->log.size);
	fixture->gather.compresses = true;
	add_block(fixture, 101, 102);
	autofree char *heard = read_file(fixture, LOG_FILE_NAME);
	assert_true(string_starts(heard, "1 2 3 ") && string_ends(heard, " 99 100 101 102 "));
}

static void test_what_cannot_be_compressed(void **state)
{
	Fixture *fixture = *state;
	char text[2] = {0};

	for (int i = 0; i < 3; i++) {
		text[0] = (char)('a' + i);
		add(fixture, text);
		assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	}
	check_log(fixture, "a b c ");
}

static void test_rotation(void **state)
{
	Fixture *fixture = *state;

	fixture->log.max_size = 2 * 64;
	add_numbers(fixture, 1, 9);
	autofree char *third = read_file(fixture, LOG_FILE_NAME ".2");
	autofree char *second = read_file(fixture, LOG_FILE_NAME ".1");
	autofree char *first = read_file(fixture, LOG_FILE_NAME);
	autofree char *all = string_printf("%s%s%s", third, second, first);
	assert_string_equal(all, "5 6 7 8 9 ");
}

/* ---- kills ---- */

static void test_killed_while_lines_are_gathered(void **state)
{
	Fixture *fixture = *state;

	add_block(fixture, 1, 2);
	add_numbers(fixture, 3, 4);
	killed(fixture);
	check_log(fixture, "1 2 3 4 ");
	begin(fixture);
	assert_int_equal(size_of(fixture, "run/" LOG_GATHERED_NAME), -1);
	check_log(fixture, "1 2 3 4 ");
	add(fixture, "5");
	check_log(fixture, "1 2 3 4 5 ");
}

/* As kedged leaves them of a bundle that it removes. */
static void test_found_beside_the_log(void **state)
{
	Fixture *fixture = *state;
	autofree char *from = path_join(fixture->run, LOG_GATHERED_NAME);
	autofree char *to = path_join(fixture->directory, LOG_GATHERED_NAME);

	add_numbers(fixture, 1, 2);
	killed(fixture);
	assert_int_equal(rename(from, to), 0);
	check_log(fixture, "1 2 ");
	begin(fixture);
	assert_int_equal(size_of(fixture, LOG_GATHERED_NAME), -1);
	check_log(fixture, "1 2 ");
}

static void test_killed_when_the_block_was_written(void **state)
{
	Fixture *fixture = *state;
	autofree char *path = path_join(fixture->run, LOG_GATHERED_NAME), *kept = NULL;
	size_t length;

	add_numbers(fixture, 1, 3);
	check_ok(file_read(&kept, &length, AT_FDCWD, path, LOG_BLOCK_MAX));
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	check_ok(file_replace(AT_FDCWD, path, kept, length, 0600));
	killed(fixture);
	check_log(fixture, "1 2 3 ");
	begin(fixture);
	check_log(fixture, "1 2 3 ");
	add(fixture, "4");
	check_log(fixture, "1 2 3 4 ");
}

/* Wherever the write was cut, the gathered lines are still there. */
static void test_killed_within_a_block(void **state)
{
	Fixture *fixture = *state;
	autofree char *gathered = path_join(fixture->run, LOG_GATHERED_NAME), *kept = NULL;
	autofree char *path = path_join(fixture->directory, LOG_FILE_NAME);
	size_t length;

	add_block(fixture, 1, 2);
	int64_t begin_of_block = size_of(fixture, LOG_FILE_NAME);
	add_numbers(fixture, 3, 5);
	check_ok(file_read(&kept, &length, AT_FDCWD, gathered, LOG_BLOCK_MAX));
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	killed(fixture);
	for (int64_t size = size_of(fixture, LOG_FILE_NAME) - 1; size >= begin_of_block; size--) {
		assert_int_equal(truncate(path, size), 0);
		check_ok(file_replace(AT_FDCWD, gathered, kept, length, 0600));
		begin(fixture);
		check_log(fixture, "1 2 3 4 5 ");
		killed(fixture);
		assert_int_equal(truncate(path, size), 0);
	}
	begin(fixture);
}

static void test_killed_while_a_line_is_gathered(void **state)
{
	Fixture *fixture = *state;

	add_numbers(fixture, 1, 2);
	assert_int_equal(write(fixture->gather.fd, "{\"log\":\"to", 10), 10);
	killed(fixture);
	check_log(fixture, "1 2 ");
	begin(fixture);
	add(fixture, "3");
	check_log(fixture, "1 2 3 ");
}

/* A disk that takes nothing: what was gathered waits until it does, and nothing is gathered in its place. */
static void test_what_cannot_be_taken_over_waits(void **state)
{
	Fixture *fixture = *state;
	autofree char *path = path_join(fixture->directory, LOG_FILE_NAME);

	add_block(fixture, 1, 2);
	add_numbers(fixture, 3, 4);
	killed(fixture);
	check_ok(dir_open(&fixture->gather.directory, AT_FDCWD, fixture->run));
	check_ok(dir_open(&fixture->log.directory, AT_FDCWD, fixture->directory));
	int log_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_false(gather_open(&fixture->gather, log_fd, fixture->log.directory));
	close(log_fd);
	check_log(fixture, "1 2 3 4 ");
	killed(fixture);
	begin(fixture);
	add(fixture, "5");
	check_log(fixture, "1 2 3 4 5 ");
	assert_int_equal(size_of(fixture, LOG_GATHERED_NAME), -1);
}

/* ---- damage ---- */

static void overwrite(const Fixture *fixture, const char *name, int64_t at, size_t length)
{
	autofree char *path = path_join(fixture->directory, name);
	char zeros[4096] = {0};
	autofd fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, zeros, length, at), (ssize_t)length);
}

static void test_a_damaged_block(void **state)
{
	Fixture *fixture = *state;

	add_block(fixture, 1, 2);
	int64_t at = size_of(fixture, LOG_FILE_NAME);
	add_block(fixture, 3, 5);
	add_block(fixture, 6, 7);
	overwrite(fixture, LOG_FILE_NAME, at + LOG_BLOCK_HEAD + 9, 1);
	check_log(fixture, "1 2 [kedge: 3 lines of this log cannot be read: its file is damaged]6 7 ");
	finish(fixture);
	begin(fixture);
	add(fixture, "8");
	check_log(fixture, "1 2 [kedge: 3 lines of this log cannot be read: its file is damaged]6 7 8 ");
}

static void test_a_damaged_head(void **state)
{
	Fixture *fixture = *state;

	add_block(fixture, 1, 2);
	int64_t at = size_of(fixture, LOG_FILE_NAME), before = fixture->log.size;
	add_block(fixture, 3, 5);
	int64_t lost = fixture->log.size - before;
	add_block(fixture, 6, 7);
	overwrite(fixture, LOG_FILE_NAME, at + 5, 4);
	autofree char *expected = string_printf(
		"1 2 [kedge: %lld bytes of this log cannot be read: its file is damaged]6 7 ", (long long)lost);
	check_log(fixture, expected);
}

static void test_a_damaged_beginning(void **state)
{
	Fixture *fixture = *state;

	add_block(fixture, 1, 2);
	overwrite(fixture, LOG_FILE_NAME, 0, 4);
	check_log(fixture, "1 2 ");
	finish(fixture);
	begin(fixture);
	add(fixture, "3");
	check_log(fixture, "3 ");
	check_file(fixture, LOG_FILE_NAME ".1", "1 2 ");
}

/* Of a file that is written no more: the newest one's is cut off by who goes on with it. */
static void test_a_torn_end(void **state)
{
	Fixture *fixture = *state;
	autofree char *path = path_join(fixture->directory, LOG_FILE_NAME);

	add_block(fixture, 1, 2);
	int64_t size = size_of(fixture, LOG_FILE_NAME);
	killed(fixture);
	assert_int_equal(truncate(path, size + 700), 0);
	check_log(fixture, "1 2 [kedge: 700 bytes of this log cannot be read: its file is damaged]");
	begin(fixture);
	assert_int_equal(size_of(fixture, LOG_FILE_NAME), size);
	add(fixture, "3");
	check_log(fixture, "1 2 3 ");
}

/* ---- from one driver to the other ---- */

static void test_a_file_of_lines_stays(void **state)
{
	Fixture *fixture = *state;

	finish(fixture);
	fixture->log = (LogFile){.fd = -1, .batch = batch, .max_files = 3};
	check_ok(dir_open(&fixture->log.directory, AT_FDCWD, fixture->directory));
	logfile_open(&fixture->log);
	add(fixture, "1");
	logfile_close(&fixture->log);
	close_fd(&fixture->log.directory);
	begin(fixture);
	add(fixture, "2");
	check_log(fixture, "2 ");
	check_file(fixture, LOG_FILE_NAME ".1", "1 ");
}

/* ---- a full disk ---- */

static void test_a_full_disk_keeps_what_is_gathered(void **state)
{
	Fixture *fixture = *state;
	int log_fd = fixture->log.fd, full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	add_block(fixture, 1, 1);
	add(fixture, "2");
	fixture->log.fd = full;
	assert_false(logfile_step(&fixture->log, logfile_deadline(&fixture->log) - 1));
	assert_true(logfile_step(&fixture->log, logfile_deadline(&fixture->log)));
	for (int i = 0; i < 4000; i++)
		add(fixture, "x");
	assert_true(fixture->log.dropped > 0 && fixture->log.problem == ENOSPC);
	assert_true(fixture->gather.held <= LOG_BLOCK_MAX);
	int64_t dropped = fixture->log.dropped;
	fixture->log.fd = log_fd;
	close(full);
	add(fixture, "3");
	autofree char *heard = read_file(fixture, LOG_FILE_NAME);
	autofree char *end = string_printf(
		"x [kedge: %lld lines of this container's output were not logged: No space left on device]3 ",
		(long long)dropped);
	assert_true(string_starts(heard, "1 2 x ") && string_ends(heard, end));
}

#define gather_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		gather_test(test_lines_are_gathered_and_read),
		gather_test(test_they_leave_in_time),
		gather_test(test_many_leave_in_large_blocks),
		gather_test(test_nothing_is_gathered_behind_the_end),
		gather_test(test_blocks_without_compression),
		gather_test(test_what_cannot_be_compressed),
		gather_test(test_rotation),
		gather_test(test_killed_while_lines_are_gathered),
		gather_test(test_found_beside_the_log),
		gather_test(test_killed_when_the_block_was_written),
		gather_test(test_killed_within_a_block),
		gather_test(test_killed_while_a_line_is_gathered),
		gather_test(test_what_cannot_be_taken_over_waits),
		gather_test(test_a_damaged_block),
		gather_test(test_a_damaged_head),
		gather_test(test_a_damaged_beginning),
		gather_test(test_a_torn_end),
		gather_test(test_a_file_of_lines_stays),
		gather_test(test_a_full_disk_keeps_what_is_gathered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
