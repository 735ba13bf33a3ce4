// SPDX-License-Identifier: Apache-2.0
#include "network/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strings.h"
#include "network/linkparts.h"

enum {
	SOCKETS_MAX = PROCESS_FDS_MAX - 3, /* network namespaces in one go */
	FIRST_FD = 3,                      /* of them, in the child */
	GROUPS = 0x6b640000,               /* nobody else's, one a batch */
};

typedef struct Removal {
	List node;
	ReaperDone *done;
	void *arg;
} Removal;

typedef struct Batch {
	List node; /* in reaper->full */
	Reaper *reaper;
	uint32_t group;
	int fds[SOCKETS_MAX];
	size_t fd_count;
	bool has_ours; /* fds[0] is of our own namespace */
	List removals;
	Source *child;
} Batch;

struct Reaper {
	Loop *loop;
	char *shim_path;
	uint32_t group;
	Batch *open;    /* collects; NULL: none yet */
	List full;      /* wait */
	Batch *running; /* NULL: none */
	Source *start;
};

/* ---- batches ---- */

static Batch *batch_new(Reaper *reaper)
{
	Batch *batch = mem_new(Batch);

	batch->reaper = reaper;
	batch->group = GROUPS | (reaper->group++ & 0xffff);
	list_init(&batch->node);
	list_init(&batch->removals);
	return batch;
}

/* Gone, or why not: each is told. */
static void batch_end(Batch *take_batch, Error *take_error)
{
	source_free(take_batch->child);
	for (size_t i = 0; i < take_batch->fd_count; i++)
		close(take_batch->fds[i]);
	list_each(&take_batch->removals, Removal, node, removal) {
		if (removal->done)
			removal->done(removal->arg, take_error ? error_copy(take_error) : NULL);
		else if (take_error)
			error_log(error_copy(take_error), "a link stays");
		free(removal);
	}
	error_free(take_error); /* each has its copy */
	free(take_batch);
}

static void batch_forget(Batch *batch)
{
	if (!batch)
		return;
	list_each(&batch->removals, Removal, node, removal)
		removal->done = NULL;
	batch_end(batch, NULL);
}

static void start_soon(Reaper *reaper);

static void on_exit_of_child(void *arg, int wait_status)
{
	Batch *batch = arg;
	Reaper *reaper = batch->reaper;
	char status[64];

	process_status_text(status, sizeof(status), wait_status);
	reaper->running = NULL;
	start_soon(reaper);
	batch_end(batch,
		wait_status ? error_new(ERROR_INTERNAL, "could not remove a link: kedge-shim: %s", status) : NULL);
}

static fallible spawn(Batch *batch)
{
	Reaper *reaper = batch->reaper;
	autofree char *group = string_printf("--unplug=%u", (unsigned)batch->group);
	autofree char *count = string_printf("--held-count=%zu", batch->fd_count);
	const char *const argv[] = {"kedge-shim", group, "--held-fd=3", count, NULL};
	ProcessSpec spec = {.path = reaper->shim_path, .argv = argv, .fd_count = batch->fd_count};
	pid_t pid = -1;

	for (size_t i = 0; i < batch->fd_count; i++)
		spec.fds[i] = (ProcessFd){batch->fds[i], FIRST_FD + (int)i};
	TRY(process_spawn(&pid, &spec));
	return loop_child(&batch->child, reaper->loop, pid, on_exit_of_child, batch);
}

/* One that has nothing to remove any more needs no child. */
static void batch_start(Batch *take_batch)
{
	Reaper *reaper = take_batch->reaper;
	Error *error = take_batch->fd_count ? spawn(take_batch) : NULL;

	if (!error && take_batch->fd_count) {
		reaper->running = take_batch;
		return;
	}
	start_soon(reaper);
	batch_end(take_batch, error);
}

static Batch *next_batch(Reaper *reaper)
{
	Batch *batch;

	if (list_empty(&reaper->full))
		return take(reaper->open);
	batch = list_entry(reaper->full.next, Batch, node);
	list_remove(&batch->node);
	return batch;
}

static void start_next(void *arg)
{
	Reaper *reaper = arg;
	Batch *batch;

	reaper->start = source_free(reaper->start);
	batch = reaper->running ? NULL : next_batch(reaper);
	if (batch)
		batch_start(batch);
}

/* After this turn of the loop, which may bring more that goes along. */
static void start_soon(Reaper *reaper)
{
	if (reaper->start || reaper->running || (!reaper->open && list_empty(&reaper->full)))
		return;
	if (loop_defer(&reaper->start, reaper->loop, start_next, reaper))
		abort(); /* a timer that cannot be made: no memory */
}

/* ---- removals ---- */

static Batch *open_batch(Reaper *reaper)
{
	if (reaper->open && reaper->open->fd_count == SOCKETS_MAX)
		list_append(&reaper->full, &take(reaper->open)->node);
	if (!reaper->open)
		reaper->open = batch_new(reaper);
	return reaper->open;
}

static fallible keep_socket(Batch *batch, const Netlink *netlink, bool is_ours)
{
	int fd;

	if (is_ours && batch->has_ours)
		return NULL;
	fd = fcntl(netlink_fd(netlink), F_DUPFD_CLOEXEC, FIRST_FD);
	if (fd < 0)
		return error_errno(errno, "could not keep a netlink socket");
	batch->fds[batch->fd_count++] = fd;
	batch->has_ours = batch->has_ours || is_ours;
	return NULL;
}

/* Into the batch's group, which the child removes. */
static fallible mark(Batch *batch, int namespace_fd, const char *name)
{
	autoptr(Netlink) netlink = NULL;
	LinkState state;

	TRY(netlink_open_in(&netlink, namespace_fd, NETLINK_ROUTE));
	TRY(link_look(&state, netlink, name));
	if (!state.index)
		return NULL;
	TRY(keep_socket(batch, netlink, namespace_fd < 0));
	mnl_attr_put_u32(link_message(netlink, 0, state.index, false), IFLA_GROUP, batch->group);
	TRY_WRAP(netlink_send(netlink), "could not mark link \"%s\"", name);
	return NULL;
}

fallible reaper_remove(Reaper *reaper, int namespace_fd, const char *name, ReaperDone *done, void *arg)
{
	Batch *batch = open_batch(reaper);
	Removal *removal;

	TRY(mark(batch, namespace_fd, name));
	removal = mem_new(Removal);
	removal->done = done;
	removal->arg = arg;
	list_append(&batch->removals, &removal->node);
	start_soon(reaper);
	return NULL;
}

/* ---- life ---- */

fallible reaper_new(Reaper **ret, Loop *loop, const char *shim_path)
{
	Reaper *reaper = mem_new(Reaper);

	reaper->loop = loop;
	reaper->shim_path = mem_strdup(shim_path);
	list_init(&reaper->full);
	*ret = reaper;
	return NULL;
}

Reaper *reaper_free(Reaper *reaper)
{
	if (!reaper)
		return NULL;
	source_free(reaper->start);
	batch_forget(reaper->running);
	batch_forget(reaper->open);
	list_each(&reaper->full, Batch, node, batch)
		batch_forget(batch);
	free(reaper->shim_path);
	free(reaper);
	return NULL;
}
