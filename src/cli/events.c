// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/points.h"
#include "cli/template.h"
#include "cli/units.h"

typedef struct EventsOptions {
	bool help;
	char *format, *since, *until;
	StringList filters;
} EventsOptions;

static const Option options[] = {
	HELP_OPTION(EventsOptions),
	{"filter", 'f', OPTION_LIST, offsetof(EventsOptions, filters), "NAME=VALUE",
		"only those that match: type, event, container, image, volume, network, daemon, label, id, scope",
		.complete = "type= event= container= image= volume= network= daemon= label= id= scope="},
	{"format", 0, OPTION_STRING, offsetof(EventsOptions, format), "FORMAT",
		"\"json\", or a template such as \"{{.Type}} {{.Action}}\"", .complete = "json"},
	{"since", 0, OPTION_STRING, offsetof(EventsOptions, since), "TIME",
		"begin with those since then: 2026-01-02T13:23:37Z, seconds since 1970, or 42m for 42 minutes ago"},
	{"until", 0, OPTION_STRING, offsetof(EventsOptions, until), "TIME", "end then, in the same words"},
	OPTION_END,
};

static const char *text_at(const Value *event, const char *path)
{
	const char *text = value_string(value_path(event, path));

	return text ? text : "";
}

/* "(image=busybox, name=web)", by name */
static void write_attributes(Buffer *out, const Value *attributes)
{
	autoclear(StringList) keys = template_sorted_keys(attributes);

	if (keys.count == 0)
		return;
	for (size_t i = 0; i < keys.count; i++) {
		const char *value = value_string(value_get(attributes, keys.items[i]));
		buffer_printf(out, "%s%s=%s", i == 0 ? " (" : ", ", keys.items[i], value ? value : "");
	}
	buffer_add_char(out, ')');
}

/* "2026-11-22T16:25:00.123456789+01:00 container start 0123... (image=busybox, name=web)" */
static void write_plain(Buffer *out, const Value *event)
{
	char when[UNITS_TEXT_MAX];
	autoclear(Buffer) line = {0};

	units_local_rfc3339(when, value_int(value_get(event, "timeNano"), 0));
	buffer_printf(&line, "%s %s %s %s", when, text_at(event, "Type"), text_at(event, "Action"),
		text_at(event, "Actor.ID"));
	write_attributes(&line, value_path(event, "Actor.Attributes"));
	autofree char *safe = text_harmless(buffer_text(&line));
	buffer_add_text(out, safe);
}

static fallible print_event(void *format, const Value *event)
{
	autoclear(Buffer) out = {0};

	if (!format)
		write_plain(&out, event);
	else if (string_equal(format, "json"))
		value_write(event, &out);
	else
		TRY(template_execute(&out, format, event));
	puts(buffer_text(&out));
	fflush(stdout); /* events come one by one, and somebody waits for each */
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const EventsOptions *given = opts;
	autofree char *format = given->format ? listing_unescape(given->format) : NULL;
	autoclear(Buffer) target = {0};

	(void)arguments;
	if (format)
		TRY(template_check(format));
	buffer_add_text(&target, "/events");
	TRY(target_query_point(&target, "since", given->since));
	TRY(target_query_point(&target, "until", given->until));
	TRY(target_query_filters(&target, &given->filters));
	HttpCall call = {.method = "GET", .target = buffer_text(&target)};
	TRY(api_open(cli->client, &call));
	return api_each_line(cli->client, print_event, format);
}

static const char *const aliases[] = {"system events", NULL};

const Command events_command = {
	.name = "events",
	.aliases = aliases,
	.usage = "[OPTIONS]",
	.summary = "Show what happens, as it happens",
	.options = options,
	.options_size = sizeof(EventsOptions),
	.run = run,
};
