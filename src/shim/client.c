// SPDX-License-Identifier: Apache-2.0
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/process.h"
#include "shim/exitfile.h"
#include "shim/passed.h"
#include "shim/relayed.h"

enum { FIRST_CONNECTION_FD = 3, LISTEN_FD, RUNTIME_FD, NETNS_FD, FIRST_HELD_FD };
enum { BACKLOG = 64, PACKETS_PER_TURN = 16 };

struct Shim {
	Loop *loop;
	int fd; /* -1: the connection has ended */
	Source *source;
	ShimHandlers handlers;
	void *arg;
	bool is_paused;
	bool in_handler; /* freeing waits until the handlers have returned */
	bool is_freed;
};

/* ---- processes that were spawned ---- */

typedef struct Reaper {
	List in_list;
	Source *source;
} Reaper;

static List reapers = {&reapers, &reapers}; /* one for each living shim that is a child of ours */

static void on_shim_ended(void *arg, int wait_status)
{
	Reaper *reaper = arg;

	(void)wait_status; /* what matters was said on the connection and in the exit file */
	list_remove(&reaper->in_list);
	source_free(reaper->source);
	free(reaper);
}

static fallible reap_later(Loop *loop, pid_t pid)
{
	Reaper *reaper = mem_new(Reaper);
	Error *error = loop_child(&reaper->source, loop, pid, on_shim_ended, reaper);

	if (error) {
		free(reaper);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return error;
	}
	list_append(&reapers, &reaper->in_list);
	return NULL;
}

/* ---- receiving ---- */

static char packet[SHIM_PACKET_MAX]; /* one is handled at a time */

typedef struct Payload {
	const char *data;
	size_t length;
} Payload;

/* A shim of a newer version may say more than we know, never less. */
static bool read_status(ShimStatus *ret, const Payload *payload)
{
	if (payload->length < sizeof(*ret))
		return false;
	memcpy(ret, payload->data, sizeof(*ret));
	ret->error[sizeof(ret->error) - 1] = '\0';
	return true;
}

static void on_status(Shim *shim, const Payload *payload)
{
	ShimStatus status;

	if (read_status(&status, payload) && shim->handlers.status)
		shim->handlers.status(shim->arg, &status);
}

static void on_started(Shim *shim, const Payload *payload)
{
	ShimStatus status;

	if (read_status(&status, payload) && shim->handlers.started)
		shim->handlers.started(shim->arg, &status);
}

static void on_failed(Shim *shim, const Payload *payload)
{
	ShimStatus status;

	if (!read_status(&status, payload) || !shim->handlers.failed)
		return;
	autofree char *reason = mem_strndup(payload->data + sizeof(status), payload->length - sizeof(status));
	shim->handlers.failed(shim->arg, &status, reason);
}

static void on_oom(Shim *shim, const Payload *payload)
{
	ShimStatus status;

	if (read_status(&status, payload) && shim->handlers.oom)
		shim->handlers.oom(shim->arg, &status);
}

static void on_detached(Shim *shim, const Payload *payload)
{
	(void)payload;
	if (shim->handlers.detached)
		shim->handlers.detached(shim->arg);
}

static void on_exited(Shim *shim, const Payload *payload)
{
	ShimStatus status;

	if (read_status(&status, payload) && shim->handlers.exited)
		shim->handlers.exited(shim->arg, &status);
}

static void on_output(Shim *shim, const Payload *payload)
{
	if (payload->length && shim->handlers.output)
		shim->handlers.output(shim->arg, payload->data[0], payload->data + 1, payload->length - 1);
}

static void on_held(Shim *shim, const Payload *payload)
{
	if (payload->length && shim->handlers.held)
		shim->handlers.held(shim->arg, payload->data[0], payload->data + 1, payload->length - 1);
}

static void on_exec_exited(Shim *shim, const Payload *payload)
{
	ShimExecExit exit;

	if (payload->length < sizeof(exit) || !shim->handlers.exec_exited)
		return;
	memcpy(&exit, payload->data, sizeof(exit));
	shim->handlers.exec_exited(shim->arg, &exit, payload->data + sizeof(exit), payload->length - sizeof(exit));
}

static const struct {
	uint32_t message;
	void (*handle)(Shim *shim, const Payload *payload);
} messages[] = {
	{SHIM_STATUS, on_status},
	{SHIM_STARTED, on_started},
	{SHIM_FAILED, on_failed},
	{SHIM_EXITED, on_exited},
	{SHIM_OOM, on_oom},
	{SHIM_DETACHED, on_detached},
	{SHIM_OUTPUT, on_output},
	{SHIM_HELD, on_held},
	{SHIM_EXEC_EXITED, on_exec_exited},
};

