// SPDX-License-Identifier: Apache-2.0
/* The filters= parameter, and matching by what it says. */
#include "docker/filters.h"

#include "base/memory.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = {"label", "label!", "name", "status", "dangling", NULL};
	autofree char *text = mem_strndup((const char *)data, size);
	autoclear(Filters) filters = {0};
	autoclear(StringMap) labels = {0};
	Error *error = filters_parse(&filters, text, known);
	bool given, value;

	must_hold(!error || filters.count == 0);
	error_free(error);
	map_set(&labels, "a", "b");
	filters_labels(&filters, &labels);
	filters_exact(&filters, "status", "running");
	filters_pattern(&filters, "name", "/name");
	error_free(filters_bool(&filters, "dangling", &given, &value));
	return 0;
}
