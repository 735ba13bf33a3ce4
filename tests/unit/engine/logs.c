// SPDX-License-Identifier: Apache-2.0
/* The reader against files that the shim's own writer makes, also while it makes them. */
#include "engine/logs.h"

#include <sys/wait.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "check.h"
#include "shim/logfile.h"

enum { PATIENCE_MS = 20000, MANY = 60000 };

static char batch[LOG_BATCH_SIZE], gather_memory[GATHER_MEMORY];

typedef struct Fixture {
	char *directory, *run_directory; /* NULL: lines are not gathered */
	Loop *loop;
	LogFile log;
	Gather gather;
	LogReader *reader;
	Buffer heard; /* data of entries */
	Buffer times;
	size_t entries, ends;
	size_t pause_at; /* number of an entry in whose handler the reader is paused; 0: none */
	size_t close_at;
	int64_t next_number; /* numbered lines: what comes next */
	bool is_out_of_order;
} Fixture;

static void on_entry(void *arg, int stream, const char *time, int64_t time_ns, const char *data, size_t length)
{
	Fixture *fixture = arg;

	(void)time_ns;
	fixture->entries++;
	if (stream == LOG_STDERR)
		buffer_add_char(&fixture->heard, '!');
	buffer_add(&fixture->heard, data, length);
	buffer_printf(&fixture->times, "%s ", time);
	if (fixture->entries == fixture->pause_at)
		log_reader_pause(fixture->reader, true);
	if (fixture->entries == fixture->close_at)
		fixture->reader = log_reader_close(fixture->reader);
}

static void on_number(void *arg, int stream, const char *time, int64_t time_ns, const char *data, size_t length)
{
	Fixture *fixture = arg;
	char text[32] = "";

	(void)stream;
	(void)time;
	(void)time_ns;
	memcpy(text, data, length < sizeof(text) - 1 ? length : sizeof(text) - 1);
	fixture->is_out_of_order |= strtoll(text, NULL, 10) != fixture->next_number++;
	fixture->entries++;
}

static void on_end(void *arg)
{
	Fixture *fixture = arg;

	fixture->ends++;
}

static const LogReaderHandlers handlers = {on_entry, on_end}, number_handlers = {on_number, on_end};

/* ---- fixture ---- */

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof(*fixture));

	setup_directory((void **)&fixture->directory);
	check_ok(loop_new(&fixture->loop));
	fixture->log = (LogFile){.fd = -1, .batch = batch};
	check_ok(dir_open(&fixture->log.directory, AT_FDCWD, fixture->directory));
	*state = fixture;
	return 0;
}

/* The same with a log in blocks. */
static int setup_blocks(void **state)
{
	setup(state);
	Fixture *fixture = *state;

	fixture->gather = (Gather){.memory = gather_memory, .compresses = true, .fd = -1};
	fixture->log.gather = &fixture->gather;
	fixture->run_directory = path_join(fixture->directory, "run");
	check_ok(dir_make(AT_FDCWD, fixture->run_directory, 0700));
	check_ok(dir_open(&fixture->gather.directory, AT_FDCWD, fixture->run_directory));
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	log_reader_close(fixture->reader);
	loop_free(fixture->loop);
	logfile_close(&fixture->log);
	close_fd(&fixture->log.directory);
	if (fixture->run_directory)
		close_fd(&fixture->gather.directory);
	free(fixture->run_directory);
	buffer_clear(&fixture->heard);
	buffer_clear(&fixture->times);
	teardown_directory((void **)&fixture->directory);
	free(fixture);
	return 0;
}

static void begin_log(Fixture *fixture, int64_t max_size, int64_t max_files)
{
	fixture->log.max_size = max_size;
	fixture->log.max_files = max_files;
	logfile_open(&fixture->log);
}

static void add_entry(Fixture *fixture, int stream, int64_t second, const char *text)
{
	LogEntry entry = {stream, second * NANOS_PER_SECOND, text, strlen(text), true};

	logfile_add(&fixture->log, &entry);
}

