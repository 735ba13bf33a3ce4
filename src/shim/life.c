// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shim/console.h"
#include "shim/exitfile.h"
#include "shim/launch.h"
#include "shim/mount.h"
#include "shim/network.h"
#include "shim/remains.h"
#include "shim/server.h"

#define DRAIN_NS (200 * NANOS_PER_MILLI) /* how long others may hold the output open when init has ended */
#define LATE_FAILURE_NS NANOS_PER_SECOND
#define DELETE_NS (10 * NANOS_PER_SECOND)

LogFile *server_log(Server *s)
{
	return s->keeps_log ? &s->log : NULL;
}

/* ---- starting ---- */

static void note_started(Server *s)
{
	s->status.started_wall_ns = clock_wall_ns();
	s->status.started_monotonic_ns = clock_monotonic_ns();
}

static void note_finished(Server *s)
{
	s->status.finished_wall_ns = clock_wall_ns();
	s->status.finished_monotonic_ns = clock_monotonic_ns();
}

/* The record is written before anybody is told. */
static void tell_end(Server *s)
{
	Error *error = exitfile_write(s->state_dir, &s->status);

	error_free(error); /* those who listen still learn the status, which is what matters */
	connections_owe(&s->connections, OWED_FINAL);
	s->phase = REMOVING;
	s->deadline_ns = 0;
}

static void close_streams(Server *s)
{
	input_close(&s->input);
	close_fd(&s->console_fd);
	close_fd(&s->streams[0].fd);
	close_fd(&s->streams[1].fd);
}

void server_start_failed(Server *s, const char *reason)
{
	s->status.state = SHIM_START_FAILED;
	s->status.not_found = (uint32_t)launch_reason_code(reason);
	snprintf(s->status.error, sizeof(s->status.error), "%s", reason);
	note_finished(s);
	close_streams(s);
	if (s->settings->exec)
		clients_let_go(&s->clients);
	network_release(s->settings);
	tell_end(s);
}

/* A runtime without a log of errors has said something on its standard error, at best. */
static bool read_last_words(Server *s, char ret[RUNTIME_REASON_MAX])
{
	char text[RUNTIME_REASON_MAX];
	ssize_t count = read(s->streams[1].fd, text, sizeof(text) - 1);

	if (count <= 0)
		return false;
	text[count] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	snprintf(ret, RUNTIME_REASON_MAX, "%s", text);
	return *ret;
}

static void runtime_failed(Server *s, int wait_status)
{
	char reason[RUNTIME_REASON_MAX];

	if (!wait_status)
		snprintf(reason, sizeof(reason),
			"the runtime reported success, but there is no process of the container");
	else if (!launch_read_reason(reason, "runtime.log") && !read_last_words(s, reason))
		snprintf(reason, sizeof(reason), "the runtime ended with %s %d and gave no reason",
			WIFSIGNALED(wait_status) ? "signal" : "status",
			WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	server_start_failed(s, reason);
}

/* What the container writes comes from its terminal alone. Without one, a runtime has not done what it was told. */
static void adopt_terminal(Server *s)
{
	int terminal = console_take(s->console_fd);

	close_fd(&s->console_fd);
	close_fd(&s->streams[1].fd);
	close_fd(&s->streams[0].fd);
	s->streams[0].fd = terminal;
	if (terminal < 0)
		return;
	fcntl(terminal, F_SETFL, fcntl(terminal, F_GETFL) | O_NONBLOCK);
	if (s->settings->has_stdin)
		input_open(&s->input, fcntl(terminal, F_DUPFD_CLOEXEC, 0));
}

/*
 * The kernel takes a mount namespace apart when its last process ends, and tells of that end only then: a tenth of a
 * millisecond and more, that nobody waits for while another one has it open. Where that may not be, it is as it was.
 */
static void keep_mounts(Server *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)s->init);
	s->mounts_fd = s->settings->exec ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

static void runtime_ended(Server *s, int wait_status)
{
	s->init = wait_status ? 0 : launch_read_pid("pid");
	if (!s->init) {
		runtime_failed(s, wait_status);
		return;
	}
	if (s->settings->has_terminal)
		adopt_terminal(s);
	note_started(s);
	s->status.state = SHIM_RUNNING;
	s->status.pid = s->init;
	s->phase = RUNNING;
	s->deadline_ns = NEVER;
	connections_owe(&s->connections, OWED_STARTED);
	keep_mounts(s);
	oomwatch_begin(&s->oom);
	server_oom(s); /* it may have struck before it was watched */
	if (s->pending_signal)
		kill(s->init, s->pending_signal);
}

void server_oom(Server *s)
{
	if (!oomwatch_struck(&s->oom))
		return;
	s->status.oom_killed = 1;
	connections_owe(&s->connections, OWED_OOM);
}

/* ---- ending ---- */

static void init_ended(Server *s, int wait_status)
{
	s->init = 0;
	relaywatch_end(&s->relays);
	input_close(&s->input);
	note_finished(s);
	s->status.exit_signal = WIFSIGNALED(wait_status) ? (uint32_t)WTERMSIG(wait_status) : 0;
	s->status.exit_code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
	s->phase = DRAINING;
	s->deadline_ns = clock_monotonic_ns() + DRAIN_NS;
}

/*
 * The runtime has let go of the container before the command is executed. When that fails, the runtime's last process
 * says so on the container's standard error and exits as if it were the command.
 */