/* False: this is no shim. */
static bool handle_packet(Shim *shim, size_t length)
{
	ShimHeader header;
	Payload payload = {packet + sizeof(header), length - sizeof(header)};

	if (length < sizeof(header) || length > sizeof(packet))
		return false;
	memcpy(&header, packet, sizeof(header));
	if (header.length != payload.length)
		return false;
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++)
		if (messages[i].message == header.message)
			messages[i].handle(shim, &payload);
	return true;
}

bool shim_says_end_next(const Shim *shim)
{
	ShimHeader header;
	ssize_t length = shim ? recv(shim->fd, &header, sizeof(header), MSG_DONTWAIT | MSG_PEEK) : -1;

	return length == sizeof(header) && header.message == SHIM_EXITED;
}

static void disconnect(Shim *shim)
{
	shim->source = source_free(shim->source);
	close_fd(&shim->fd);
}

static void connection_ended(Shim *shim)
{
	disconnect(shim);
	if (shim->handlers.gone)
		shim->handlers.gone(shim->arg);
}

static void receive(Shim *shim)
{
	for (int count = 0; count < PACKETS_PER_TURN && !shim->is_freed && !shim->is_paused; count++) {
		ssize_t length = recv(shim->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
		if (length < 0 && errno == ECONNRESET)
			continue; /* the shim left without reading a request; what it said before is behind the error */
		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length <= 0 || !handle_packet(shim, (size_t)length)) {
			connection_ended(shim);
			return;
		}
	}
}

static void on_readable(void *arg, int fd, unsigned events)
{
	Shim *shim = arg;

	(void)fd;
	(void)events;
	shim->in_handler = true;
	receive(shim);
	shim->in_handler = false;
	if (shim->is_freed)
		shim_free(shim);
}

void shim_catch_up(Shim *shim)
{
	if (!shim->in_handler && shim->fd >= 0)
		on_readable(shim, shim->fd, LOOP_READ);
}

/* ---- life ---- */

static fallible shim_new(Shim **ret, Loop *loop, int *fd, const ShimHandlers *handlers, void *arg)
{
	Shim *shim = mem_new(Shim);

	shim->loop = loop;
	shim->handlers = *handlers;
	shim->arg = arg;
	shim->fd = -1;
	Error *error = loop_watch(&shim->source, loop, *fd, LOOP_READ, on_readable, shim);
	if (error) {
		free(shim);
		return error;
	}
	shim->fd = take_fd(fd);
	*ret = shim;
	return NULL;
}

int shim_descriptor(const Shim *shim)
{
	return shim->fd;
}

Error *shim_go_on(Shim **ret, Loop *loop, int fd, const ShimHandlers *handlers, void *arg)
{
	autofd connection = fd;

	return shim_new(ret, loop, &connection, handlers, arg);
}

Shim *shim_free(Shim *shim)
{
	if (!shim)
		return NULL;
	disconnect(shim);
	shim->is_freed = true;
	if (!shim->in_handler)
		free(shim);
	return NULL;
}

static void add_text(StringList *words, const char *name, const char *value)
{
	if (value)
		strings_printf(words, "--%s=%s", name, value);
}

static void add_number(StringList *words, const char *name, int64_t value)
{
	strings_printf(words, "--%s=%lld", name, (long long)value);
}

static void add_relays(StringList *words, const ShimOptions *options)
{
	autoclear(StringList) relayed = {0};

	relayed_write(&relayed, options->relay_ports, options->held_count);
	add_text(words, "relay-to", options->relay_to);
	for (size_t i = 0; i < relayed.count; i++)
		add_text(words, "relay-port", relayed.items[i]);
}

