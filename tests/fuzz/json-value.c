// SPDX-License-Identifier: Apache-2.0
/* What is accepted can be written and read back as the same value. */
#include "json/value.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(Value) value = NULL, *again = NULL;
	autoclear(Buffer) text = {0};

	if (error_free(value_parse(&value, (const char *)data, size)) || !value)
		return 0;
	value_write(value, &text);
	must_hold(!value_parse(&again, text.data, text.length));
	must_hold(value_equal(value, again));
	return 0;
}
