// SPDX-License-Identifier: Apache-2.0
/* What kedge-login reads: the file of passwords, up to the first byte 0xff, and behind that what somebody has typed. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "login/password_file.h"

static void check_found(const char *hash)
{
	must_hold(!hash || !strchr(hash, '\n'));
}

/* One that is set is found, whatever else is in the file; one that is taken away is not. */
static void check_changes(const char *file, const char *name)
{
	autoclear(Buffer) with = {0}, without = {0};

	password_file_set(&with, file, name, "$hash");
	autofree char *found = password_file_find(buffer_text(&with), name);
	must_hold(found && strcmp(found, "$hash") == 0);
	password_file_set(&without, buffer_text(&with), name, NULL);
	autofree char *gone = password_file_find(buffer_text(&without), name);
	must_hold(!gone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
	size_t length = end ? (size_t)(end - data) : size;
	autofree char *file = mem_strndup(size ? (const char *)data : "", length);
	autofree char *input = mem_strndup(end ? (const char *)end + 1 : "", end ? size - length - 1 : 0);
	const char *name = NULL;
	char *password = NULL;

	error_free(login_input_split(input, &name, &password));
	if (!name)
		return 0;
	must_hold(!strchr(name, '\n'));
	autofree char *hash = password_file_find(file, name);
	check_found(hash);
	if (login_name_is_right(name))
		check_changes(file, name);
	return 0;
}
