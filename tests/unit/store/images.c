// SPDX-License-Identifier: Apache-2.0
#include "store/images.h"

#include "fixture.h"

static void come_back_as_they_were_put(void **state)
{
	autoptr(Store) store = store_at(*state);
	put_image(store, 1, 1, 3, "localhost:5000/app:v1");
	store_close(take(store));
	store = store_at(*state);

	autoptr(Image) image = find_image(store, "localhost:5000/app:v1");
	Digest id = numbered(CONFIGS + 1), manifest = numbered(MANIFESTS + 1);
	assert_non_null(image);
	assert_string_equal(image->id.text, id.text);
	assert_string_equal(image->manifest.text, manifest.text);
	assert_int_equal(image->layer_count, 3);
	assert_int_equal(image->bytes, 101 + 102 + 103);
	assert_int_equal(image->layers[2].bytes, 103);
	assert_int_equal(image->layers[0].blob_size, 10);
	assert_int_equal(image->created_ns, INT64_C(1704067201000000000));
	assert_true(image->added_ns > image->created_ns);
	check_text(strings_join(&image->tags, " "), "localhost:5000/app:v1");
	autofree char *digest = string_printf("localhost:5000/app@%s", manifest.text);
	check_text(strings_join(&image->digests, " "), digest);
	assert_string_equal(image->architecture, "amd64");
	assert_string_equal(image->os, "linux");
	assert_null(image->variant);
	assert_string_equal(map_get(&image->labels, "n"), "1");
	autoclear(ImageConfig) config = {0};
	autofree char *text = NULL;
	check_ok(image_read_config(&config, &text, store, &id));
	assert_int_equal(config.diff_ids.count, 3);
	assert_true(string_starts(text, "{\"created\""));
	assert_int_equal(problems_in(store, false), 0);
}

static void are_found_by_every_name(void **state)
{
	autoptr(Store) store = store_at(*state);
	put_image(store, 1, 1, 1, "busybox");
	Digest id = numbered(CONFIGS + 1), manifest = numbered(MANIFESTS + 1);
	autofree char *by_digest = string_printf("busybox@%s", manifest.text);
	autofree char *both = string_printf("busybox:other@%s", manifest.text);
	autofree char *prefix = strndup(digest_hex(&id), 12), *with_algorithm = strndup(id.text, 7 + 12);

	const char *const names[] = {"busybox", "busybox:latest", "docker.io/library/busybox", id.text, digest_hex(&id),
		by_digest, both, prefix, with_algorithm};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!has_image(store, names[i]))
			fail_msg("not found by \"%s\"", names[i]);
	const char *const others[] = {"busybox:1", "quay.io/busybox", "sha256:00", "00", "ab", manifest.text};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (has_image(store, others[i]))
			fail_msg("found by \"%s\"", others[i]);
}

static void are_told_apart_by_prefix(void **state)
{
	autoptr(Store) store = store_at(*state);
	autoptr(Image) image = NULL;
	const char *const ids[] = {"sha256:abc1"
				   "00000000000000000000000000000000000000000000000000000000"
				   "0000",
		"sha256:abc2"
		"00000000000000000000000000000000000000000000000000000000"
		"0000"};

	for (int i = 0; i < 2; i++) {
		Digest id;
		autoclear(ImageConfig) config = {0};
		StringList none = {0};
		check_ok(digest_parse(&id, ids[i]));
		check_ok(blob_put(store, &id, "{}", 2));
		check_ok(image_put(store, &id, NULL, &none, &config, NULL, NULL));
	}
	check_error(image_find(&image, store, "abc"), ERROR_CONFLICT,
		"the image id \"abc\" is ambiguous: several images begin with it");
	image = find_image(store, "abc2");
	assert_string_equal(image->id.text, ids[1]);
	autoptr(Image) whole = find_image(store, "sha256:abc1");
	assert_string_equal(whole->id.text, ids[0]);
	assert_false(has_image(store, "a"));
	Error *error = image_find(&image, store, "Not/A/Reference");
	assert_int_equal(error_kind(error), ERROR_INVALID);
	error_free(error);
}

static void beat_prefixes_by_name(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest id = numbered(CONFIGS + 1);
	autofree char *name = strndup(digest_hex(&id), 6);

	put_image(store, 1, 1, 1, NULL);
	put_image(store, 2, 1, 1, name);
	autoptr(Image) image = find_image(store, name);
	assert_string_equal(image->id.text, numbered(CONFIGS + 2).text);
}

