// SPDX-License-Identifier: Apache-2.0
/* Fields point into the line, and the same line is read the same way twice. */
#include "shim/flat.h"

#include <string.h>

#include "fuzz.h"

enum { FIELDS = 2 };

static bool read_copy(FlatField fields[FIELDS], char *line, const uint8_t *data, size_t size)
{
	fields[0].name = "msg";
	fields[1].name = "level";
	memcpy(line, data, size);
	return flat_read(fields, FIELDS, line, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = malloc(size + 1), *second = malloc(size + 1);
	FlatField fields[FIELDS] = {0}, again[FIELDS] = {0};
	bool is_read = read_copy(fields, first, data, size);

	must_hold(is_read == read_copy(again, second, data, size));
	for (int i = 0; is_read && i < FIELDS; i++) {
		must_hold(!fields[i].text == !again[i].text);
		if (!fields[i].text)
			continue;
		must_hold(fields[i].text >= first && fields[i].text + fields[i].length <= first + size);
		must_hold(fields[i].length == again[i].length);
		must_hold(!memcmp(fields[i].text, again[i].text, fields[i].length));
	}
	free(first);
	free(second);
	return 0;
}
