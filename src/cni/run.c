// SPDX-License-Identifier: Apache-2.0
#include "cni/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "cni/plugin.h"

#define LOCK_RETRY (20 * NANOS_PER_MILLI)

struct CniRun {
	CniPlace place;
	char *path; /* CNI_PATH */
	CniRecord record;
	CniNetwork *network;
	CniCommand command; /* of the plugin that is next, or at work */
	int64_t step;       /* its index */
	bool has_remains;   /* a plugin did not undo its part */
	int namespace_fd;   /* ours; -1: it is gone */
	struct Wanted {     /* what is to be added when the remains of an earlier run are undone */
		CniRecord record;
		CniNetwork *network;
		bool waits;
	} wanted;
	Error *error; /* the first */
	CniResult result;
	int lock; /* -1: none */
	bool needs_lock, waits_for_lock;
	int64_t lock_until_ns;
	CniPlugin *plugin;
	Source *beginning; /* nothing is told inside the call that begins it */
	CniDone *done;
	void *arg;
};

static void go_on(CniRun *run);

/* ---- the namespace's path ---- */

/* Plugins compare the path that CHECK gives them with ADD's: it stays, and is a link to what we hold open. It is there
 * only meanwhile: a link to a process that has ended could lead into a namespace of somebody else. */
static fallible show_namespace(const CniRun *run)
{
	const char *path = run->record.attachment.namespace;
	autofree char *target = string_printf("/proc/%d/fd/%d", (int)getpid(), run->namespace_fd);

	TRY(file_unlink(AT_FDCWD, path));
	if (run->namespace_fd >= 0 && symlink(target, path) < 0)
		return error_errno(errno, "could not make link \"%s\"", path);
	return NULL;
}

static void hide_namespace(const CniRun *run)
{
	const char *path = run->record.attachment.namespace;
	Error *error = path ? file_unlink(AT_FDCWD, path) : NULL;

	if (error)
		error_log(error, "link of a namespace");
}

/* ---- the end ---- */

static void note(CniRun *run, Error *take_error)
{
	if (!run->error)
		run->error = take_error;
	else if (take_error)
		error_log(take_error, "CNI network \"%s\"", run->network->name);
}

static void finish(CniRun *run)
{
	bool has_result = run->command == CNI_ADD && !run->error;

	hide_namespace(run);
	cni_record_unlock(&run->lock);
	run->done(run->arg, take(run->error), has_result ? &run->result : NULL);
}

/* ---- ADD ---- */

static fallible check_given(const CniRun *run)
{
	const CniAttachment *wanted = &run->record.attachment;

	for (size_t i = 0; i < wanted->addresses.count; i++) {
		autofree char *bare = mem_strndup(wanted->addresses.items[i], strcspn(wanted->addresses.items[i], "/"));
		if (!cni_result_has_address(&run->result, bare))
			return error_new(ERROR_INVALID, "network \"%s\" did not give the address \"%s\"",
				run->network->name, bare);
	}
	const char *mac = cni_result_mac(&run->result, wanted->interface);
	if (!string_empty(wanted->mac) && (!mac || strcasecmp(mac, wanted->mac) != 0))
		return error_new(ERROR_INVALID, "network \"%s\" did not give the MAC address \"%s\"",
			run->network->name, wanted->mac);
	return NULL;
}

static fallible keep_result(CniRun *run, const char *output, size_t length)
{
	const char *type = cni_network_type(run->network, (size_t)run->step);

	cni_result_clear(&run->result);
	TRY_WRAP(cni_result_parse(&run->result, output, length), "result of plugin \"%s\"", type);
	value_free(run->record.result);
	run->record.result = cni_result_as(run->result.document, run->network->version);
	return NULL;
}

static void undo(CniRun *run, Error *take_error)
{
	note(run, take_error);
	run->command = CNI_DEL;
	run->step = run->record.begun - 1;
}

static fallible begin_add(CniRun *run)
{
	run->record.begun = run->step + 1;
	TRY(cni_record_write(&run->record, run->place.records));
	return fault("cni.add.recorded");
}

static fallible end_of_add(CniRun *run)
{
	TRY(check_given(run));
	run->record.is_whole = true;
	return cni_record_write(&run->record, run->place.records);
}

static void added(CniRun *run, Error *take_error, const char *output, size_t length)
{
	Error *error = take_error ? take_error : keep_result(run, output, length);

	if (!error && ++run->step == (int64_t)run->network->plugin_count)
		error = end_of_add(run);
	if (!error)
		error = fault("cni.add.plugin");
	if (error)
		undo(run, error);
}

/* ---- DEL ---- */

static void deleted(CniRun *run, Error *take_error)
{
	run->has_remains |= take_error != NULL;
	note(run, take_error);
	run->step--;
}

static void end_of_del(CniRun *run)
{
	const CniAttachment *attachment = &run->record.attachment;

	if (!run->has_remains && attachment->container)
		note(run, cni_record_remove(run->place.records, attachment->container, attachment->interface));
}

