// SPDX-License-Identifier: Apache-2.0
#include "cli/cp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/units.h"

enum { WHAT_MAX = 40 }; /* columns: the figures have their place behind it */

static const Option options[] = {
	HELP_OPTION(CpOptions),
	{"archive", 'a', OPTION_SWITCH, offsetof(CpOptions, archive),
		.help = "keep owners: into a container, what is copied becomes its user's"},
	{"follow-link", 'L', OPTION_SWITCH, offsetof(CpOptions, follow_link),
		.help = "copy what a link in SOURCE leads to, not the link"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(CpOptions, quiet),
		.help = "tell neither how far it has come nor what was copied"},
	OPTION_END,
};

/* ---- paths ---- */

static bool is_current(const char *path)
{
	return string_equal(path, ".") || string_ends(path, "/.");
}

static bool asserts_directory(const char *path)
{
	return string_ends(path, "/") || is_current(path);
}

/* As Go's filepath.Clean, but that ".." is not taken together. */
static char *clean(const char *path)
{
	autoclear(StringList) parts = {0}, kept = {0};

	strings_split(&parts, path, '/');
	for (size_t i = 0; i < parts.count; i++)
		if (*parts.items[i] && !string_equal(parts.items[i], "."))
			strings_add(&kept, parts.items[i]);
	autofree char *joined = strings_join(&kept, "/");
	return *path == '/' ? string_printf("/%s", joined) : mem_strdup(*joined ? joined : ".");
}

void cp_split(const char *path, char **ret_directory, char **ret_base)
{
	autofree char *cleaned = clean(path);
	char *slash = strrchr(cleaned, '/');

	if (is_current(path)) {
		*ret_directory = take(cleaned);
		*ret_base = mem_strdup(".");
		return;
	}
	*ret_base = mem_strdup(slash ? slash + 1 : cleaned);
	*ret_directory =
		!slash ? mem_strdup(".") : mem_strndup(cleaned, slash == cleaned ? 1 : (size_t)(slash - cleaned));
}

fallible cp_plan(char **ret_directory, char **ret_name, const CpEnd *source, const CpEnd *target)
{
	if (target->exists && target->is_directory) {
		*ret_directory = mem_strdup(target->path);
		*ret_name = NULL;
		return NULL;
	}
	if (target->exists && source->is_directory)
		return error_new(ERROR_INVALID, "cannot copy directory");
	if (!target->exists && !source->is_directory && asserts_directory(target->path))
		return error_new(ERROR_INVALID, "no such directory");
	cp_split(target->path, ret_directory, ret_name);
	return NULL;
}

/* ---- what is there ---- */

void cp_stat_clear(CpStat *stat)
{
	free(stat->target);
}

static fallible read_stat(CpStat *ret, const char *header)
{
	autoclear(Buffer) json = {0};
	autoptr(Value) value = NULL;
	const char *target;

	if (!base64_decode(&json, header, strlen(header)))
		return error_new(ERROR_INTERNAL, "kedged told what is there in no base64");
	TRY_WRAP(value_parse(&value, buffer_text(&json), json.length), "what kedged tells of a path");
	target = value_string(value_get(value, "linkTarget"));
	ret->exists = true;
	ret->mode = (uint32_t)value_int(value_get(value, "mode"), 0);
	ret->size = value_int(value_get(value, "size"), 0);
	ret->target = target && *target ? mem_strdup(target) : NULL;
	return NULL;
}

fallible cp_stat(Cli *cli, CpStat *ret, const CpPlace *place)
{
	autoclear(Buffer) target = {0};
	const char *header;

	target_path(&target, "/containers/", place->container, "/archive");
	target_query(&target, "path", place->path);
	const HttpCall call = {.method = "HEAD", .target = buffer_text(&target)};
	TRY(http_client_call(cli->client, &call));
	header = http_client_header(cli->client, "x-docker-container-path-stat");
	return http_client_status(cli->client) == 200 && header ? read_stat(ret, header) : NULL;
}

/* ---- what is told ---- */

void cp_moving_init(CpMoving *moving, const CpOptions *given, const char *what, int64_t total)
{
	ProgressOptions shape = progress_options(stderr, given->quiet);

	*moving = (CpMoving){.progress = progress_new(&shape), .total = total};
	text_cut(&moving->what, what, WHAT_MAX);
}

void cp_moving_clear(CpMoving *moving)
{
	if (moving->progress)
		progress_wipe(moving->progress);
	progress_free(moving->progress);
	buffer_clear(&moving->what);
}

void cp_moved(void *arg, int64_t bytes)
{
	CpMoving *moving = arg;
	int64_t shown = moving->total && bytes > moving->total ? moving->total : bytes;

	progress_item(moving->progress, buffer_text(&moving->what), "Copying", shown, moving->total);
}

void cp_tell(const CpOptions *given, int64_t bytes, const char *target)
{
	char size[UNITS_TEXT_MAX];

	if (given->quiet)
		return;
	units_decimal(size, (double)bytes, 3);
	fprintf(stderr, "Successfully copied %s to %s\n", size, target);
}

/* ---- the command ---- */

/* As docker's program: a path that begins with "/" or "." is one of this machine, whatever it holds. */
static CpPlace read_place(const char *argument)
{
	const char *colon = strchr(argument, ':');

	if (*argument == '/' || *argument == '.' || !colon)
		return (CpPlace){NULL, mem_strdup(argument)};
	return (CpPlace){mem_strndup(argument, (size_t)(colon - argument)), mem_strdup(colon + 1)};
}

static void place_clear(CpPlace *place)
{
	free(place->container);
	free(place->path);
}
DEFINE_AUTOCLEAR(CpPlace, place_clear)

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(CpPlace) source = read_place(arguments->items[0]), target = read_place(arguments->items[1]);

	if (source.container && target.container)
		return error_hint(error_new(ERROR_INVALID, "copying between containers is not supported"),
			"kedge cp %s:PATH - | kedge cp - %s:PATH", source.container, target.container);
	if (!source.container && !target.container)
		return error_hint(error_new(ERROR_INVALID, "one of \"%s\" and \"%s\" must be in a container: NAME:PATH",
					  arguments->items[0], arguments->items[1]),
			"for example: kedge %s", cli->command->example);
	return source.container ? cp_from(cli, opts, &source, target.path) : cp_to(cli, opts, source.path, &target);
}

static const char *const aliases[] = {"container cp", NULL};

const Command cp_command = {
	.name = "cp",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH",
	.summary = "Copy files between a container and this machine",
	.example = "cp web:/etc/hosts .",
	.options = options,
	.options_size = sizeof(CpOptions),
	.arguments_min = 2,
	.arguments_max = 2,
	.arguments = "container",
	.run = run,
};
