// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"

static const Option options[] = {
	HELP_OPTION(FactsOptions),
	FORMAT_OPTION(FactsOptions, "{{.Containers}}"),
	OPTION_END,
};

static const Fact facts[] = {
	{"Containers", "Containers"},
	{"Running", "ContainersRunning", .depth = 1},
	{"Paused", "ContainersPaused", .depth = 1},
	{"Stopped", "ContainersStopped", .depth = 1},
	{"Images", "Images"},
	{"Server Version", "ServerVersion"},
	{"Storage Driver", "Driver"},
	{"Logging Driver", "LoggingDriver"},
	{"Cgroup Driver", "CgroupDriver"},
	{"Cgroup Version", "CgroupVersion"},
	{"Runtimes", "Runtimes", FACT_NAMES},
	{"Default Runtime", "DefaultRuntime"},
	{"Security Options", "SecurityOptions", FACT_LIST},
	{"Kernel Version", "KernelVersion"},
	{"Operating System", "OperatingSystem"},
	{"OSType", "OSType"},
	{"Architecture", "Architecture"},
	{"CPUs", "NCPU"},
	{"Total Memory", "MemTotal", FACT_BYTES},
	{"Name", "Name"},
	{"ID", "ID"},
	{"Root Dir", "DockerRootDir"},
	{"Debug Mode", "Debug"},
	{NULL},
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;
	autoptr(Value) info = NULL;
	autoclear(Buffer) out = {0};

	(void)arguments;
	TRY(facts_check(given->format));
	TRY(api_get(cli, &info, "/info"));
	if (given->format)
		TRY(facts_format(&out, given->format, info));
	else
		facts_write(&out, facts, info);
	fputs(buffer_text(&out), stdout);
	if (!given->format)
		api_print_warnings(info);
	return NULL;
}

static const char *const aliases[] = {"system info", NULL};

const Command info_command = {
	.name = "info",
	.aliases = aliases,
	.usage = "[OPTIONS]",
	.summary = "Show what the daemon knows about itself and this machine",
	.options = options,
	.options_size = sizeof(FactsOptions),
	.run = run,
};
