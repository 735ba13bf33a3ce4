// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/strings.h"
#include "check.h"

static int open_test_directory(void **state)
{
	int fd = -1;

	check_ok(dir_open(&fd, AT_FDCWD, *state));
	return fd;
}

static void put(int dir, const char *name, const char *text)
{
	check_ok(file_replace(dir, name, text, strlen(text), 0640));
}

static Error *count_entry(void *arg, int dir_fd, const char *name, unsigned char type)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	++*(int *)arg;
	return NULL;
}

static int entries_in(int dir, const char *path)
{
	int count = 0;

	check_ok(dir_each(dir, path, count_entry, &count));
	return count;
}

static void reads_within_a_bound(void **state)
{
	autofd dir = open_test_directory(state);
	autofree char *text = NULL, *untouched = NULL;
	size_t length;

	put(dir, "f", "hello");
	check_ok(file_read(&text, &length, dir, "f", 5));
	assert_int_equal(length, 5);
	assert_string_equal(text, "hello");
	check_error(file_read(&untouched, &length, dir, "f", 4), ERROR_TOO_LARGE, "\"f\" is larger than 4 bytes");
	check_error(file_read(&untouched, &length, dir, "g", 4), ERROR_NOT_FOUND,
		"could not open \"g\": No such file or directory");
	assert_null(untouched);
}

static void reads_what_has_no_size(void **state)
{
	autofree char *text = NULL, *none = NULL;
	size_t length;

	(void)state;
	check_ok(file_read(&text, &length, AT_FDCWD, "/proc/self/status", 1 << 16));
	assert_true(length > 100 && strlen(text) == length);
	check_ok(file_read(&none, &length, AT_FDCWD, "/dev/null", 0));
	assert_string_equal(none, "");
	check_error(file_read(&none, NULL, AT_FDCWD, "/dev/zero", 100000), ERROR_TOO_LARGE,
		"\"/dev/zero\" is larger than 100000 bytes");
}

static void replaces_as_a_whole(void **state)
{
	autofd dir = open_test_directory(state);
	autofree char *old_text = NULL, *new_text = NULL;
	struct stat status;
	int old;

	put(dir, "f", "old");
	check_ok(file_open(&old, dir, "f", O_RDONLY, 0));
	mode_t mask = umask(077);
	check_ok(file_replace_durable(dir, "f", "newer", 5, 0666));
	umask(mask);
	check_ok(file_read_fd(&old_text, NULL, old, "f", 100)); /* who has it open keeps what it was */
	assert_string_equal(old_text, "old");
	close(old);
	check_ok(file_read(&new_text, NULL, dir, "f", 100));
	assert_string_equal(new_text, "newer");
	assert_int_equal(fstatat(dir, "f", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0666); /* whatever the umask */
	assert_int_equal(entries_in(dir, "."), 1);
}

static void replaces_a_link_and_not_its_target(void **state)
{
	autofd dir = open_test_directory(state);
	autofree char *text = NULL;

	put(dir, "target", "precious");
	assert_int_equal(symlinkat("target", dir, "link"), 0);
	put(dir, "link", "new");
	check_ok(file_read(&text, NULL, dir, "target", 100));
	assert_string_equal(text, "precious");
}

static void leaves_nothing_behind_on_failure(void **state)
{
	autofd dir = open_test_directory(state);

	check_ok(dir_make(dir, "d", 0755));
	Error *error = file_replace(dir, "d", "x", 1, 0600);
	assert_non_null(error);
	assert_true(string_starts(error_message(error), "could not replace \"d\": could not rename "));
	error_free(error);
	assert_int_equal(entries_in(dir, "."), 1);
	error = file_replace(dir, "no/f", "x", 1, 0600);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
}

static void removes_what_replacements_left(void **state)
{
	autofd dir = open_test_directory(state);

	put(dir, ".kedge-0123456789abcdef.tmp", "x");
	put(dir, ".kedge-0123456789abcdef.tmp2", "stays");
	put(dir, ".kedge-0123456789abcdeg.tmp", "stays");
	put(dir, ".kedge-.tmp", "stays");
	put(dir, ".web.yaml.swp", "stays");
	check_ok(dir_remove_temporaries(dir, "."));
	assert_int_equal(entries_in(dir, "."), 4);
	assert_false(file_exists(dir, ".kedge-0123456789abcdef.tmp"));
}

static void descriptors_close_on_exec(void **state)
{
	autofd dir = open_test_directory(state), fd = -1;

	put(dir, "f", "x");
	check_ok(file_open(&fd, dir, "f", O_RDONLY, 0));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(dir, F_GETFD) & FD_CLOEXEC);
}

