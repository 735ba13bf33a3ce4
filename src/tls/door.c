// SPDX-License-Identifier: Apache-2.0
#include "tls/door.h"

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"
#include "jail/user.h"
#include "tls/address.h"
#include "tls/certificates.h"
#include "tls/takeover.h"
#include "tls/talk.h"

#define RETRY_DELAY NANOS_PER_SECOND
#define RETRY_DELAY_MAX (64 * NANOS_PER_SECOND)

struct Door {
	Loop *loop;
	const TlsConfig *config;
	char *program;                    /* kedge-tls */
	char *directory;                  /* <run dir>/tls */
	int listeners[TLS_ADDRESSES_MAX]; /* as config->listen; -1: not yet */
	Certificates certificates;
	int control; /* -1: no kedge-tls runs */
	pid_t pid;
	Source *control_source, *child, *retry;
	int64_t failed_ns, delay_ns; /* the last time, and what comes before the next try */
	bool was_told;               /* that an address cannot be had */
};

/* ---- directories: tls/ is root's alone, and tls/in the root directory of kedge-tls ---- */

static char *tls_directory(const DoorPlace *place)
{
	return path_join(place->run_dir, "tls");
}

fallible door_prepare(char **ret_socket, char **ret_guests_socket, const DoorPlace *place)
{
	autofree char *outer = tls_directory(place);
	autofree char *inner = path_join(outer, "in");

	TRY(dir_make_all(AT_FDCWD, outer, 0700));
	TRY(dir_make(AT_FDCWD, inner, 0755));
	*ret_socket = path_join(inner, TLS_SOCKET_NAME);
	*ret_guests_socket = path_join(inner, TLS_GUESTS_SOCKET_NAME);
	return NULL;
}

/* By /etc/passwd alone, as with the groups of other sockets. */
static fallible give_socket(const Door *door, const char *socket, const char *name)
{
	autofree char *path = string_printf("%s/in/%s", door->directory, socket);
	uid_t uid = 0;
	gid_t gid = 0;

	__nss_configure_lookup("passwd", "files");
	TRY_WRAP(jail_user_find(name, &uid, &gid), "field \"tcp.user\"");
	if (lchown(path, uid, (gid_t)-1) < 0)
		return error_errno(errno, "could not give \"%s\" to user \"%s\"", path, name);
	return NULL;
}

/* ---- listening sockets ---- */

/* Those that an earlier kedge-tls had, where they are still wanted. */
static void place_listeners(Door *door, int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		TcpAddress has;
		bool listens = tcp_address_of_listener(&has, fds[i]);

		for (size_t j = 0; listens && fds[i] >= 0 && j < door->config->listen.count; j++) {
			TcpAddress wanted;
			Error *error = tcp_address_parse(&wanted, door->config->listen.items[j]);

			if (!error && door->listeners[j] < 0 && tcp_address_equal(&has, &wanted))
				door->listeners[j] = take_fd(&fds[i]);
			error_free(error); /* it was checked with the configuration */
		}
		close_fd(&fds[i]);
	}
}

static fallible listen_at(int *ret_fd, const char *text)
{
	TcpAddress address;

	TRY(tcp_address_parse(&address, text));
	return tcp_address_listen(ret_fd, &address);
}

/* How many are there. *ret_new: some were not before; *ret_missing: some are not now. */
static size_t make_listeners(Door *door, bool *ret_new, bool *ret_missing)
{
	size_t count = 0;

	*ret_new = *ret_missing = false;
	for (size_t i = 0; i < door->config->listen.count; i++) {
		Error *error = NULL;

		if (door->listeners[i] < 0) {
			error = listen_at(&door->listeners[i], door->config->listen.items[i]);
			*ret_new |= !error;
			*ret_missing |= error != NULL;
		}
		if (error && !door->was_told)
			error_log(error, "nobody can connect by TLS at \"%s\" yet", door->config->listen.items[i]);
		else
			error_free(error); /* it was told before */
		count += door->listeners[i] >= 0;
	}
	door->was_told = *ret_missing;
	return count;
}

/* ---- kedge-tls ---- */

/* What keeps failing is tried less and less often. */
static void try_later(Door *door)
{
	int64_t now = clock_monotonic_ns(), delay = door->delay_ns;

	if (delay == 0 || now - door->failed_ns > 2 * RETRY_DELAY_MAX)
		delay = RETRY_DELAY;
	door->failed_ns = now;
	door->delay_ns = 2 * delay < RETRY_DELAY_MAX ? 2 * delay : RETRY_DELAY_MAX;
	source_rearm(door->retry, delay);
}

static void forget_process(Door *door)
{
	door->control_source = source_free(door->control_source);
	door->child = source_free(door->child);
	close_fd(&door->control);
	if (door->pid > 0)
		orphan_reap(door->loop, door->pid);
	door->pid = 0;
}

static void on_exit_of_child(void *arg, int wait_status)
{
	Door *door = arg;
	char text[64];

	process_status_text(text, sizeof(text), wait_status);
	log_error("kedge-tls ended: %s", text);
	door->pid = 0;
	forget_process(door);
	try_later(door);
}

/* What cannot be sent now is tried again with the next question, and told once. */
static void give_certificates(Door *door, const char *consequence)
{
	bool is_again = false;
	Error *error = certificates_send(&door->certificates, &is_again, door->control, door->config);

	if (!error)
		return;
	if (is_again)
		error_free(error); /* it was told before */
	else
		error_log(error, "%s", consequence);
	error_free(talk_send(door->control, TALK_GO, NULL, 0)); /* its end is told by the process */
}

