// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <stdint.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(Buffer *out, const unsigned char *data, size_t length, const char *alphabet)
{
	for (size_t i = 0; i < length; i += 3) {
		size_t rest = length - i;
		uint32_t bits = (uint32_t)data[i] << 16;
		if (rest > 1)
			bits |= (uint32_t)data[i + 1] << 8;
		if (rest > 2)
			bits |= data[i + 2];
		buffer_add_char(out, alphabet[bits >> 18]);
		buffer_add_char(out, alphabet[bits >> 12 & 63]);
		buffer_add_char(out, rest > 1 ? alphabet[bits >> 6 & 63] : '=');
		buffer_add_char(out, rest > 2 ? alphabet[bits & 63] : '=');
	}
}

void base64_encode(Buffer *out, const void *data, size_t length)
{
	encode(out, data, length, plain);
}

void base64_encode_url(Buffer *out, const void *data, size_t length)
{
	encode(out, data, length, for_urls);
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(Buffer *out, const char *text, size_t length)
{
	size_t before = out->length;
	uint32_t bits = 0;

	for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
		length--;
	for (size_t i = 0; i < length; i++) {
		int value = digit_value(text[i]);
		if (value < 0 || length % 4 == 1) {
			buffer_truncate(out, before);
			return false;
		}
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 > 0)
			buffer_add_char(out, (char)(bits >> (6 - 2 * (i % 4))));
	}
	return true;
}