static void add(Fixture *fixture, const char *text)
{
	add_entry(fixture, LOG_STDOUT, 1, text);
	logfile_flush(&fixture->log);
}

static void add_numbers(Fixture *fixture, int first, int last)
{
	char text[16];

	for (int number = first; number <= last; number++) {
		snprintf(text, sizeof(text), "%d", number);
		add_entry(fixture, LOG_STDOUT, 1000 + number, text);
		if (number % 100 == 0)
			logfile_flush(&fixture->log);
	}
	logfile_flush(&fixture->log);
}

static void add_raw(Fixture *fixture, const char *text)
{
	check_ok(file_write_all(fixture->log.fd, text, strlen(text), "log"));
}

static void begin_reading(Fixture *fixture, const LogQuery *query, const LogReaderHandlers *with)
{
	buffer_truncate(&fixture->heard, 0);
	buffer_truncate(&fixture->times, 0);
	fixture->entries = fixture->ends = 0;
	fixture->reader = log_reader_close(fixture->reader);
	const LogPlaces places = {fixture->directory, fixture->run_directory};
	check_ok(log_reader_open(&fixture->reader, fixture->loop, &places, query, with, fixture));
	assert_int_equal(fixture->entries + fixture->ends, 0); /* never from inside the call */
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void run_for(Fixture *fixture, int milliseconds)
{
	Source *timer;

	check_ok(loop_timer(&timer, fixture->loop, milliseconds * NANOS_PER_MILLI, stop, fixture->loop));
	check_ok(loop_run(fixture->loop));
	source_free(timer);
}

static void run_to_end(Fixture *fixture)
{
	Source *timer;
	int64_t begin = clock_monotonic_ns();

	check_ok(loop_timer(&timer, fixture->loop, PATIENCE_MS * NANOS_PER_MILLI, stop, fixture->loop));
	while (!fixture->ends && clock_monotonic_ns() - begin < PATIENCE_MS * NANOS_PER_MILLI)
		check_ok(loop_run_once(fixture->loop));
	source_free(timer);
	assert_int_equal(fixture->ends, 1);
}

static void check_read(Fixture *fixture, const LogQuery *query, const char *expected)
{
	begin_reading(fixture, query, &handlers);
	run_to_end(fixture);
	assert_string_equal(buffer_text(&fixture->heard), expected);
}

#define ALL .want_stdout = true, .want_stderr = true

/* ---- what is there ---- */

static void test_nothing_there(void **state)
{
	check_read(*state, &(LogQuery){ALL, .tail = -1}, "");
	check_read(*state, &(LogQuery){ALL, .tail = 5}, "");
}

static void test_streams(void **state)
{
	begin_log(*state, 0, 1);
	add_entry(*state, LOG_STDOUT, 1, "a");
	add_entry(*state, LOG_STDERR, 2, "b");
	add(*state, "c");
	check_read(*state, &(LogQuery){ALL, .tail = -1}, "a\n!b\nc\n");
	check_read(*state, &(LogQuery){.want_stdout = true, .tail = -1}, "a\nc\n");
	check_read(*state, &(LogQuery){.want_stderr = true, .tail = -1}, "!b\n");
	check_read(*state, &(LogQuery){.tail = -1}, "");
}

static void test_times(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add_numbers(fixture, 1, 5);
	check_read(fixture, &(LogQuery){ALL, .tail = -1, .since_ns = 1003 * NANOS_PER_SECOND}, "3\n4\n5\n");
	assert_string_equal(buffer_text(&fixture->times),
		"1970-01-01T00:16:43.000000000Z 1970-01-01T00:16:44.000000000Z 1970-01-01T00:16:45.000000000Z ");
	check_read(fixture, &(LogQuery){ALL, .tail = -1, .until_ns = 1002 * NANOS_PER_SECOND}, "1\n2\n");
	check_read(fixture,
		&(LogQuery){
			ALL, .tail = -1, .since_ns = 1002 * NANOS_PER_SECOND, .until_ns = 1004 * NANOS_PER_SECOND - 1},
		"2\n3\n");
	check_read(fixture, &(LogQuery){ALL, .tail = 4, .until_ns = 1003 * NANOS_PER_SECOND}, "2\n3\n");
}

static void check_tail(Fixture *fixture, int64_t tail, int64_t kept, int64_t last)
{
	begin_reading(fixture, &(LogQuery){ALL, .tail = tail}, &number_handlers);
	int64_t wanted = tail < 0 || tail > kept ? kept : tail;
	fixture->next_number = last - wanted + 1;
	fixture->is_out_of_order = false;
	run_to_end(fixture);
	assert_int_equal(fixture->entries, wanted);
	assert_false(fixture->is_out_of_order);
}

static void test_tail(void **state)
{
	static const int64_t tails[] = {-1, 0, 1, 2, 10, 999, 1000, 1001, 5000, INT64_MAX};

	begin_log(*state, 0, 1);
	add_numbers(*state, 1, 1000);
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++)
		check_tail(*state, tails[i], 1000, 1000);
}

