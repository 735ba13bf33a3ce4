// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
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
static void print_binding(const char *before, const Value *binding)
{
	const char *ip = value_string(value_get(binding, "HostIp")),
		   *port = value_string(value_get(binding, "HostPort"));

	printf(ip && strchr(ip, ':') ? "%s[%s]:%s\n" : "%s%s:%s\n", before, ip ? ip : "", port ? port : "");
}

static void print_all(const Value *ports)
{
	const char *port;
	Value *bindings;
	size_t cursor = 0;

	while (value_each(ports, &cursor, &port, &bindings)) {
		autofree char *before = string_printf("%s -> ", port);
		for (size_t i = 0; i < value_count(bindings); i++)
			print_binding(before, value_at(bindings, i));
	}
}

static fallible print_one(const Value *ports, const char *wanted, const char *container)
{
	autofree char *port = string_printf("%s%s", wanted, strchr(wanted, '/') ? "" : "/tcp");
	const Value *bindings = value_get(ports, port);

	if (value_count(bindings) == 0)
		return error_new(ERROR_NOT_FOUND, "no public port \"%s\" published for %s", port, container);
	for (size_t i = 0; i < value_count(bindings); i++)
		print_binding("", value_at(bindings, i));
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) container = NULL;
	const Value *ports;

	(void)opts;
	target_path(&target, "/containers/", arguments->items[0], "/json");
	TRY(api_get(cli, &container, buffer_text(&target)));
	ports = value_path(container, "NetworkSettings.Ports");
	if (arguments->count > 1)
		return print_one(ports, arguments->items[1], arguments->items[0]);
	print_all(ports);
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
