// SPDX-License-Identifier: Apache-2.0
/* Snapshots: their numbers, how many are kept, and what a damaged one costs. */
#include "device/snapshots.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "check.h"

static Snapshots *open_at(const char *path)
{
	Snapshots *snapshots = NULL;

	check_ok(snapshots_new(&snapshots, path));
	return snapshots;
}

static Value *content(const char *word)
{
	Value *value = value_object();

	value_set(value, "files", value_new_string(word));
	return value;
}

static void add(Snapshots *snapshots, const char *word)
{
	autoptr(Value) value = content(word);

	check_ok(snapshots_add(snapshots, value, word));
}

static void check_word(const Snapshots *snapshots, int64_t number, const char *word)
{
	autoptr(Value) snapshot = NULL;

	check_ok(snapshots_get(&snapshot, snapshots, number));
	assert_string_equal(value_string(value_path(snapshot, "content.files")), word);
	assert_string_equal(value_string(value_get(snapshot, "why")), word);
}

static char *file_of(void **state, const char *name)
{
	return path_join(*state, name);
}

static void write_file(void **state, const char *name, const char *text)
{
	autofree char *path = file_of(state, name);

	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0600));
}

typedef struct Seen {
	int64_t numbers[256];
	size_t count;
} Seen;

static void see(void *arg, const Value *snapshot)
{
	Seen *seen = arg;

	assert_true(seen->count < 256);
	seen->numbers[seen->count++] = value_int(value_get(snapshot, "number"), 0);
}

