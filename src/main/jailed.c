// SPDX-License-Identifier: Apache-2.0
#include "main/jailed.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/strings.h"

enum { HELP_WIDTH = 80 };

int jailed_help(const Option *table, const char *usage)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, usage);
	options_help(table, &text, HELP_WIDTH);
	fputs(buffer_text(&text), stdout);
	return 0;
}

int jailed_fail(Error *take_error)
{
	if (error_hint_text(take_error))
		log_error("%s (%s)", error_message(take_error), error_hint_text(take_error));
	else
		log_error("%s", error_message(take_error));
	error_free(take_error);
	return 1;
}

_Noreturn void jailed_main(
	const char *name, const Option *table, void *options, int (*run)(const void *options), int argc, char **argv)
{
	autoclear(StringList) arguments = {0};

	log_set_name(name);
	Error *error = options_parse(table, options, argc - 1, argv + 1, 0, &arguments);
	if (!error && arguments.count)
		error = error_new(ERROR_INVALID, "argument \"%s\" is not expected", arguments.items[0]);
	int status = error ? jailed_fail(error) : run(options);
	options_clear(table, options);
	fflush(stdout);
	/* At once: handlers that libraries leave for the end of a program have no business in the jail. */
	_exit(status);
}
