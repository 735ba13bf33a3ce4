// SPDX-License-Identifier: Apache-2.0
/* The state machine of a container: a table of edges and the one function that takes them. */
#include <assert.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "store/records.h"

#define TO(state) (1u << CONTAINER_##state)

static const unsigned edges[CONTAINER_STATES] = {
	[CONTAINER_CREATED] = TO(STARTING) | TO(REMOVING) | TO(EXITED),
	[CONTAINER_STARTING] = TO(RUNNING) | TO(CREATED) | TO(EXITED) | TO(RESTARTING) | TO(DEAD),
	[CONTAINER_RUNNING] = TO(PAUSED) | TO(STOPPING) | TO(EXITED) | TO(RESTARTING) | TO(DEAD),
	[CONTAINER_PAUSED] = TO(RUNNING) | TO(EXITED) | TO(RESTARTING) | TO(DEAD),
	[CONTAINER_STOPPING] = TO(EXITED) | TO(RESTARTING) | TO(DEAD),
	[CONTAINER_RESTARTING] = TO(STARTING) | TO(EXITED) | TO(REMOVING),
	[CONTAINER_EXITED] = TO(STARTING) | TO(RESTARTING) | TO(REMOVING),
	[CONTAINER_REMOVING] = TO(DEAD),
	[CONTAINER_DEAD] = TO(STARTING) | TO(RESTARTING) | TO(REMOVING),
};

static const char *const state_names[CONTAINER_STATES] = {
	[CONTAINER_CREATED] = "created",
	[CONTAINER_STARTING] = "running",
	[CONTAINER_RUNNING] = "running",
	[CONTAINER_PAUSED] = "paused",
	[CONTAINER_STOPPING] = "running",
	[CONTAINER_RESTARTING] = "restarting",
	[CONTAINER_EXITED] = "exited",
	[CONTAINER_REMOVING] = "removing",
	[CONTAINER_DEAD] = "dead",
};

/* As records have it; the order is the enum's. */
static const char *const stored_state_names[CONTAINER_STATES] = {
	[CONTAINER_CREATED] = "created",
	[CONTAINER_STARTING] = "starting",
	[CONTAINER_RUNNING] = "running",
	[CONTAINER_PAUSED] = "paused",
	[CONTAINER_STOPPING] = "stopping",
	[CONTAINER_RESTARTING] = "restarting",
	[CONTAINER_EXITED] = "exited",
	[CONTAINER_REMOVING] = "removing",
	[CONTAINER_DEAD] = "dead",
};

const Field container_record_fields[] = {
	{.name = "name", .kind = FIELD_STRING, .offset = offsetof(ContainerRecord, name), .required = true},
	{.name = "imageId", .kind = FIELD_STRING, .offset = offsetof(ContainerRecord, image_id), .required = true},
	{.name = "state",
		.kind = FIELD_ENUM,
		.offset = offsetof(ContainerRecord, state),
		.names = stored_state_names,
		.name_count = CONTAINER_STATES,
		.required = true},
	{.name = "pid", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, pid), .omit_empty = true},
	{.name = "exitCode", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, exit_code), .omit_empty = true},
	{.name = "oomKilled", .kind = FIELD_BOOL, .offset = offsetof(ContainerRecord, oom_killed), .omit_empty = true},
	{.name = "error", .kind = FIELD_STRING, .offset = offsetof(ContainerRecord, error), .omit_empty = true},
	{.name = "createdNs", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, created_ns)},
	{.name = "startedNs", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, started_ns), .omit_empty = true},
	{.name = "finishedNs", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, finished_ns), .omit_empty = true},
	{.name = "restartCount",
		.kind = FIELD_INT,
		.offset = offsetof(ContainerRecord, restart_count),
		.omit_empty = true},
	{.name = "run", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, run), .omit_empty = true},
	{.name = "bootId", .kind = FIELD_STRING, .offset = offsetof(ContainerRecord, boot_id), .omit_empty = true},
	{.name = "userStopped",
		.kind = FIELD_BOOL,
		.offset = offsetof(ContainerRecord, user_stopped),
		.omit_empty = true},
	{.name = "stoppedFor",
		.kind = FIELD_STRING,
		.offset = offsetof(ContainerRecord, stopped_for),
		.omit_empty = true},
	{.name = "setAside", .kind = FIELD_BOOL, .offset = offsetof(ContainerRecord, set_aside), .omit_empty = true},
	{.name = "stopRun", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, stop_run), .omit_empty = true},
	{.name = "stopSignal", .kind = FIELD_INT, .offset = offsetof(ContainerRecord, stop_signal), .omit_empty = true},
	{.name = "stopDeadlineNs",
		.kind = FIELD_INT,
		.offset = offsetof(ContainerRecord, stop_deadline_ns),
		.omit_empty = true},
	{.name = "startAgain",
		.kind = FIELD_BOOL,
		.offset = offsetof(ContainerRecord, start_again),
		.omit_empty = true},
	{.name = "imageDigests",
		.kind = FIELD_STRINGS,
		.offset = offsetof(ContainerRecord, image_digests),
		.omit_empty = true},
	{.name = "spec",
		.kind = FIELD_OBJECT,
		.offset = offsetof(ContainerRecord, spec),
		.sub = container_spec_fields,
		.sub_size = sizeof(ContainerSpec),
		.required = true},
	FIELDS_END,
};

const char *container_state_name(ContainerState state)
{
	return state_names[state];
}

bool container_is_live(const Container *container)
{
	return container->state == CONTAINER_STARTING || container->state == CONTAINER_RUNNING ||
	       container->state == CONTAINER_PAUSED || container->state == CONTAINER_STOPPING;
}

void container_move(Container *container, ContainerState next)
{
	if (container->state == next)
		return;
	assert(edges[container->state] & (1u << next));
	container->state = next;
}

/* A start that is under way is no fact yet: the record keeps what was true before it, and the shim's own files tell the
 * rest (restore.c). */
static void record_facts(Container *container, Buffer *text)
{
	ContainerRecord facts = container->record; /* lends its strings */
	Writer writer;

	if (container->state == CONTAINER_STARTING)
		facts.run -= !container->launch_when_gone;
	else
		facts.state = container->record.state = container->state;
	writer_init(&writer, text);
	fields_write(container_record_fields, &facts, &writer, NULL);
}

fallible container_save(Container *container)
{
	autoclear(Buffer) text = {0};

	record_facts(container, &text);
	return record_put(
		container->engine->store, "container", container->id, container->record.name, buffer_text(&text));
}

void container_save_or_log(Container *container)
{
	Error *error = container_save(container);

	if (error)
		error_log(error, "container \"%s\"", container->record.name);
}

void container_event(Container *container, const char *action, const char *key, const char *value)
{
	autoclear(StringMap) own = {0};

	if (key)
		map_set(&own, key, value);
	container_event_with(container, action, &own);
}

void container_event_with(Container *container, const char *action, const StringMap *own)
{
	autoclear(StringMap) extra = {0};

	map_set(&extra, "image",
		container->record.spec.image ? container->record.spec.image : container->record.image_id);
	map_set(&extra, "name", container->record.name);
	for (size_t i = 0; i < own->count; i++)
		map_set(&extra, own->items[i].key, own->items[i].value);
	event_emit_labels(
		container->engine, "container", action, container->id, &container->record.spec.labels, &extra);
}