static void check_seen(const Snapshots *snapshots, int64_t first, size_t count)
{
	Seen seen = {0};

	snapshots_each(snapshots, see, &seen);
	assert_int_equal(seen.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(seen.numbers[i], first + (int64_t)i);
}

static void each_change_has_its_number(void **state)
{
	autofree char *path = file_of(state, "a/b"), *file = file_of(state, "a/b/1.json");
	autoptr(Snapshots) snapshots = open_at(path);
	autoptr(Value) none = NULL;
	struct stat status;

	assert_int_equal(snapshots_newest(snapshots), 0);
	check_error(snapshots_get(&none, snapshots, 0), ERROR_NOT_FOUND, "there is no snapshot");
	add(snapshots, "one");
	add(snapshots, "one"); /* nothing has changed */
	add(snapshots, "two");
	add(snapshots, "one");
	assert_int_equal(snapshots_newest(snapshots), 3);
	check_word(snapshots, 1, "one");
	check_word(snapshots, 2, "two");
	check_word(snapshots, 0, "one");
	check_error(snapshots_get(&none, snapshots, 4), ERROR_NOT_FOUND, "there is no snapshot 4");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void numbers_go_on_after_a_restart(void **state)
{
	Snapshots *snapshots = open_at(*state);

	add(snapshots, "one");
	add(snapshots, "two");
	snapshots_free(snapshots);
	snapshots = open_at(*state);
	add(snapshots, "two");
	assert_int_equal(snapshots_newest(snapshots), 2);
	add(snapshots, "three");
	check_word(snapshots, 3, "three");
	snapshots_free(snapshots);
}

static void the_newest_hundred_are_kept(void **state)
{
	Snapshots *snapshots = open_at(*state);
	autoptr(Value) none = NULL;
	char word[32];

	for (int i = 1; i <= SNAPSHOTS_KEPT + 25; i++) {
		snprintf(word, sizeof(word), "%d", i);
		add(snapshots, word);
	}
	check_seen(snapshots, 26, SNAPSHOTS_KEPT);
	check_error(snapshots_get(&none, snapshots, 25), ERROR_NOT_FOUND, "there is no snapshot 25");
	snapshots_free(snapshots);
	snapshots = open_at(*state);
	check_seen(snapshots, 26, SNAPSHOTS_KEPT); /* by number, not by the names' order */
	assert_int_equal(snapshots_newest(snapshots), SNAPSHOTS_KEPT + 25);
	check_word(snapshots, 0, word);
	snapshots_free(snapshots);
}

/* Files with holes take no time to be written. */
static void not_more_bytes_than_the_bound_are_kept(void **state)
{
	char name[32];

	for (int i = 1; i <= 8; i++) {
		snprintf(name, sizeof(name), "%d.json", i);
		write_file(state, name, "{}");
		autofree char *path = file_of(state, name);
		assert_int_equal(truncate(path, SNAPSHOTS_BYTES_MAX / 4), 0);
	}
	autoptr(Snapshots) snapshots = open_at(*state);
	autoptr(Value) none = NULL;
	add(snapshots, "nine");
	check_error(snapshots_get(&none, snapshots, 5), ERROR_NOT_FOUND, "there is no snapshot 5");
	autofree char *kept = file_of(state, "6.json"), *dropped = file_of(state, "5.json");
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_not_equal(access(dropped, F_OK), 0);
	check_word(snapshots, 9, "nine");
}

static void what_is_too_large_is_refused_and_changes_nothing(void **state)
{
	autoptr(Snapshots) snapshots = open_at(*state);
	autofree char *text = malloc(SNAPSHOT_SIZE_MAX + 1);

	memset(text, 'x', SNAPSHOT_SIZE_MAX);
	text[SNAPSHOT_SIZE_MAX] = '\0';
	add(snapshots, "one");
	autoptr(Value) large = content(text);
	check_error(snapshots_add(snapshots, large, "large"), ERROR_TOO_LARGE, "what is declared is over 32 MiB");
	assert_int_equal(snapshots_newest(snapshots), 1);
	check_word(snapshots, 0, "one");
}

/* ---- damage ---- */

static void check_damaged(void **state, const char *text, const char *words)
{
	autoptr(Value) none = NULL;
	Error *error;

	write_file(state, "3.json", text);
	autoptr(Snapshots) snapshots = open_at(*state);
	error = snapshots_get(&none, snapshots, 3);
	assert_non_null(error);
	if (!strstr(error_message(error), words))
		fail_msg("%s, not \"%s\"", error_message(error), words);
	error_free(error);
	assert_int_equal(snapshots_newest(snapshots), 3); /* its number is taken */
	check_word(snapshots, 0, "two");                  /* the newest that can be read */
	check_seen(snapshots, 1, 2);
}

static void a_damaged_one_is_left_out(void **state)
{
	Snapshots *snapshots = open_at(*state);

	add(snapshots, "one");
	add(snapshots, "two");
	add(snapshots, "three");
	snapshots_free(snapshots);
	autofree char *path = file_of(state, "3.json"), *text = NULL;
	check_ok(file_read(&text, NULL, AT_FDCWD, path, SNAPSHOT_SIZE_MAX));
	autofree char *cut = mem_strndup(text, strlen(text) / 2);
	*strstr(text, "three\"}") = 'T';
	check_damaged(state, "", "snapshot 3");
	check_damaged(state, cut, "snapshot 3");
	check_damaged(state, text, "snapshot 3 is damaged: its content is not what its digest says");
	check_damaged(state, "{}", "snapshot 3 is damaged: it has no content, or no digest");
	check_damaged(state, "{\"content\": {}, \"digest\": \"sha256:0\"}",
		"snapshot 3 is damaged: its content is not what its digest says");
}

static void after_a_damaged_one_comes_the_next(void **state)
{
	Snapshots *snapshots = open_at(*state);

	add(snapshots, "one");
	snapshots_free(snapshots);
	write_file(state, "2.json", "torn");
	snapshots = open_at(*state);
	add(snapshots, "one"); /* whatever the damaged one said, this is what is */
	assert_int_equal(snapshots_newest(snapshots), 3);
	check_word(snapshots, 0, "one");
	snapshots_free(snapshots);
}

static void other_files_are_none(void **state)
{
	static const char *const names[] = {
		"x.json", "0.json", "-1.json", "7.json.tmp", "8", "9.yaml", "99999999999999999999.json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_file(state, names[i], "{}");
	autoptr(Snapshots) snapshots = open_at(*state);
	assert_int_equal(snapshots_newest(snapshots), 0);
	add(snapshots, "one");
	check_word(snapshots, 1, "one");
}

static void a_read_only_directory_takes_none(void **state)
{
	autofree char *path = file_of(state, "d");
	autoptr(Snapshots) snapshots = open_at(path);
	autoptr(Value) two = content("two");
	Error *error;

	add(snapshots, "one");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	assert_int_equal(mount(path, path, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	error = snapshots_add(snapshots, two, "two");
	assert_int_equal(error_number(error), EROFS);
	error_free(error);
	assert_int_equal(snapshots_newest(snapshots), 1);
	check_word(snapshots, 0, "one");
	assert_int_equal(umount(path), 0);
	check_ok(snapshots_add(snapshots, two, "two"));
	check_word(snapshots, 2, "two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(each_change_has_its_number),
		directory_test(numbers_go_on_after_a_restart),
		directory_test(the_newest_hundred_are_kept),
		directory_test(not_more_bytes_than_the_bound_are_kept),
		directory_test(what_is_too_large_is_refused_and_changes_nothing),
		directory_test(a_damaged_one_is_left_out),
		directory_test(after_a_damaged_one_comes_the_next),
		directory_test(other_files_are_none),
		directory_test(a_read_only_directory_takes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
