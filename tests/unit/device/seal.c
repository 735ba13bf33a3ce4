// SPDX-License-Identifier: Apache-2.0
#include "device/seal.h"

#include <sys/stat.h>

#include "base/strings.h"
#include "check.h"

static char *key_path(void **state)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/etc/seal.key", (char *)*state) > 0);
	return path;
}

static void test_key_is_made_once(void **state)
{
	autofree char *path = key_path(state), *text = NULL;
	autoptr(SealKey) first = NULL;
	autoptr(SealKey) second = NULL;
	struct stat status;

	check_ok(seal_key_open(&first, path));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	autofree char *sealed = seal_text(first, "s3cret");
	check_ok(seal_key_open(&second, path));
	check_ok(seal_open(&text, second, sealed));
	assert_string_equal(text, "s3cret");
}

static void test_bad_keys(void **state)
{
	autofree char *path = key_path(state), *expected = NULL;
	autoptr(SealKey) key = NULL;

	check_ok(seal_key_open(&key, path));
	key = seal_key_free(key);
	assert_int_equal(chmod(path, 0640), 0);
	assert_true(asprintf(&expected, "seal key \"%s\" can be read by others", path) > 0);
	check_error(seal_key_open(&key, path), ERROR_FORBIDDEN, expected);
	free(expected);
	assert_true(asprintf(&expected, "seal key \"%s\" is damaged", path) > 0);
	check_ok(file_replace(AT_FDCWD, path, "AAAA\n", 5, 0600));
	check_invalid(seal_key_open(&key, path), expected);
}

static void test_texts(void **state)
{
	autofree char *path = key_path(state), *other_path = NULL, *text = NULL;
	autoptr(SealKey) key = NULL;
	autoptr(SealKey) other = NULL;

	assert_true(asprintf(&other_path, "%s.other", path) > 0);
	check_ok(seal_key_open(&key, path));
	check_ok(seal_key_open(&other, other_path));
	autofree char *sealed = seal_text(key, "s3cret"), *again = seal_text(key, "s3cret");
	assert_string_not_equal(sealed, again); /* a nonce of its own */
	check_invalid(seal_open(&text, other, sealed), "it was sealed with another key, or is damaged");
	sealed[40] = sealed[40] == 'A' ? 'B' : 'A';
	check_invalid(seal_open(&text, key, sealed), "it was sealed with another key, or is damaged");
	check_invalid(seal_open(&text, key, "not base64!"), "it is no sealed text");
	check_invalid(seal_open(&text, key, "AAAA"), "it is no sealed text");
	assert_null(text);
}

/* What is sealed in a document is opened again; a second time there is nothing to seal. */
static void check_document(const SealKey *key, const char *document_text, const char *inside, const char *member)
{
	autoptr(Value) document = NULL;
	autofree char *text = NULL;
	bool changed;

	check_ok(value_parse(&document, document_text, strlen(document_text)));
	seal_document(&changed, document, key);
	assert_true(changed);
	autoclear(Buffer) written = {0};
	value_write(document, &written);
	assert_null(strstr(buffer_text(&written), "s3cret"));
	const char *sealed = value_string(value_get(*inside ? value_get(document, inside) : document, member));
	assert_non_null(sealed);
	sealed += string_starts(sealed, SEALED_PREFIX) ? strlen(SEALED_PREFIX) : 0;
	check_ok(seal_open(&text, key, sealed));
	assert_string_equal(text, "s3cret");
	seal_document(&changed, document, key);
	assert_false(changed);
}

static void test_documents(void **state)
{
	autofree char *path = key_path(state);
	autoptr(SealKey) key = NULL;
	autoptr(Value) nothing = value_object();
	bool changed = true;

	check_ok(seal_key_open(&key, path));
	check_document(key, "{\"image\":\"x\",\"registry\":{\"username\":\"u\",\"password\":\"s3cret\"}}", "registry",
		"sealed");
	check_document(key, "{\"registry.password\":\"s3cret\"}", "", "registry.password");
	check_document(key, "{\"registry.password\":{\"type\":\"PASSWORD\",\"value\":\"s3cret\"}}", "registry.password",
		"value");
	seal_document(&changed, nothing, key);
	assert_false(changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_key_is_made_once),
		directory_test(test_bad_keys),
		directory_test(test_texts),
		directory_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
