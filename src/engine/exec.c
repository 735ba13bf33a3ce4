// SPDX-License-Identifier: Apache-2.0
#include "engine/exec.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/admission.h"
#include "engine/exec_internal.h"

#define KEPT_NS (5 * 60 * NANOS_PER_SECOND)   /* how long an end is remembered, as Docker does */
#define FILES_KEPT_NS (10 * NANOS_PER_SECOND) /* how long the next kedged would find it: tmpfs is memory */
#define FORGET_EVERY_NS (5 * NANOS_PER_SECOND)

enum { RECORD_MAX = 4 << 20 };

static const char record_name[] = "exec.json";

#define PART(key, type, member)                                                                                        \
	{                                                                                                              \
		.name = (key), .kind = (type), .offset = offsetof(ExecSpec, member), .omit_empty = true                \
	}

const Field exec_spec_fields[] = {
	PART("command", FIELD_STRINGS, command),
	PART("env", FIELD_STRINGS, env),
	PART("user", FIELD_STRING, user),
	PART("workdir", FIELD_STRING, workdir),
	PART("tty", FIELD_BOOL, tty),
	PART("privileged", FIELD_BOOL, privileged),
	PART("attachStdin", FIELD_BOOL, attach_stdin),
	PART("attachStdout", FIELD_BOOL, attach_stdout),
	PART("attachStderr", FIELD_BOOL, attach_stderr),
	PART("detachKeys", FIELD_STRING, detach_keys),
	PART("consoleRows", FIELD_INT, console_rows),
	PART("consoleColumns", FIELD_INT, console_columns),
	FIELDS_END,
};

void exec_spec_clear(ExecSpec *spec)
{
	fields_clear(exec_spec_fields, spec);
}

/* ---- life ---- */

Exec *exec_new(Container *container, const char *id)
{
	Exec *exec = mem_new(Exec);

	exec->references = 1;
	exec->engine = container->engine;
	exec->container = container;
	strncpy(exec->id, id, sizeof(exec->id) - 1);
	exec->directory = string_printf("%s/execs/%s", container->bundle, exec->id);
	list_init(&exec->starts);
	list_append(&container->execs, &exec->link);
	table_set(container->engine->execs, exec->id, exec);
	return exec;
}

static void exec_free(void *object)
{
	Exec *exec = object;

	shim_free(exec->shim);
	shim_free(exec->follower);
	exec_spec_clear(&exec->spec);
	free(exec->directory);
	free(exec);
}

Exec *exec_ref(Exec *exec)
{
	exec->references++;
	return exec;
}

Exec *exec_unref(Exec *exec)
{
	if (exec && --exec->references == 0)
		loop_defer_free(exec->engine->loop, exec_free, exec);
	return NULL;
}

void exec_drop_files(Exec *exec)
{
	if (exec->on_disk && !exec->engine->closing)
		error_free(tree_remove(AT_FDCWD, exec->directory)); /* what stays goes with the container's run */
	exec->on_disk = false;
}

static Error *gone(const Exec *exec)
{
	return error_new(ERROR_NOT_FOUND, "No such exec instance: %s", exec->id);
}

/* Who waits for its start, or holds it for another reason, is told. */
void exec_drop(Exec *exec)
{
	Error *error = gone(exec);

	table_remove(exec->engine->execs, exec->id);
	list_remove(&exec->link);
	exec_drop_files(exec);
	exec->container = NULL;
	exec->shim = shim_free(exec->shim);
	completions_finish(&exec->starts, error);
	exec_follow_end(exec);
	error_free(error); /* each had a copy */
	exec_unref(exec);
}

/* ---- create ---- */

fallible exec_check_container(const Exec *exec)
{
	const Container *container = exec->container;

	if (!container)
		return gone(exec);
	if (container->state == CONTAINER_RESTARTING)
		return error_new(ERROR_CONFLICT, "Container %s is restarting, wait until the container is running",
			container->id);
	if (!container->shim || !container->record.pid || !container_is_live(container))
		return error_new(ERROR_CONFLICT, "Container %s is not running", container->id);
	if (container->state == CONTAINER_PAUSED)
		return error_new(
			ERROR_CONFLICT, "Container %s is paused, unpause the container before exec", container->id);
	return NULL;
}

static size_t count_of(const Container *container)
{
	size_t count = 0;

	list_each(&container->execs, Exec, link, exec)
		count++;
	return count;
}