static void makes_directories(void **state)
{
	autofd dir = open_test_directory(state);

	check_ok(dir_make_all(dir, "a/b//c/", 0755));
	check_ok(dir_make_all(dir, "a/b/c", 0755));
	check_ok(dir_make(dir, "a/b", 0700));
	put(dir, "f", "x");
	check_error(dir_make(dir, "f", 0755), ERROR_CONFLICT, "\"f\" exists and is not a directory");
	check_error(dir_make_all(dir, "f/g", 0755), ERROR_CONFLICT, "\"f\" exists and is not a directory");
	check_error(dir_make(dir, "x/y", 0755), ERROR_NOT_FOUND,
		"could not make directory \"x/y\": No such file or directory");
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	check_ok(dir_make_all(dir, "link/d", 0755));
	assert_true(file_exists(dir, "a/d"));
}

static void makes_absolute_paths(void **state)
{
	autofree char *path = path_join(*state, "x/y/z");

	check_ok(dir_make_all(AT_FDCWD, path, 0755));
	assert_true(file_exists(AT_FDCWD, path));
}

static void renames_and_unlinks(void **state)
{
	autofd dir = open_test_directory(state);

	put(dir, "f", "x");
	check_ok(dir_make(dir, "d", 0755));
	check_ok(file_rename_durable(dir, "f", dir, "d/g"));
	assert_false(file_exists(dir, "f"));
	assert_true(file_exists(dir, "d/g"));
	check_ok(file_unlink(dir, "d/g"));
	check_ok(file_unlink(dir, "d/g"));
	check_error(file_unlink(dir, "d"), ERROR_INVALID, "could not remove \"d\": Is a directory");
	check_error(file_rename_durable(dir, "f", dir, "g"), ERROR_NOT_FOUND,
		"could not rename \"f\" to \"g\": No such file or directory");
	check_ok(file_sync_filesystem(dir, "."));
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	assert_true(file_exists(dir, "dangling"));
}

static Error *stop_at_link(void *arg, int dir_fd, const char *name, unsigned char type)
{
	(void)dir_fd;
	(void)name;
	++*(int *)arg;
	return type == DT_LNK ? error_new(ERROR_CANCELLED, "enough") : NULL;
}

static void visits_entries_until_an_error(void **state)
{
	autofd dir = open_test_directory(state);
	int count = 0;

	assert_int_equal(entries_in(dir, "."), 0);
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	check_error(dir_each(dir, ".", stop_at_link, &count), ERROR_CANCELLED, "enough");
	assert_int_equal(count, 1);
	check_error(dir_each(dir, "none", stop_at_link, &count), ERROR_NOT_FOUND,
		"could not open \"none\": No such file or directory");
}

static void pokes_in_one_write(void **state)
{
	autofd dir = open_test_directory(state);
	autofree char *text = NULL;

	check_error(file_poke(dir, "f", "1"), ERROR_NOT_FOUND, "could not open \"f\": No such file or directory");
	put(dir, "f", "");
	check_ok(file_poke(dir, "f", "1"));
	check_ok(file_read(&text, NULL, dir, "f", 10));
	assert_string_equal(text, "1");
	check_error(file_poke(AT_FDCWD, "/dev/full", "max"), ERROR_UNAVAILABLE,
		"could not write \"max\" to \"/dev/full\": No space left on device");
}

static void joins_paths(void **state)
{
	(void)state;
	check_text(path_join("a", "b"), "a/b");
	check_text(path_join("a/", "b"), "a/b");
	check_text(path_join("a", "/b"), "a/b");
	check_text(path_join("/", "b"), "/b");
	check_text(path_join("", "b"), "b");
	check_text(path_join("", "/b"), "/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(reads_within_a_bound),
		cmocka_unit_test(reads_what_has_no_size),
		directory_test(replaces_as_a_whole),
		directory_test(replaces_a_link_and_not_its_target),
		directory_test(leaves_nothing_behind_on_failure),
		directory_test(removes_what_replacements_left),
		directory_test(descriptors_close_on_exec),
		directory_test(makes_directories),
		directory_test(makes_absolute_paths),
		directory_test(renames_and_unlinks),
		directory_test(visits_entries_until_an_error),
		directory_test(pokes_in_one_write),
		cmocka_unit_test(joins_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
