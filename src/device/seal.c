// SPDX-License-Identifier: Apache-2.0
#include "device/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"

enum { KEY_FILE_MAX = 256, SEALED_MAX = 1 << 16 };

struct SealKey {
	unsigned char bytes[crypto_secretbox_KEYBYTES];
};

/* ---- the key ---- */

static fallible check_access(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(errno, "could not look at \"%s\"", path);
	if (!S_ISREG(status.st_mode))
		return error_new(ERROR_INVALID, "seal key \"%s\" is no file", path);
	if (status.st_uid != geteuid() || (status.st_mode & 077))
		return error_hint(error_new(ERROR_FORBIDDEN, "seal key \"%s\" can be read by others", path),
			"it must belong to root, with mode 0600");
	return NULL;
}

static fallible read_key(SealKey *key, const char *path)
{
	autofree char *text = NULL;
	autoclear(Buffer) bytes = {0};
	autofd fd = -1;

	TRY(fault("device.seal-key"));
	TRY(file_open(&fd, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0));
	TRY(check_access(fd, path));
	TRY(file_read_fd(&text, NULL, fd, path, KEY_FILE_MAX));
	char *line = string_trim(text);
	if (!base64_decode(&bytes, line, strlen(line)) || bytes.length != sizeof(key->bytes))
		return error_new(ERROR_INVALID, "seal key \"%s\" is damaged", path);
	memcpy(key->bytes, bytes.data, bytes.length);
	sodium_memzero(bytes.data, bytes.length);
	sodium_memzero(text, strlen(text));
	return NULL;
}

static fallible make_key(SealKey *key, const char *path)
{
	autofree char *copy = mem_strdup(path);
	autoclear(Buffer) text = {0};
	Error *error;

	TRY(dir_make_all(AT_FDCWD, dirname(copy), 0755));
	crypto_secretbox_keygen(key->bytes);
	base64_encode(&text, key->bytes, sizeof(key->bytes));
	buffer_add_char(&text, '\n');
	error = file_replace_durable(AT_FDCWD, path, text.data, text.length, 0600);
	sodium_memzero(text.data, text.length);
	return error;
}

fallible seal_key_open(SealKey **ret, const char *path)
{
	autoptr(SealKey) key = mem_new(SealKey);
	Error *error;

	if (sodium_init() < 0)
		return error_new(ERROR_INTERNAL, "could not start libsodium");
	error = read_key(key, path);
	if (error &&
		error_number(error) == ENOENT) { /* one that cannot be read now is still what things are sealed with */
		error_free(error);
		error = make_key(key, path);
	}
	TRY(error);
	*ret = take(key);
	return NULL;
}

SealKey *seal_key_free(SealKey *key)
{
	if (key)
		sodium_memzero(key, sizeof(*key));
	free(key);
	return NULL;
}

/* ---- texts ---- */

char *seal_text(const SealKey *key, const char *text)
{
	size_t length = strlen(text), total = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + length;
	autofree unsigned char *box = mem_alloc(total);
	autoclear(Buffer) sealed = {0};

	randombytes_buf(box, crypto_secretbox_NONCEBYTES);
	crypto_secretbox_easy(box + crypto_secretbox_NONCEBYTES, (const unsigned char *)text, length, box, key->bytes);
	base64_encode(&sealed, box, total);
	return buffer_steal(&sealed);
}

fallible seal_open(char **ret, const SealKey *key, const char *sealed)
{
	enum { AROUND = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES };
	autoclear(Buffer) box = {0};
	size_t length = strlen(sealed);

	if (length > SEALED_MAX || !base64_decode(&box, sealed, length) || box.length < AROUND)
		return error_new(ERROR_INVALID, "it is no sealed text");
	const unsigned char *bytes = (const unsigned char *)box.data;
	char *text = mem_alloc(box.length - AROUND + 1);
	if (crypto_secretbox_open_easy((unsigned char *)text, bytes + crypto_secretbox_NONCEBYTES,
		    box.length - crypto_secretbox_NONCEBYTES, bytes, key->bytes) < 0) {
		free(text);
		return error_hint(error_new(ERROR_INVALID, "it was sealed with another key, or is damaged"),
			"write the password in the clear again");
	}
	*ret = text;
	return NULL;
}

void seal_wipe(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
}

/* ---- documents ---- */

/* The place of a password in Kura's form: a text, or {"type": ..., "value": text}, in the document or its properties.
 */
static Value *kura_place(Value *document, const char **ret_key)
{
	Value *inner = value_get(document, "properties");
	Value *properties = value_is_object(inner) ? inner : document;
	Value *property = value_get(properties, "registry.password");

	*ret_key = value_is_object(property) ? "value" : "registry.password";
	return value_is_object(property) ? property : properties;
}

static bool seal_member(Value *object, const char *from, const char *to, const char *prefix, const SealKey *key)
{
	const char *text = value_string(value_get(object, from));

	if (string_empty(text) || (*prefix && string_starts(text, prefix)))
		return false;
	autofree char *sealed = seal_text(key, text);
	autofree char *whole = string_printf("%s%s", prefix, sealed);
	if (strcmp(from, to))
		value_remove(object, from);
	value_set(object, to, value_new_string(whole));
	return true;
}

void seal_document(bool *ret_changed, Value *document, const SealKey *key)
{
	const char *member;
	Value *kura = kura_place(document, &member);
	bool ours = seal_member(value_get(document, "registry"), "password", "sealed", "", key);

	*ret_changed = seal_member(kura, member, member, SEALED_PREFIX, key) || ours;
}