/* Who still reads what it has said keeps it. */
static bool may_be_forgotten(const Exec *exec)
{
	return exec->state == EXEC_ENDED && !exec->is_followed;
}

/* Of the container, the first that was made. */
static bool forget_one(Container *container)
{
	list_each(&container->execs, Exec, link, exec) {
		if (!may_be_forgotten(exec))
			continue;
		exec_drop(exec);
		return true;
	}
	return false;
}

static bool forget_one_of_any(Engine *engine)
{
	list_each(&engine->container_order, Container, link, container)
		if (forget_one(container))
			return true;
	return false;
}

/* What has ended gives way, whosever it was. */
static fallible check_room(Container *container)
{
	while (count_of(container) >= EXECS_PER_CONTAINER_MAX)
		if (!forget_one(container))
			return error_new(ERROR_CONFLICT, "container \"%s\" has %d commands that have not ended",
				container->record.name, EXECS_PER_CONTAINER_MAX);
	while (table_count(container->engine->execs) >= EXECS_MAX)
		if (!forget_one_of_any(container->engine))
			return error_new(ERROR_CONFLICT, "all containers together have %d commands that have not ended",
				EXECS_MAX);
	return NULL;
}

static fallible write_record(const Exec *exec)
{
	autofree char *path = path_join(exec->directory, record_name);
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(exec_spec_fields, &exec->spec, &writer, NULL);
	TRY(dir_make_all(AT_FDCWD, exec->directory, 0700));
	return file_replace(AT_FDCWD, path, text.data, text.length, 0600);
}

static fallible check_keys(const ExecSpec *spec)
{
	Keys keys;
	Error *error = keys_parse(&keys, spec->detach_keys);

	if (!error)
		return NULL;
	error_free(error); /* in Docker's words */
	return error_new(ERROR_INVALID, "Invalid escape keys (%.300s) provided", spec->detach_keys);
}

static fallible prepare(Exec *exec)
{
	TRY(check_keys(&exec->spec));
	TRY(exec_check_container(exec));
	TRY(admission_exec(exec->container, exec->spec.privileged));
	exec->on_disk = true;
	return write_record(exec);
}

static void take_defaults(ExecSpec *spec, const ContainerSpec *container)
{
	if (string_empty(spec->user))
		string_replace(&spec->user, container->user);
	if (string_empty(spec->workdir))
		string_replace(&spec->workdir, container->workdir);
}

fallible exec_create(Exec **ret, Container *container, const ExecSpec *spec)
{
	char id[65];

	TRY(check_room(container));
	string_random_hex(id, 64);
	Exec *exec = exec_new(container, id);
	fields_copy(exec_spec_fields, &exec->spec, spec);
	take_defaults(&exec->spec, &container->record.spec);
	Error *error = prepare(exec);
	if (error) {
		exec_drop(exec);
		return error;
	}
	exec_event(exec, "exec_create", NULL, NULL);
	*ret = exec;
	return NULL;
}

/* ---- looking ---- */

fallible exec_find(Exec **ret, Engine *engine, const char *id)
{
	Exec *exec = table_get(engine->execs, id);

	if (!exec)
		return error_new(ERROR_NOT_FOUND, "No such exec instance: %.300s", id);
	if (exec->shim)
		shim_catch_up(exec->shim);
	*ret = exec;
	return NULL;
}

void exec_view(const Exec *exec, ExecView *ret)
{
	*ret = (ExecView){
		.id = exec->id,
		.container_id = exec->container ? exec->container->id : "",
		.spec = &exec->spec,
		.state = exec->state,
		.pid = exec->pid,
		.exit_code = exec->exit_code,
	};
}

void container_exec_ids(StringList *ret, const Container *container)
{
	list_each(&container->execs, Exec, link, exec)
		if (exec->state != EXEC_ENDED)
			strings_add(ret, exec->id);
}

/* ---- events ---- */

/* "exec_create: sh -c true", as Docker writes it: with the command, and a blank behind a lonely one. */
static char *action_text(const Exec *exec, const char *action)
{
	const StringList *command = &exec->spec.command;
	autofree char *words = strings_join(command, " ");

	return string_printf("%s: %s%s", action, words, command->count == 1 ? " " : "");
}

