// SPDX-License-Identifier: Apache-2.0
/* What opening finds after a cut or after somebody's hands: never an error, never a half-made thing. */
#include <time.h>

#include "fixture.h"

static void remove_in(const char *root, const char *path)
{
	autofree char *whole = path_join(root, path);

	check_ok(tree_remove(AT_FDCWD, whole));
}

static void write_in(const char *root, const char *path, const char *text)
{
	autofree char *whole = path_join(root, path);

	check_ok(file_replace(AT_FDCWD, whole, text, strlen(text), 0600));
}

static void make_in(const char *root, const char *path)
{
	autofree char *whole = path_join(root, path);

	check_ok(dir_make_all(AT_FDCWD, whole, 0700));
}

static void empties_staging_but_for_partial_blobs(void **state)
{
	Store *store = store_at(*state);
	Digest digest = numbered(1);
	autofree char *part = string_printf("staging/%s.part", digest.text);
	autofd dir = -1;
	int64_t number = 0;

	check_ok(layer_stage(store, &number, &dir));
	store_close(store);
	write_in(*state, part, "half a blob");
	write_in(*state, "staging/sha256:no-digest.part", "x");
	write_in(*state, "staging/something.put", "x");
	store = store_at(*state);
	assert_int_equal(entries_in(store, "staging"), 1);
	assert_true(file_exists(store_dir(store), part));
	assert_int_equal(entries_in(store, "trash"), 3);
	store_close(store);
}

static void set_age(const char *root, const char *path, time_t seconds)
{
	autofree char *whole = path_join(root, path);
	struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

	assert_int_equal(utimensat(AT_FDCWD, whole, times, 0), 0);
}

static void bounds_partial_blobs(void **state)
{
	store_close(store_at(*state));
	for (int i = 0; i < 40; i++) {
		Digest digest = numbered(i);
		autofree char *part = string_printf("staging/%s.part", digest.text);
		write_in(*state, part, "x");
		set_age(*state, part, i * 60 - 120); /* two of a time to come */
	}
	Digest old = numbered(0), youngest_dropped = numbered(33), oldest_kept = numbered(32);
	autofree char *old_part = string_printf("staging/%s.part", old.text);
	set_age(*state, old_part, 8 * 24 * 3600);
	autoptr(Store) store = store_at(*state);
	assert_int_equal(entries_in(store, "staging"), 32);
	autofree char *kept = string_printf("staging/%s.part", oldest_kept.text);
	autofree char *dropped = string_printf("staging/%s.part", youngest_dropped.text);
	assert_true(file_exists(store_dir(store), kept));
	assert_false(file_exists(store_dir(store), dropped));
	assert_false(file_exists(store_dir(store), old_part));
}

static void drops_layers_without_a_record(void **state)
{
	Store *store = store_at(*state);
	put_image(store, 1, 1, 1, "busybox");
	store_close(store);
	make_in(*state, "layers/77/usr");
	make_in(*state, "layers/strange");
	write_in(*state, "layers/file", "x");
	store = store_at(*state);
	assert_int_equal(entries_in(store, "layers"), 1);
	assert_true(has_image(store, "busybox"));
	put_image(store, 2, 2, 1, "other"); /* its number is not one that lies in the trash */
	assert_int_equal(problems_in(store, false), 0);
	store_close(store);
}

static void sets_images_aside_that_miss_a_layer(void **state)
{
	Store *store = store_at(*state);
	Layer layer;
	bool is_there = true;
	Digest diff_id = numbered(LAYERS + 1);
	put_image(store, 1, 1, 2, "broken");
	put_image(store, 2, 2, 1, "whole");
	store_close(store);
	remove_in(*state, "layers/1");

	store = store_at(*state);
	assert_false(has_image(store, "broken"));
	assert_true(has_image(store, "whole"));
	check_ok(layer_find(store, &diff_id, &layer, &is_there));
	assert_false(is_there);
	put_image(store, 1, 1, 2, "broken");
	assert_true(has_image(store, "broken"));
	problems_in(store, true);
	assert_int_equal(problems_in(store, false), 0);
	assert_true(has_image(store, "broken"));
	store_close(store);
}