/* Blocks of 64 KiB and files of some 5000 bytes end in the middle of the wanted lines. */
static void test_tail_over_files(void **state)
{
	begin_log(*state, 5000, 1000);
	add_numbers(*state, 1, 3000);
	for (int64_t tail = 0; tail <= 3001; tail += 29)
		check_tail(*state, tail, 3000, 3000);
	check_tail(*state, 3000, 3000, 3000);
	check_tail(*state, -1, 3000, 3000);
}

static void test_tail_of_a_large_file(void **state)
{
	begin_log(*state, 0, 1);
	add_numbers(*state, 1, 20000);
	for (int64_t tail = 1; tail < 20000; tail = tail * 3 / 2 + 1)
		check_tail(*state, tail, 20000, 20000);
}

static void test_damage(void **state)
{
	begin_log(*state, 0, 1);
	add(*state, "a");
	add_raw(*state, "no line of a log\n\n\0\n{\"log\":\"x\"}\n");
	add(*state, "b");
	add_raw(*state, "{\"log\":\"torn");
	check_read(*state, &(LogQuery){ALL, .tail = -1}, "a\nb\n");
	check_read(*state, &(LogQuery){ALL, .tail = 1}, "b\n");
	check_read(*state, &(LogQuery){ALL, .tail = 0}, "");
}

static void test_a_line_without_end(void **state)
{
	char *text = malloc(1 << 20);

	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	begin_log(*state, 0, 1);
	add(*state, "a");
	add_raw(*state, text);
	add_raw(*state, "\n");
	add(*state, "b");
	check_read(*state, &(LogQuery){ALL, .tail = -1}, "a\nb\n");
	free(text);
}

static void test_the_longest_line(void **state)
{
	Fixture *fixture = *state;
	char *text = malloc(LOG_ENTRY_MAX + 1);

	memset(text, '\1', LOG_ENTRY_MAX);
	text[LOG_ENTRY_MAX] = '\0';
	begin_log(fixture, 0, 1);
	for (int i = 0; i < 5; i++)
		add(fixture, text);
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1}, &handlers);
	run_to_end(fixture);
	assert_int_equal(fixture->entries, 5);
	assert_int_equal(fixture->heard.length, 5 * (LOG_ENTRY_MAX + 1));
	free(text);
}

static void test_what_came_later_is_not_shown(void **state)
{
	begin_log(*state, 0, 1);
	add(*state, "a");
	begin_reading(*state, &(LogQuery){ALL, .tail = -1}, &handlers);
	add(*state, "b");
	run_to_end(*state);
	assert_string_equal(buffer_text(&((Fixture *)*state)->heard), "a\n");
}

/* ---- the loop ---- */

static void test_slices(void **state)
{
	Fixture *fixture = *state;
	size_t most = 0;

	begin_log(fixture, 0, 1);
	add_numbers(fixture, 1, 20000);
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1}, &number_handlers);
	fixture->next_number = 1;
	while (!fixture->ends) {
		size_t before = fixture->entries;
		check_ok(loop_run_once(fixture->loop));
		if (fixture->entries - before > most)
			most = fixture->entries - before;
	}
	assert_int_equal(fixture->entries, 20000);
	assert_true(most > 500 && most < 1200); /* 64 KiB of some 65 bytes each */
}