static void need_all_they_are_made_of(void **state)
{
	autoptr(Store) store = store_at(*state);
	Error *error = NULL;

	check_ok(try_layer(store, 1));
	error = try_image(store, 1, 1, 2, "busybox");
	assert_int_equal(error_kind(error), ERROR_CONFLICT);
	assert_non_null(strstr(error_message(error), "its layer \"sha256:"));
	error_free(error);
	assert_false(has_image(store, "busybox"));

	Digest id = numbered(CONFIGS + 7), manifest = numbered(MANIFESTS + 7);
	StringList none = {0};
	ImageConfig config = {0};
	error = image_put(store, &id, NULL, &none, &config, NULL, NULL);
	assert_non_null(strstr(error_message(error), "its configuration \"sha256:"));
	error_free(error);
	check_ok(blob_put(store, &id, "{}", 2));
	error = image_put(store, &id, &manifest, &none, &config, NULL, NULL);
	assert_non_null(strstr(error_message(error), "its manifest \"sha256:"));
	error_free(error);
	manifest = numbered(MANIFESTS + 1);
	error = image_put(store, &id, &manifest, &none, &config, NULL, NULL);
	assert_non_null(strstr(error_message(error), "is of another image"));
	error_free(error);
	assert_false(has_image(store, id.text));
}

static void lose_a_tag_that_moves(void **state)
{
	autoptr(Store) store = store_at(*state);
	autoclear(Reference) second = reference_of("busybox:second"), absent = reference_of("absent:1");
	Digest first_id = numbered(CONFIGS + 1), none = numbered(CONFIGS + 9);
	bool was_there = false;

	put_image(store, 1, 1, 1, "busybox");
	put_image(store, 2, 1, 2, "busybox");
	autoptr(Image) moved = find_image(store, "busybox");
	autoptr(Image) first = find_image(store, first_id.text);
	assert_string_equal(moved->id.text, numbered(CONFIGS + 2).text);
	assert_int_equal(first->tags.count, 0);
	assert_int_equal(first->digests.count, 1);

	check_ok(image_tag(store, &first_id, &second));
	assert_true(has_image(store, "busybox:second"));
	Error *error = image_tag(store, &none, &second);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
	check_ok(image_untag(store, &second, &was_there));
	assert_true(was_there);
	check_ok(image_untag(store, &absent, &was_there));
	assert_false(was_there);
	assert_false(has_image(store, "busybox:second"));
	assert_true(has_image(store, first_id.text));
}

static bool add_tag(void *arg, Image *take)
{
	autoptr(Image) image = take;

	strings_add(arg, image->tags.count ? image->tags.items[0] : "-");
	return ((StringList *)arg)->count < 3;
}

static void are_listed_newest_first(void **state)
{
	autoptr(Store) store = store_at(*state);
	autoclear(StringList) tags = {0};

	put_image(store, 2, 1, 1, "two");
	put_image(store, 4, 1, 1, "four");
	put_image(store, 1, 1, 1, "one");
	put_image(store, 3, 1, 1, "three");
	check_ok(image_each(store, add_tag, &tags));
	check_text(strings_join(&tags, " "), "four:latest three:latest two:latest");
}

static void keep_the_manifest_whose_blobs_are_here(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest id = numbered(CONFIGS + 1), other = numbered(MANIFESTS + 50), layer = numbered(LAYERS + 1),
	       blob = numbered(BLOBS + 50);
	autoclear(StringList) diff_ids = {0};
	autoclear(ImageConfig) config = {0};
	autofree char *text =
		string_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
			      "\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
			      "\",\"digest\":\"%s\",\"size\":9},\"layers\":[{\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP
			      "\",\"digest\":\"%s\",\"size\":10}]}",
			id.text, blob.text);

	put_image(store, 1, 1, 1, "busybox");
	strings_add(&diff_ids, layer.text);
	check_ok(blob_put(store, &other, text, strlen(text)));
	check_ok(image_put(store, &id, &other, &diff_ids, &config, NULL, NULL));
	autoptr(Image) image = find_image(store, "busybox");
	assert_string_equal(image->manifest.text, numbered(MANIFESTS + 1).text);

	check_ok(blob_put(store, &blob, "compressed", 10));
	check_ok(image_put(store, &id, &other, &diff_ids, &config, NULL, NULL));
	autoptr(Image) newer = find_image(store, "busybox");
	assert_string_equal(newer->manifest.text, other.text);
	check_ok(store_collect(store));
	assert_true(blob_has(store, &blob, NULL));
	assert_true(blob_has(store, &other, NULL));
}

