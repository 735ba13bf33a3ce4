// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include <string.h>

static const struct {
	const char *prefix;
	size_t hex_length;
} algorithms[] = {{"sha256:", 64}, {"sha512:", 128}};

static bool is_lower_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

fallible digest_parse(Digest *ret, const char *text)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		const char *prefix = algorithms[i].prefix;
		if (strncmp(text, prefix, strlen(prefix)) != 0)
			continue;
		if (!is_lower_hex(text + strlen(prefix), algorithms[i].hex_length))
			return error_new(ERROR_INVALID,
				"invalid digest \"%.160s\": %zu hexadecimal digits in lower case must follow \"%s\"",
				text, algorithms[i].hex_length, prefix);
		Digest digest = {0};
		strcpy(digest.text, text);
		*ret = digest;
		return NULL;
	}
	return error_new(
		ERROR_INVALID, "invalid digest \"%.160s\": it must start with \"sha256:\" or \"sha512:\"", text);
}

bool digest_is_set(const Digest *digest)
{
	return digest->text[0] != '\0';
}

bool digest_equal(const Digest *a, const Digest *b)
{
	return strcmp(a->text, b->text) == 0;
}

const char *digest_hex(const Digest *digest)
{
	const char *colon = strchr(digest->text, ':');

	return colon ? colon + 1 : digest->text;
}

const char *digest_short(char ret[13], const Digest *digest)
{
	size_t length = strnlen(digest_hex(digest), 12);

	memcpy(ret, digest_hex(digest), length);
	ret[length] = '\0';
	return ret;
}