/* The remains of an earlier run are gone, as far as they went: of what they still hold the plugins will tell. */
static void begin_wanted(CniRun *run)
{
	if (run->error)
		error_log(take(run->error), "CNI network \"%s\": what an earlier start has left", run->network->name);
	cni_record_clear(&run->record);
	cni_network_free(run->network);
	run->record = run->wanted.record;
	run->network = run->wanted.network;
	run->wanted = (struct Wanted){.waits = false};
	run->has_remains = false;
	run->command = CNI_ADD;
	run->step = 0;
}

/* ---- CHECK and VERSION ---- */

static fallible check_version(const CniRun *run, const char *output, size_t length)
{
	const char *type = cni_network_type(run->network, (size_t)run->step);
	autofree char *versions = NULL;
	bool has = false;

	TRY_WRAP(cni_versions_parse(&has, &versions, output, length, run->network->version), "plugin \"%s\"", type);
	if (has)
		return NULL;
	return error_new(ERROR_UNSUPPORTED, "plugin \"%s\" speaks %.300s, and not the %s of \"%s\"", type, versions,
		run->network->version, run->network->file);
}

static void checked(CniRun *run, Error *take_error)
{
	note(run, take_error);
	run->step++;
}

/* ---- one plugin after another ---- */

static void on_plugin(void *arg, Error *take_error, const char *output, size_t length)
{
	CniRun *run = arg;
	CniPlugin *plugin = take(run->plugin);
	Error *error = take_error;

	if (run->command == CNI_VERSION && !error)
		error = check_version(run, output, length);
	if (run->command == CNI_ADD)
		added(run, error, output, length);
	else if (run->command == CNI_DEL)
		deleted(run, error);
	else
		checked(run, error);
	cni_plugin_free(plugin);
	go_on(run);
}

/* Before 0.4.0 DEL was told nothing. */
static const Value *previous_result(const CniRun *run)
{
	if (run->command == CNI_VERSION || (run->command == CNI_DEL && !cni_network_has_check(run->network)))
		return NULL;
	return run->record.result;
}

static fallible start_plugin(CniRun *run)
{
	size_t index = (size_t)run->step;
	autoclear(StringList) environment = {0};
	autofree char *input = cni_request_write(run->network, index, &run->record.attachment, previous_result(run));

	cni_request_environment(&environment, run->command, run->network, &run->record.attachment, run->path);
	const CniCall call = {
		.type = cni_network_type(run->network, index),
		.directories = run->place.directories,
		.input = input,
		.environment = &environment,
		.lock = run->lock,
		.timeout_ns = run->place.timeout_ns,
	};
	log_debug("CNI network \"%s\": %s of plugin \"%s\"", run->network->name, cni_command_name(run->command),
		call.type);
	return cni_plugin_start(&run->plugin, run->place.loop, &call, on_plugin, run);
}

static bool has_step(const CniRun *run)
{
	bool has_given_up = run->command == CNI_CHECK && run->error;

	return !has_given_up && run->network && run->step >= 0 && run->step < (int64_t)run->network->plugin_count;
}

static fallible step(CniRun *run)
{
	if (run->command == CNI_ADD)
		TRY(begin_add(run));
	return start_plugin(run);
}

/* Of a plugin that could not even be started. */
static void failed(CniRun *run, Error *take_error)
{
	if (run->command == CNI_ADD)
		undo(run, take_error);
	else if (run->command == CNI_DEL)
		deleted(run, take_error);
	else
		checked(run, take_error);
}

static bool start_next(CniRun *run)
{
	while (has_step(run)) {
		Error *error = step(run);
		if (!error)
			return true;
		failed(run, error);
	}
	return false;
}

/* Until a plugin is at work, or all is done. */
static void go_on(CniRun *run)
{
	if (start_next(run))
		return;
	if (run->command == CNI_DEL)
		end_of_del(run);
	if (run->wanted.waits) {
		begin_wanted(run);
		go_on(run);
	} else {
		finish(run);
	}
}

/* ---- the beginning ---- */

static fallible take_lock(CniRun *run)
{
	const CniAttachment *attachment = &run->record.attachment;

	if (!run->needs_lock || run->lock >= 0)
		return NULL;
	return cni_record_lock(&run->lock, run->place.records, attachment->container, attachment->interface);
}

static fallible prepare(CniRun *run)
{
	TRY(take_lock(run));
	return run->record.attachment.namespace ? show_namespace(run) : NULL;
}