static void test_pause_in_handler(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add(fixture, "a");
	add(fixture, "b");
	add(fixture, "c");
	fixture->pause_at = 2;
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1}, &handlers);
	run_for(fixture, 50);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\n");
	assert_int_equal(fixture->ends, 0);
	log_reader_pause(fixture->reader, false);
	run_to_end(fixture);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\nc\n");
}

static void test_pause_before_and_after(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add(fixture, "a");
	begin_reading(fixture, &(LogQuery){ALL, .tail = 1}, &handlers);
	log_reader_pause(fixture->reader, true);
	run_for(fixture, 30);
	assert_int_equal(fixture->entries, 0);
	log_reader_pause(fixture->reader, false);
	log_reader_pause(fixture->reader, false);
	run_to_end(fixture);
	log_reader_pause(fixture->reader, true);
	log_reader_pause(fixture->reader, false);
	log_reader_finish(fixture->reader);
	run_for(fixture, 30);
	assert_int_equal(fixture->ends, 1);
}

static void test_close_in_handler(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add(fixture, "a");
	add(fixture, "b");
	fixture->close_at = 1;
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &handlers);
	run_for(fixture, 50);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	assert_int_equal(fixture->ends, 0);
}

/* ---- following ---- */

static void test_follow(void **state)
{
	Fixture *fixture = *state;

	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &handlers);
	run_for(fixture, 20);
	begin_log(fixture, 0, 1);
	add(fixture, "a");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	add_raw(fixture, "{\"log\":\"b\\n\",\"stream\":\"stdout\",");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	add_raw(fixture, "\"time\":\"2026-11-22T16:25:00Z\"}\n");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\n");
	add(fixture, "c");
	log_reader_finish(fixture->reader);
	run_to_end(fixture);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\nc\n");
}

/* On a full disk: a follower has seen a part of what is written anew, when there is room, as something else. */
static void test_follow_what_is_taken_back(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &handlers);
	add(fixture, "a");
	int64_t size = fixture->log.size;
	for (int i = 0; i < 3; i++) {
		add_raw(fixture, "{\"log\":\"kedge: 6 lines of this container's output were not lo");
		run_for(fixture, 20);
		assert_int_equal(ftruncate(fixture->log.fd, size), 0);
		run_for(fixture, 10 * i);
	}
	add_raw(fixture, "{\"log\":\"kedge: 9 lines\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00Z\"}\n");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\n!kedge: 9 lines\n");
}

/* A follower goes on where it was when lines get from memory into a block. */
static void test_follow_what_is_gathered(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &handlers);
	add(fixture, "a");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	add(fixture, "b");
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	add(fixture, "c");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\nc\n");
	assert_true(gather_spill(&fixture->gather, fixture->log.fd));
	run_for(fixture, 20);
	add(fixture, "d");
	log_reader_finish(fixture->reader);
	run_to_end(fixture);
	assert_string_equal(buffer_text(&fixture->heard), "a\nb\nc\nd\n");
}

static void test_follow_from_the_end(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add(fixture, "old");
	begin_reading(fixture, &(LogQuery){ALL, .tail = 0, .follow = true}, &handlers);
	run_for(fixture, 20);
	add(fixture, "new");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "new\n");
}

static void test_follow_until(void **state)
{
	Fixture *fixture = *state;
	int64_t begin = clock_monotonic_ns();

	begin_log(fixture, 0, 1);
	add(fixture, "a");
	LogQuery query = {ALL, .tail = -1, .follow = true, .until_ns = clock_wall_ns() + 200 * NANOS_PER_MILLI};
	begin_reading(fixture, &query, &handlers);
	run_to_end(fixture);
	assert_true(clock_monotonic_ns() - begin >= 150 * NANOS_PER_MILLI);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	query.until_ns = 5 * NANOS_PER_SECOND;
	begin_reading(fixture, &query, &handlers);
	add_entry(fixture, LOG_STDOUT, 6, "too late");
	logfile_flush(&fixture->log);
	run_to_end(fixture);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
}

