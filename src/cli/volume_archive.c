// SPDX-License-Identifier: Apache-2.0
/* "volume export" and "volume import". */
#include <sys/stat.h>

#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/commands.h"
#include "cli/progress.h"

typedef struct ArchiveOptions {
	bool help, quiet;
	char *output;
} ArchiveOptions;

/* How far it has come. */
typedef struct Moving {
	Progress *progress;
	const char *name, *status;
	int64_t total; /* 0: not known */
} Moving;

static void moved(void *arg, int64_t bytes)
{
	const Moving *moving = arg;

	progress_item(moving->progress, moving->name, moving->status, bytes, moving->total);
}

static void moving_init(Moving *moving, const ArchiveOptions *given, const char *name, const char *status)
{
	ProgressOptions shape = progress_options(stderr, given->quiet);

	*moving = (Moving){.progress = progress_new(&shape), .name = name, .status = status};
}

static void moving_clear(Moving *moving)
{
	if (moving->progress)
		progress_wipe(moving->progress);
	progress_free(moving->progress);
}
DEFINE_AUTOCLEAR(Moving, moving_clear)

static void archive_target(Buffer *ret, const char *name)
{
	target_path(ret, "/kedge/v1/volumes/", name, "/archive");
}

/* ---- export ---- */

static const Option export_table[] = {
	HELP_OPTION(ArchiveOptions),
	{"output", 'o', OPTION_STRING, offsetof(ArchiveOptions, output), "FILE",
		"write the archive to a file (without it: standard output)", .complete = "file"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(ArchiveOptions, quiet), .help = "do not show how far it has come"},
	OPTION_END,
};

static fallible run_export(Cli *cli, const void *opts, const StringList *arguments)
{
	const ArchiveOptions *given = opts;
	autoclear(Moving) moving = {0};
	autoclear(Buffer) target = {0};

	archive_target(&target, arguments->items[0]);
	moving_init(&moving, given, arguments->items[0], "Exporting");
	return archive_receive_told(cli, buffer_text(&target), given->output, moved, &moving);
}

const Command volume_export_command = {
	.name = "volume export",
	.usage = "[OPTIONS] VOLUME",
	.summary = "Write a volume as a tar archive",
	.example = "volume export data --output data.tar",
	.options = export_table,
	.options_size = sizeof(ArchiveOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "volume",
	.run = run_export,
};

/* ---- import ---- */

static const Option import_table[] = {
	HELP_OPTION(ArchiveOptions),
	{"quiet", 'q', OPTION_SWITCH, offsetof(ArchiveOptions, quiet), .help = "do not show how far it has come"},
	OPTION_END,
};

static int64_t size_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : 0;
}

static fallible run_import(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Moving) moving = {0};
	autoclear(Buffer) target = {0};
	autofd input = -1;

	TRY(archive_open_input(&input, cli, arguments->count > 1 ? arguments->items[1] : NULL));
	archive_target(&target, arguments->items[0]);
	moving_init(&moving, opts, arguments->items[0], "Importing");
	moving.total = size_of(input);
	const HttpCall call = {
		.method = "PUT",
		.target = buffer_text(&target),
		.content_type = "application/x-tar",
		.sends_file = true,
		.file_fd = input,
		.sent = moved,
		.sent_arg = &moving,
	};
	return api_open(cli->client, &call);
}

const Command volume_import_command = {
	.name = "volume import",
	.usage = "[OPTIONS] VOLUME [FILE|-]",
	.summary = "Put a tar archive in place of what is in a volume",
	.example = "volume import data data.tar",
	.options = import_table,
	.options_size = sizeof(ArchiveOptions),
	.arguments_min = 1,
	.arguments_max = 2,
	.arguments = "volume",
	.run = run_import,
};
