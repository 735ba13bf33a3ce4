// SPDX-License-Identifier: Apache-2.0
#include "device/service_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/lease.h"
#include "device/snapshots.h"
#include "device/watch.h"
#include "engine/enforcement.h"
#include "oci/digest.h"
#include "policy/policy.h"

enum { REVISION_LENGTH = 16 };

/* While the file does not say what holds: a file system that is mounted over its directory makes no event. */
#define LOOK_AGAIN_NS (5 * NANOS_PER_SECOND)

struct ServiceFile {
	Engine *engine;
	char *path, *kept_path; /* the file; the copy of the last good one */
	Service options;
	char *revision;
	char *problem;
	char *stand_in;  /* what holds where neither file nor copy can be read; NULL: one of them does */
	bool is_closed;  /* that is: nothing may start */
	bool is_new;     /* nothing has been in force on this device yet, as far as can be told */
	bool is_missing; /* the file, when it was looked at last */
	char *seen;      /* digest of the file when it was read last; NULL: it was not there */
	StringList pinned;
	size_t pinned_count;
	Watch *watch; /* of the file's directory */
	LoopHandler *changed;
	void *changed_arg;
};

/* ---- what holds ---- */

static void write_json(Buffer *out, const Service *options)
{
	autoptr(Value) value = service_value(options);

	value_write(value, out);
}

static char *revision_of(const Service *options)
{
	autoclear(Buffer) json = {0};
	Digest digest;

	write_json(&json, options);
	digest_of(&digest, json.data, json.length);
	return mem_strndup(digest_hex(&digest), REVISION_LENGTH);
}

static fallible put_in_force(ServiceFile *file, const Service *options, const StringList *pinned)
{
	autoptr(Policy) policy = NULL;
	autoclear(StringList) digests = {0};

	TRY(policy_new(&policy, &options->enforcement, pinned));
	TRY(allowlist_read(&digests, pinned));
	if (options != &file->options)
		service_copy(&file->options, options);
	if (pinned != &file->pinned)
		strings_copy(&file->pinned, pinned);
	file->pinned_count = digests.count;
	free(file->revision);
	file->revision = revision_of(&file->options);
	engine_set_policy(file->engine, take(policy));
	return NULL;
}

void service_file_on_change(ServiceFile *file, LoopHandler *handler, void *arg)
{
	file->changed = handler;
	file->changed_arg = arg;
}

/* The copy is what a damaged file is read for; it is written when it says something else by now. */
static void keep(const ServiceFile *file)
{
	autoclear(Buffer) json = {0};
	autofree char *kept = NULL;
	Error *error = NULL;

	write_json(&json, &file->options);
	if (file_exists(AT_FDCWD, file->kept_path))
		error_free(
			file_read(&kept, NULL, AT_FDCWD, file->kept_path, SERVICE_MAX)); /* then it is written anew */
	if (string_equal(kept, buffer_text(&json)))
		return;
	error = fault("device.service.keep");
	if (!error)
		error = file_replace_durable(AT_FDCWD, file->kept_path, json.data, json.length, 0600);
	if (error)
		error_log(error, "\"%s\" is not kept for the day on which it is damaged", file->path);
}

/* ---- the file ---- */

/* *ret stays NULL where there is no file. One without a byte is what a power cut leaves of one, or the beginning of a
 * new one, and says no more than that. */
static fallible read_file(char **ret, size_t *ret_length, const char *path)
{
	autofree char *text = NULL;
	struct stat status;
	autofd fd = -1;

	if (lstat(path, &status) < 0 && errno == ENOENT)
		return NULL;
	TRY(file_open(&fd, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0));
	if (file_is_being_written(fd))
		return error_new(ERROR_UNAVAILABLE, "it is being written");
	TRY(file_read_fd(&text, ret_length, fd, path, SERVICE_MAX));
	if (!*ret_length)
		return error_new(ERROR_INVALID, "it is empty");
	*ret = take(text);
	return NULL;
}

static void note_seen(ServiceFile *file, const char *text, size_t length)
{
	Digest digest;

	if (!text) {
		string_replace(&file->seen, NULL);
		return;
	}
	digest_of(&digest, text, length);
	string_replace(&file->seen, digest.text);
}

static bool is_seen(const ServiceFile *file, const char *text, size_t length)
{
	Digest digest;

	if (!text || !file->seen)
		return !text && !file->seen;
	digest_of(&digest, text, length);
	return string_equal(file->seen, digest.text);
}

static fallible use_text(ServiceFile *file, const char *text, size_t length)
{
	autoclear(Service) options;

	service_init(&options);
	if (text)
		TRY(service_parse(&options, text, length));
	return put_in_force(file, &options, &file->pinned);
}

