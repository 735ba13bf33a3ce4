// SPDX-License-Identifier: Apache-2.0
#include "main/upgrade.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "main/notify.h"

#define CHECK_LIMIT (10 * NANOS_PER_SECOND)
#define QUIET_LIMIT (2 * NANOS_PER_SECOND)

extern char **environ;

struct Upgrade {
	Loop *loop;
	DockerApi *api;
	int64_t patience_ns;
	char *const *argv;
	Source *hup;
	pid_t checker; /* 0: none */
	Source *check, *limit;
	int listen_fds[DOCKER_SOCKETS_MAX];
	size_t listen_count; /* not 0: the API is being quiet */
	bool is_due;         /* it is */
};

fallible upgrade_program(char **ret)
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0)
		return error_errno(errno, "could not find out where kedged lies");
	path[length] = '\0';
	if (string_ends(path, deleted)) /* replaced by now */
		path[length - (ssize_t)strlen(deleted)] = '\0';
	*ret = mem_strdup(path);
	return NULL;
}

/* ---- third step: everybody is answered ---- */

static void become_due(void *arg)
{
	Upgrade *upgrade = arg;

	upgrade->is_due = true;
	loop_stop(upgrade->loop);
}

static void limit_fired(void *arg)
{
	log_warning("not all requests were answered before the upgrade");
	become_due(arg);
}

static void be_quiet(Upgrade *upgrade)
{
	autofree char *state =
		string_printf("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_ns() / 1000);
	Error *error;

	notify(state);
	log_info("handing over to the program that lies in this one's place");
	upgrade->listen_count = docker_api_quiesce(upgrade->api, upgrade->listen_fds, become_due, upgrade);
	error = loop_timer(&upgrade->limit, upgrade->loop, QUIET_LIMIT, limit_fired, upgrade);
	if (error) {
		error_log(error, "not all requests may be answered before the upgrade");
		become_due(upgrade);
	}
}

/* ---- second step: what takes its time ---- */

static void on_drained(void *arg)
{
	Upgrade *upgrade = arg;

	upgrade->limit = source_free(upgrade->limit);
	be_quiet(upgrade);
}

static void patience_ends(void *arg)
{
	Upgrade *upgrade = arg;

	log_warning("the upgrade does not wait any longer for what runs");
	docker_api_give_way(upgrade->api);
	on_drained(upgrade);
}

static void drain(Upgrade *upgrade)
{
	Error *error = loop_timer(&upgrade->limit, upgrade->loop, upgrade->patience_ns, patience_ends, upgrade);

	if (error) {
		error_log(error, "the upgrade waits for nothing");
		on_drained(upgrade);
		return;
	}
	docker_api_drain(upgrade->api, on_drained, upgrade);
}

/* ---- first step: does the new program run? ---- */

static void check_limit_fired(void *arg)
{
	kill(((Upgrade *)arg)->checker, SIGKILL);
}

static void on_checked(void *arg, int wait_status)
{
	Upgrade *upgrade = arg;
	char text[64];

	upgrade->check = source_free(upgrade->check);
	upgrade->limit = source_free(upgrade->limit);
	upgrade->checker = 0;
	process_status_text(text, sizeof(text), wait_status);
	if (wait_status == 0)
		drain(upgrade);
	else
		log_error("not upgraded: the new kedged does not accept the configuration (%s)", text);
}

static fallible watch_check(Upgrade *upgrade)
{
	TRY(loop_child(&upgrade->check, upgrade->loop, upgrade->checker, on_checked, upgrade));
	return loop_timer(&upgrade->limit, upgrade->loop, CHECK_LIMIT, check_limit_fired, upgrade);
}

static fallible start_check(Upgrade *upgrade)
{
	autofree char *program = NULL;
	const char **argv = NULL;
	size_t count = 0;

	TRY(upgrade_program(&program));
	while (upgrade->argv[count])
		count++;
	argv = mem_array(NULL, count + 2, sizeof(*argv));
	memcpy(argv, upgrade->argv, count * sizeof(*argv));
	argv[count] = "--check-config";
	argv[count + 1] = NULL;
	ProcessSpec spec = {.path = program, .argv = argv, .env = (const char *const *)environ};
	Error *error = process_spawn(&upgrade->checker, &spec);
	free(argv);
	return error ? error : watch_check(upgrade);
}

/* A second HUP while one is being followed means the same. */
static void on_hup(void *arg)
{
	Upgrade *upgrade = arg;
	Error *error = upgrade->check || upgrade->limit || upgrade->listen_count > 0 ? NULL : start_check(upgrade);

	if (error)
		error_log(error, "not upgraded");
}

/* ---- life ---- */

static void let_hup_pass(void)
{
	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &hup, NULL);
}

fallible upgrade_new(Upgrade **ret, Loop *loop, DockerApi *api, int64_t patience_ns, char *const *argv)
{
	Upgrade *upgrade = mem_new(Upgrade);

	*upgrade = (Upgrade){.loop = loop, .api = api, .patience_ns = patience_ns, .argv = argv};
	Error *error = loop_signal(&upgrade->hup, loop, SIGHUP, on_hup, upgrade);
	if (error) {
		upgrade_free(upgrade);
		return error;
	}
	let_hup_pass();
	*ret = upgrade;
	return NULL;
}

/* Each listening socket with its connections behind it. */
size_t upgrade_take_sockets(Upgrade *upgrade, int ret_fds[UPGRADE_FDS_MAX])
{
	int connections_fds[DOCKER_SOCKETS_MAX];
	size_t count = upgrade->is_due ? upgrade->listen_count : 0;

	if (count == 0)
		return 0;
	docker_api_hand_over(upgrade->api, connections_fds);
	for (size_t i = 0; i < count; i++) {
		ret_fds[2 * i] = upgrade->listen_fds[i];
		ret_fds[2 * i + 1] = connections_fds[i];
	}
	upgrade->listen_count = 0;
	return 2 * count;
}

Upgrade *upgrade_free(Upgrade *upgrade)
{
	if (!upgrade)
		return NULL;
	source_free(upgrade->hup);
	source_free(upgrade->check);
	source_free(upgrade->limit);
	for (size_t i = 0; i < upgrade->listen_count; i++)
		close_fd(&upgrade->listen_fds[i]);
	free(upgrade);
	return NULL;
}
