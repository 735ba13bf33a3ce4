// SPDX-License-Identifier: Apache-2.0
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "fixture.h"

static void make_files(Store *store, const char *path, int count)
{
	check_ok(dir_make_all(store_dir(store), path, 0755));
	for (int i = 0; i < count; i++) {
		autofree char *name = string_printf("%s/%d", path, i);
		check_ok(file_replace(store_dir(store), name, "x", 1, 0600));
	}
}

static void takes_whatever_it_is_given(void **state)
{
	autoptr(Store) store = store_at(*state);

	make_files(store, "volumes/a", 3);
	check_ok(file_replace(store_dir(store), "volumes/file", "x", 1, 0600));
	check_ok(store_discard(store, "volumes/a"));
	check_ok(store_discard(store, "volumes/file"));
	check_ok(store_discard(store, "volumes/absent"));
	assert_int_equal(entries_in(store, "volumes"), 0);
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
}

static void is_swept_in_steps(void **state)
{
	autoptr(Store) store = store_at(*state);
	bool has_more = false;
	int steps = 0;

	make_files(store, "volumes/a/b/c", 1000);
	make_files(store, "volumes/a/b/d", 1000);
	check_ok(store_discard(store, "volumes/a"));
	do
		check_ok(store_sweep(store, &has_more));
	while (++steps < 1000 && has_more);
	assert_int_equal(entries_in(store, "trash"), 0);
	assert_in_range(steps, 63, 100);
}

static void is_swept_at_any_depth(void **state)
{
	autoptr(Store) store = store_at(*state);
	autofd at = -1;

	check_ok(dir_make_all(store_dir(store), "volumes/deep", 0755));
	check_ok(dir_open(&at, store_dir(store), "volumes/deep"));
	for (int i = 0; i < 5000; i++) {
		autofd below = -1;
		assert_int_equal(mkdirat(at, "a-name-of-some-length", 0), 0);
		check_ok(dir_open(&below, at, "a-name-of-some-length"));
		close(at);
		at = take_fd(&below);
	}
	check_ok(store_discard(store, "volumes/deep"));
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
}

static bool set_immutable(int dir, const char *path)
{
	int flags = FS_IMMUTABLE_FL;
	autofd fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void removes_what_was_marked_immutable(void **state)
{
	autoptr(Store) store = store_at(*state);

	make_files(store, "volumes/a/below", 3);
	if (!set_immutable(store_dir(store), "volumes/a/below/1") ||
		!set_immutable(store_dir(store), "volumes/a/below"))
		skip();
	check_ok(store_discard(store, "volumes/a"));
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
}

static Error *remember_name(void *arg, int dir_fd, const char *name, unsigned char type)
{
	(void)dir_fd;
	(void)type;
	string_replace(arg, name);
	return NULL;
}

static void leaves_links_targets_and_mounts_alone(void **state)
{
	autoptr(Store) store = store_at(*state);
	autofree char *mount_point = path_join(*state, "volumes/a/mounted"), *name = NULL;

	make_files(store, "kept", 2);
	make_files(store, "volumes/a", 1);
	assert_int_equal(symlinkat("../../kept", store_dir(store), "volumes/a/link"), 0);
	check_ok(dir_make(store_dir(store), "volumes/a/mounted", 0755));
	if (mount("none", mount_point, "tmpfs", 0, "size=64k") < 0)
		skip();
	autofree char *inside = path_join(mount_point, "inside");
	check_ok(file_replace(AT_FDCWD, inside, "x", 1, 0600));
	check_ok(store_discard(store, "volumes/a"));
	sweep_all(store); /* ends, with the mount left */
	assert_int_equal(entries_in(store, "kept"), 2);
	assert_int_equal(entries_in(store, "trash"), 1);
	check_ok(dir_each(store_dir(store), "trash", remember_name, &name));
	autofree char *moved = string_printf("%s/trash/%s/mounted", (char *)*state, name),
		      *moved_file = path_join(moved, "inside");
	assert_true(file_exists(AT_FDCWD, moved_file));
	assert_int_equal(umount2(moved, MNT_DETACH), 0);
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(takes_whatever_it_is_given),
		directory_test(is_swept_in_steps),
		directory_test(is_swept_at_any_depth),
		directory_test(removes_what_was_marked_immutable),
		directory_test(leaves_links_targets_and_mounts_alone),
	};

	return cmocka_run_group_tests_name("store trash", tests, NULL, NULL);
}
