// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Questions as they come from a client. */
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "dns/message.h"

static inline void add_number(Buffer *out, unsigned number)
{
	buffer_add_char(out, (char)(number >> 8));
	buffer_add_char(out, (char)number);
}

/* count times. */
static inline void question_bytes(Buffer *out, const char *name, unsigned type, unsigned flags, unsigned count)
{
	const unsigned head[] = {0x1234, flags, count, 0, 0, 0};

	for (size_t i = 0; i < 6; i++)
		add_number(out, head[i]);
	for (unsigned i = 0; i < count; i++) {
		for (const char *label = name; *label; label += strcspn(label, "."), label += *label == '.') {
			buffer_add_char(out, (char)strcspn(label, "."));
			buffer_add(out, label, strcspn(label, "."));
		}
		buffer_add_char(out, 0);
		add_number(out, type);
		add_number(out, 1);
	}
}

static inline void ask(Question *ret, const char *name, unsigned type)
{
	autoclear(Buffer) bytes = {0};
	MessageCode code = MESSAGE_FAILED;

	question_bytes(&bytes, name, type, 0x0100, 1);
	assert_true(question_read(ret, &code, (const uint8_t *)bytes.data, bytes.length));
	assert_int_equal(code, MESSAGE_OK);
}

enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_MX = 15, TYPE_AAAA = 28 };
