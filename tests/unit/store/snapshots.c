// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.h"

#include "fixture.h"

static void are_made_and_discarded(void **state)
{
	autoptr(Store) store = store_at(*state);
	const char *id = container_id(1);
	autofree char *upper = snapshot_path(store, id, "upper");
	struct stat status;

	check_ok(snapshot_make(store, id));
	assert_int_equal(stat(upper, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	autofree char *kept = path_join(upper, "kept");
	check_ok(file_replace(AT_FDCWD, kept, "", 0, 0600));
	check_ok(snapshot_make(store, id));
	assert_true(file_exists(AT_FDCWD, kept));
	check_ok(snapshot_discard(store, id));
	check_ok(snapshot_discard(store, id));
	assert_int_equal(stat(upper, &status), -1);
	assert_int_equal(entries_in(store, "trash"), 1);
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
}

static void refuse_other_ids(void **state)
{
	autoptr(Store) store = store_at(*state);
	const char *const ids[] = {"", "..", "../../etc", "abc",
		"0000000000000000000000000000000000000000000000000000000000000001/x",
		"000000000000000000000000000000000000000000000000000000000000000G",
		"000000000000000000000000000000000000000000000000000000000000000A",
		"00000000000000000000000000000000000000000000000000000000000000011"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		Error *error = snapshot_make(store, ids[i]);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
		error = snapshot_discard(store, ids[i]);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
	}
	assert_int_equal(entries_in(store, "containers"), 0);
}

static void list_layers_topmost_first(void **state)
{
	autoptr(Store) store = store_at(*state);
	Layer layers[] = {{.number = 3}, {.number = 16}, {.number = 17}};
	Image image = {.layers = layers, .layer_count = 3};
	autoclear(StringList) directories = {0};

	check_text(snapshot_lower(&image), "17:16:3");
	snapshot_directories(store, container_id(1), &image, &directories);
	autofree char *expected = string_printf("%s/containers/%s/upper %s/layers/17 %s/layers/16 %s/layers/3",
		store_root(store), container_id(1), store_root(store), store_root(store), store_root(store));
	check_text(strings_join(&directories, " "), expected);
	autofree char *path = layers_path(store), *layers_directory = path_join(store_root(store), "layers");
	assert_string_equal(path, layers_directory);
	check_text(snapshot_path(store, container_id(1), NULL),
		strndupa(directories.items[0], strlen(directories.items[0]) - strlen("/upper")));
}

static void list_a_layer_once(void **state)
{
	Layer layers[] = {{.number = 3}, {.number = 5}, {.number = 3}, {.number = 6}};
	Image image = {.layers = layers, .layer_count = 4};

	(void)state;
	check_text(snapshot_lower(&image), "6:3:5");
	image.layer_count = 0;
	check_text(snapshot_lower(&image), "");
}

static void end_at_an_opaque_root(void **state)
{
	Layer layers[] = {{.number = 3}, {.number = 5, .is_opaque = true}, {.number = 7}};
	Image image = {.layers = layers, .layer_count = 3};

	(void)state;
	check_text(snapshot_lower(&image), "7:5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(are_made_and_discarded),
		directory_test(refuse_other_ids),
		directory_test(list_layers_topmost_first),
		cmocka_unit_test(list_a_layer_once),
		cmocka_unit_test(end_at_an_opaque_root),
	};

	return cmocka_run_group_tests_name("store snapshots", tests, NULL, NULL);
}
