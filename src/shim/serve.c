// SPDX-License-Identifier: Apache-2.0
#include "shim/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/files.h"
#include "shim/connections.h"
#include "shim/execs.h"
#include "shim/exitfile.h"
#include "shim/launch.h"
#include "shim/mount.h"
#include "shim/remains.h"
#include "shim/streams.h"

/*
 *            runtime ended well            init ended            output read, exit told
 * STARTING ----------------------> RUNNING -----------> DRAINING ---------------------> REMOVING ---> LEAVING
 *     `-------- failed, timed out -----------------------------------------------------^
 */
typedef enum Phase { STARTING, RUNNING, DRAINING, REMOVING, LEAVING } Phase;

#define DRAIN_NS (200 * NANOS_PER_MILLI) /* how long others may hold the output open when init has ended */
#define LATE_FAILURE_NS NANOS_PER_SECOND
#define DELETE_NS (10 * NANOS_PER_SECOND)
#define STALL_NS (SHIM_STALL_SECONDS * NANOS_PER_SECOND)
#define QUIET_NS NANOS_PER_SECOND /* then unused memory is given back */
#define NEVER INT64_MAX

enum { PAGE = 4096, READS_PER_TURN = 16, STACK_DEPTH = 64 * 1024, POLL_MAX = 4 + CONNECTIONS_MAX + EXECS_MAX };

/* Everything large: in pages of its own, which go back to the kernel when it is quiet. */
typedef struct Scratch {
	char streams[2][STREAM_MEMORY] __attribute__((aligned(PAGE)));
	char outputs[EXECS_MAX * SHIM_EXEC_OUTPUT_MAX] __attribute__((aligned(PAGE)));
	char batch[LOG_BATCH_SIZE] __attribute__((aligned(PAGE)));
	char request[REQUEST_MAX] __attribute__((aligned(PAGE)));
} Scratch;

static Scratch scratch;

typedef struct Server {
	const ShimSettings *settings;
	ShimStatus status;
	Phase phase;
	int64_t deadline_ns; /* of the phase */
	int64_t quiet_ns;    /* when to give memory back; NEVER: done */
	int signal_fd, state_dir;
	pid_t runtime, init; /* 0: not, or no more */
	int pending_signal;  /* came before there was a process */
	int64_t oom_before;
	bool keeps_log;
	LogFile log;
	Stream streams[2];
	Connections connections;
	Execs execs;
} Server;

static Server server;

