// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/files.h"
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

static void removes_everything_but_what_links_point_at(void **state)
{
	autofd dir = open_test_directory(state);

	check_ok(dir_make_all(dir, "precious/d", 0755));
	put(dir, "precious/f", "x");
	check_ok(dir_make_all(dir, "t/a/b", 0755));
	check_ok(dir_make_all(dir, "t/c", 0000));
	put(dir, "t/a/f", "x");
	assert_int_equal(symlinkat("../precious", dir, "t/to-directory"), 0);
	assert_int_equal(symlinkat("../../precious/f", dir, "t/a/to-file"), 0);
	assert_int_equal(symlinkat("..", dir, "t/a/b/up"), 0);
	assert_int_equal(mkfifoat(dir, "t/fifo", 0600), 0);
	check_ok(tree_remove(dir, "t/"));
	assert_false(file_exists(dir, "t"));
	assert_true(file_exists(dir, "precious/d") && file_exists(dir, "precious/f"));
}

static void removes_what_is_no_directory(void **state)
{
	autofd dir = open_test_directory(state);

	check_ok(dir_make(dir, "d", 0755));
	assert_int_equal(symlinkat("d", dir, "link"), 0);
	put(dir, "f", "x");
	check_ok(tree_remove(dir, "link"));
	check_ok(tree_remove(dir, "f"));
	assert_false(file_exists(dir, "link") || file_exists(dir, "f"));
	assert_true(file_exists(dir, "d"));
	check_ok(tree_remove(dir, "none"));
	check_ok(tree_remove(dir, "none/at/all"));
}

static void refuses_paths_that_name_no_tree(void **state)
{
	static const char *const paths[] = {"", ".", "..", "/", "d/.", "d/..", "./"};
	autofd dir = open_test_directory(state);

	check_ok(dir_make(dir, "d", 0755));
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		autofree char *message = string_printf("path \"%s\" does not name a tree", paths[i]);
		check_invalid(tree_remove(dir, paths[i]), message);
	}
	assert_true(file_exists(dir, "d"));
}

enum { DEEP = 3000, FEW_DESCRIPTORS = 64 };

/* Far deeper than a path may be long: made from the inside. */
static void make_deep(int dir, const char *name)
{
	int inner = -1, outer = dup(dir);

	check_ok(dir_make(outer, name, 0755));
	for (int i = 0; i < DEEP; i++) {
		check_ok(dir_open(&inner, outer, i ? "a-rather-long-name" : name));
		check_ok(dir_make(inner, "a-rather-long-name", 0755));
		put(inner, "f", "12");
		put(inner, "z", "3");
		close(outer);
		outer = inner;
	}
	close(outer);
}

static void depth_costs_no_descriptors(void **state)
{
	autofd dir = open_test_directory(state);
	struct rlimit old, few;
	int64_t bytes;

	make_deep(dir, "deep");
	getrlimit(RLIMIT_NOFILE, &old);
	few = (struct rlimit){.rlim_cur = FEW_DESCRIPTORS, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	check_ok(tree_size(&bytes, dir, "deep"));
	assert_int_equal(bytes, 3 * DEEP);
	check_ok(tree_remove(dir, "deep"));
	setrlimit(RLIMIT_NOFILE, &old);
	assert_false(file_exists(dir, "deep"));
}

static void handles_wide_trees(void **state)
{
	autofd dir = open_test_directory(state);
	int64_t bytes;

	check_ok(dir_make(dir, "wide", 0755));
	for (int i = 0; i < 2000; i++) {
		autofree char *name = string_printf("wide/%d", i), *file = string_printf("wide/%d/f", i);
		check_ok(dir_make(dir, name, 0755));
		put(dir, file, "x");
	}
	check_ok(tree_size(&bytes, dir, "wide"));
	assert_int_equal(bytes, 2000);
	check_ok(tree_remove(dir, "wide"));
	assert_false(file_exists(dir, "wide"));
}

static void counts_hard_links_once(void **state)
{
	autofd dir = open_test_directory(state);
	int64_t bytes;

	check_ok(dir_make_all(dir, "t/d", 0755));
	put(dir, "t/f", "12345");
	put(dir, "t/d/g", "123");
	put(dir, "outside", "1234567");
	assert_int_equal(linkat(dir, "t/f", dir, "t/d/same", 0), 0);
	assert_int_equal(linkat(dir, "t/f", dir, "t/again", 0), 0);
	assert_int_equal(symlinkat("../outside", dir, "t/link"), 0);
	check_ok(tree_size(&bytes, dir, "t"));
	assert_int_equal(bytes, 8);
	check_ok(tree_size(&bytes, dir, "t/f"));
	assert_int_equal(bytes, 5);
	check_error(tree_size(&bytes, dir, "none"), ERROR_NOT_FOUND,
		"could not measure \"none\": No such file or directory");
}

/* In a mount namespace of its own, which a directory that was opened before would not see. */
static void stops_at_mounts(void **state)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	autofd dir = open_test_directory(state);
	autofree char *from = path_join(*state, "precious"), *to = path_join(*state, "t/a/mount");
	int64_t bytes;

	check_ok(dir_make(dir, "precious", 0755));
	put(dir, "precious/f", "12345");
	check_ok(dir_make_all(dir, "t/a/mount", 0755));
	assert_int_equal(mount(from, to, NULL, MS_BIND, NULL), 0); /* of the same device */
	check_ok(tree_size(&bytes, dir, "t"));
	assert_int_equal(bytes, 0);
	check_ok(tree_size(&bytes, dir, "t/a/mount")); /* asked for by name */
	assert_int_equal(bytes, 5);
	check_error(tree_remove(dir, "t"), ERROR_CONFLICT, "could not remove \"t/a/mount\": Device or resource busy");
	check_error(tree_remove(dir, "t/a/mount"), ERROR_CONFLICT,
		"could not remove \"t/a/mount\": Device or resource busy");
	assert_true(file_exists(dir, "precious/f"));
	umount2(to, MNT_DETACH);
	check_ok(tree_remove(dir, "t"));
	assert_true(file_exists(dir, "precious/f"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(removes_everything_but_what_links_point_at),
		directory_test(removes_what_is_no_directory),
		directory_test(refuses_paths_that_name_no_tree),
		directory_test(depth_costs_no_descriptors),
		directory_test(handles_wide_trees),
		directory_test(counts_hard_links_once),
		directory_test(stops_at_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
