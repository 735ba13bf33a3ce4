// SPDX-License-Identifier: Apache-2.0
/* "container prune", "image prune", "network prune", "volume prune" and "system prune": what nothing uses any more
 * goes, after a question. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/strings.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/units.h"

typedef struct PruneOptions {
	bool help, all, force, volumes;
	StringList filters;
} PruneOptions;

#define FILTER_OPTION                                                                                                  \
	{                                                                                                              \
		"filter", 0, OPTION_LIST, offsetof(PruneOptions, filters), "NAME=VALUE",                               \
			"only those that match: until, label, label!", .complete = "until= label= label!="             \
	}
#define FORCE_OPTION                                                                                                   \
	{                                                                                                              \
		"force", 'f', OPTION_SWITCH, offsetof(PruneOptions, force), .help = "do not ask"                       \
	}

static const Option container_options[] = {
	HELP_OPTION(PruneOptions),
	FILTER_OPTION,
	FORCE_OPTION,
	OPTION_END,
};

static const Option image_options[] = {
	HELP_OPTION(PruneOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(PruneOptions, all),
		.help = "all that no container uses, not only those without a name"},
	FILTER_OPTION,
	FORCE_OPTION,
	OPTION_END,
};

static const Option network_options[] = {
	HELP_OPTION(PruneOptions),
	FILTER_OPTION,
	FORCE_OPTION,
	OPTION_END,
};

static const Option volume_options[] = {
	HELP_OPTION(PruneOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(PruneOptions, all), .help = "those with a name, too"},
	{"filter", 0, OPTION_LIST, offsetof(PruneOptions, filters), "NAME=VALUE",
		"only those that match: label, label!", .complete = "label= label!="},
	FORCE_OPTION,
	OPTION_END,
};

static const Option system_options[] = {
	HELP_OPTION(PruneOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(PruneOptions, all),
		.help = "all images that no container uses, not only those without a name"},
	FILTER_OPTION,
	FORCE_OPTION,
	{"volumes", 0, OPTION_SWITCH, offsetof(PruneOptions, volumes),
		.help = "volumes without a name that no container uses, too"},
	OPTION_END,
};

/* ---- asking ---- */

static bool is_agreed(const char *warning)
{
	char answer[64] = "";

	printf("WARNING! %s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && !strcasecmp(string_trim(answer), "y");
}

/* ---- telling ---- */

static void print_space(int64_t bytes)
{
	char text[UNITS_TEXT_MAX];

	units_decimal(text, (double)bytes, 4);
	printf("Total reclaimed space: %s\n", text);
}

static void print_names(const Value *names, const char *heading)
{
	if (value_count(names))
		puts(heading);
	for (size_t i = 0; i < value_count(names); i++)
		puts(value_string(value_at(names, i)));
	if (value_count(names))
		putchar('\n');
}

static void print_containers(const Value *answer)
{
	print_names(value_get(answer, "ContainersDeleted"), "Deleted Containers:");
}

static void print_volumes(const Value *answer)
{
	print_names(value_get(answer, "VolumesDeleted"), "Deleted Volumes:");
}

static void print_networks(const Value *answer)
{
	print_names(value_get(answer, "NetworksDeleted"), "Deleted Networks:");
}

static void print_images(const Value *answer)
{
	const Value *items = value_get(answer, "ImagesDeleted");

	if (value_count(items))
		puts("Deleted Images:");
	for (size_t i = 0; i < value_count(items); i++) {
		const char *untagged = value_string(value_get(value_at(items, i), "Untagged"));
		const char *deleted = value_string(value_get(value_at(items, i), "Deleted"));
		if (untagged)
			printf("untagged: %s\n", untagged);
		if (deleted)
			printf("deleted: %s\n", deleted);
	}
	if (value_count(items))
		putchar('\n');
}

/* ---- the commands ---- */

/* Adds what it freed. */
static fallible prune(
	Cli *cli, int64_t *bytes, const char *path, const StringList *filters, void (*print)(const Value *))
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	buffer_add_text(&target, path);
	TRY(target_query_filters(&target, filters));
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	print(answer);
	*bytes += value_int(value_get(answer, "SpaceReclaimed"), 0);
	return NULL;
}

static fallible prune_containers(Cli *cli, int64_t *bytes, const PruneOptions *given)
{
	return prune(cli, bytes, "/containers/prune", &given->filters, print_containers);
}

static fallible prune_images(Cli *cli, int64_t *bytes, const PruneOptions *given)
{
	autoclear(StringList) filters = {0};

	strings_copy(&filters, &given->filters);
	strings_printf(&filters, "dangling=%s", given->all ? "false" : "true");
	return prune(cli, bytes, "/images/prune", &filters, print_images);
}

static fallible prune_networks(Cli *cli, int64_t *bytes, const PruneOptions *given)
{
	return prune(cli, bytes, "/networks/prune", &given->filters, print_networks);
}

