// SPDX-License-Identifier: Apache-2.0
/* Sessions that another program has written: what is taken is what is written again. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "login/sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup(size ? (const char *)data : "", size);
	autoclear(Sessions) sessions = {0}, again = {0};
	autoclear(Buffer) first = {0}, second = {0};

	error_free(sessions_read(&sessions, text));
	sessions_write(&sessions, &first);
	must_hold(!sessions_read(&again, buffer_text(&first)));
	sessions_write(&again, &second);
	must_hold(strcmp(buffer_text(&first), buffer_text(&second)) == 0);
	return 0;
}
