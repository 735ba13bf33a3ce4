// SPDX-License-Identifier: Apache-2.0
/* What runs without an error is also found right by the check before; both end. */
#include "cli/template.h"

#include <string.h>

#include "base/memory.h"
#include "fuzz.h"

static const char document[] =
	"{\"a\": \"text\", \"b\": [1, 2.5, null, {\"c\": [\"x\", \"y\"]}], \"d\": {\"e\": true, \"f\": {}}, \"g\": 3}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup((const char *)data, size);
	autoptr(Value) value = NULL;
	autoclear(Buffer) out = {0};

	must_hold(!value_parse(&value, document, strlen(document)));
	Error *wrong = template_check(text), *failed = template_execute(&out, text, value);
	must_hold(failed || !wrong);
	error_free(wrong);
	error_free(failed);
	return 0;
}