static fallible prune_volumes(Cli *cli, int64_t *bytes, const StringList *filters, bool all)
{
	autoclear(StringList) sent = {0};

	strings_copy(&sent, filters);
	if (all)
		strings_add(&sent, "all=true");
	return prune(cli, bytes, "/volumes/prune", &sent, print_volumes);
}

static fallible run_volumes(Cli *cli, const void *opts, const StringList *arguments)
{
	const PruneOptions *given = opts;
	const char *warning = given->all
				      ? "This will remove all local volumes not used by at least one container."
				      : "This will remove anonymous local volumes not used by at least one container.";
	int64_t bytes = 0;

	(void)arguments;
	if (!given->force && !is_agreed(warning))
		return NULL;
	TRY(prune_volumes(cli, &bytes, &given->filters, given->all));
	print_space(bytes);
	return NULL;
}

static fallible run_containers(Cli *cli, const void *opts, const StringList *arguments)
{
	const PruneOptions *given = opts;
	int64_t bytes = 0;

	(void)arguments;
	if (!given->force && !is_agreed("This will remove all stopped containers."))
		return NULL;
	TRY(prune_containers(cli, &bytes, given));
	print_space(bytes);
	return NULL;
}

static fallible run_networks(Cli *cli, const void *opts, const StringList *arguments)
{
	const PruneOptions *given = opts;
	int64_t bytes = 0;

	(void)arguments;
	if (!given->force && !is_agreed("This will remove all custom networks not used by at least one container."))
		return NULL;
	return prune_networks(cli, &bytes, given);
}

static fallible run_images(Cli *cli, const void *opts, const StringList *arguments)
{
	const PruneOptions *given = opts;
	const char *warning = given->all
				      ? "This will remove all images without at least one container associated to them."
				      : "This will remove all dangling images.";
	int64_t bytes = 0;

	(void)arguments;
	if (!given->force && !is_agreed(warning))
		return NULL;
	TRY(prune_images(cli, &bytes, given));
	print_space(bytes);
	return NULL;
}

/* An age, by which containers and images may be chosen, is nothing that a volume has. */
static fallible check_filters(const PruneOptions *given)
{
	for (size_t i = 0; i < given->filters.count && given->volumes; i++)
		if (string_starts(given->filters.items[i], "until="))
			return error_new(ERROR_INVALID, "the \"until\" filter is not supported with \"--volumes\"");
	return NULL;
}

static void system_warning(Buffer *out, const PruneOptions *given)
{
	buffer_add_text(out, "This will remove:\n  - all stopped containers\n"
			     "  - all networks not used by at least one container\n");
	if (given->volumes)
		buffer_add_text(out, "  - all anonymous volumes not used by at least one container\n");
	buffer_add_text(out, given->all ? "  - all images without at least one container associated to them\n"
					: "  - all dangling images\n");
}

static fallible run_system(Cli *cli, const void *opts, const StringList *arguments)
{
	const PruneOptions *given = opts;
	autoclear(Buffer) warning = {0};
	int64_t bytes = 0;

	(void)arguments;
	TRY(check_filters(given));
	system_warning(&warning, given);
	if (!given->force && !is_agreed(buffer_text(&warning)))
		return NULL;
	TRY(prune_containers(cli, &bytes, given));
	TRY(prune_networks(cli, &bytes, given));
	if (given->volumes)
		TRY(prune_volumes(cli, &bytes, &given->filters, false));
	TRY(prune_images(cli, &bytes, given));
	print_space(bytes);
	return NULL;
}

const Command container_prune_command = {
	.name = "container prune",
	.usage = "[OPTIONS]",
	.summary = "Remove all containers that do not run",
	.options = container_options,
	.options_size = sizeof(PruneOptions),
	.run = run_containers,
};

const Command image_prune_command = {
	.name = "image prune",
	.usage = "[OPTIONS]",
	.summary = "Remove images that nothing uses",
	.options = image_options,
	.options_size = sizeof(PruneOptions),
	.run = run_images,
};

const Command network_prune_command = {
	.name = "network prune",
	.usage = "[OPTIONS]",
	.summary = "Remove all networks that no container is on",
	.options = network_options,
	.options_size = sizeof(PruneOptions),
	.run = run_networks,
};

const Command volume_prune_command = {
	.name = "volume prune",
	.usage = "[OPTIONS]",
	.summary = "Remove all volumes that no container uses",
	.options = volume_options,
	.options_size = sizeof(PruneOptions),
	.run = run_volumes,
};

const Command system_prune_command = {
	.name = "system prune",
	.usage = "[OPTIONS]",
	.summary = "Remove stopped containers, and what nothing uses any more",
	.options = system_options,
	.options_size = sizeof(PruneOptions),
	.run = run_system,
};
