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

#define GONE_NS (250 * NANOS_PER_MILLI) /* so long it must be gone, to count as that */

struct ServiceFile {
	Engine *engine;
	char *path, *kept_path; /* the file; the copy of the last good one */
	Service options;
	char *revision;
	char *problem;
	char *stand_in;     /* what holds where neither file nor copy can be read; NULL: one of them does */
	bool is_closed;     /* that is: nothing may start */
	char *seen;         /* digest of the file when it was read last; NULL: it was not there */
	int64_t missing_ns; /* since when it is gone, on the monotonic clock; 0: it is there */
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
	bool is_other = options != &file->options && !service_equal(options, &file->options);

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
	if (is_other && file->changed)
		file->changed(file->changed_arg);
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

/* What was in force stays. */
static void report(ServiceFile *file, Error *take_error)
{
	autofree char *reason = error_text(take_error);
	autofree char *text = file->stand_in ? string_printf("%s; %s", reason, file->stand_in) : mem_strdup(reason);

	error_free(take_error);
	if (string_equal(file->problem, text))
		return;
	log_error("service options \"%s\": %s%s", file->path, text,
		file->stand_in ? "" : "; what was in force before stays so");
	string_replace(&file->problem, text);
}

/* The file says what holds. */
static void settle(ServiceFile *file)
{
	string_replace(&file->problem, NULL);
	string_replace(&file->stand_in, NULL);
	file->is_closed = false;
	keep(file);
}

/* Editors take a file away to write it anew: what is gone must be gone a moment later, too. */
static bool is_gone(ServiceFile *file)
{
	int64_t now = clock_monotonic_ns();

	if (!file->missing_ns)
		file->missing_ns = now;
	if (!file->seen || now - file->missing_ns >= GONE_NS * 9 / 10)
		return true;
	watch_again(file->watch, GONE_NS);
	return false;
}

static char *directory_of(const ServiceFile *file)
{
	size_t length = (size_t)(strrchr(file->path, '/') - file->path);

	return mem_strndup(file->path, length ? length : 1);
}

/* The door was closed for want of options, not for options that cannot be read: the first start ever. */
static bool is_without_past(const ServiceFile *file)
{
	return file->is_closed && !file_exists(AT_FDCWD, file->kept_path);
}

/* Nobody ends enforcement by a directory that is not mounted: without one, what has been in force is not undone. */
static fallible check_directory(const ServiceFile *file)
{
	autofree char *directory = directory_of(file);
	autoclear(Service) nothing;

	service_init(&nothing);
	if (file_exists(AT_FDCWD, directory) || service_equal(&file->options, &nothing) || is_without_past(file))
		return NULL;
	return error_new(ERROR_UNAVAILABLE, "its directory is not there");
}

static void look(ServiceFile *file, bool is_first)
{
	autofree char *text = NULL;
	size_t length = 0;
	Error *error = read_file(&text, &length, file->path);

	if (!error && !text)
		error = check_directory(file);
	if (error) {
		file->missing_ns = 0;
		report(file, error);
		return;
	}
	if (text)
		file->missing_ns = 0;
	else if (!is_first && !is_gone(file))
		return;
	if (is_seen(file, text, length) && file->revision && !file->problem)
		return;
	note_seen(file, text, length);
	error = use_text(file, text, length);
	if (error) {
		report(file, error);
		return;
	}
	settle(file);
}

void service_file_look(ServiceFile *file)
{
	look(file, false);
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

/* What held last, until the file has been read. *ret: there is such a copy, and it can be read. */
static fallible begin_with_kept(ServiceFile *file, bool *ret)
{
	autofree char *text = NULL;
	size_t length = 0;

	TRY(read_file(&text, &length, file->kept_path));
	if (text)
		TRY(use_text(file, text, length));
	*ret = text != NULL;
	return NULL;
}

static fallible use_newest_snapshot(ServiceFile *file, const char *directory)
{
	autofree char *path = path_join(directory, "snapshots");
	autoptr(Snapshots) snapshots = NULL;
	autoptr(Value) snapshot = NULL;
	autoclear(Service) options;

	service_init(&options);
	TRY(snapshots_new(&snapshots, path));
	TRY(snapshots_get(&snapshot, snapshots, 0));
	const Value *document = value_path(snapshot, "content.service");
	if (!document)
		return error_new(ERROR_NOT_FOUND, "the newest snapshot has no options of the service");
	TRY(service_read(&options, document));
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

/* What is enforced is not known: that is no reason to enforce nothing. */
static fallible stand_in(ServiceFile *file, const char *directory)
{
	Error *error = use_newest_snapshot(file, directory);

	return error ? close_door(file, error) : NULL;
}

static fallible begin(ServiceFile *file, const char *directory)
{
	bool is_kept = false;
	Error *error = begin_with_kept(file, &is_kept);

	if (error)
		error_log(error, "the last good service options, \"%s\"", file->kept_path);
	return is_kept ? NULL : stand_in(file, directory);
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
	look(file, true);
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
	file->missing_ns = 0;
	return NULL;
}

/* The file first: what is in force without being on disk would be gone after a power cut. */
fallible service_file_change(ServiceFile *file, const Service *options, const char *revision)
{
	service_file_look(file);
	if (revision && !string_equal(revision, file->revision))
		return error_new(ERROR_STALE,
			"the service's options were changed meanwhile: they are at revision \"%s\" by now",
			file->revision);
	TRY_WRAP(write_file(file, options), "could not write the service's options");
	TRY(put_in_force(file, options, &file->pinned));
	settle(file);
	return NULL;
}

fallible service_file_set_pinned(ServiceFile *file, const StringList *pinned)
{
	return put_in_force(file, &file->options, pinned);
}