/* There was a file, whatever it said: a copy without a byte keeps the next start from being the first one. */
static void end_newness(ServiceFile *file)
{
	Error *error = file_replace_durable(AT_FDCWD, file->kept_path, "", 0, 0600);

	file->is_new = false;
	if (error)
		error_log(error, "\"%s\"", file->kept_path);
}

/* What was in force stays. */
static void report(ServiceFile *file, Error *take_error)
{
	autofree char *reason = error_text(take_error);
	autofree char *text = file->stand_in ? string_printf("%s; %s", reason, file->stand_in) : mem_strdup(reason);

	error_free(take_error);
	if (file->is_new)
		end_newness(file);
	watch_again(file->watch, LOOK_AGAIN_NS);
	if (string_equal(file->problem, text))
		return;
	log_error("service options \"%s\": %s%s", file->path, text,
		file->stand_in ? "" : "; what was in force before stays so");
	string_replace(&file->problem, text);
}

/* The file says what holds. before: the revision until now. */
static void settle(ServiceFile *file, const char *before)
{
	bool is_other = file->is_closed || !string_equal(before, file->revision);

	string_replace(&file->problem, NULL);
	string_replace(&file->stand_in, NULL);
	file->is_closed = file->is_new = false;
	keep(file);
	if (is_other && file->changed)
		file->changed(file->changed_arg);
}

static char *directory_of(const ServiceFile *file)
{
	size_t length = (size_t)(strrchr(file->path, '/') - file->path);

	return mem_strndup(file->path, length ? length : 1);
}

static bool is_default(const Service *options)
{
	autoclear(Service) nothing;

	service_init(&nothing);
	return service_equal(options, &nothing);
}

/* Silence ends no enforcement: neither a file that was taken away, nor a file system that is not mounted. */
static fallible check_missing(const ServiceFile *file)
{
	if (file->is_new || is_default(&file->options))
		return NULL;
	return error_new(ERROR_UNAVAILABLE, "it is not there");
}

void service_file_look(ServiceFile *file)
{
	autofree char *text = NULL, *before = mem_strdup(file->revision);
	size_t length = 0;
	Error *error = read_file(&text, &length, file->path);

	file->is_missing = !error && !text;
	if (file->is_missing)
		error = check_missing(file);
	if (!error && is_seen(file, text, length) && !file->problem)
		return;
	if (!error) {
		note_seen(file, text, length);
		error = use_text(file, text, length);
	}
	if (error)
		report(file, error);
	else
		settle(file, before);
}

/* ---- life ---- */

static void look_again(void *arg)
{
	service_file_look(arg);
}

static fallible watch_file(ServiceFile *file)
{
	autofree char *directory = directory_of(file);

	TRY(watch_new(&file->watch, engine_loop(file->engine), look_again, file));
	watch_add(file->watch, directory);
	return NULL;
}

/* What held last, until the file has been read. *ret: there is such a copy. */
static fallible begin_with_kept(ServiceFile *file, bool *ret)
{
	autofree char *text = NULL;
	size_t length = 0;

	*ret = file_exists(AT_FDCWD, file->kept_path);
	if (!*ret)
		return NULL;
	TRY(read_file(&text, &length, file->kept_path));
	return use_text(file, text, length);
}

/* The newest one that has options: one of a time at which nobody knew them has none. One that is damaged may have
 * others than those before it. */
static fallible find_snapshot(Value **ret, const Snapshots *snapshots)
{
	for (int64_t number = snapshots_newest(snapshots); number; number = snapshots_before(snapshots, number)) {
		autoptr(Value) snapshot = NULL;
		TRY(snapshots_get(&snapshot, snapshots, number));
		if (!value_path(snapshot, "content.service"))
			continue;
		*ret = take(snapshot);
		return NULL;
	}
	return error_new(ERROR_NOT_FOUND, "there is no snapshot with options of the service");
}

static fallible use_newest_snapshot(ServiceFile *file, const Snapshots *snapshots)
{
	autoptr(Value) snapshot = NULL;
	autoclear(Service) options;

	service_init(&options);
	TRY(find_snapshot(&snapshot, snapshots));
	TRY(service_read(&options, value_path(snapshot, "content.service")));
	TRY(put_in_force(file, &options, &file->pinned));
	file->stand_in =
		string_printf("its last good copy cannot be read either, so that what snapshot %lld has of it holds",
			(long long)value_int(value_get(snapshot, "number"), 0));
	return NULL;
}

/* No image comes from an allowed registry, nor from none: a rule, since rules remove nothing. What runs was allowed. */
static fallible close_door(ServiceFile *file, Error *take_reason)
{
	static const char nothing[] = "{\"enforcement\": {\"rules\": {\"registries\": {\"mode\": \"deny\"}}}}";

	file->stand_in =
		string_printf("its last good copy and snapshots cannot be read either (%s), so that nothing may start",
			error_message(take_reason));
	error_free(take_reason); /* kept as text */
	file->is_closed = true;
	return use_text(file, nothing, strlen(nothing));
}

