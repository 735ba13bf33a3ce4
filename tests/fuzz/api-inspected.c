// SPDX-License-Identifier: Apache-2.0
/* What somebody says that an engine's inspect has printed: a declaration that is read back as the same, or a problem.
 */
#include "api/inspected.h"

#include "converted.h"

static fallible no_image(void *arg, ImageConfig *ret, const char *name)
{
	(void)arg;
	(void)ret;
	return error_new(ERROR_NOT_FOUND, "no such image: %s", name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(Value) document = NULL;
	autoclear(ConvertedList) list = {0};
	Error *error = value_parse(&document, (const char *)data, size);

	if (!error)
		error = inspected_convert(&list, document, no_image, NULL);
	error_free(error);
	check_converted(&list);
	return 0;
}
