// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/indent.h"
#include "cli/template.h"

typedef enum Kind { KIND_ANY, KIND_CONTAINER, KIND_IMAGE, KIND_NETWORK, KIND_VOLUME, KINDS } Kind;

static const char *const kind_names[KINDS] = {"", "container", "image", "network", "volume"};

typedef struct InspectOptions {
	bool help, size, verbose;
	char *format, *type;
	Kind kind; /* of the commands for one kind */
} InspectOptions;

static const InspectOptions container_defaults = {.kind = KIND_CONTAINER}, image_defaults = {.kind = KIND_IMAGE},
			    network_defaults = {.kind = KIND_NETWORK}, volume_defaults = {.kind = KIND_VOLUME};

#define FORMAT_OPTION                                                                                                  \
	{                                                                                                              \
		"format", 'f', OPTION_STRING, offsetof(InspectOptions, format), "FORMAT",                              \
			"\"json\", or a template such as \"{{.State.Status}}\" or \"{{json .Config.Env}}\"",           \
			.complete = "json"                                                                             \
	}
#define SIZE_OPTION                                                                                                    \
	{                                                                                                              \
		"size", 's', OPTION_SWITCH, offsetof(InspectOptions, size),                                            \
			.help = "show what a container has written"                                                    \
	}

static const Option options[] = {
	HELP_OPTION(InspectOptions),
	FORMAT_OPTION,
	SIZE_OPTION,
	{"type", 0, OPTION_STRING, offsetof(InspectOptions, type), "TYPE",
		"container, image, network or volume (without it: whichever has the name)",
		.complete = "container image network volume"},
	OPTION_END,
};

static const Option container_options[] = {HELP_OPTION(InspectOptions), FORMAT_OPTION, SIZE_OPTION, OPTION_END};

static const Option network_options[] = {
	HELP_OPTION(InspectOptions),
	FORMAT_OPTION,
	{"verbose", 'v', OPTION_SWITCH, offsetof(InspectOptions, verbose),
		.help = "accepted without effect: there are no services"},
	OPTION_END,
};

static const Option volume_options[] = {HELP_OPTION(InspectOptions), FORMAT_OPTION, OPTION_END};

static const Option image_options[] = {
	HELP_OPTION(InspectOptions),
	FORMAT_OPTION,
	{"platform", 0, OPTION_REFUSED, .argument = "OS/ARCH", .help = "an image is kept for one platform"},
	OPTION_END,
};

/* ---- finding ---- */

static void make_target(Buffer *target, Kind kind, const char *name, bool size)
{
	if (kind == KIND_IMAGE) {
		target_image(target, name, "/json");
		return;
	}
	if (kind == KIND_NETWORK) {
		target_path(target, "/networks/", name, "");
		return;
	}
	if (kind == KIND_VOLUME) {
		target_path(target, "/volumes/", name, "");
		return;
	}
	target_path(target, "/containers/", name, "/json");
	target_query_flag(target, "size", size);
}

/* *ret stays NULL when there is no such thing. */
static fallible get_kind(Cli *cli, char **ret, Kind kind, const char *name, bool size)
{
	autoclear(Buffer) target = {0};

	make_target(&target, kind, name, size);
	Error *error = api_get_text(cli, ret, buffer_text(&target));
	if (!error || error_kind(error) != ERROR_NOT_FOUND)
		return error;
	error_free(error); /* the next kind is tried */
	return NULL;
}

static fallible get_any(Cli *cli, char **ret, Kind wanted, const char *name, bool size)
{
	for (Kind kind = KIND_CONTAINER; kind < KINDS && !*ret; kind++)
		if (wanted == KIND_ANY || wanted == kind)
			TRY(get_kind(cli, ret, kind, name, size));
	return NULL;
}

/* ---- printing ---- */

static fallible print_one(Buffer *out, const char *text, const char *format, bool is_first)
{
	autoptr(Value) value = NULL;

	TRY_WRAP(value_parse(&value, text, strlen(text)), "kedged's answer");
	if (!format) {
		buffer_printf(out, "%s\n%*s", is_first ? "" : ",", INDENT_WIDTH, "");
		json_indent(out, text, strlen(text), 1);
		return NULL;
	}
	if (string_equal(format, "json")) {
		buffer_add_text(out, is_first ? "" : ",");
		value_write(value, out);
		return NULL;
	}
	TRY(template_execute(out, format, value));
	buffer_add_char(out, '\n');
	return NULL;
}

/* Docker's words, and not cli_report()'s: scripts look for them. */
static void report_missing(Cli *cli, Kind kind, const char *name)
{
	fflush(stdout);
	fprintf(stderr, "Error: No such %s: %s\n", kind == KIND_ANY ? "object" : kind_names[kind], name);
	cli->status = EXIT_FAILED;
}

static fallible inspect_one(
	Cli *cli, Buffer *out, const InspectOptions *given, Kind kind, const char *name, bool *ret_found)
{
	autofree char *text = NULL;

	if (name[0])
		TRY(get_any(cli, &text, kind, name, given->size));
	*ret_found = text != NULL;
	return text ? print_one(out, text, given->format, out->length == 0) : NULL;
}

/* "[", the objects, "]": also when there are none, so that it is JSON always. */
static void print_all(const Buffer *out, const char *format)
{
	if (string_equal(format, "json"))
		printf("[%s]\n", buffer_text(out));
	else if (format)
		fwrite(buffer_text(out), 1, out->length, stdout);
	else if (out->length == 0)
		puts("[]");
	else
		printf("[%s\n]\n", buffer_text(out));
}

static fallible find_wanted_kind(Kind *ret, const InspectOptions *given)
{
	int kind = given->type ? names_find(kind_names, KINDS, given->type) : (int)given->kind;

	if (kind < 0)
		return error_new(ERROR_INVALID,
			"option \"--type\": \"%s\" is none of container, image, network and volume", given->type);
	*ret = (Kind)kind;
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const InspectOptions *given = opts;
	autoclear(Buffer) out = {0};
	autoclear(StringList) missing = {0};
	Kind kind = KIND_ANY;

	TRY(find_wanted_kind(&kind, given));
	if (given->format && !string_equal(given->format, "json"))
		TRY(template_check(given->format));
	for (size_t i = 0; i < arguments->count; i++) {
		bool found = false;
		TRY(inspect_one(cli, &out, given, kind, arguments->items[i], &found));
		if (!found)
			strings_add(&missing, arguments->items[i]);
	}
	print_all(&out, given->format);
	for (size_t i = 0; i < missing.count; i++)
		report_missing(cli, kind, missing.items[i]);
	return NULL;
}

const Command inspect_command = {
	.name = "inspect",
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.summary = "Show all about containers, images, networks and volumes",
	.options = options,
	.options_size = sizeof(InspectOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container image network volume",
	.run = run,
};

const Command container_inspect_command = {
	.name = "container inspect",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Show all about containers",
	.options = container_options,
	.options_size = sizeof(InspectOptions),
	.defaults = &container_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

const Command image_inspect_command = {
	.name = "image inspect",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Show all about images",
	.options = image_options,
	.options_size = sizeof(InspectOptions),
	.defaults = &image_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "image",
	.run = run,
};

const Command network_inspect_command = {
	.name = "network inspect",
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.summary = "Show all about networks",
	.options = network_options,
	.options_size = sizeof(InspectOptions),
	.defaults = &network_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "network",
	.run = run,
};

const Command volume_inspect_command = {
	.name = "volume inspect",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Show all about volumes",
	.options = volume_options,
	.options_size = sizeof(InspectOptions),
	.defaults = &volume_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "volume",
	.run = run,
};
