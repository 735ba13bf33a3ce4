// SPDX-License-Identifier: Apache-2.0
/* The rule for who reads slowly: so long without taking anything, and no longer. */
#include "shim/clients.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "shim/streams.h"

#define STALL (SHIM_STALL_SECONDS * NANOS_PER_SECOND)

enum { CHUNK = 4096, CHUNKS_MAX = 4096 };

/* A program that writes without end, and two clients of its output. */
typedef struct Fixture {
	int program;
	Stream stream;
	char *memory;
	Clients clients;
	int reader, sleeper;
} Fixture;

static int add_client(Fixture *fixture)
{
	const ShimClient request = {.wants = SHIM_WANTS_STDOUT};
	const ClientSource source = {.out = &fixture->stream};
	int sockets[2], size = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
	setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* the least there may be */
	clients_add(&fixture->clients, &source, &request, sizeof(request), sockets[0]);
	return sockets[1];
}

static void fixture_init(Fixture *fixture)
{
	int ends[2];

	*fixture = (Fixture){.memory = mem_alloc(STREAM_MEMORY)};
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	fixture->program = ends[1];
	stream_init(&fixture->stream, LOG_STDOUT, ends[0], fixture->memory, &fixture->clients);
	fixture->reader = add_client(fixture);
	fixture->sleeper = add_client(fixture);
}

static void fixture_clear(Fixture *fixture)
{
	clients_let_go(&fixture->clients);
	close_fd(&fixture->stream.fd);
	close_fd(&fixture->program);
	close_fd(&fixture->reader);
	close_fd(&fixture->sleeper);
	free(fixture->memory);
}

/* How many bytes there were; -1: none, and there will be none. */
static int read_away(int fd)
{
	static char bytes[CHUNK];
	int sum = 0;
	ssize_t count;

	while ((count = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		sum += (int)count;
	return !sum && !count ? -1 : sum;
}

static void write_chunk(Fixture *fixture)
{
	static const char chunk[CHUNK];
	Connections nobody = {0};

	assert_int_equal(write(fixture->program, chunk, sizeof(chunk)), sizeof(chunk));
	assert_true(stream_read(&fixture->stream, NULL, &nobody));
}

/* Until the sleeper, and nobody else, holds the program up. */
static void fill(Fixture *fixture)
{
	const Client *sleeper = &fixture->clients.table[1];

	for (int i = 0; i < CHUNKS_MAX && !sleeper->stalled_ns; i++) {
		write_chunk(fixture);
		do
			clients_step(&fixture->clients, 0, STALL);
		while (read_away(fixture->reader) > 0);
	}
	assert_true(sleeper->stalled_ns > 0);
	assert_int_equal(fixture->clients.table[0].stalled_ns, 0);
	assert_false(stream_may_read(&fixture->stream));
}

static void test_one_who_takes_nothing_is_dropped_in_time(void **state)
{
	Fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fill(&fixture);
	int64_t since = fixture.clients.table[1].stalled_ns;
	assert_int_equal(clients_next_deadline(&fixture.clients, STALL), since + STALL);
	clients_step(&fixture.clients, since + STALL - 1, STALL);
	assert_true(fixture.clients.table[1].is_used);
	clients_step(&fixture.clients, since + STALL, STALL);
	assert_false(fixture.clients.table[1].is_used);
	assert_int_equal(clients_next_deadline(&fixture.clients, STALL), INT64_MAX);
	assert_true(stream_may_read(&fixture.stream));    /* the program goes on */
	assert_true(read_away(fixture.sleeper) > 0);      /* what it was sent is still there, */
	assert_int_equal(read_away(fixture.sleeper), -1); /* and then the end */
	write_chunk(&fixture);
	clients_step(&fixture.clients, 0, STALL);
	assert_int_equal(read_away(fixture.reader), CHUNK); /* the other one stays */
	fixture_clear(&fixture);
}

static void test_one_who_takes_something_has_its_time_anew(void **state)
{
	Fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fill(&fixture);
	int64_t since = fixture.clients.table[1].stalled_ns;
	while (read_away(fixture.sleeper) > 0)
		clients_step(&fixture.clients, since + STALL - 1, STALL);
	assert_int_equal(fixture.clients.table[1].stalled_ns, 0);
	fill(&fixture);
	assert_true(fixture.clients.table[1].stalled_ns > since);
	clients_step(&fixture.clients, since + STALL, STALL); /* the old one's time */
	assert_true(fixture.clients.table[1].is_used);
	fixture_clear(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_who_takes_nothing_is_dropped_in_time),
		cmocka_unit_test(test_one_who_takes_something_has_its_time_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
