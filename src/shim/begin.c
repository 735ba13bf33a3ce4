// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "shim/console.h"
#include "shim/distant.h"
#include "shim/exitfile.h"
#include "shim/hurry.h"
#include "shim/launch.h"
#include "shim/mount.h"
#include "shim/native.h"
#include "shim/network.h"
#include "shim/remains.h"
#include "shim/serve.h"
#include "shim/server.h"
#include "shim/sources.h"

static fallible watch_signals(Server *s)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL); /* nothing but SHIM_SIGNAL and SIGKILL has a meaning here */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return error_errno(errno, "could not watch signals");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_errno(errno, "could not become a subreaper");
	return NULL;
}

static fallible make_listener(int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "shim.sock"};
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(address.sun_path);
	mode_t mask = umask(0177);
	int problem =
		fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0 ? errno : 0;
	umask(mask);
	if (problem)
		return error_errno(problem, "could not listen in the bundle");
	*ret_fd = take_fd(&fd);
	return NULL;
}

bool serve_is_spawned(void)
{
	int fd = SHIM_FIRST_CONNECTION_FD;
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static void close_on_exec(int64_t fd)
{
	if (fd >= 0)
		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

void server_adopt_descriptors(Server *s)
{
	close_on_exec(s->settings->runtime_fd);
	close_on_exec(s->settings->listen_fd);
	network_adopt(s->settings);
	connections_init(&s->connections, (int)s->settings->listen_fd);
	if (!serve_is_spawned())
		return;
	close_on_exec(SHIM_FIRST_CONNECTION_FD);
	connections_add(&s->connections, SHIM_FIRST_CONNECTION_FD);
}

/* Beside the bundle's other files, in memory; it is the working directory. */
static Gather *gather_of(Server *s)
{
	s->gather = (Gather){
		.directory = AT_FDCWD, .memory = s->scratch->gather, .compresses = s->settings->log_compress, .fd = -1};
	return &s->gather;
}

static fallible open_state(Server *s)
{
	TRY(dir_open(&s->state_dir, AT_FDCWD, s->settings->state));
	TRY(exitfile_prepare(s->state_dir));
	s->keeps_log = !string_equal(s->settings->log_driver, "none");
	s->log = (LogFile){.directory = s->state_dir,
		.fd = -1,
		.batch = s->scratch->batch,
		.max_size = s->settings->log_max_size,
		.max_files = s->settings->log_max_files,
		.is_forwarded = s->settings->log_forward,
		.keeps_unsent = string_equal(s->settings->log_forward, "blocking")};
	if (string_equal(s->settings->log_driver, "local"))
		s->log.gather = gather_of(s);
	if (s->keeps_log)
		logfile_open(&s->log);
	return NULL;
}

/* The container's end blocks as a program expects of its streams, the shim's never does. */
static fallible make_output(Server *s, int number, int *ret_write_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	stream_init(&s->streams[number - 1], number, ends[0], s->scratch->streams[number - 1], &s->clients);
	*ret_write_end = ends[1];
	return NULL;
}

static fallible start_exec(Server *s, const ProgramStreams *streams)
{
	const ShimSettings *settings = s->settings;
	LaunchExec launch = {settings->exec, "pid", "runtime.log", *streams, settings->has_terminal};

	return launch_exec(&s->runtime, settings, &launch);
}

static fallible make_input(Server *s, int *ret_read_end)
{
	int ends[2];

	if (!s->settings->has_stdin)
		return NULL;
	if (s->settings->has_terminal) {
		input_expect(&s->input);
		return NULL;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	input_open(&s->input, ends[1]);
	*ret_read_end = ends[0];
	return NULL;
}

/* A terminal takes the pipes' place once the runtime has made it; until then they carry what a runtime says that fails.
 */
static fallible start_runtime(Server *s)
{
	autofd in = -1, out = -1, err = -1;

	TRY(make_input(s, &in));
	TRY(make_output(s, LOG_STDOUT, &out));
	TRY(make_output(s, LOG_STDERR, &err));
	if (s->settings->has_terminal)
		TRY(console_listen(&s->console_fd));
	oomwatch_init(&s->oom, s->settings->oom_file);
	ProgramStreams streams = {in, out, err};
	if (s->settings->exec && !s->settings->is_planned)
		return start_exec(s, &streams);
	return s->settings->is_planned ? native_run(&s->runtime, s->settings, &streams)
				       : launch_run(&s->runtime, s->settings, &streams);
}

/* A command in a container finds everything mounted. */
static fallible prepare_bundle(int *ret_host, const ShimSettings *settings)
{
	if (!settings->exec) {
		TRY(sources_open_host(ret_host, settings));
		return mount_root(settings);
	}
	if (chdir(settings->bundle) < 0)
		return error_errno(errno, "could not enter \"%s\"", settings->bundle);
	return NULL;
}

Error *server_begin(Server *s)
{
	autofd host = -1;

	prctl(PR_SET_NAME, "kedge-shim"); /* from sealed memory, it would be called after a descriptor */
	TRY(watch_signals(s));
	if (!s->settings->is_planned && !s->settings->exec)
		hurry_control_groups(s->settings->oom_file);
	TRY(prepare_bundle(&host, s->settings));
	if (s->connections.listen_fd < 0)
		TRY(make_listener(&s->connections.listen_fd));
	TRY(open_state(s));
	TRY(distant_prepare(s->settings, host));
	close_fd(&host);
	TRY(relaywatch_begin(&s->relays, s->settings));
	TRY(network_enter(s->settings));
	TRY(start_runtime(s));
	s->deadline_ns = clock_monotonic_ns() + s->settings->start_timeout_ms * NANOS_PER_MILLI;
	return NULL;
}