static void are_collected_with_what_only_they_used(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest first = numbered(CONFIGS + 1), only = numbered(BLOBS + 1), shared = numbered(BLOBS + 2);
	Layer layer;
	bool is_there = false;

	put_image(store, 1, 1, 2, "one");
	put_image(store, 2, 2, 2, "two");
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), 3);
	check_ok(image_delete(store, &first));
	assert_false(has_image(store, "one"));
	assert_false(has_image(store, first.text));
	assert_int_equal(problems_in(store, false), 3); /* a layer with its blob, a configuration, a manifest */
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), 2);
	assert_false(blob_has(store, &only, NULL));
	assert_true(blob_has(store, &shared, NULL));
	only = numbered(LAYERS + 1);
	check_ok(layer_find(store, &only, &layer, &is_there));
	assert_false(is_there);
	sweep_all(store);
	assert_int_equal(entries_in(store, "trash"), 0);
	assert_int_equal(problems_in(store, false), 0);
}

static void stay_while_leased(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest blob = numbered(BLOBS + 1), layer = numbered(LAYERS + 1), id = numbered(CONFIGS + 1);

	store_lease(store, blob.text);
	store_lease(store, layer.text);
	store_lease(store, layer.text);
	store_lease(store, id.text);
	check_ok(try_layer(store, 1));
	check_ok(blob_put(store, &id, "{}", 2));
	check_ok(store_collect(store));
	store_lease_end(store, layer.text);
	store_lease_end(store, id.text);
	store_lease_end(store, id.text);
	check_ok(store_collect(store));
	assert_true(blob_has(store, &blob, NULL));
	assert_false(blob_has(store, &id, NULL));
	assert_int_equal(entries_in(store, "layers"), 1);
	store_lease_end(store, layer.text);
	store_lease_end(store, blob.text);
	check_ok(store_collect(store));
	assert_false(blob_has(store, &blob, NULL));
	assert_int_equal(entries_in(store, "layers"), 0);
}

static Image *pinned(Store *store, int container)
{
	Image *image = NULL;

	check_ok(image_pinned(&image, store, container_id(container)));
	return image;
}

static void stay_while_pinned(void **state)
{
	Store *store = store_at(*state);
	Digest id = numbered(CONFIGS + 1), none = numbered(CONFIGS + 2);

	put_image(store, 1, 1, 2, "busybox");
	for (int i = 1; i <= 2; i++) {
		check_ok(snapshot_make(store, container_id(i)));
		check_ok(record_put(store, "container", container_id(i), NULL, "{}"));
		check_ok(image_pin(store, container_id(i), &id));
	}
	Error *error = image_pin(store, container_id(1), &none);
	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	error_free(error);
	assert_null(pinned(store, 3));
	check_ok(image_delete(store, &id));
	assert_false(has_image(store, "busybox"));
	assert_false(has_image(store, id.text));
	store_close(store);

	store = store_at(*state);
	check_ok(store_collect(store));
	autoptr(Image) image = pinned(store, 1);
	assert_string_equal(image->id.text, id.text);
	assert_int_equal(image->layer_count, 2);
	assert_int_equal(entries_in(store, "layers"), 2);
	autoclear(ImageConfig) config = {0};
	check_ok(image_read_config(&config, NULL, store, &id));
	assert_int_equal(problems_in(store, false), 0);

	check_ok(record_delete(store, "container", container_id(1)));
	check_ok(snapshot_discard(store, container_id(1)));
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), 2);
	check_ok(image_unpin(store, container_id(2)));
	check_ok(image_unpin(store, container_id(2)));
	check_ok(store_collect(store));
	assert_int_equal(entries_in(store, "layers"), 0);
	assert_int_equal(entries_in(store, "blobs/sha256"), 0);
	assert_int_equal(problems_in(store, false), 0);
	store_close(store);
}

static void show_again_when_put_again(void **state)
{
	autoptr(Store) store = store_at(*state);
	Digest id = numbered(CONFIGS + 1);

	put_image(store, 1, 1, 2, "busybox");
	check_ok(record_put(store, "container", container_id(1), NULL, "{}"));
	check_ok(image_pin(store, container_id(1), &id));
	check_ok(image_delete(store, &id));
	check_ok(try_image(store, 1, 1, 2, "again"));
	assert_true(has_image(store, "again"));
	check_ok(image_unpin(store, container_id(1)));
	check_ok(store_collect(store));
	assert_true(has_image(store, "again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(come_back_as_they_were_put),
		directory_test(are_found_by_every_name),
		directory_test(are_told_apart_by_prefix),
		directory_test(beat_prefixes_by_name),
		directory_test(need_all_they_are_made_of),
		directory_test(lose_a_tag_that_moves),
		directory_test(are_listed_newest_first),
		directory_test(keep_the_manifest_whose_blobs_are_here),
		directory_test(are_collected_with_what_only_they_used),
		directory_test(stay_while_leased),
		directory_test(stay_while_pinned),
		directory_test(show_again_when_put_again),
	};

	return cmocka_run_group_tests_name("store images", tests, NULL, NULL);
}
