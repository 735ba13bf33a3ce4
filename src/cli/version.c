// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <sys/utsname.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"

#define CLIENT_API_VERSION "1.43"

typedef struct VersionOptions {
	bool help;
	char *format;
} VersionOptions;

static const Option options[] = {
	HELP_OPTION(VersionOptions),
	FORMAT_OPTION(VersionOptions, "{{.Server.Version}}"),
	OPTION_END,
};

static const Fact client_facts[] = {
	{"Client"},
	{"Version", "Client.Version", .depth = 1},
	{"API version", "Client.ApiVersion", .depth = 1},
	{"OS/Arch", "Client.Platform", .depth = 1},
	{NULL},
};

static const Fact server_facts[] = {
	{"Server"},
	{"Name", "Server.Platform.Name", .depth = 1},
	{"Version", "Server.Version", .depth = 1},
	{"API version", "Server.ApiVersion", .depth = 1},
	{"Oldest API", "Server.MinAPIVersion", .depth = 1},
	{"Git commit", "Server.GitCommit", .depth = 1},
	{"Built", "Server.BuildTime", .depth = 1},
	{"OS", "Server.Os", .depth = 1},
	{"Arch", "Server.Arch", .depth = 1},
	{"Kernel", "Server.KernelVersion", .depth = 1},
	{NULL},
};

/* The name that images and Docker have for what uname(2) calls the machine. */
static const char *architecture(const char *machine)
{
	static const struct {
		const char *machine, *name;
	} names[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"armv6l", "arm"}, {"i686", "386"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (string_equal(machine, names[i].machine))
			return names[i].name;
	}
	return machine;
}

static Value *describe_client(void)
{
	Value *client = value_object();
	struct utsname host;

	value_set(client, "Version", value_new_string(KEDGE_VERSION));
	value_set(client, "ApiVersion", value_new_string(CLIENT_API_VERSION));
	if (uname(&host) == 0) {
		autofree char *platform = string_printf("linux/%s", architecture(host.machine));
		value_set(client, "Platform", value_new_string(platform));
	}
	return client;
}

static void print_facts(const Fact *facts, const Value *versions)
{
	autoclear(Buffer) out = {0};

	facts_write(&out, facts, versions);
	fputs(buffer_text(&out), stdout);
}

static fallible print_format(const char *format, const Value *versions)
{
	autoclear(Buffer) out = {0};

	TRY(facts_format(&out, format, versions));
	fputs(buffer_text(&out), stdout);
	return NULL;
}

/* What we are is shown also where the daemon does not answer. */
static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const VersionOptions *given = opts;
	autoptr(Value) versions = value_object();
	Value *server = NULL;

	(void)arguments;
	TRY(facts_check(given->format));
	value_set(versions, "Client", describe_client());
	if (!given->format)
		print_facts(client_facts, versions);
	TRY(api_get(cli, &server, "/version"));
	value_set(versions, "Server", server);
	if (given->format)
		return print_format(given->format, versions);
	putchar('\n');
	print_facts(server_facts, versions);
	return NULL;
}

const Command version_command = {
	.name = "version",
	.usage = "[OPTIONS]",
	.summary = "Show the versions of kedge and kedged",
	.options = options,
	.options_size = sizeof(VersionOptions),
	.run = run,
};
