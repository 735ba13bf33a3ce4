// SPDX-License-Identifier: Apache-2.0
/* Control groups: made and limited before there is a process, then joined by it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "shim/native_steps.h"

enum { FILE_MAX = 4096 };

Error *native_make_group(Native *native, const char *const *fields)
{
	(void)native;
	return dir_make_all(AT_FDCWD, fields[0], 0755);
}

/* "0" to tasks: who moves a single thread, itself, waits for nobody; a pid to cgroup.procs waits for all processors. */
Error *native_join_group(Native *native, const char *const *fields)
{
	autofree char *tasks = path_join(fields[0], "tasks");

	(void)native;
	return file_poke(AT_FDCWD, tasks, "0");
}

Error *native_make_born_in(Native *native, const char *const *fields)
{
	TRY(dir_make_all(AT_FDCWD, fields[0], 0755));
	return file_open(&native->born_in, AT_FDCWD, fields[0], O_PATH | O_DIRECTORY, 0);
}

Error *native_inherit(Native *native, const char *const *fields)
{
	autofree char *to = path_join(fields[0], fields[1]), *parent = string_printf("%s/../%s", fields[0], fields[1]);
	autofree char *text = NULL, *own = NULL;

	(void)native;
	TRY(file_read(&own, NULL, AT_FDCWD, to, FILE_MAX));
	if (*string_trim(own))
		return NULL;
	TRY(file_read(&text, NULL, AT_FDCWD, parent, FILE_MAX));
	return file_poke(AT_FDCWD, to, string_trim(text));
}

Error *native_write(Native *native, const char *const *fields)
{
	(void)native;
	return file_poke(AT_FDCWD, fields[0], fields[1]);
}
