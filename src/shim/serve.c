// SPDX-License-Identifier: Apache-2.0
#include "shim/serve.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shim/server.h"

#define QUIET_NS NANOS_PER_SECOND          /* then unused memory is given back */
#define FULL_LOG_NS (50 * NANOS_PER_MILLI) /* then it is looked whether more of it was sent */

enum { STACK_DEPTH = 64 * 1024, POLL_MAX = 7 + CONNECTIONS_MAX + CLIENTS_MAX + EXECS_MAX };

static Scratch scratch;
static Server server;

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void clear_signals(Server *s)
{
	struct signalfd_siginfo info[4];

	while (read(s->signal_fd, info, sizeof(info)) > 0)
		;
}

/* ---- memory ---- */

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
		give_back(s->scratch->streams[i], stream_tidy(&s->streams[i]), sizeof(s->scratch->streams[i]));
	if (execs_are_idle(&s->execs))
		give_back(s->scratch->outputs, 0, sizeof(s->scratch->outputs));
	give_back(s->scratch->batch, 0, offsetof(Scratch, input) - offsetof(Scratch, batch));
	give_back(s->scratch->input, input_tidy(&s->input), sizeof(s->scratch->input));
	give_back_stack();
	s->quiet_ns = NEVER;
}

/* ---- waiting ---- */

static int64_t next_deadline(const Server *s)
{
	int64_t next = earlier(s->deadline_ns, earlier(s->quiet_ns, execs_next_deadline(&s->execs)));

	if (s->phase == RUNNING)
		next = earlier(next, relaywatch_deadline(&s->relays, clock_monotonic_ns()));
	if (s->keeps_log)
		next = earlier(next, logfile_deadline(&s->log));
	next = earlier(next, clients_next_deadline(&s->clients, STALL_NS));
	for (int place = 0; place < CONNECTIONS_MAX; place++) {
		const Connection *connection = &s->connections.table[place];
		if (connection->fd >= 0 && connection->stalled_ns && server_minds_stall(s, connection))
			next = earlier(next, connection->stalled_ns + STALL_NS);
		if (connection->held_ns)
			next = earlier(next, connection->held_ns + STALL_NS);
	}
	return next;
}

static int poll_timeout(const Server *s)
{
	int64_t next = next_deadline(s), now = clock_monotonic_ns();
	bool is_freed = s->phase > DRAINING && (stream_may_read(&s->streams[0]) || stream_may_read(&s->streams[1]));

	if (is_freed)
		return 0; /* the slow reader has it, or was dropped: the rest is read at once */
	if (s->log_is_full)
		next = earlier(next, now + FULL_LOG_NS);
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

/* What poll(2) found at it; 0: nothing. */
static short found(const PollSet *set, int fd)
{
	for (nfds_t i = 0; fd >= 0 && i < set->count; i++)
		if (set->items[i].fd == fd && set->items[i].revents)
			return set->items[i].revents;
	return 0;
}

static bool is_ready(const PollSet *set, int fd)
{
	return found(set, fd);
}

static void fill_clients(PollSet *set, Clients *clients)
{
	for (size_t i = 0; i < clients->top; i++) {
		Client *client = &clients->table[i];
		short events = client->is_used ? client_events(client) : -1;
		client->is_watched = events >= 0;
		if (client->is_watched)
			want(set, client->fd, events);
	}
}

/* Nothing is read from the container before its start is known to be good: what a failing runtime says there is no
 * output. */
static void fill(PollSet *set, Server *s)
{
	want(set, s->signal_fd, POLLIN);
	want(set, s->connections.listen_fd, POLLIN);
	want(set, s->oom.fd, POLLIN);
	if (s->phase == RUNNING)
		want(set, relaywatch_fd(&s->relays, clock_monotonic_ns()), POLLIN);
	/* What a container has written before its end is read, whatever the log holds: a pipe is no more than that. */
	s->log_is_full = s->keeps_log && s->phase == RUNNING && !logfile_has_room(&s->log);
	for (int i = 0; i < 2 && !s->log_is_full; i++)
		if (s->phase != STARTING && stream_may_read(&s->streams[i]))
			want(set, s->streams[i].fd, POLLIN);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		want(set, s->connections.table[i].fd, s->connections.table[i].stalled_ns ? POLLIN | POLLOUT : POLLIN);
	for (int i = 0; i < EXECS_MAX; i++)
		want(set, s->execs.table[i].output_fd, POLLIN);
	if (input_holds(&s->input))
		want(set, s->input.fd, POLLOUT);
	fill_clients(set, &s->clients);
}

static void handle_clients(Server *s, const PollSet *set)
{
	if (is_ready(set, s->input.fd))
		input_flush(&s->input);
	for (size_t i = 0; i < s->clients.top; i++) {
		Client *client = &s->clients.table[i];
		short events = client->is_used && client->is_watched ? found(set, client->fd) : 0;
		if (events)
			client_ready(client, events);
	}
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
			server_receive(s, place);
	}
	for (int i = 0; i < 2; i++)
		if (stream_may_read(&s->streams[i]) && is_ready(set, s->streams[i].fd))
			stream_read(&s->streams[i], server_log(s), &s->connections);
	for (int i = 0; i < EXECS_MAX; i++)
		if (s->execs.table[i].output_fd >= 0)
			exec_read(&s->execs.table[i]);
	handle_clients(s, set);
	if (is_ready(set, s->oom.fd))
		server_oom(s);
	if (is_ready(set, s->relays.doors))
		relaywatch_ready(&s->relays, s->settings);
	if (is_ready(set, s->signal_fd)) {
		clear_signals(s);
		server_reap(s);
	}
}

/* ---- the loop ---- */

static void step(Server *s)
{
	int64_t now_ns = clock_monotonic_ns();

	server_step(s, now_ns);
	if (s->keeps_log && logfile_step(&s->log, now_ns))
		s->quiet_ns = now_ns + QUIET_NS;
	server_answer(s, now_ns);
	server_attend(s, now_ns);
	if (s->phase == REMOVING)
		server_step_removal(s, now_ns);
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
	return s->streams[0].fd < 0 && s->streams[1].fd < 0 && clients_are_gone(&s->clients);
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
	step(s);
}

void serve(const ShimSettings *settings, ShimStatus *ret_status)
{
	Server *s = &server;

	*s = (Server){.settings = settings,
		.scratch = &scratch,
		.deadline_ns = NEVER,
		.quiet_ns = NEVER,
		.signal_fd = -1,
		.console_fd = -1,
		.oom = {.fd = -1},
		.relays = {.doors = -1, .netns = -1, .life = -1},
		.state_dir = -1,
		.mounts_fd = -1};
	s->status.protocol = SHIM_PROTOCOL;
	s->status.features = SHIM_CAN_HOLD;
	s->status.run = (uint64_t)settings->run;
	s->streams[0].fd = s->streams[1].fd = -1;
	server_adopt_descriptors(s);
	execs_init(&s->execs, s->scratch->outputs);
	input_init(&s->input, s->scratch->input);
	Error *error = server_begin(s);
	if (error)
		server_start_failed(s, error_message(error));
	error_free(error); /* told */
	server_answer(s, clock_monotonic_ns());
	while (!is_over(s))
		turn(s);
	if (s->keeps_log)
		logfile_close(&s->log);
	*ret_status = s->status;
}