void exec_event(Exec *exec, const char *action, const char *key, const char *value)
{
	bool has_command = string_equal(action, "exec_create") || string_equal(action, "exec_start");
	autofree char *text = has_command ? action_text(exec, action) : mem_strdup(action);
	autoclear(StringMap) own = {0};

	map_set(&own, "execID", exec->id);
	if (key)
		map_set(&own, key, value);
	container_event_with(exec->container, text, &own);
}

/* ---- forgetting ---- */

/* False: nothing of it is to be forgotten any more. */
static bool forget_if_due(Exec *exec, int64_t now_ns)
{
	if (exec->state != EXEC_ENDED)
		return false;
	if (now_ns - exec->ended_ns >= FILES_KEPT_NS)
		exec_drop_files(exec);
	if (now_ns - exec->ended_ns < KEPT_NS || !may_be_forgotten(exec))
		return true;
	exec_drop(exec);
	return false;
}

static bool forget_of(Container *container, int64_t now_ns)
{
	bool more = false;

	list_each(&container->execs, Exec, link, exec)
		more |= forget_if_due(exec, now_ns);
	return more;
}

static void forget_due(void *arg)
{
	Engine *engine = arg;
	int64_t now_ns = clock_monotonic_ns();
	bool more = false;

	list_each(&engine->container_order, Container, link, container)
		more |= forget_of(container, now_ns);
	engine->exec_forgetter = source_free(engine->exec_forgetter);
	if (more)
		execs_forget_later(engine);
}

void execs_forget_later(Engine *engine)
{
	Error *error = NULL;

	if (!engine->exec_forgetter)
		error = loop_timer(&engine->exec_forgetter, engine->loop, FORGET_EVERY_NS, forget_due, engine);
	if (error)
		error_log(error, "ended commands are remembered for longer");
}

/* One that was never started cannot be started any more; the shims of others tell of their end. */
void container_execs_end(Container *container)
{
	list_each(&container->execs, Exec, link, exec)
		if (exec->state == EXEC_CREATED)
			exec_drop(exec);
}

void container_execs_forget(Container *container)
{
	list_each(&container->execs, Exec, link, exec)
		exec_drop(exec);
}

/* ---- after a restart of kedged ---- */

static fallible read_record(Exec *exec)
{
	autofree char *path = path_join(exec->directory, record_name), *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, RECORD_MAX));
	return fields_read_text(exec_spec_fields, &exec->spec, "record", text, length, 0);
}

static void restore_end(Exec *exec, bool found, const ShimStatus *status)
{
	exec->state = EXEC_ENDED;
	exec->ended_ns = clock_monotonic_ns();
	exec->pid = found ? status->pid : 0;
	exec->exit_code = !found                               ? EXIT_SHIM_LOST
			  : status->state == SHIM_START_FAILED ? EXIT_EXEC_FAILED
							       : status->exit_code;
	execs_forget_later(exec->engine);
}

/* Its socket is there from before its shim on. */
static fallible restore_state(Exec *exec)
{
	autofree char *socket = path_join(exec->directory, "shim.sock");
	ShimStatus status;
	bool found = false;

	TRY(read_record(exec));
	TRY(shim_connect(&exec->shim, exec->engine->loop, exec->directory, &exec_shim_handlers, exec));
	if (exec->shim) {
		exec->state = EXEC_STARTING; /* its status tells more */
		return NULL;
	}
	TRY(shim_read_exit(&status, &found, exec->directory));
	if (found || file_exists(AT_FDCWD, socket))
		restore_end(exec, found, &status);
	return NULL;
}

static fallible restore_exec(void *arg, int dir_fd, const char *name, unsigned char type)
{
	Container *container = arg;

	(void)dir_fd, (void)type;
	if (strlen(name) != 64 || count_of(container) >= EXECS_PER_CONTAINER_MAX)
		return NULL;
	Exec *exec = exec_new(container, name);
	exec->on_disk = true;
	Error *error = restore_state(exec);
	if (!error)
		return NULL;
	error_log(error, "container \"%s\": a command in it is forgotten", container->record.name);
	exec_drop(exec);
	return NULL;
}

void container_execs_restore(Container *container)
{
	autofree char *directory = path_join(container->bundle, "execs");
	Error *error = file_exists(AT_FDCWD, directory) ? dir_each(AT_FDCWD, directory, restore_exec, container) : NULL;

	if (error)
		error_log(error, "container \"%s\": commands in it are forgotten", container->record.name);
}