/* A plugin of a kedged that died may still be at work: DEL beside it would undo too little. */
static void begin(void *arg)
{
	CniRun *run = arg;
	Error *error = prepare(run);

	if (error && error_number(error) == EWOULDBLOCK && clock_monotonic_ns() < run->lock_until_ns) {
		if (!run->waits_for_lock)
			log_info("CNI network \"%s\" waits for a plugin that is still at work", run->network->name);
		run->waits_for_lock = true;
		error_free(error); /* it passes */
		source_rearm(run->beginning, LOCK_RETRY);
	} else if (error) {
		note(run, error);
		finish(run);
	} else {
		go_on(run);
	}
}

static fallible run_start(CniRun *run)
{
	run->lock_until_ns = clock_monotonic_ns() + run->place.timeout_ns;
	return loop_timer(&run->beginning, run->place.loop, 0, begin, run);
}

static CniRun *run_new(const CniPlace *place, CniCommand command, CniDone *done, void *arg)
{
	CniRun *run = mem_new(CniRun);

	run->place = *place;
	run->path = strings_join(place->directories, ":");
	run->command = command;
	run->lock = run->namespace_fd = -1;
	run->done = done;
	run->arg = arg;
	return run;
}

static fallible hold_namespace(CniRun *run, int namespace_fd)
{
	if (namespace_fd < 0)
		return NULL;
	run->namespace_fd = fcntl(namespace_fd, F_DUPFD_CLOEXEC, 0);
	return run->namespace_fd < 0 ? error_errno(errno, "could not hold a network namespace") : NULL;
}

static fallible read_record(CniRun *run, const char *container, const char *interface)
{
	TRY(cni_record_read(&run->record, run->place.records, container, interface));
	return cni_record_network(&run->network, &run->record);
}

/* What an earlier run has left comes first. */
static fallible plan_add(CniRun *run, const CniNetwork *network, const CniAttachment *attachment)
{
	CniRecord *record = &run->wanted.record;

	record->file = mem_strdup(network->file);
	record->list = value_ref(network->list);
	fields_copy(cni_attachment_fields, &record->attachment, attachment);
	TRY(cni_record_network(&run->wanted.network, record));
	run->wanted.waits = true;
	TRY(dir_make_all(AT_FDCWD, run->place.records, 0700));
	if (!cni_record_exists(run->place.records, attachment->container, attachment->interface)) {
		begin_wanted(run);
		return NULL;
	}
	TRY(read_record(run, attachment->container, attachment->interface));
	run->command = CNI_DEL;
	run->step = run->record.begun - 1;
	return NULL;
}

fallible cni_add(CniRun **ret, const CniPlace *place, const CniNetwork *network, const CniAttachment *attachment,
	int namespace_fd, CniDone *done, void *arg)
{
	autoptr(CniRun) run = run_new(place, CNI_ADD, done, arg);

	TRY(cni_request_check(network, attachment));
	TRY(hold_namespace(run, namespace_fd));
	TRY(plan_add(run, network, attachment));
	run->needs_lock = true;
	TRY(run_start(run));
	*ret = take(run);
	return NULL;
}

fallible cni_check(CniRun **ret, const CniPlace *place, const char *container, const char *interface, int namespace_fd,
	CniDone *done, void *arg)
{
	autoptr(CniRun) run = run_new(place, CNI_CHECK, done, arg);

	TRY(hold_namespace(run, namespace_fd));
	TRY(read_record(run, container, interface));
	if (!run->record.is_whole)
		return error_new(ERROR_CONFLICT, "network \"%s\" was not added whole", run->network->name);
	if (!cni_network_has_check(run->network) || run->network->disables_check)
		run->step = (int64_t)run->network->plugin_count;
	TRY(run_start(run));
	*ret = take(run);
	return NULL;
}

fallible cni_del(CniRun **ret, const CniPlace *place, const char *container, const char *interface, int namespace_fd,
	CniDone *done, void *arg)
{
	autoptr(CniRun) run = run_new(place, CNI_DEL, done, arg);

	TRY(hold_namespace(run, namespace_fd));
	if (cni_record_exists(place->records, container, interface)) {
		TRY(read_record(run, container, interface));
		run->step = run->record.begun - 1;
		run->needs_lock = true;
	}
	TRY(run_start(run));
	*ret = take(run);
	return NULL;
}

fallible cni_verify(CniRun **ret, const CniPlace *place, const CniNetwork *network, CniDone *done, void *arg)
{
	autoptr(CniRun) run = run_new(place, CNI_VERSION, done, arg);

	TRY(cni_network_new(&run->network, network->file, network->list));
	TRY(run_start(run));
	*ret = take(run);
	return NULL;
}

CniRun *cni_run_free(CniRun *run)
{
	if (!run)
		return NULL;
	source_free(run->beginning);
	cni_plugin_free(run->plugin);
	cni_record_clear(&run->record);
	cni_record_clear(&run->wanted.record);
	cni_network_free(run->network);
	cni_network_free(run->wanted.network);
	cni_result_clear(&run->result);
	error_free(run->error);
	close_fd(&run->lock);
	close_fd(&run->namespace_fd);
	free(run->path);
	free(run);
	return NULL;
}
