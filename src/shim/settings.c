// SPDX-License-Identifier: Apache-2.0
#include "shim/settings.h"

#include <limits.h>
#include <string.h>

#include "shim/logline.h"
#include "shim/relayed.h"

enum { ID_MAX = 128, HELD_MAX = 1 << 20, RELAY_IDLE_MS = 90 * 1000 };

#define AT(member) offsetof(ShimSettings, member)

const Option shim_options[] = {
	{.kind = OPTION_HEADING, .help = "The container"},
	{"id", 0, OPTION_STRING, AT(id), "ID", "the container's id, its name for the runtime"},
	{"run", 0, OPTION_INT, AT(run), "N", "number of this start, written into the exit file", 0, INT64_MAX},
	{"bundle", 0, OPTION_STRING, AT(bundle), "DIR", "OCI bundle: config.json; rootfs is mounted here"},
	{"state", 0, OPTION_STRING, AT(state), "DIR", "where the log and the exit file are written"},
	{"stdin", 0, OPTION_SWITCH, AT(has_stdin), NULL, "its standard input is open to clients"},
	{"terminal", 0, OPTION_SWITCH, AT(has_terminal), NULL, "it has a terminal, as config.json says"},
	{.kind = OPTION_HEADING, .help = "Its root file system (overlay)"},
	{"layers", 0, OPTION_STRING, AT(layers), "DIR", "directory of the lower layers"},
	{"lower", 0, OPTION_STRING, AT(lower), "NAMES", "names below it, topmost first: 17:16:3"},
	{"upper", 0, OPTION_STRING, AT(upper), "DIR", "the container's own files"},
	{"work", 0, OPTION_STRING, AT(work), "DIR", "overlay's work directory, beside upper"},
	{"volatile", 0, OPTION_SWITCH, AT(is_volatile), NULL, "never sync upper: it is thrown away at the end"},
	{"distant", 0, OPTION_LIST, AT(distant), "DIR", "make this directory of the host, which may take long"},
	{"source", 0, OPTION_LIST, AT(sources), "N:KIND:PATH",
		"bind PATH at BUNDLE/sources/N: flat (without what is mounted below), shared (what is mounted there is "
		"the host's too), shared-flat, or part (DIRECTORY//PATH: no link leads out of DIRECTORY)"},
	{"shm-pid", 0, OPTION_INT, AT(shm_pid), "PID", "mount this process's /dev/shm at BUNDLE/shm", 1, INT_MAX},
	{.kind = OPTION_HEADING, .help = "The runtime"},
	{"runtime", 0, OPTION_STRING, AT(runtime), "FILE", "OCI runtime"},
	{"runtime-fd", 0, OPTION_INT, AT(runtime_fd), "N", "open file of the runtime to execute instead", 3, INT_MAX},
	{"runtime-option", 0, OPTION_LIST, AT(runtime_options), "WORD", "put this in front of its commands"},
	{"runtime-root", 0, OPTION_STRING, AT(runtime_root), "DIR", "its --root"},
	{"crun", 0, OPTION_SWITCH, AT(is_crun), NULL, "the runtime is crun"},
	{"planned", 0, OPTION_SWITCH, AT(is_planned), NULL, "start from the bundle's plan, without the runtime"},
	{"exec", 0, OPTION_STRING, AT(exec), "FILE",
		"run this process (OCI) in the container, which runs; the bundle is the command's own directory"},
	{"cgroup", 0, OPTION_STRING, AT(cgroup), "PATH", "cgroupsPath of the container, removed at the end"},
	{"oom-file", 0, OPTION_STRING, AT(oom_file), "FILE", "cgroup file with the line \"oom_kill N\""},
	{"start-timeout-ms", 0, OPTION_INT, AT(start_timeout_ms), "N", "how long the runtime may take", 1, INT_MAX},
	{.kind = OPTION_HEADING, .help = "Its network"},
	{"netns-fd", 0, OPTION_INT, AT(netns_fd), "N", "open network namespace to start the container in", 3, INT_MAX},
	{"held-fd", 0, OPTION_INT, AT(held_fd), "N", "first of the sockets that are kept open until the end", 3,
		HELD_MAX},
	{"held-count", 0, OPTION_INT, AT(held_count), "N", "how many follow one another", 0, HELD_MAX},
	{"relay-to", 0, OPTION_STRING, AT(relay_to), "ADDRESS",
		"the container's, for sockets that are relayed; empty: it has none yet"},
	{"relay-port", 0, OPTION_LIST, AT(relay_ports), "FIRST[-LAST]:PORT",
		"relay these of the sockets (0: the first) to the container's PORT and those after it"},
	{"relay-idle-ms", 0, OPTION_INT, AT(relay_idle_ms), "N",
		"how long nobody speaks before UDP clients and the relay itself are forgotten", 1, INT_MAX},
	{"relay", 0, OPTION_SWITCH, AT(is_relay), NULL, "be the relay that a shim starts; --netns-fd is the host's"},
	{"unplug", 0, OPTION_INT, AT(unplug), "GROUP",
		"remove all links of this group, in the network namespaces of the netlink sockets from --held-fd on, "
		"and end",
		1, INT_MAX},
	{"life-fd", 0, OPTION_INT, AT(life_fd), "N", "the relay ends when the other end of this pipe is closed", 3,
		INT_MAX},
	{.kind = OPTION_HEADING, .help = "Logging"},
	{"log-driver", 0, OPTION_STRING, AT(log_driver), "NAME",
		"json-file, local (in blocks, gathered in memory first) or none"},
	{"log-forward", 0, OPTION_STRING, AT(log_forward), "MODE",
		"kedge-log sends it: blocking (the container waits rather than lose lines) or non-blocking"},
	{"log-max-size", 0, OPTION_BYTES, AT(log_max_size), "BYTES", "size of a log file, 0: no limit"},
	{"log-compress", 0, OPTION_SWITCH, AT(log_compress), NULL, "compress the blocks of driver local"},
	{"log-max-files", 0, OPTION_INT, AT(log_max_files), "N", "number of log files", 1, LOG_FILES_MAX},
	{.kind = OPTION_HEADING, .help = "Connections"},
	{"listen-fd", 0, OPTION_INT, AT(listen_fd), "N", "listening socket, instead of making DIR/shim.sock", 3,
		INT_MAX},
	{"help", 'h', OPTION_SWITCH, AT(help), NULL, "show this help"},
	{"version", 0, OPTION_SWITCH, AT(version), NULL, "show the version"},
	OPTION_END,
};

