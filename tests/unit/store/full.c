// SPDX-License-Identifier: Apache-2.0
/* On a file system that is full: what exists can be changed and deleted, and all works again when there is space
 * (invariant 7). */
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "fixture.h"

/* A file system of its own in *state/disk; false without the privilege. */
static bool mount_disk(const char *directory, const char *options)
{
	autofree char *disk = path_join(directory, "disk");

	check_ok(dir_make(AT_FDCWD, disk, 0755));
	return mount("none", disk, "tmpfs", 0, options) == 0;
}

static int unmount_disk(void **state)
{
	autofree char *disk = path_join(*state, "disk");

	umount2(disk, MNT_DETACH);
	return teardown_directory(state);
}

static Store *store_on_disk(const char *directory)
{
	autofree char *root = path_join(directory, "disk/root");

	return store_at(root);
}

/* Until not a byte is left. */
static void fill_disk(Store *store)
{
	char block[65536];
	autofd fd = openat(store_dir(store), "filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	memset(block, 'x', sizeof(block));
	while (write(fd, block, sizeof(block)) > 0)
		;
	while (write(fd, block, 1) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static int64_t reserve_size(Store *store)
{
	struct stat status;

	return fstatat(store_dir(store), "reserve", &status, 0) < 0 ? -1 : status.st_size;
}

static void put_container(Store *store, int number, int padding)
{
	autofree char *json = malloc((size_t)padding + 1);

	memset(json, 'j', (size_t)padding);
	json[padding] = '\0';
	check_ok(record_put(store, "container", container_id(number), NULL, json));
}

static void still_changes_and_deletes(void **state)
{
	if (!mount_disk(*state, "size=80m"))
		skip();
	autoptr(Store) store = store_on_disk(*state);
	Digest id = numbered(CONFIGS + 1);
	put_image(store, 1, 1, 3, "busybox");
	for (int i = 1; i <= 50; i++) {
		check_ok(snapshot_make(store, container_id(i)));
		put_container(store, i, 3000);
	}
	assert_int_equal(reserve_size(store), 8 << 20);
	fill_disk(store);

	/* More than the WAL holds before it is checkpointed, also into a larger database, while somebody takes what is
	 * given up. */
	for (int round = 0; round < 5; round++)
		for (int i = 1; i <= 50; i++) {
			put_container(store, i, 3000 + round * 500);
			if (round < 3 && i % 10 == 0)
				fill_disk(store);
		}
	for (int i = 1; i <= 50; i++) {
		check_ok(record_delete(store, "container", container_id(i)));
		check_ok(snapshot_discard(store, container_id(i)));
	}
	check_ok(image_delete(store, &id));
	check_ok(store_collect(store));
	sweep_all(store);
	assert_int_equal(entries_in(store, "layers"), 0);
	assert_int_equal(entries_in(store, "containers"), 0);
	assert_true(reserve_size(store) < 8 << 20);

	check_ok(file_unlink(store_dir(store), "filler"));
	put_image(store, 2, 2, 3, "busybox");
	assert_int_equal(reserve_size(store), 8 << 20);
	assert_int_equal(problems_in(store, false), 0);
}

static char *text_of(size_t length)
{
	char *text = malloc(length + 1);

	memset(text, 'x', length);
	text[length] = '\0';
	return text;
}

static void says_so_when_something_new_does_not_fit(void **state)
{
	if (!mount_disk(*state, "size=80m"))
		skip();
	autoptr(Store) store = store_on_disk(*state);
	autofree char *large = text_of(RECORD_MAX);
	Digest digest = numbered(1);

	fill_disk(store);
	Error *error = record_put(store, "container", "a", NULL, large);
	assert_int_equal(error_kind(error), ERROR_UNAVAILABLE);
	assert_string_equal(
		error_message(error), "could not write the record of container \"a\": No space left on device");
	assert_string_equal(error_hint_text(error), "free some space on the disk that holds the store");
	error_free(error);
	fill_disk(store);
	error = blob_put(store, &digest, large, RECORD_MAX);
	assert_int_equal(error_kind(error), ERROR_UNAVAILABLE);
	error_free(error);
	assert_int_equal(entries_in(store, "staging"), 0);
	check_ok(file_unlink(store_dir(store), "filler"));
	check_ok(blob_put(store, &digest, large, RECORD_MAX));
	put_container(store, 1, 100);
}

/* Somebody takes each byte that is given up: the WAL still turns over in its own space. */
static void changes_what_is_there_without_a_byte_left(void **state)
{
	if (!mount_disk(*state, "size=80m"))
		skip();
	autoptr(Store) store = store_on_disk(*state);

	for (int i = 1; i <= 20; i++)
		put_container(store, i, 3000);
	for (int i = 0; i < 3000; i++) {
		if (i < 500)
			fill_disk(store);
		Error *error = record_put(store, "container", container_id(100), NULL, "{}");
		assert_int_equal(error_kind(error), ERROR_UNAVAILABLE);
		error_free(error);
		put_container(store, 1 + i % 20, 3000 + i % 500);
	}
	for (int i = 1; i <= 20; i++)
		check_ok(record_delete(store, "container", container_id(i)));
}

static void opens_all_the_same(void **state)
{
	if (!mount_disk(*state, "size=80m"))
		skip();
	Store *store = store_on_disk(*state);
	put_image(store, 1, 1, 3, "busybox");
	put_container(store, 1, 3000);
	check_ok(snapshot_make(store, container_id(1)));
	for (int i = 0; i < 12; i++)
		fill_disk(store);
	store_close(store);
	store = store_on_disk(*state);
	fill_disk(store);
	store_close(store);
	store = store_on_disk(*state);
	assert_true(has_image(store, "busybox"));
	check_ok(record_delete(store, "container", container_id(1)));
	check_ok(snapshot_discard(store, container_id(1)));
	store_close(store);
}

static void works_without_inodes(void **state)
{
	if (!mount_disk(*state, "size=80m,nr_inodes=64"))
		skip();
	autoptr(Store) store = store_on_disk(*state);
	put_image(store, 1, 1, 1, "busybox");
	check_ok(snapshot_make(store, container_id(1)));
	put_container(store, 1, 3000);
	for (int i = 0;; i++) {
		autofree char *name = string_printf("filler%d", i);
		autofd fd = openat(store_dir(store), name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
	}
	Error *error = snapshot_make(store, container_id(2));
	assert_int_equal(error_kind(error), ERROR_UNAVAILABLE);
	error_free(error);
	put_container(store, 1, 6000);
	check_ok(record_delete(store, "container", container_id(1)));
	check_ok(snapshot_discard(store, container_id(1)));
	sweep_all(store);
	check_ok(snapshot_make(store, container_id(2)));
}

static void makes_no_reserve_on_a_small_one(void **state)
{
	if (!mount_disk(*state, "size=16m"))
		skip();
	autoptr(Store) store = store_on_disk(*state);

	put_image(store, 1, 1, 3, "busybox");
	assert_true(reserve_size(store) <= 0);
}

#define disk_test(function) cmocka_unit_test_setup_teardown(function, setup_directory, unmount_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		disk_test(still_changes_and_deletes),
		disk_test(says_so_when_something_new_does_not_fit),
		disk_test(changes_what_is_there_without_a_byte_left),
		disk_test(opens_all_the_same),
		disk_test(works_without_inodes),
		disk_test(makes_no_reserve_on_a_small_one),
	};

	return cmocka_run_group_tests_name("store on a full disk", tests, NULL, NULL);
}
