// SPDX-License-Identifier: Apache-2.0
#include "engine/copy_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/files.h"
#include "runtime/spec_words.h"
#include "runtime/user.h"
#include "store/snapshots.h"

#define LOOK_AGAIN (10 * NANOS_PER_MILLI) /* for a container that starts or is cleaned up to be one or the other */
#define PATIENCE (30 * NANOS_PER_SECOND)  /* for that */
#define STALL_MAX (3 * NANOS_PER_SECOND)  /* of a client that somebody else waits for */
#define STALL_LOOK (500 * NANOS_PER_MILLI)

typedef struct CopyIn {
	Intake *intake; /* whose owner this is */
	Container *container;
	char *path, *name;
	UnpackCopy options;
	Source *timer; /* waits for the container, then watches over the client */
	bool holds;    /* counted in container->copies */
} CopyIn;

/* ---- the end ---- */

/* Who waits for the container's files goes on. */
static void let_go(CopyIn *copy)
{
	Container *container = copy->container;

	if (!copy->holds)
		return;
	copy->holds = false;
	if (--container->copies == 0 && !container->shim && !container->cleaning)
		container_run_cleaned(container);
}

static Error *explained(const CopyIn *copy, Error *take_error)
{
	if (!take_error || error_kind(take_error) != ERROR_NOT_FOUND)
		return take_error;
	error_free(take_error); /* said in Docker's words */
	return error_new(
		ERROR_NOT_FOUND, "Could not find the file %.1000s in container %.300s", copy->path, copy->name);
}

static Error *end(void *owner, Error *take_error)
{
	CopyIn *copy = owner;

	copy->timer = source_free(copy->timer);
	let_go(copy);
	if (!take_error)
		container_event(copy->container, "extract-to-dir", NULL, NULL);
	return explained(copy, take_error);
}

/* ---- beginning ---- */

static fallible described_file(int *ret, const Buffer *text)
{
	autofd fd = memfd_create("kedge-rootfs", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_write_all(fd, text->data, text->length, "description"));
	lseek(fd, 0, SEEK_SET);
	*ret = take_fd(&fd);
	return NULL;
}

static fallible begin(CopyIn *copy)
{
	autoclear(ContainerFiles) files = {.root = -1};
	autofd description = -1;

	TRY(container_files_open(&files, copy->container, true));
	copy->options.is_described = files.root < 0;
	if (files.root < 0)
		TRY(described_file(&description, &files.description));
	copy->holds = true;
	copy->container->copies++;
	TRY(fault("engine.copy.begin"));
	return intake_begin(copy->intake, files.root < 0 ? description : files.root, &copy->options, false);
}

/* Between two states: what its files are is not said yet. */
static bool is_unsettled(const Container *container)
{
	bool is_live = container_is_live(container);

	if (is_live && !container->launch_when_gone)
		return !container->record.pid || container->state == CONTAINER_STARTING;
	return container->shim || container->cleaning || container->undecided || container->copies;
}

static fallible check_state(const Container *container)
{
	if (container->removed || container->state == CONTAINER_REMOVING)
		return error_new(ERROR_CONFLICT, "container %s is being removed", container->id);
	return NULL;
}

/* A container that is to start, or to go, waits for the copy; a client that stands still does not hold it up. */
static void watch_client(CopyIn *copy)
{
	const Container *container = copy->container;
	bool is_awaited = container->launch_when_gone || container->state == CONTAINER_REMOVING;

	if (is_awaited && clock_monotonic_ns() - intake_moved_ns(copy->intake) > STALL_MAX)
		intake_end(copy->intake, error_new(ERROR_CONFLICT,
						 "container %s does not wait for its files any longer", container->id));
	else
		source_rearm(copy->timer, STALL_LOOK);
}

static void wait_longer(CopyIn *copy)
{
	if (clock_monotonic_ns() - intake_moved_ns(copy->intake) > PATIENCE)
		intake_end(copy->intake,
			error_new(ERROR_TIMEOUT, "container %s is being started or stopped", copy->container->id));
	else
		source_rearm(copy->timer, LOOK_AGAIN);
}

static void on_timer(void *arg)
{
	CopyIn *copy = arg;
	Error *error;

	if (copy->holds) {
		watch_client(copy);
		return;
	}
	error = check_state(copy->container);
	if (!error && is_unsettled(copy->container)) {
		wait_longer(copy);
		return;
	}
	if (!error)
		error = begin(copy);
	if (error) {
		intake_end(copy->intake, error);
		return;
	}
	source_rearm(copy->timer, STALL_LOOK);
}

/* ---- life ---- */

static fallible find_owner(CopyIn *copy)
{
	const ContainerSpec *spec = &copy->container->record.spec;
	Store *store = copy->container->engine->store;
	autoclear(StringList) directories = {0}, none = {0};
	autoptr(Image) image = NULL;
	UserIds ids;

	if (string_empty(spec->user))
		return NULL;
	TRY(image_pinned(&image, store, copy->container->id));
	if (!image)
		return error_new(ERROR_INTERNAL, "No such image: %s", copy->container->record.image_id);
	snapshot_directories(store, copy->container->id, image, &directories);
	TRY(user_resolve(&ids, spec->user, &none, &directories));
	copy->options.has_owner = true;
	copy->options.uid = ids.uid;
	copy->options.gid = ids.gid;
	return NULL;
}

static void copy_in_free(void *owner)
{
	CopyIn *copy = owner;

	source_free(copy->timer);
	container_unref(copy->container);
	free((char *)copy->options.path);
	free(copy->path);
	free(copy->name);
	free(copy);
}

static CopyIn *copy_in_new(Intake *intake, Container *container, const CopyInRequest *request)
{
	static const IntakeOwner owner = {.end = end, .free = copy_in_free};
	autofree char *absolute = string_printf("/%s", request->path);
	CopyIn *copy = mem_new(CopyIn);

	*copy = (CopyIn){.intake = intake,
		.container = container_ref(container),
		.path = mem_strdup(request->path),
		.name = mem_strdup(request->name),
		.options = {.keeps_directories = request->keeps_directories, .path = spec_clean_path(absolute)}};
	intake_own(intake, &owner, copy);
	return copy;
}

fallible container_copy_in(
	Intake **ret, Container *container, const CopyInRequest *request, const IntakeHandlers *handlers, void *arg)
{
	autoptr(Intake) intake = intake_new(container->engine, handlers, arg);
	CopyIn *copy = copy_in_new(intake, container, request);

	TRY(check_state(container));
	if (request->gives_to_user)
		TRY(find_owner(copy));
	TRY(loop_timer(&copy->timer, container->engine->loop, 0, on_timer, copy));
	*ret = take(intake);
	return NULL;
}
