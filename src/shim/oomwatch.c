// SPDX-License-Identifier: Apache-2.0
#include "shim/oomwatch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "shim/remains.h"

static const char kills_name[] = "oom_kill";

static bool is_v1(const OomWatch *watch)
{
	return string_ends(watch->oom_file, "/memory.oom_control");
}

/* "<eventfd> <descriptor of memory.oom_control>" in the group's cgroup.event_control */
static bool ask_v1(const OomWatch *watch)
{
	char path[PATH_MAX], line[32];
	int end = (int)(strrchr(watch->oom_file, '/') - watch->oom_file);

	if (snprintf(path, sizeof(path), "%.*s/cgroup.event_control", end, watch->oom_file) >= (int)sizeof(path))
		return false;
	autofd subject = open(watch->oom_file, O_RDONLY | O_CLOEXEC), control = open(path, O_WRONLY | O_CLOEXEC);
	int length = snprintf(line, sizeof(line), "%d %d", watch->fd, subject);
	return subject >= 0 && control >= 0 && write(control, line, (size_t)length) == length;
}

static bool ask_v2(const OomWatch *watch)
{
	return inotify_add_watch(watch->fd, watch->oom_file, IN_MODIFY) >= 0;
}

void oomwatch_init(OomWatch *watch, const char *oom_file)
{
	*watch = (OomWatch){.oom_file = oom_file, .fd = -1, .kills = remains_oom_number(oom_file, kills_name)};
}

void oomwatch_begin(OomWatch *watch)
{
	if (!watch->oom_file)
		return;
	watch->fd = is_v1(watch) ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd >= 0 && !(is_v1(watch) ? ask_v1(watch) : ask_v2(watch)))
		close_fd(&watch->fd);
}

static bool take_notice(int fd)
{
	char notice[sizeof(struct inotify_event) + NAME_MAX + 1];
	bool found = false;

	while (fd >= 0 && read(fd, notice, sizeof(notice)) > 0)
		found = true;
	return found;
}

/* Version 1 gives notice before it kills, and counts after: the notice is taken for the kill, unless the killer is
 * switched off and the container just waits. */
static bool foretells_kill(const OomWatch *watch)
{
	return is_v1(watch) && !remains_oom_number(watch->oom_file, "oom_kill_disable");
}

bool oomwatch_struck(OomWatch *watch)
{
	bool noticed = take_notice(watch->fd);
	int64_t kills = remains_oom_number(watch->oom_file, kills_name);
	bool struck = kills > watch->kills;

	watch->kills = kills;
	return struck || (noticed && foretells_kill(watch));
}

void oomwatch_end(OomWatch *watch)
{
	close_fd(&watch->fd);
}