static fallible stand_in_steps(ServiceFile *file, bool is_kept, const char *directory)
{
	autofree char *path = path_join(directory, "snapshots");
	autoptr(Snapshots) snapshots = NULL;

	TRY(snapshots_new(&snapshots, path));
	file->is_new = !is_kept && !snapshots_newest(snapshots);
	return use_newest_snapshot(file, snapshots);
}

/* What is enforced is not known: that is no reason to enforce nothing. */
static fallible stand_in(ServiceFile *file, bool is_kept, const char *directory)
{
	Error *error = stand_in_steps(file, is_kept, directory);

	return error ? close_door(file, error) : NULL;
}

static fallible begin(ServiceFile *file, const char *directory)
{
	bool is_kept = false;
	Error *error = begin_with_kept(file, &is_kept);

	if (!error && is_kept)
		return NULL;
	if (error)
		error_log(error, "the last good service options, \"%s\"", file->kept_path);
	return stand_in(file, is_kept, directory);
}

fallible service_file_open(ServiceFile **ret, Engine *engine, const char *path)
{
	autoptr(ServiceFile) file = mem_new(ServiceFile);
	autofree char *directory = path_join(engine_config(engine)->root, "declared");

	file->engine = engine;
	file->path = mem_strdup(path);
	file->kept_path = path_join(directory, "service.json");
	TRY(dir_make_all(AT_FDCWD, directory, 0700));
	TRY(begin(file, directory));
	TRY(watch_file(file));
	string_replace(&file->seen, "nothing yet");
	service_file_look(file);
	*ret = take(file);
	return NULL;
}

ServiceFile *service_file_close(ServiceFile *file)
{
	if (!file)
		return NULL;
	watch_free(file->watch);
	service_clear(&file->options);
	strings_clear(&file->pinned);
	free(file->path);
	free(file->kept_path);
	free(file->revision);
	free(file->problem);
	free(file->stand_in);
	free(file->seen);
	free(file);
	return NULL;
}

const Service *service_file_options(const ServiceFile *file)
{
	return &file->options;
}

const char *service_file_revision(const ServiceFile *file)
{
	return file->revision;
}

const char *service_file_problem(const ServiceFile *file)
{
	return file->problem;
}

bool service_file_is_closed(const ServiceFile *file)
{
	return file->is_closed;
}

const char *service_file_path(const ServiceFile *file)
{
	return file->path;
}

const StringList *service_file_pinned(const ServiceFile *file)
{
	return &file->pinned;
}

size_t service_file_pinned_count(const ServiceFile *file)
{
	return file->pinned_count;
}

/* ---- changing it ---- */

fallible service_file_begin_change(const Service **ret, ServiceFile *file)
{
	service_file_look(file);
	if (file->problem && (file->is_closed || !file->is_missing))
		return error_hint(error_new(ERROR_CONFLICT, "service options \"%s\" cannot be changed in part: %s",
					  file->path, file->problem),
			"mend the file, or PUT all of them");
	*ret = &file->options;
	return NULL;
}

static fallible write_file(ServiceFile *file, const Service *options)
{
	autoclear(Buffer) text = {0};
	autoclear(Service) again;
	autoptr(Value) value = service_value(options);
	autofree char *directory = directory_of(file);

	service_init(&again);
	value_write_yaml(value, &text);
	TRY(service_parse(&again, text.data, text.length)); /* what is written can be read */
	TRY(fault("device.service.write"));
	TRY(dir_make_all(AT_FDCWD, directory, 0755));
	TRY(file_replace_durable(AT_FDCWD, file->path, text.data, text.length, 0600));
	note_seen(file, text.data, text.length);
	file->is_missing = false;
	return NULL;
}

/* The file first: what is in force without being on disk would be gone after a power cut. */
fallible service_file_change(ServiceFile *file, const Service *options, const char *revision)
{
	autofree char *before = NULL;

	service_file_look(file);
	if (revision && !string_equal(revision, file->revision))
		return error_new(ERROR_STALE,
			"the service's options were changed meanwhile: they are at revision \"%s\" by now",
			file->revision);
	TRY_WRAP(write_file(file, options), "could not write the service's options");
	before = mem_strdup(file->revision);
	TRY(put_in_force(file, options, &file->pinned));
	settle(file, before);
	return NULL;
}

fallible service_file_set_pinned(ServiceFile *file, const StringList *pinned)
{
	return put_in_force(file, &file->options, pinned);
}