static void sets_images_aside_whose_configuration_is_cut_short(void **state)
{
	Store *store = store_at(*state);
	Digest empty = numbered(CONFIGS + 1), shorter = numbered(CONFIGS + 2), absent = numbered(CONFIGS + 3);
	autofree char *empty_path = string_printf("blobs/sha256/%s", digest_hex(&empty));
	autofree char *shorter_path = string_printf("blobs/sha256/%s", digest_hex(&shorter));
	autofree char *absent_path = string_printf("blobs/sha256/%s", digest_hex(&absent));
	for (int i = 1; i <= 4; i++) {
		autofree char *name = string_printf("image%d", i);
		put_image(store, i, 1, 1, name);
	}
	store_close(store);
	write_in(*state, empty_path, "");
	write_in(*state, shorter_path, "{}");
	remove_in(*state, absent_path);

	store = store_at(*state);
	assert_false(has_image(store, "image1"));
	assert_false(has_image(store, "image2"));
	assert_false(has_image(store, "image3"));
	assert_true(has_image(store, "image4"));
	assert_false(blob_has(store, &shorter, NULL));
	put_image(store, 1, 1, 1, "image1");
	assert_true(has_image(store, "image1"));
	store_close(store);
}

static void forgets_a_manifest_that_is_cut_short(void **state)
{
	Store *store = store_at(*state);
	Digest manifest = numbered(MANIFESTS + 1);
	autofree char *path = string_printf("blobs/sha256/%s", digest_hex(&manifest));
	put_image(store, 1, 1, 1, "busybox");
	store_close(store);
	write_in(*state, path, "{");
	store = store_at(*state);
	autoptr(Image) image = find_image(store, "busybox");
	assert_non_null(image);
	assert_false(digest_is_set(&image->manifest));
	put_image(store, 1, 1, 1, "busybox");
	autoptr(Image) healed = find_image(store, "busybox");
	assert_string_equal(healed->manifest.text, manifest.text);
	store_close(store);
}

static void keeps_pins_on_an_image_that_is_set_aside(void **state)
{
	Store *store = store_at(*state);
	Digest id = numbered(CONFIGS + 1);
	Image *none = NULL, *image = NULL;
	put_image(store, 1, 1, 1, "busybox");
	check_ok(snapshot_make(store, container_id(1)));
	check_ok(record_put(store, "container", container_id(1), "web", "{}"));
	check_ok(image_pin(store, container_id(1), &id));
	store_close(store);
	remove_in(*state, "layers/1");
	store = store_at(*state);
	check_ok(image_pinned(&none, store, container_id(1)));
	assert_null(none);
	put_image(store, 1, 1, 1, "busybox");
	check_ok(image_pinned(&image, store, container_id(1)));
	assert_non_null(image);
	image_free(image);
	store_close(store);
}

static void puts_containers_in_order(void **state)
{
	Store *store = store_at(*state);
	Digest id = numbered(CONFIGS + 1);
	autofree char *lost = string_printf("containers/%s", container_id(1)),
		      *stray = string_printf("containers/%s", container_id(2));
	put_image(store, 1, 1, 1, "busybox");
	check_ok(snapshot_make(store, container_id(1)));
	check_ok(record_put(store, "container", container_id(1), "web", "{}"));
	check_ok(snapshot_make(store, container_id(2)));
	check_ok(image_pin(store, container_id(2), &id));
	check_ok(image_delete(store, &id));
	store_close(store);
	remove_in(*state, lost);
	make_in(*state, "containers/strange");
	store = store_at(*state);
	assert_true(file_exists(store_dir(store), lost));
	assert_false(file_exists(store_dir(store), stray));
	assert_int_equal(entries_in(store, "containers"), 1);
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), 0);
	store_close(store);
}

static void is_open_once(void **state)
{
	Store *store = store_at(*state), *second = NULL;

	Error *error = store_open(&second, *state);
	assert_int_equal(error_kind(error), ERROR_CONFLICT);
	assert_null(second);
	assert_non_null(error_hint_text(error));
	error_free(error);
	store_close(store);
	store_close(store_at(*state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(empties_staging_but_for_partial_blobs),
		directory_test(bounds_partial_blobs),
		directory_test(drops_layers_without_a_record),
		directory_test(sets_images_aside_that_miss_a_layer),
		directory_test(sets_images_aside_whose_configuration_is_cut_short),
		directory_test(forgets_a_manifest_that_is_cut_short),
		directory_test(keeps_pins_on_an_image_that_is_set_aside),
		directory_test(puts_containers_in_order),
		directory_test(is_open_once),
	};

	return cmocka_run_group_tests_name("store recovery", tests, NULL, NULL);
}
