// SPDX-License-Identifier: Apache-2.0
#include "base/orphan.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"

typedef struct Orphan {
	List node;
	Loop *loop;
	Source *child;
} Orphan;

static List orphans = {&orphans, &orphans};

static void orphan_free(void *arg)
{
	Orphan *orphan = arg;

	list_remove(&orphan->node);
	source_free(orphan->child);
	free(orphan);
}

static void on_exit_of_orphan(void *arg, int wait_status)
{
	Orphan *orphan = arg;
	(void)wait_status;

	loop_defer_free(orphan->loop, orphan_free, orphan);
}

void orphan_reap(Loop *loop, pid_t pid)
{
	Orphan *orphan = mem_new(Orphan);

	orphan->loop = loop;
	list_append(&orphans, &orphan->node);
	Error *error = loop_child(&orphan->child, loop, pid, on_exit_of_orphan, orphan);
	if (!error)
		return;
	error_free(error); /* without a pidfd the zombie stays until this program ends */
	orphan_free(orphan);
}
