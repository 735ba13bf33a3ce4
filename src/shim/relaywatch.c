// SPDX-License-Identifier: Apache-2.0
#include "shim/relaywatch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/process.h"
#include "shim/launch.h"
#include "shim/relayed.h"

enum { BACKLOG = 128, LIFE_FD = STDERR_FILENO + 1, NETNS_FD, FIRST_HELD_FD };

#define REST_NS (100 * NANOS_PER_MILLI) /* from a start to the next one */

static fallible watch_door(RelayWatch *watch, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (relayed_is_stream(fd) && listen(fd, BACKLOG) < 0)
		return error_errno(errno, "could not listen for who is to be relayed");
	if (epoll_ctl(watch->doors, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(errno, "could not wait for who is to be relayed");
	return NULL;
}

static fallible watch_doors(RelayWatch *watch, const ShimSettings *settings, const char *word)
{
	Relayed relayed;

	TRY(relayed_parse(&relayed, word, (size_t)settings->held_count));
	for (size_t i = relayed.first; i <= relayed.last; i++)
		TRY(watch_door(watch, (int)settings->held_fd + (int)i));
	return NULL;
}

Error *relaywatch_begin(RelayWatch *watch, const ShimSettings *settings)
{
	if (!settings->relay_ports.count)
		return NULL;
	snprintf(watch->to, sizeof(watch->to), "%s", settings->relay_to);
	watch->doors = epoll_create1(EPOLL_CLOEXEC);
	watch->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (watch->doors < 0 || watch->netns < 0)
		return error_errno(errno, "could not prepare for who is to be relayed");
	for (size_t i = 0; i < settings->relay_ports.count; i++)
		TRY(watch_doors(watch, settings, settings->relay_ports.items[i]));
	return NULL;
}

int relaywatch_fd(const RelayWatch *watch, int64_t now_ns)
{
	return watch->process || now_ns < watch->rest_ns ? -1 : watch->doors;
}

int64_t relaywatch_deadline(const RelayWatch *watch, int64_t now_ns)
{
	return watch->doors < 0 || watch->process || now_ns >= watch->rest_ns ? INT64_MAX : watch->rest_ns;
}

/* ---- the relay's process ---- */

static void make_command(StringList *words, const RelayWatch *watch, const ShimSettings *settings)
{
	strings_add(words, "kedge-shim");
	strings_add(words, "--relay");
	strings_printf(words, "--bundle=%s", settings->bundle); /* for who looks at it: whose relay this is */
	strings_printf(words, "--life-fd=%d", LIFE_FD);
	strings_printf(words, "--netns-fd=%d", NETNS_FD);
	strings_printf(words, "--held-fd=%d", FIRST_HELD_FD);
	strings_printf(words, "--held-count=%lld", (long long)settings->held_count);
	strings_printf(words, "--relay-to=%s", watch->to);
	strings_printf(words, "--relay-idle-ms=%lld", (long long)settings->relay_idle_ms);
	for (size_t i = 0; i < settings->relay_ports.count; i++)
		strings_printf(words, "--relay-port=%s", settings->relay_ports.items[i]);
}

static fallible spawn(pid_t *ret, const RelayWatch *watch, const ShimSettings *settings, int life)
{
	autoclear(StringList) words = {0};
	size_t count = (size_t)settings->held_count;
	autofree int *held = mem_array(NULL, count, sizeof(*held));
	ProcessSpec spec = {.path = "/proc/self/exe",
		.directory = "/",
		.new_session = true,
		.fds = {{life, LIFE_FD}, {watch->netns, NETNS_FD}},
		.fd_count = 2,
		.block = held,
		.block_count = count,
		.block_to = FIRST_HELD_FD};

	for (size_t i = 0; i < count; i++)
		held[i] = (int)settings->held_fd + (int)i;
	make_command(&words, watch, settings);
	spec.argv = (const char *const *)words.items;
	launch_unprotect();
	Error *error = process_spawn(ret, &spec);
	launch_protect();
	return error;
}

static fallible start(RelayWatch *watch, const ShimSettings *settings)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd its = ends[0], ours = ends[1];
	TRY(spawn(&watch->process, watch, settings, its));
	watch->life = take_fd(&ours);
	return NULL;
}

void relaywatch_ready(RelayWatch *watch, const ShimSettings *settings)
{
	watch->rest_ns = clock_monotonic_ns() + REST_NS;
	error_free(start(watch, settings)); /* tried again after the rest: somebody waits */
}

void relaywatch_turn(RelayWatch *watch, const char *to)
{
	if (string_equal(watch->to, to))
		return;
	snprintf(watch->to, sizeof(watch->to), "%s", to);
	if (watch->process)
		kill(watch->process, SIGKILL); /* the next one is started when this one has been reaped */
}

void relaywatch_reap(RelayWatch *watch)
{
	if (!watch->process || waitpid(watch->process, NULL, WNOHANG) != watch->process)
		return;
	watch->process = 0;
	close_fd(&watch->life);
}

/* Its process is a stranger's from now on. */
void relaywatch_end(RelayWatch *watch)
{
	if (watch->process)
		kill(watch->process, SIGKILL);
	watch->process = 0;
	close_fd(&watch->life);
	close_fd(&watch->doors);
	close_fd(&watch->netns);
}