static void find_late_failure(Server *s)
{
	Stream *stream = &s->streams[s->settings->has_terminal ? 0 : 1];
	int64_t age_ns = s->status.finished_monotonic_ns - s->status.started_monotonic_ns;
	char reason[RUNTIME_REASON_MAX];

	if (!s->status.exit_code || s->status.exit_signal || age_ns > LATE_FAILURE_NS || !stream->chunk_length)
		return;
	snprintf(reason, sizeof(reason), "%.*s", (int)stream->chunk_length, stream->data + stream->chunk);
	reason[strcspn(reason, "\r\n")] = '\0';
	int code = strncmp(reason, "exec ", 5) ? 0 : launch_reason_code(reason);
	if (!code)
		return;
	s->status.exit_code = code;
	snprintf(s->status.error, sizeof(s->status.error), "%s", reason);
}

static void container_ended(Server *s)
{
	find_late_failure(s);
	if (s->keeps_log)
		logfile_end(&s->log);
	s->status.state = SHIM_ENDED;
	s->status.oom_killed |= oomwatch_struck(&s->oom);
	oomwatch_end(&s->oom);
	execs_end(&s->execs);
	network_release(s->settings);
	tell_end(s);
}

/* ---- what time brings ---- */

static void kill_runtime(Server *s)
{
	kill(-s->runtime, SIGKILL); /* it leads a session of its own */
	kill(s->runtime, SIGKILL);
}

static void step_starting(Server *s, int64_t now_ns)
{
	if (now_ns < s->deadline_ns)
		return;
	kill_runtime(s);
	s->runtime = 0; /* reaped with the others */
	server_start_failed(s, "the runtime did not start the container in time and was killed");
}

static void drain(Server *s, Stream *stream, bool is_late)
{
	while (stream_may_read(stream) && stream_read(stream, server_log(s), &s->connections))
		;
	if (is_late && stream_may_read(stream))
		stream_end(stream, server_log(s));
}

/* Streams end when the last process has closed them, or late; one that waits for a slow reader goes on beside the later
 * phases. */
static void step_draining(Server *s, int64_t now_ns)
{
	bool is_late = s->phase > DRAINING || now_ns >= s->deadline_ns;

	for (int i = 0; i < 2; i++)
		drain(s, &s->streams[i], is_late);
	if (s->phase == DRAINING && (is_late || (s->streams[0].fd < 0 && s->streams[1].fd < 0)))
		container_ended(s);
}

static void remove_by_runtime(Server *s)
{
	Error *error = launch_delete(&s->runtime, s->settings);

	if (error)
		s->runtime = 0;
	error_free(error); /* the engine's sweep finds what is left */
	s->deadline_ns = clock_monotonic_ns() + DELETE_NS;
}

/* What a command in a container has left running is the container's, as under Docker. */
static void leave(Server *s)
{
	if (!s->settings->exec) {
		remains_kill_children();
		unmount_root();
	}
	if (s->settings->listen_fd < 0 || s->connections.listen_fd >= 0)
		unlink("shim.sock");
	close_fd(&s->connections.listen_fd);
	s->phase = LEAVING;
	s->deadline_ns = 0; /* one turn at once, which lets the connections go */
}

/* First what runs, then what it leaves; at most one run of the runtime. */
void server_step_removal(Server *s, int64_t now_ns)
{
	close_fd(&s->mounts_fd);
	if (s->settings->exec) {
		leave(s);
		return;
	}
	if (!s->deadline_ns) {
		remains_kill_children();
		if (remains_remove(s->settings))
			leave(s);
		else
			remove_by_runtime(s);
		return;
	}
	if (s->runtime && now_ns < s->deadline_ns)
		return;
	if (s->runtime)
		kill_runtime(s);
	s->runtime = 0;
	leave(s);
}

/* ---- processes ---- */

/* True when there may be more. One that ended since the known ones were looked at is left to the next look at them. */
static bool reap_stranger(const Server *s)
{
	siginfo_t child = {.si_pid = 0};

	if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) < 0 || !child.si_pid)
		return false;
	if (child.si_pid != s->init && child.si_pid != s->relays.process && !execs_have(&s->execs, child.si_pid))
		waitpid(child.si_pid, NULL, 0);
	return true;
}

static void reap_runtime(Server *s)
{
	int status;

	if (!s->runtime || waitpid(s->runtime, &status, WNOHANG) != s->runtime)
		return;
	s->runtime = 0;
	if (s->phase == STARTING)
		runtime_ended(s, status);
}

static void reap_init(Server *s)
{
	int status;

	if (s->init && waitpid(s->init, &status, WNOHANG) == s->init)
		init_ended(s, status);
}

/* While a runtime is at work, a child that nobody knows may be the one whose pid it is about to write: it stays a
 * zombie until then. */
void server_reap(Server *s)
{
	bool is_starting;

	do {
		is_starting = execs_reap(&s->execs);
		reap_runtime(s);
		reap_init(s);
		relaywatch_reap(&s->relays);
	} while (!is_starting && !s->runtime && reap_stranger(s));
}

void server_step(Server *s, int64_t now_ns)
{
	execs_check_deadlines(&s->execs, now_ns);
	if (s->phase == STARTING)
		step_starting(s, now_ns);
	if (s->phase >= DRAINING)
		step_draining(s, now_ns);
	if (s->phase == LEAVING)
		s->deadline_ns = NEVER;
}