static void answer(Door *door)
{
	if (certificates_are_new(&door->certificates, door->config))
		give_certificates(door, "the new TLS certificates are not used, the old ones stay");
	else
		error_free(talk_send(door->control, TALK_GO, NULL, 0)); /* its end is told by the process */
}

static void on_control(void *arg, int fd, unsigned events)
{
	Door *door = arg;
	int fds[TALK_FDS_MAX];
	size_t count = 0;
	TalkType type = talk_receive(fd, fds, &count);

	(void)events;
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	if (type == TALK_ASK)
		answer(door);
	else if (type == TALK_END)
		source_set_events(door->control_source, 0); /* the process is about to end */
}

static void add_fd(ProcessSpec *spec, int from, int to)
{
	spec->fds[spec->fd_count++] = (ProcessFd){.from = from, .to = to};
}

static fallible spawn(Door *door, int control, size_t count)
{
	autofree char *inner = path_join(door->directory, "in");
	autofree char *serve = string_printf("%zu", count);
	autofree char *connections = string_printf("%lld", (long long)door->config->connections);
	const char *guests = tls_config_has_guests(door->config) ? "--guests" : NULL;
	const char *argv[] = {door->program, "--serve", serve, "--connections", connections, "--user",
		door->config->user, guests, NULL};
	ProcessSpec spec = {.path = door->program, .argv = argv, .new_session = true};
	autofd takeover = -1, root = -1;
	int next = TLS_LISTENER_FD;

	TRY(takeover_listen(&takeover, door->directory));
	TRY(dir_open(&root, AT_FDCWD, inner));
	add_fd(&spec, control, TLS_CONTROL_FD);
	add_fd(&spec, takeover, TLS_TAKEOVER_FD);
	add_fd(&spec, root, TLS_ROOT_FD);
	for (size_t i = 0; i < door->config->listen.count; i++)
		if (door->listeners[i] >= 0)
			add_fd(&spec, door->listeners[i], next++);
	return process_spawn(&door->pid, &spec);
}

static fallible start(Door *door, size_t count)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(errno, "could not make a socket pair");
	autofd theirs = sockets[1];
	door->control = sockets[0];
	TRY(spawn(door, theirs, count));
	TRY(loop_child(&door->child, door->loop, door->pid, on_exit_of_child, door));
	TRY(loop_watch(&door->control_source, door->loop, door->control, LOOP_READ, on_control, door));
	return NULL;
}

static void start_anew(Door *door, size_t count)
{
	Error *error;

	door_shut(door);
	error = start(door, count);
	if (!error) {
		door->certificates.is_unsent = false; /* a new process is told of everything */
		give_certificates(door, "nobody can connect by TLS");
		return;
	}
	error_log(error, "could not start kedge-tls");
	forget_process(door);
	try_later(door);
}

/* What is missing, of the addresses and of the process. */
static void complete(void *arg)
{
	Door *door = arg;
	bool has_new, is_missing;
	size_t count = make_listeners(door, &has_new, &is_missing);

	if (is_missing)
		try_later(door);
	if (count > 0 && (has_new || door->control < 0))
		start_anew(door, count);
}

/* ---- life ---- */

fallible door_new(Door **ret, Loop *loop, const TlsConfig *config, const DoorPlace *place)
{
	autoptr(Door) door = mem_new(Door);
	int fds[TALK_FDS_MAX];
	size_t count = 0;

	door->loop = loop;
	door->config = config;
	door->control = -1;
	door->directory = tls_directory(place);
	door->program = path_join(place->libexec_dir, "kedge-tls");
	for (size_t i = 0; i < TLS_ADDRESSES_MAX; i++)
		door->listeners[i] = -1;
	TRY(give_socket(door, TLS_SOCKET_NAME, config->user));
	if (tls_config_has_guests(config))
		TRY(give_socket(door, TLS_GUESTS_SOCKET_NAME, config->user));
	TRY(loop_timer(&door->retry, loop, -1, complete, door));
	takeover_from_last(fds, &count, door->directory);
	place_listeners(door, fds, count);
	complete(door);
	*ret = take(door);
	return NULL;
}

void door_shut(Door *door)
{
	if (!door || door->control < 0)
		return;
	error_free(talk_send(door->control, TALK_RETIRE, NULL, 0)); /* one that has ended is as good */
	forget_process(door);
}

Door *door_free(Door *door)
{
	if (!door)
		return NULL;
	forget_process(door);
	source_free(door->retry);
	for (size_t i = 0; i < TLS_ADDRESSES_MAX; i++)
		close_fd(&door->listeners[i]);
	free(door->program);
	free(door->directory);
	free(door);
	return NULL;
}

void door_remove(const DoorPlace *place)
{
	autofree char *directory = tls_directory(place);
	int fds[TALK_FDS_MAX];
	size_t count = 0;

	takeover_from_last(fds, &count, directory);
	for (size_t i = 0; i < count; i++)
		close_fd(&fds[i]);
}

fallible door_check(const TlsConfig *config, const char *libexec_dir)
{
	autofree char *program = path_join(libexec_dir, "kedge-tls");

	return certificates_check(config, program);
}
