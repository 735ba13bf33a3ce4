// SPDX-License-Identifier: Apache-2.0
#include "store/layers.h"

#include <sys/xattr.h>

#include "fixture.h"

static Layer staged_layer(Store *store, int number)
{
	Layer layer = {.diff_id = numbered(LAYERS + number), .bytes = number};
	autofd dir = -1;

	check_ok(layer_stage(store, &layer.number, &dir));
	check_ok(dir_make_all(dir, "usr/lib", 0755));
	check_ok(file_replace(dir, "usr/file", "content", 7, 0644));
	return layer;
}

static bool has_layer(Store *store, int number, Layer *ret)
{
	Digest diff_id = numbered(LAYERS + number);
	bool is_there = false;

	check_ok(layer_find(store, &diff_id, ret, &is_there));
	return is_there;
}

static void appear_with_their_commit(void **state)
{
	Store *store = store_at(*state);
	Layer layers[2] = {staged_layer(store, 1), staged_layer(store, 2)}, found;

	layers[1].blob = numbered(BLOBS + 2);
	layers[1].blob_size = 99;
	assert_false(has_layer(store, 1, &found));
	check_ok(store_sync(store));
	check_ok(layers_commit(store, layers, 2));
	store_close(store);
	store = store_at(*state);
	assert_true(has_layer(store, 1, &found));
	assert_false(digest_is_set(&found.blob));
	assert_true(has_layer(store, 2, &found));
	assert_int_equal(found.number, layers[1].number);
	assert_int_equal(found.blob_size, 99);
	assert_int_equal(found.bytes, 2);
	assert_string_equal(found.blob.text, layers[1].blob.text);
	autofree char *file = string_printf("layers/%d/usr/file", (int)found.number);
	assert_true(file_exists(store_dir(store), file));
	assert_int_equal(entries_in(store, "staging"), 0);
	store_close(store);
}

static void keep_numbers_apart(void **state)
{
	Store *store = store_at(*state);
	Layer first = staged_layer(store, 1), second = staged_layer(store, 2), third;

	assert_int_not_equal(first.number, second.number);
	check_ok(layers_commit(store, &second, 1));
	store_close(store);
	store = store_at(*state);
	third = staged_layer(store, 3);
	assert_int_not_equal(third.number, second.number);
	check_ok(layers_commit(store, &third, 1));
	store_close(store);
}

static void keep_the_first_of_two_alike(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer first = staged_layer(store, 1), second = staged_layer(store, 1), found;
	Layer twice[2] = {staged_layer(store, 2), staged_layer(store, 2)};

	check_ok(layers_commit(store, &first, 1));
	check_ok(layers_commit(store, &second, 1));
	check_ok(layers_commit(store, twice, 2));
	assert_true(has_layer(store, 1, &found));
	assert_int_equal(found.number, first.number);
	assert_true(has_layer(store, 2, &found));
	assert_int_equal(found.number, twice[0].number);
	assert_int_equal(entries_in(store, "layers"), 2);
	assert_int_equal(entries_in(store, "staging"), 0);
}

static void are_abandoned(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer layer = staged_layer(store, 1), found;

	check_ok(layer_abandon(store, layer.number));
	check_ok(layer_abandon(store, layer.number));
	assert_int_equal(entries_in(store, "staging"), 0);
	Error *error = layers_commit(store, &layer, 1);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
	assert_false(has_layer(store, 1, &found));
}

static void leave_nothing_of_a_failed_commit(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer layers[3] = {staged_layer(store, 1), staged_layer(store, 2), staged_layer(store, 3)}, found;

	check_ok(layer_abandon(store, layers[1].number));
	Error *error = layers_commit(store, layers, 3);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
	for (int i = 1; i <= 3; i++)
		assert_false(has_layer(store, i, &found));
	assert_int_equal(entries_in(store, "layers"), 0);
	assert_int_equal(entries_in(store, "staging"), 0);
}

static bool is_opaque(Store *store, const char *path)
{
	char value = 0;
	autofd fd = openat(store_dir(store), path, O_RDONLY | O_CLOEXEC);

	return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static void take_opaque_marks(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer layer = staged_layer(store, 1), found;
	autoclear(StringList) directories = {0};

	strings_add(&directories, "usr/lib");
	check_ok(layer_mark_opaque(store, layer.number, &directories));
	check_ok(layers_commit(store, &layer, 1));
	assert_true(is_opaque(store, "layers/1/usr/lib"));
	assert_false(is_opaque(store, "layers/1/usr"));
	assert_true(has_layer(store, 1, &found));
	assert_false(found.is_opaque);

	layer = staged_layer(store, 2);
	strings_add(&directories, ".");
	check_ok(layer_mark_opaque(store, layer.number, &directories));
	check_ok(layers_commit(store, &layer, 1));
	assert_true(has_layer(store, 2, &found));
	assert_true(found.is_opaque);
}

static void mark_nothing_outside_of_them(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer layer = staged_layer(store, 1);
	const char *const paths[] = {"..", "usr/../..", "/etc", "link", "link/below", "usr/file", "usr//lib", "absent"};
	autofree char *link = string_printf("staging/layer-%d/link", (int)layer.number);

	assert_int_equal(symlinkat("/tmp", store_dir(store), link), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		autoclear(StringList) directories = {0};
		strings_add(&directories, paths[i]);
		Error *error = layer_mark_opaque(store, layer.number, &directories);
		if (!error)
			fail_msg("marked \"%s\"", paths[i]);
		error_free(error);
	}
	assert_false(is_opaque(store, "."));
	assert_false(is_opaque(store, "staging"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(appear_with_their_commit),
		directory_test(keep_numbers_apart),
		directory_test(keep_the_first_of_two_alike),
		directory_test(are_abandoned),
		directory_test(leave_nothing_of_a_failed_commit),
		directory_test(take_opaque_marks),
		directory_test(mark_nothing_outside_of_them),
	};

	return cmocka_run_group_tests_name("store layers", tests, NULL, NULL);
}
