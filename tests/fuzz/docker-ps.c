// SPDX-License-Identifier: Apache-2.0
/* ps's arguments: whatever they are, each column that is chosen can be written, and one of them is PID. */
#include "docker/ps_columns.h"

#include <string.h>

#include "base/memory.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup((const char *)data, size);
	PsProcess process = {.pid = "7", .name = "name", .state = 'S', .terminal = 0x8801, .user = (char *)"user"};
	PsFormat format = {.count = 0};
	Error *error = ps_format_read(&format, text);
	bool has_pid = error != NULL;

	must_hold(!error || format.count == 0);
	error_free(error);
	for (size_t i = 0; i < format.count; i++) {
		autoclear(Buffer) cell = {0};
		format.items[i].column->write(&cell, &process);
		must_hold(cell.length > 0);
		has_pid = has_pid || strcmp(format.items[i].title, "PID") == 0;
	}
	must_hold(has_pid);
	return 0;
}
