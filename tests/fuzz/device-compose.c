// SPDX-License-Identifier: Apache-2.0
/* A compose file: each service is a declaration that is written and read back as the same, or a problem. */
#include "converted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(Value) document = NULL;
	autoclear(ConvertedList) list = {0};
	Error *error = value_parse_yaml(&document, (const char *)data, size);

	if (!error)
		error = compose_convert(&list, document, "/srv");
	error_free(error);
	check_converted(&list);
	return 0;
}