static void make_command(StringList *words, const ShimOptions *options)
{
	strings_add(words, "kedge-shim");
	add_text(words, "id", options->id);
	add_number(words, "run", (int64_t)options->run);
	add_text(words, "bundle", options->bundle);
	add_text(words, "state", options->state);
	add_text(words, "layers", options->layers);
	add_text(words, "lower", options->lower);
	add_text(words, "upper", options->upper);
	add_text(words, "work", options->work);
	add_text(words, "runtime", options->runtime);
	add_text(words, "runtime-root", options->runtime_root);
	add_text(words, "cgroup", options->cgroup);
	add_text(words, "exec", options->exec);
	add_text(words, "oom-file", options->oom_file);
	add_text(words, "log-driver", options->log_driver);
	add_text(words, "log-forward", options->log_forward);
	add_number(words, "log-max-size", options->log_max_size);
	add_number(words, "log-max-files", options->log_max_files > 0 ? options->log_max_files : 1);
	add_number(words, "start-timeout-ms", options->start_timeout_ms);
	for (size_t i = 0; options->runtime_options && i < options->runtime_options->count; i++)
		strings_printf(words, "--runtime-option=%s", options->runtime_options->items[i]);
	if (options->log_compresses)
		strings_add(words, "--log-compress");
	if (options->has_stdin)
		strings_add(words, "--stdin");
	if (options->has_terminal)
		strings_add(words, "--terminal");
	if (options->is_crun)
		strings_add(words, "--crun");
	if (options->is_planned)
		strings_add(words, "--planned");
	if (options->is_volatile)
		strings_add(words, "--volatile");
	for (size_t i = 0; options->distant && i < options->distant->count; i++)
		add_text(words, "distant", options->distant->items[i]);
	for (size_t i = 0; options->sources && i < options->sources->count; i++)
		add_text(words, "source", options->sources->items[i]);
	if (options->shm_pid)
		add_number(words, "shm-pid", options->shm_pid);
	if (options->runtime_fd > 0)
		add_number(words, "runtime-fd", RUNTIME_FD);
	if (options->listen_fd > 0)
		add_number(words, "listen-fd", LISTEN_FD);
	if (options->netns_fd > 0)
		add_number(words, "netns-fd", NETNS_FD);
	if (options->held_count) {
		add_number(words, "held-fd", FIRST_HELD_FD);
		add_number(words, "held-count", (int64_t)options->held_count);
	}
	if (options->held_count && options->relay_ports)
		add_relays(words, options);
}

static void give_descriptor(ProcessSpec *spec, int fd, int number)
{
	if (fd > 0)
		spec->fds[spec->fd_count++] = (ProcessFd){fd, number};
}

static fallible spawn(pid_t *ret, const ShimOptions *options, int connection)
{
	autoclear(StringList) words = {0};
	ProcessSpec spec = {.path = options->program,
		.program_fd = options->program_fd,
		.new_session = true,
		.directory = "/",
		.block = options->held_fds,
		.block_count = options->held_count,
		.block_to = FIRST_HELD_FD};

	make_command(&words, options);
	spec.argv = (const char *const *)words.items;
	give_descriptor(&spec, connection, FIRST_CONNECTION_FD);
	give_descriptor(&spec, options->listen_fd, LISTEN_FD);
	give_descriptor(&spec, options->runtime_fd, RUNTIME_FD);
	give_descriptor(&spec, options->netns_fd, NETNS_FD);
	return process_spawn(ret, &spec);
}

Error *shim_spawn(Shim **ret, Loop *loop, const ShimOptions *options, const ShimHandlers *handlers, void *arg)
{
	int ends[2];
	pid_t pid;
	Shim *shim;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(errno, "could not make a connection for the shim");
	autofd ours = ends[0], its = ends[1];
	TRY(shim_new(&shim, loop, &ours, handlers, arg));
	Error *error = spawn(&pid, options, its);
	if (!error)
		error = reap_later(loop, pid);
	if (error) {
		shim_free(shim);
		return error;
	}
	*ret = shim;
	return NULL;
}

/* A bundle's path may be longer than a socket's address can be; its directory's descriptor is not. */
static fallible socket_address(struct sockaddr_un *ret, int *ret_dir, const char *bundle)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	TRY(file_open(ret_dir, AT_FDCWD, bundle, O_PATH | O_DIRECTORY, 0));
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/shim.sock", *ret_dir);
	return NULL;
}

Error *shim_connect(Shim **ret, Loop *loop, const char *bundle, const ShimHandlers *handlers, void *arg)
{
	autofd dir = -1;
	struct sockaddr_un address;

	*ret = NULL;
	Error *error = socket_address(&address, &dir, bundle);
	if (error && error_kind(error) == ERROR_NOT_FOUND) {
		error_free(error); /* no bundle, no shim */
		return NULL;
	}
	TRY(error);
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return shim_new(ret, loop, &fd, handlers, arg);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return NULL;
	return error_errno(errno, "could not connect to the shim in \"%s\"", bundle);
}

