// SPDX-License-Identifier: Apache-2.0
/* kedge-shim: the parent of one container's init. It holds the container's life, so that kedged may come and go. */
#include <stdio.h>
#include <unistd.h>

#include "base/options.h"
#include "shim/relay.h"
#include "shim/serve.h"
#include "shim/unplug.h"

static void print(int fd, const char *text, size_t length)
{
	if (write(fd, text, length) < 0)
		_exit(1);
}

static int show_help(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, "Usage: kedge-shim OPTIONS\n\nRuns one container until it ends. kedged starts it; it "
			       "can be run by hand too.\n");
	options_help(shim_options, &text, 100);
	print(STDOUT_FILENO, text.data, text.length);
	return 0;
}

static int fail(Error *error)
{
	autoclear(Buffer) text = {0};

	buffer_printf(&text, "kedge-shim: %s\n", error_message(error));
	print(STDERR_FILENO, text.data, text.length);
	error_free(error);
	return 1;
}

static fallible read_settings(ShimSettings *settings, int argc, char **argv)
{
	autoclear(StringList) rest = {0};

	shim_settings_init(settings);
	TRY(options_parse(shim_options, settings, argc - 1, argv + 1, 0, &rest));
	if (settings->help || settings->version)
		return NULL;
	if (rest.count)
		return error_new(ERROR_INVALID, "unexpected argument \"%s\"", rest.items[0]);
	return shim_settings_check(settings);
}

enum { EXIT_START_FAILED = 125 };

/* By hand, the exit status and a failed start's reason are the container's; kedged gets both from its connection and
 * the exit file. */
static int run(const ShimSettings *settings)
{
	bool is_spawned = serve_is_spawned();
	ShimStatus status;

	serve(settings, &status);
	if (status.state != SHIM_START_FAILED)
		return status.exit_code;
	if (!is_spawned)
		fail(error_new(ERROR_UNAVAILABLE, "%s", status.error));
	return status.not_found ? (int)status.not_found : EXIT_START_FAILED;
}

int main(int argc, char **argv)
{
	static ShimSettings settings;
	Error *error = read_settings(&settings, argc, argv);

	if (error)
		return fail(error);
	if (settings.help)
		return show_help();
	if (settings.version) {
		print(STDOUT_FILENO, "kedge-shim " KEDGE_VERSION "\n", sizeof("kedge-shim " KEDGE_VERSION "\n") - 1);
		return 0;
	}
	if (settings.is_relay || settings.unplug) {
		error = settings.is_relay ? relay_serve(&settings) : unplug_links(&settings);
		return error ? fail(error) : 0;
	}
	return run(&settings);
}