static LogFile *log_of(Server *s)
{
	return s->keeps_log ? &s->log : NULL;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- beginning ---- */

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

static void adopt_descriptors(Server *s)
{
	close_on_exec(s->settings->runtime_fd);
	close_on_exec(s->settings->listen_fd);
	connections_init(&s->connections, (int)s->settings->listen_fd);
	if (!serve_is_spawned())
		return;
	close_on_exec(SHIM_FIRST_CONNECTION_FD);
	connections_add(&s->connections, SHIM_FIRST_CONNECTION_FD);
}

static fallible open_state(Server *s)
{
	TRY(dir_open(&s->state_dir, AT_FDCWD, s->settings->state));
	TRY(exitfile_prepare(s->state_dir));
	s->keeps_log = !string_equal(s->settings->log_driver, "none");
	s->log = (LogFile){.directory = s->state_dir,
		.fd = -1,
		.batch = scratch.batch,
		.max_size = s->settings->log_max_size,
		.max_files = s->settings->log_max_files};
	if (s->keeps_log)
		logfile_open(&s->log);
	return NULL;
}

/* The container's end blocks as a program expects of its output, the shim's never does. */
static fallible make_output(Stream *stream, int number, int *ret_write_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	stream_init(stream, number, ends[0], scratch.streams[number - 1]);
	*ret_write_end = ends[1];
	return NULL;
}

static fallible start_runtime(Server *s)
{
	autofd out = -1, err = -1;

	TRY(make_output(&s->streams[0], LOG_STDOUT, &out));
	TRY(make_output(&s->streams[1], LOG_STDERR, &err));
	s->oom_before = remains_oom_kills(s->settings->oom_file);
	return launch_run(&s->runtime, s->settings, out, err);
}

static fallible begin(Server *s)
{
	TRY(watch_signals(s));
	TRY(mount_root(s->settings));
	if (s->connections.listen_fd < 0)
		TRY(make_listener(&s->connections.listen_fd));
	TRY(open_state(s));
	TRY(start_runtime(s));
	s->deadline_ns = clock_monotonic_ns() + s->settings->start_timeout_ms * NANOS_PER_MILLI;
	return NULL;
}

/* ---- phases ---- */

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

/* The record is written before anybody is told. When even the reserved blocks cannot be written, those who listen still
 * learn it. */
static void tell_end(Server *s)
{
	Error *error = exitfile_write(s->state_dir, &s->status);

	error_free(error); /* nobody to tell: the status itself is the message */
	connections_owe(&s->connections, OWED_FINAL);
	s->phase = REMOVING;
	s->deadline_ns = 0;
}

static void start_failed(Server *s, const char *reason)
{
	s->status.state = SHIM_START_FAILED;
	s->status.not_found = (uint32_t)launch_reason_code(reason);
	snprintf(s->status.error, sizeof(s->status.error), "%s", reason);
	note_finished(s);
	close_fd(&s->streams[0].fd);
	close_fd(&s->streams[1].fd);
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
	start_failed(s, reason);
}

static void runtime_ended(Server *s, int wait_status)
{
	s->init = wait_status ? 0 : launch_read_pid("pid");
	if (!s->init) {
		runtime_failed(s, wait_status);
		return;
	}
	note_started(s);
	s->status.state = SHIM_RUNNING;
	s->status.pid = s->init;
	s->phase = RUNNING;
	s->deadline_ns = NEVER;
	connections_owe(&s->connections, OWED_STARTED);
	if (s->pending_signal)
		kill(s->init, s->pending_signal);
}

static void init_ended(Server *s, int wait_status)
{
	s->init = 0;
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
	Stream *stream = &s->streams[1];
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
	s->status.state = SHIM_ENDED;
	s->status.oom_killed = remains_oom_kills(s->settings->oom_file) > s->oom_before;
	execs_end(&s->execs);
	tell_end(s);
}

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
	start_failed(s, "the runtime did not start the container in time and was killed");
}

