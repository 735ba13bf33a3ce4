// SPDX-License-Identifier: Apache-2.0
#include "telemetry/jsontext.h"

#include "base/strings.h"

static void add_ascii(Buffer *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		buffer_printf(out, "\\%c", c);
	else if (c < 0x20)
		buffer_printf(out, "\\u%04x", c);
	else
		buffer_add_char(out, (char)c);
}

void json_add_text(Buffer *out, const char *text, size_t length)
{
	buffer_add_char(out, '"');
	for (size_t at = 0; at < length;) {
		size_t size = string_utf8_character(text + at, length - at);
		if (size == 0)
			buffer_add_text(out, "\\ufffd");
		else if (size == 1)
			add_ascii(out, (unsigned char)text[at]);
		else
			buffer_add(out, text + at, size);
		at += size ? size : 1;
	}
	buffer_add_char(out, '"');
}
