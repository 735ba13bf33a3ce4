// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct PortOptions {
	bool help;
} PortOptions;

static const Option options[] = {
	HELP_OPTION(PortOptions),
	OPTION_END,
};

/* "0.0.0.0:8080", "[::]:8080" */
static void add_bindings(StringList *lines, const char *before, const Value *bindings)
{
	for (size_t i = 0; i < value_count(bindings); i++) {
		const char *ip = value_string(value_get(value_at(bindings, i), "HostIp")),
			   *port = value_string(value_get(value_at(bindings, i), "HostPort"));
		strings_printf(
			lines, ip && strchr(ip, ':') ? "%s[%s]:%s" : "%s%s:%s", before, ip ? ip : "", port ? port : "");
	}
}

static void add_all(StringList *lines, const Value *ports)
{
	const char *port;
	Value *bindings;
	size_t cursor = 0;

	while (value_each(ports, &cursor, &port, &bindings)) {
		autofree char *before = string_printf("%s -> ", port);
		add_bindings(lines, before, bindings);
	}
}

static fallible add_one(StringList *lines, const Value *ports, const char *wanted, const char *container)
{
	autofree char *port = string_printf("%s%s", wanted, strchr(wanted, '/') ? "" : "/tcp");

	add_bindings(lines, "", value_get(ports, port));
	if (lines->count == 0)
		return error_new(ERROR_NOT_FOUND, "no public port \"%s\" published for %s", port, container);
	return NULL;
}

/* As people count: 80 before 443. */
static int compare_lines(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static void print_sorted(StringList *lines)
{
	if (lines->count)
		qsort(lines->items, lines->count, sizeof(char *), compare_lines);
	for (size_t i = 0; i < lines->count; i++)
		puts(lines->items[i]);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) container = NULL;
	autoclear(StringList) lines = {0};
	const Value *ports;

	(void)opts;
	target_path(&target, "/containers/", arguments->items[0], "/json");
	TRY(api_get(cli, &container, buffer_text(&target)));
	ports = value_path(container, "NetworkSettings.Ports");
	if (arguments->count > 1)
		TRY(add_one(&lines, ports, arguments->items[1], arguments->items[0]));
	else
		add_all(&lines, ports);
	print_sorted(&lines);
	return NULL;
}

static const char *const aliases[] = {"container port", NULL};

const Command port_command = {
	.name = "port",
	.aliases = aliases,
	.usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.summary = "Show where ports of a container are published",
	.example = "port web 80/tcp",
	.options = options,
	.options_size = sizeof(PortOptions),
	.arguments_min = 1,
	.arguments_max = 2,
	.arguments = "container",
	.run = run,
};
