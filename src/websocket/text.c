// SPDX-License-Identifier: Apache-2.0
#include "websocket/text.h"

#include <string.h>

#include "base/strings.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static size_t size_by_lead(unsigned char lead)
{
	return lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Whether more bytes may make it a character. */
static bool is_beginning(const char *text, size_t length)
{
	if (length >= size_by_lead((unsigned char)text[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return false;
	return true;
}

void text_add(Buffer *out, TextTail *tail, const char *data, size_t length)
{
	autoclear(Buffer) all = {0};
	const char *at, *end;

	buffer_add(&all, tail->bytes, tail->length);
	buffer_add(&all, data, length);
	tail->length = 0;
	for (at = buffer_text(&all), end = at + all.length; at < end;) {
		size_t size = string_utf8_character(at, (size_t)(end - at));
		if (!size && is_beginning(at, (size_t)(end - at))) {
			tail->length = (size_t)(end - at);
			memcpy(tail->bytes, at, tail->length);
			return;
		}
		buffer_add(out, size ? at : replacement, size ? size : strlen(replacement));
		at += size ? size : 1;
	}
}

void text_end(Buffer *out, TextTail *tail)
{
	for (size_t i = 0; i < tail->length; i++)
		buffer_add_text(out, replacement);
	tail->length = 0;
}
