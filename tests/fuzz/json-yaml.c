// SPDX-License-Identifier: Apache-2.0
/* What is accepted is a value that JSON can express: written, it is read back as the same. */
#include "json/value.h"

#include "fuzz.h"

static void check(const Value *value)
{
	autoptr(Value) again = NULL;
	autoclear(Buffer) text = {0};

	value_write(value, &text);
	must_hold(!value_parse(&again, text.data, text.length));
	must_hold(value_equal(value, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(Value) value = NULL, *aliased = NULL;

	if (!error_free(value_parse_yaml(&value, (const char *)data, size)) && value)
		check(value);
	if (!error_free(value_parse_yaml_aliased(&aliased, (const char *)data, size)) && aliased)
		check(aliased);
	return 0;
}