void shim_settings_init(ShimSettings *settings)
{
	*settings = (ShimSettings){.runtime_fd = -1,
		.listen_fd = -1,
		.netns_fd = -1,
		.relay_idle_ms = RELAY_IDLE_MS,
		.log_max_files = 1,
		.start_timeout_ms = 60 * 1000};
}

static fallible check_path(const char *path, const char *name)
{
	if (string_empty(path))
		return error_new(ERROR_INVALID, "option \"--%s\" is missing", name);
	if (path[0] != '/')
		return error_new(ERROR_INVALID, "--%s \"%s\" is not an absolute path", name, path);
	return NULL;
}

/* What is removed at the end must be the container's, whatever the caller says. */
static fallible check_id(const char *id, const char *cgroup)
{
	if (string_empty(id))
		return error_new(ERROR_INVALID, "option \"--id\" is missing");
	if (strchr(id, '/') || id[0] == '.' || strlen(id) > ID_MAX)
		return error_new(ERROR_INVALID, "\"%s\" cannot be a container's id", id);
	if (string_empty(cgroup))
		return NULL;
	autofree char *end = string_printf("/%s", id);
	if (cgroup[0] != '/' || !string_ends(cgroup, end) || strstr(cgroup, "/.."))
		return error_new(ERROR_INVALID, "--cgroup \"%s\" does not end with \"%s\"", cgroup, end);
	return NULL;
}

static fallible check_root(const ShimSettings *settings)
{
	TRY(check_path(settings->layers, "layers"));
	TRY(check_path(settings->upper, "upper"));
	return check_path(settings->work, "work");
}

static fallible check_sockets(const ShimSettings *settings)
{
	Relayed relayed;

	if (settings->held_count && !settings->held_fd)
		return error_new(ERROR_INVALID, "option \"--held-fd\" is missing");
	if (settings->relay_ports.count && !settings->relay_to)
		return error_new(ERROR_INVALID, "option \"--relay-to\" is missing");
	for (size_t i = 0; i < settings->relay_ports.count; i++)
		TRY(relayed_parse(&relayed, settings->relay_ports.items[i], (size_t)settings->held_count));
	return NULL;
}

Error *shim_settings_check(const ShimSettings *settings)
{
	const char *driver = settings->log_driver;

	TRY(check_sockets(settings));
	if (settings->is_relay || settings->unplug)
		return NULL;
	TRY(check_id(settings->id, settings->cgroup));
	TRY(check_path(settings->bundle, "bundle"));
	TRY(check_path(settings->state, "state"));
	if (!settings->exec)
		TRY(check_root(settings));
	TRY(check_path(settings->runtime, "runtime"));
	TRY(check_path(settings->runtime_root, "runtime-root"));
	if (driver && !string_equal(driver, "json-file") && !string_equal(driver, "local") &&
		!string_equal(driver, "none"))
		return error_new(ERROR_UNSUPPORTED, "log driver \"%s\" is not known", driver);
	if (settings->log_forward && !string_equal(settings->log_forward, "blocking") &&
		!string_equal(settings->log_forward, "non-blocking"))
		return error_new(ERROR_INVALID, "--log-forward \"%s\" is neither blocking nor non-blocking",
			settings->log_forward);
	return NULL;
}