static void test_followers_share_a_directory(void **state)
{
	Fixture *fixture = *state, other = *fixture;

	begin_log(fixture, 0, 1);
	other.heard = other.times = (Buffer){0};
	other.reader = NULL;
	LogQuery query = {ALL, .tail = -1, .follow = true};
	begin_reading(fixture, &query, &handlers);
	begin_reading(&other, &query, &handlers);
	add(fixture, "a");
	run_for(fixture, 20);
	fixture->reader = log_reader_close(fixture->reader);
	add(fixture, "b");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "a\n");
	assert_string_equal(buffer_text(&other.heard), "a\nb\n");
	log_reader_close(other.reader);
	buffer_clear(&other.heard);
	buffer_clear(&other.times);
}

static void test_follow_an_emptied_file(void **state)
{
	Fixture *fixture = *state;

	begin_log(fixture, 0, 1);
	add(fixture, "before");
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &handlers);
	run_for(fixture, 20);
	assert_int_equal(ftruncate(fixture->log.fd, 0), 0);
	add(fixture, "b");
	run_for(fixture, 20);
	assert_string_equal(buffer_text(&fixture->heard), "before\nb\n");
}

/* A writer in a process of its own, as fast as it can, with rotations at every few entries and files enough for all of
 * them. */
static void follow_writer(Fixture *fixture, int64_t max_size, int64_t max_files, useconds_t delay)
{
	begin_reading(fixture, &(LogQuery){ALL, .tail = -1, .follow = true}, &number_handlers);
	fixture->next_number = 1;
	pid_t writer = fork();
	if (!writer) {
		begin_log(fixture, max_size, max_files);
		for (int first = 1; first <= MANY; first += 500) {
			add_numbers(fixture, first, first + 499);
			usleep(delay);
		}
		_exit(0);
	}
	while (waitpid(writer, NULL, WNOHANG) == 0)
		run_for(fixture, 1);
	log_reader_finish(fixture->reader);
	run_to_end(fixture);
	assert_int_equal(fixture->entries, MANY);
	assert_false(fixture->is_out_of_order);
}

static void test_follow_over_rotations(void **state)
{
	follow_writer(*state, 10000, LOG_FILES_MAX, 0);
}

static void test_follow_with_few_files(void **state)
{
	follow_writer(*state, 200 * 1000, 3, 3000);
}

#define log_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#define blocks_test(function)                                                                                          \
	{                                                                                                              \
#function " in blocks", function, setup_blocks, teardown, NULL                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(test_nothing_there),
		log_test(test_streams),
		log_test(test_times),
		log_test(test_tail),
		log_test(test_tail_over_files),
		log_test(test_tail_of_a_large_file),
		log_test(test_damage),
		log_test(test_a_line_without_end),
		log_test(test_the_longest_line),
		log_test(test_what_came_later_is_not_shown),
		log_test(test_slices),
		log_test(test_pause_in_handler),
		log_test(test_pause_before_and_after),
		log_test(test_close_in_handler),
		log_test(test_follow),
		log_test(test_follow_from_the_end),
		log_test(test_follow_what_is_taken_back),
		log_test(test_follow_until),
		log_test(test_followers_share_a_directory),
		log_test(test_follow_an_emptied_file),
		log_test(test_follow_over_rotations),
		log_test(test_follow_with_few_files),
		blocks_test(test_nothing_there),
		blocks_test(test_streams),
		blocks_test(test_times),
		blocks_test(test_tail),
		blocks_test(test_tail_over_files),
		blocks_test(test_tail_of_a_large_file),
		blocks_test(test_the_longest_line),
		blocks_test(test_what_came_later_is_not_shown),
		blocks_test(test_pause_in_handler),
		blocks_test(test_pause_before_and_after),
		blocks_test(test_close_in_handler),
		blocks_test(test_follow_what_is_gathered),
		blocks_test(test_follow_from_the_end),
		blocks_test(test_follow_until),
		blocks_test(test_follow_over_rotations),
		blocks_test(test_follow_with_few_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