Error *shim_listen(int *ret_fd, const char *bundle)
{
	autofd dir = -1;
	struct sockaddr_un address;

	TRY(socket_address(&address, &dir, bundle));
	autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(address.sun_path, 0600) < 0 ||
		listen(fd, BACKLOG) < 0)
		return error_errno(errno, "could not listen in \"%s\"", bundle);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible copy_file(int to, int from, const char *name)
{
	struct stat status;

	if (fstat(from, &status) < 0)
		return error_errno(errno, "could not look at \"%s\"", name);
	for (off_t at = 0; at < status.st_size;) {
		ssize_t count = sendfile(to, from, &at, (size_t)(status.st_size - at));
		if (count < 0 && errno != EINTR)
			return error_errno(errno, "could not copy \"%s\"", name);
		if (!count)
			return error_new(ERROR_UNAVAILABLE, "\"%s\" changed while it was copied", name);
	}
	return NULL;
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* Kernels before 6.3 know no MFD_EXEC, and make every such file executable. */
static int executable_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

Error *shim_seal_program(int *ret_fd, const char *path)
{
	autofd from = -1, to = executable_memory("program");

	if (to < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_open(&from, AT_FDCWD, path, O_RDONLY, 0));
	TRY(copy_file(to, from, path));
	/* Exactly these: crun compares. */
	if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return error_errno(errno, "could not seal the copy of \"%s\"", path);
	*ret_fd = take_fd(&to);
	return NULL;
}

/* ---- requests ---- */

enum { PARTS_MAX = 3 };

static fallible send_parts(Shim *shim, ShimMessage message, const struct iovec parts[PARTS_MAX], int fd)
{
	ShimHeader header = {message, 0};
	struct iovec all[1 + PARTS_MAX] = {{&header, sizeof(header)}};

	for (int i = 0; i < PARTS_MAX; i++) {
		all[1 + i] = parts[i];
		header.length += (uint32_t)parts[i].iov_len;
	}
	if (shim->fd < 0)
		return error_new(ERROR_UNAVAILABLE, "the container's shim is gone");
	if (passed_send(shim->fd, all, 1 + PARTS_MAX, fd) < 0)
		return error_errno(errno, "could not reach the container's shim");
	return NULL;
}

static fallible send_request(Shim *shim, ShimMessage message, const void *head, size_t length, const char *text)
{
	struct iovec parts[PARTS_MAX] = {{(void *)head, length}, {(void *)text, text ? strlen(text) + 1 : 0}};

	return send_parts(shim, message, parts, -1);
}

Error *shim_signal(Shim *shim, int signal)
{
	ShimSignal request = {.signal = signal};

	return send_request(shim, SHIM_SIGNAL, &request, sizeof(request), NULL);
}

Error *shim_attach(Shim *shim, bool want_stdout, bool want_stderr)
{
	ShimAttach request = {want_stdout, want_stderr, {0, 0}};

	return send_request(shim, SHIM_ATTACH, &request, sizeof(request), NULL);
}

Error *shim_hold(Shim *shim, bool want_stdout, bool want_stderr)
{
	ShimAttach request = {want_stdout, want_stderr, {0, 0}};

	return send_request(shim, SHIM_HOLD, &request, sizeof(request), NULL);
}

Error *shim_exec(Shim *shim, uint64_t exec, const char *process_file, int64_t timeout_ms)
{
	ShimExec request = {exec, timeout_ms};

	return send_request(shim, SHIM_EXEC, &request, sizeof(request), process_file);
}

Error *shim_client(Shim *shim, const ShimClient *client, const void *keys, const void *early, int fd)
{
	struct iovec parts[PARTS_MAX] = {{(void *)client, sizeof(*client)}, {(void *)keys, client->key_count},
		{(void *)early, client->early_length}};

	return send_parts(shim, SHIM_CLIENT, parts, fd);
}

Error *shim_resize(Shim *shim, const ShimResize *size)
{
	return send_request(shim, SHIM_RESIZE, size, sizeof(*size), NULL);
}

Error *shim_relay(Shim *shim, const char *to)
{
	ShimRelay request = {.to = ""};

	snprintf(request.to, sizeof(request.to), "%s", to ? to : "");
	return send_request(shim, SHIM_RELAY, &request, sizeof(request), NULL);
}

Error *shim_forget(Shim *shim)
{
	return send_request(shim, SHIM_FORGET, NULL, 0, NULL);
}

void shim_pause(Shim *shim, bool paused)
{
	shim->is_paused = paused;
	if (shim->source)
		source_set_events(shim->source, paused ? 0 : LOOP_READ);
}

Error *shim_read_exit(ShimStatus *ret, bool *ret_found, const char *state)
{
	autofd dir = -1;
	Error *error = dir_open(&dir, AT_FDCWD, state);

	if (error && error_kind(error) == ERROR_NOT_FOUND) {
		*ret_found = false;
		error_free(error); /* no directory, no exit */
		return NULL;
	}
	TRY(error);
	return exitfile_read(ret, ret_found, dir);
}