static void drain(Server *s, Stream *stream, bool is_late)
{
	while (stream_may_read(stream) && stream_read(stream, log_of(s), &s->connections))
		;
	if (is_late && stream_may_read(stream))
		stream_end(stream, log_of(s));
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

static void leave(Server *s)
{
	remains_kill_children();
	unmount_root();
	if (s->settings->listen_fd < 0 || s->connections.listen_fd >= 0)
		unlink("shim.sock");
	close_fd(&s->connections.listen_fd);
	s->phase = LEAVING;
	s->deadline_ns = 0; /* one turn at once, which lets the connections go */
}

/* First what runs, then what it leaves; at most one run of the runtime. */
static void step_removing(Server *s, int64_t now_ns)
{
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
	if (child.si_pid != s->init && !execs_have(&s->execs, child.si_pid))
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
static void reap(Server *s)
{
	bool is_starting;

	do {
		is_starting = execs_reap(&s->execs);
		reap_runtime(s);
		reap_init(s);
	} while (!is_starting && !s->runtime && reap_stranger(s));
}

static void clear_signals(Server *s)
{
	struct signalfd_siginfo info[4];

	while (read(s->signal_fd, info, sizeof(info)) > 0)
		;
}

/* ---- requests ---- */

/* Nothing more can be said to it; what it said before it left is still to be read. */
static void mute_connection(Server *s, int place)
{
	for (int i = 0; i < 2; i++)
		s->streams[i].waiting &= ~(UINT32_C(1) << place);
	execs_forget_connection(&s->execs, place);
	connection_mute(&s->connections.table[place]);
}

static void drop_connection(Server *s, int place)
{
	mute_connection(s, place);
	connection_close(&s->connections.table[place]);
}

static void on_signal(Server *s, const void *payload, size_t length)
{
	ShimSignal request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	if (request.signal <= 0 || request.signal >= NSIG)
		return;
	if (s->init)
		kill(s->init, request.signal);
	else if (s->phase == STARTING && s->pending_signal != SIGKILL)
		s->pending_signal = request.signal;
}

static void on_attach(Server *s, Connection *connection, const void *payload, size_t length)
{
	ShimAttach request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	connection->wants[LOG_STDOUT] = request.want_stdout;
	connection->wants[LOG_STDERR] = request.want_stderr;
	for (int i = 0; i < 2; i++)
		if (connection->wants[s->streams[i].number])
			connection->owed |= OWED_ENDS << s->streams[i].number;
}

/* False: the connection is to be closed. What is not known comes from a newer kedged and is ignored. */
static bool handle_request(Server *s, int place, const ShimHeader *header)
{
	Connection *connection = &s->connections.table[place];

	switch (header->message) {
	case SHIM_SIGNAL:
		on_signal(s, scratch.request, header->length);
		break;
	case SHIM_ATTACH:
		on_attach(s, connection, scratch.request, header->length);
		break;
	case SHIM_EXEC:
		if (s->phase != RUNNING)
			return execs_refuse(
				connection, scratch.request, header->length, "the container is not running");
		return execs_start(&s->execs, s->settings, &s->connections, place, scratch.request, header->length);
	default:
		break;
	}
	return true;
}

static void receive(Server *s, int place)
{
	ShimHeader header;

	for (int count = 0; count < READS_PER_TURN; count++) {
		int result = connection_receive(&s->connections.table[place], &header, scratch.request);
		if (!result)
			return;
		if (result < 0 || !handle_request(s, place, &header)) {
			drop_connection(s, place);
			return;
		}
	}
}

/* ---- answers ---- */

/* What SHIM_STARTED says was true at that moment, also when the container has ended before it could be sent. */
static ShimStatus status_for(const Server *s, ShimMessage message)
{
	ShimStatus status = s->status;

	if (message != SHIM_STARTED)
		return status;
	status.state = SHIM_RUNNING;
	status.exit_code = 0;
	status.exit_signal = status.oom_killed = 0;
	status.finished_wall_ns = status.finished_monotonic_ns = 0;
	status.error[0] = '\0';
	return status;
}

static SendResult send_status(Server *s, Connection *connection, uint32_t owed, ShimMessage message)
{
	bool has_text = message == SHIM_FAILED;

	if (!(connection->owed & owed))
		return SENT;
	ShimStatus status = status_for(s, message);
	Packet packet = {message, &status, sizeof(status), status.error, has_text ? strlen(status.error) : 0};
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		connection->owed &= ~owed;
	return result;
}

static SendResult send_stream_end(Stream *stream, Connection *connection)
{
	uint32_t owed = OWED_ENDS << stream->number;
	char number = (char)stream->number;
	Packet packet = {SHIM_OUTPUT, &number, 1, NULL, 0};

	if (stream->fd >= 0 || !(connection->owed & owed))
		return SENT;
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		connection->owed &= ~owed;
	return result;
}

static SendResult send_output(Server *s, Connection *connection, int place)
{
	SendResult result = SENT;

	for (int i = 0; i < 2 && result == SENT; i++) {
		result = stream_send(&s->streams[i], connection, place);
		if (result == SENT)
			result = send_stream_end(&s->streams[i], connection);
	}
	return result;
}

static bool is_output_owed(const Connection *connection)
{
	return connection->owed & (OWED_ENDS << LOG_STDOUT | OWED_ENDS << LOG_STDERR);
}

/* In the order in which things happened; the end comes after all output. */
static SendResult send_all(Server *s, Connection *connection, int place)
{
	SendResult result = send_status(s, connection, OWED_STATUS, SHIM_STATUS);

	if (result == SENT)
		result = send_status(s, connection, OWED_STARTED, SHIM_STARTED);
	if (result == SENT && s->phase != STARTING)
		result = send_output(s, connection, place);
	if (result == SENT)
		result = execs_send(&s->execs, connection, place);
	if (result == SENT && !is_output_owed(connection))
		result = send_status(
			s, connection, OWED_FINAL, s->status.state == SHIM_START_FAILED ? SHIM_FAILED : SHIM_EXITED);
	return result;
}

static bool is_stalled(const Server *s, const Connection *connection, int64_t now_ns)
{
	bool is_attached = connection->wants[LOG_STDOUT] || connection->wants[LOG_STDERR];

	return (is_attached || s->phase == LEAVING) && connection->stalled_ns &&
	       now_ns - connection->stalled_ns >= STALL_NS;
}

static void answer(Server *s, int64_t now_ns)
{
	for (int place = 0; place < CONNECTIONS_MAX; place++) {
		Connection *connection = &s->connections.table[place];
		if (connection->fd < 0)
			continue;
		SendResult result = send_all(s, connection, place);
		bool is_served = s->phase == LEAVING && result == SENT && !connection->owed;
		if (result == SEND_FAILED)
			mute_connection(s, place);
		if (is_served || is_stalled(s, connection, now_ns))
			drop_connection(s, place);
	}
}

/* ---- the loop ---- */

static void give_back(char *memory, size_t used, size_t size)
{
	size_t kept = (used + PAGE - 1) / PAGE * PAGE;

	if (kept < size)
		madvise(memory + kept, size - kept, MADV_DONTNEED);
}

/* Starting took more stack than waiting does. */
static void give_back_stack(void)
{
	uintptr_t used = (uintptr_t)__builtin_frame_address(0) / PAGE * PAGE - PAGE;

	madvise((void *)(used - STACK_DEPTH), STACK_DEPTH, MADV_DONTNEED);
}

static void give_back_memory(Server *s)
{
	for (int i = 0; i < 2; i++)
		give_back(scratch.streams[i], stream_tidy(&s->streams[i]), sizeof(scratch.streams[i]));
	if (execs_are_idle(&s->execs))
		give_back(scratch.outputs, 0, sizeof(scratch.outputs));
	give_back(scratch.batch, 0, sizeof(scratch) - offsetof(Scratch, batch));
	give_back_stack();
	s->quiet_ns = NEVER;
}

static int64_t next_deadline(const Server *s)
{
	int64_t next = earlier(s->deadline_ns, earlier(s->quiet_ns, execs_next_deadline(&s->execs)));

	for (int place = 0; place < CONNECTIONS_MAX; place++) {
		const Connection *connection = &s->connections.table[place];
		if (connection->fd >= 0 && connection->stalled_ns)
			next = earlier(next, connection->stalled_ns + STALL_NS);
	}
	return next;
}

static int poll_timeout(const Server *s)
{
	int64_t next = next_deadline(s), now = clock_monotonic_ns();
	bool is_freed = s->phase > DRAINING && (stream_may_read(&s->streams[0]) || stream_may_read(&s->streams[1]));

	if (is_freed)
		return 0; /* the slow reader has it, or was dropped: the rest is read at once */
	if (next == NEVER)
		return -1;
	if (next <= now)
		return 0;
	return (int)earlier((next - now) / NANOS_PER_MILLI + 1, 3600 * 1000);
}

typedef struct PollSet {
	struct pollfd items[POLL_MAX];
	nfds_t count;
} PollSet;

static void want(PollSet *set, int fd, short events)
{
	if (fd >= 0)
		set->items[set->count++] = (struct pollfd){.fd = fd, .events = events};
}

static bool is_ready(const PollSet *set, int fd)
{
	for (nfds_t i = 0; i < set->count; i++)
		if (set->items[i].fd == fd && set->items[i].revents)
			return true;
	return false;
}

/* Nothing is read from the container before its start is known to be good: what a failing runtime says there is no
 * output. */
static void fill(PollSet *set, const Server *s)
{
	want(set, s->signal_fd, POLLIN);
	want(set, s->connections.listen_fd, POLLIN);
	for (int i = 0; i < 2; i++)
		if (s->phase != STARTING && stream_may_read(&s->streams[i]))
			want(set, s->streams[i].fd, POLLIN);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		want(set, s->connections.table[i].fd, s->connections.table[i].stalled_ns ? POLLIN | POLLOUT : POLLIN);
	for (int i = 0; i < EXECS_MAX; i++)
		want(set, s->execs.table[i].output_fd, POLLIN);
}

/* Requests before output: who attached before the container wrote gets everything. */
static void handle_ready(Server *s, const PollSet *set)
{
	bool has_new = is_ready(set, s->connections.listen_fd);

	if (has_new)
		connections_accept(&s->connections);
	for (int place = 0; place < CONNECTIONS_MAX; place++) {
		int fd = s->connections.table[place].fd;
		if (fd >= 0 && (has_new || is_ready(set, fd)))
			receive(s, place);
	}
	for (int i = 0; i < 2; i++)
		if (stream_may_read(&s->streams[i]) && is_ready(set, s->streams[i].fd))
			stream_read(&s->streams[i], log_of(s), &s->connections);
	for (int i = 0; i < EXECS_MAX; i++)
		if (s->execs.table[i].output_fd >= 0)
			exec_read(&s->execs.table[i]);
	if (is_ready(set, s->signal_fd)) {
		clear_signals(s);
		reap(s);
	}
}

static void step(Server *s, int64_t now_ns)
{
	execs_check_deadlines(&s->execs, now_ns);
	if (s->phase == STARTING)
		step_starting(s, now_ns);
	if (s->phase >= DRAINING)
		step_draining(s, now_ns);
	if (s->phase == LEAVING)
		s->deadline_ns = NEVER;
	answer(s, now_ns);
	if (s->phase == REMOVING)
		step_removing(s, now_ns);
	if (s->quiet_ns <= now_ns)
		give_back_memory(s);
}

static bool is_over(const Server *s)
{
	if (s->phase != LEAVING)
		return false;
	for (int place = 0; place < CONNECTIONS_MAX; place++)
		if (s->connections.table[place].fd >= 0)
			return false;
	return s->streams[0].fd < 0 && s->streams[1].fd < 0;
}

static void turn(Server *s)
{
	PollSet set = {.count = 0};

	fill(&set, s);
	int count = poll(set.items, set.count, poll_timeout(s));
	if (count > 0) {
		s->quiet_ns = clock_monotonic_ns() + QUIET_NS;
		handle_ready(s, &set);
	}
	step(s, clock_monotonic_ns());
}

void serve(const ShimSettings *settings, ShimStatus *ret_status)
{
	Server *s = &server;

	*s = (Server){.settings = settings, .deadline_ns = NEVER, .quiet_ns = NEVER, .signal_fd = -1, .state_dir = -1};
	s->status.protocol = SHIM_PROTOCOL;
	s->status.run = (uint64_t)settings->run;
	s->streams[0].fd = s->streams[1].fd = -1;
	adopt_descriptors(s);
	execs_init(&s->execs, scratch.outputs);
	Error *error = begin(s);
	if (error)
		start_failed(s, error_message(error));
	error_free(error);               /* told */
	answer(s, clock_monotonic_ns()); /* the start takes its time */
	while (!is_over(s))
		turn(s);
	if (s->keeps_log)
		logfile_close(&s->log);
	*ret_status = s->status;
}
