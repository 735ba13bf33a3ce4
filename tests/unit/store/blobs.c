// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.h"

#include "fixture.h"

static void are_kept_by_digest(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest digest = numbered(1), other = numbered(2);
	autofree char *text = NULL, *none = NULL;
	autofd fd = -1;
	size_t length = 0;
	int64_t size = -1;

	assert_false(blob_has(store, &digest, &size));
	assert_int_equal(size, -1);
	check_ok(blob_put(store, &digest, "hello", 5));
	check_ok(blob_put(store, &digest, "hello", 5));
	assert_true(blob_has(store, &digest, &size));
	assert_int_equal(size, 5);
	check_ok(blob_read(&text, &length, store, &digest, 5));
	assert_string_equal(text, "hello");
	Error *error = blob_read(&none, &length, store, &digest, 4);
	assert_int_equal(error_kind(error), ERROR_TOO_LARGE);
	error_free(error);
	error = blob_open(&fd, store, &other);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
	assert_int_equal(entries_in(store, "staging"), 0);
}

static void go_on_where_they_ended(void **state)
{
	Store *store = store_at(*state);
	Digest digest = numbered(1);
	autofree char *text = NULL;
	BlobStage stage;
	int64_t offset = -1;
	int fd = -1;

	check_ok(blob_stage(&stage, &fd, &offset, store, &digest));
	assert_int_equal(offset, 0);
	check_ok(file_write_all(fd, "hel", 3, "blob"));
	close(fd);
	assert_false(blob_has(store, &digest, NULL));
	store_close(store);
	store = store_at(*state);
	check_ok(blob_stage(&stage, &fd, &offset, store, &digest));
	assert_int_equal(offset, 3);
	assert_int_equal(pwrite(fd, "lo", 2, offset), 2);
	close(fd);
	check_ok(blob_commit(store, &stage));
	check_ok(blob_read(&text, NULL, store, &digest, 100));
	assert_string_equal(text, "hello");
	store_close(store);
}

static void are_abandoned(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest digest = numbered(1);
	BlobStage stage = {0};
	int64_t offset = -1;
	int fd = -1;

	check_ok(blob_abandon(store, &stage));
	check_ok(blob_stage(&stage, &fd, &offset, store, &digest));
	close(fd);
	check_ok(blob_abandon(store, &stage));
	assert_int_equal(entries_in(store, "staging"), 0);
	stage.digest = digest;
	Error *error = blob_commit(store, &stage);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
}

/* Two at once: neither sees the other's bytes, and what the first leaves waits for a third. */
static void do_not_share_a_file(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest digest = numbered(1);
	BlobStage first, second, third;
	int64_t offset = -1;
	int fd[3];

	check_ok(blob_stage(&first, &fd[0], &offset, store, &digest));
	check_ok(file_write_all(fd[0], "good", 4, "blob"));
	check_ok(blob_stage(&second, &fd[1], &offset, store, &digest));
	assert_int_equal(offset, 0);
	check_ok(file_write_all(fd[1], "bad and more", 12, "blob"));
	blob_leave(store, &second);
	assert_int_equal(entries_in(store, "staging"), 1);
	blob_leave(store, &first);
	check_ok(blob_stage(&third, &fd[2], &offset, store, &digest));
	assert_int_equal(offset, 4);
	blob_leave(store, &third);
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
}

static void are_imported_by_rename(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest digest = numbered(1);

	check_ok(file_replace(store_dir(store), "staging/x", "hello", 5, 0600));
	check_ok(blob_import(store, &digest, store_dir(store), "staging/x"));
	assert_true(blob_has(store, &digest, NULL));
	assert_false(file_exists(store_dir(store), "staging/x"));
}

static void do_not_count_when_empty(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest digest = numbered(1);

	check_ok(blob_put(store, &digest, "", 0));
	assert_false(blob_has(store, &digest, NULL));
	check_ok(blob_put(store, &digest, "x", 1));
	assert_true(blob_has(store, &digest, NULL));
}

static void may_have_long_digests(void **state)
{
	autoptr(Store) store = store_at(*state);
	autofree char *text = string_printf("sha512:%0128d", 7);
	Digest digest;

	check_ok(digest_parse(&digest, text));
	check_ok(blob_put(store, &digest, "x", 1));
	assert_true(blob_has(store, &digest, NULL));
	assert_int_equal(entries_in(store, "blobs/sha512"), 1);
	check_ok(store_collect(store));
	assert_false(blob_has(store, &digest, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(are_kept_by_digest),
		directory_test(go_on_where_they_ended),
		directory_test(are_abandoned),
		directory_test(do_not_share_a_file),
		directory_test(are_imported_by_rename),
		directory_test(do_not_count_when_empty),
		directory_test(may_have_long_digests),
	};

	return cmocka_run_group_tests_name("store blobs", tests, NULL, NULL);
}
