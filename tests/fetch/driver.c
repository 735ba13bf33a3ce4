// SPDX-License-Identifier: Apache-2.0
/* Plays kedged's part for the tests of kedge-fetch: one pull, push or login through fetch/client.h, each event a JSON
 * line on standard output. A directory holds an image as files: manifest.json, config.json and each blob by the
 * hexadecimal part of its digest. */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "fetch/client.h"
#include "oci/image_config.h"
#include "json/writer.h"

typedef struct DriverOptions {
	char *program, *platform, *registries, *certs, *username, *password, *identity_token, *mount_from;
	char *http_proxy, *https_proxy, *no_proxy;
	StringList insecure;
	int64_t retries, interval, parallel, stall;
} DriverOptions;

#define TEXT(option, member)                                                                                           \
	{                                                                                                              \
		.name = option, .kind = OPTION_STRING, .offset = offsetof(DriverOptions, member), .argument = "TEXT"   \
	}
#define NUMBER(option, member)                                                                                         \
	{                                                                                                              \
		.name = option, .kind = OPTION_INT, .offset = offsetof(DriverOptions, member), .argument = "N",        \
		.min = -1, .max = 100000                                                                               \
	}

static const Option options_table[] = {
	TEXT("program", program),
	TEXT("platform", platform),
	TEXT("registries", registries),
	TEXT("certs", certs),
	TEXT("username", username),
	TEXT("password", password),
	TEXT("identity-token", identity_token),
	TEXT("mount-from", mount_from),
	TEXT("http-proxy", http_proxy),
	TEXT("https-proxy", https_proxy),
	TEXT("no-proxy", no_proxy),
	{.name = "insecure", .kind = OPTION_LIST, .offset = offsetof(DriverOptions, insecure), .argument = "HOST"},
	NUMBER("retries", retries),
	NUMBER("interval", interval),
	NUMBER("parallel", parallel),
	NUMBER("stall", stall),
	OPTION_END,
};

typedef struct Driver {
	DriverOptions options;
	Loop *loop;
	Fetcher *fetcher;
	const char *verb;
	int directory;
	Manifest manifest;
	size_t pending;
	int status;
} Driver;

/* ---- events ---- */

typedef struct Event {
	Buffer text;
	Writer writer;
} Event;

static void event_begin(Event *event, const char *name, const Digest *digest)
{
	*event = (Event){0};
	writer_init(&event->writer, &event->text);
	write_object(&event->writer, NULL);
	write_string(&event->writer, "event", name);
	if (digest)
		write_string(&event->writer, "digest", digest->text);
}

static void event_end(Event *event)
{
	write_object_end(&event->writer);
	puts(buffer_text(&event->text));
	fflush(stdout);
	buffer_clear(&event->text);
}

static void add_error(Event *event, const Error *error)
{
	write_string(&event->writer, "kind", error_kind_name(error_kind(error)));
	write_string(&event->writer, "message", error_message(error));
	write_string_or_null(&event->writer, "hint", error_hint_text(error));
}

static void tell(const char *name, const Digest *digest, Error *take_error)
{
	Event event;

	event_begin(&event, name, digest);
	if (take_error)
		add_error(&event, take_error);
	event_end(&event);
	error_free(take_error);
}

static void end(Driver *driver, int status)
{
	driver->status = status;
	driver->fetcher = fetcher_free(driver->fetcher);
	loop_stop(driver->loop);
}

static void fail(Driver *driver, Error *take_error)
{
	tell("failed", NULL, take_error);
	end(driver, 1);
}

/* ---- pull ---- */

static fallible get_blob(Driver *driver, const Descriptor *blob)
{
	autofd file = -1;
	struct stat status;

	TRY(file_open(&file, driver->directory, digest_hex(&blob->digest), O_RDWR | O_CREAT, 0644));
	fstat(file, &status);
	driver->pending++;
	return fetcher_get(driver->fetcher, &blob->digest, blob->size, file, status.st_size);
}

static fallible keep_image(Driver *driver, const FetchedImage *image)
{
	TRY(file_replace(driver->directory, "manifest.json", image->manifest, image->manifest_length, 0644));
	TRY(file_replace(driver->directory, "config.json", image->config, image->config_length, 0644));
	return manifest_parse(&driver->manifest, image->manifest, image->manifest_length);
}

static fallible get_layers(Driver *driver)
{
	for (size_t i = 0; i < driver->manifest.layer_count; i++)
		TRY(get_blob(driver, &driver->manifest.layers[i]));
	return NULL;
}

static void on_resolved(void *arg, const FetchedImage *image)
{
	Driver *driver = arg;
	Event event;

	event_begin(&event, "resolved", &image->manifest_digest);
	write_string(&event.writer, "top", image->top_digest.text);
	write_string(&event.writer, "type", image->media_type);
	event_end(&event);
	Error *error = keep_image(driver, image);
	if (!error && string_equal(driver->verb, "pull"))
		error = get_layers(driver);
	if (error)
		fail(driver, error);
	else if (driver->pending == 0)
		end(driver, 0);
}

/* ---- push ---- */

static fallible put_blob(Driver *driver, const Descriptor *blob)
{
	autofd file = -1;

	TRY(file_open(&file, driver->directory, digest_hex(&blob->digest), O_RDONLY, 0));
	driver->pending++;
	return fetcher_put(driver->fetcher, &blob->digest, blob->size, file, driver->options.mount_from);
}

static fallible put_manifest(Driver *driver)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, driver->directory, "manifest.json", MANIFEST_MAX));
	return fetcher_put_manifest(driver->fetcher, driver->manifest.media_type, text, length);
}

static fallible begin_push(Driver *driver)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, driver->directory, "manifest.json", MANIFEST_MAX));
	TRY(manifest_parse(&driver->manifest, text, length));
	TRY(put_blob(driver, &driver->manifest.config));
	for (size_t i = 0; i < driver->manifest.layer_count; i++)
		TRY(put_blob(driver, &driver->manifest.layers[i]));
	return NULL;
}

/* ---- handlers ---- */

static void on_progress(void *arg, const Digest *blob, int64_t bytes)
{
	Event event;
	(void)arg;

	event_begin(&event, "progress", blob);
	write_int(&event.writer, "bytes", bytes);
	event_end(&event);
}

static void on_blob_done(void *arg, const Digest *blob, Error *take_error)
{
	Driver *driver = arg;
	bool has_failed = take_error != NULL;

	tell("blob-done", blob, take_error);
	driver->status |= has_failed;
	if (--driver->pending > 0)
		return;
	Error *error = !driver->status && string_equal(driver->verb, "push") ? put_manifest(driver) : NULL;
	if (error)
		fail(driver, error);
	else if (driver->status || string_equal(driver->verb, "pull"))
		end(driver, driver->status);
}

static void on_blob_skipped(void *arg, const Digest *blob, const char *mounted_from)
{
	Event event;
	(void)arg;

	event_begin(&event, "blob-skipped", blob);
	write_string_or_null(&event.writer, "from", mounted_from);
	event_end(&event);
}

static void on_manifest_done(void *arg, const Digest *digest)
{
	tell("manifest-done", digest, NULL);
	end(arg, 0);
}

static void on_logged_in(void *arg, const char *identity_token)
{
	Event event;

	event_begin(&event, "logged-in", NULL);
	write_string_or_null(&event.writer, "token", identity_token);
	event_end(&event);
	end(arg, 0);
}

static void on_failed(void *arg, Error *take_error)
{
	fail(arg, take_error);
}

static void on_retrying(void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason)
{
	Event event;
	(void)arg;

	event_begin(&event, "retrying", blob);
	write_int(&event.writer, "attempt", attempt);
	write_int(&event.writer, "delay", delay_ms);
	write_string(&event.writer, "reason", reason);
	event_end(&event);
}

/* ---- start ---- */

static fallible begin(Driver *driver)
{
	autoclear(Platform) platform = {0};

	if (string_equal(driver->verb, "login"))
		return fetcher_login(driver->fetcher);
	if (string_equal(driver->verb, "push"))
		return begin_push(driver);
	if (driver->options.platform)
		TRY(platform_parse(&platform, driver->options.platform));
	else
		platform_host(&platform);
	return fetcher_resolve(driver->fetcher, &platform);
}

static fallible load_access(RegistryAccess *ret, const DriverOptions *options, const Reference *reference)
{
	TRY(registry_access_load(ret, reference->registry, options->registries, options->certs, &options->insecure));
	string_replace(&ret->http_proxy, options->http_proxy);
	string_replace(&ret->https_proxy, options->https_proxy);
	string_replace(&ret->no_proxy, options->no_proxy);
	if (options->username)
		string_replace(&ret->username, options->username);
	if (options->password)
		string_replace(&ret->password, options->password);
	if (options->identity_token)
		string_replace(&ret->identity_token, options->identity_token);
	return NULL;
}

static fallible run(Driver *driver, const StringList *arguments)
{
	static const FetcherHandlers handlers = {.resolved = on_resolved,
		.progress = on_progress,
		.blob_done = on_blob_done,
		.blob_skipped = on_blob_skipped,
		.manifest_done = on_manifest_done,
		.logged_in = on_logged_in,
		.failed = on_failed,
		.retrying = on_retrying};
	const DriverOptions *options = &driver->options;
	FetcherOptions fetcher = {.program = options->program,
		.retries = options->retries,
		.retry_interval_ms = options->interval,
		.parallel = options->parallel,
		.stall_timeout_s = options->stall};
	autoclear(Reference) reference = {0};
	autoclear(RegistryAccess) access = {0};
	autoclear(RegistryMirrors) mirrors = {0};

	if (arguments->count != 3)
		return error_new(ERROR_INVALID, "usage: driver [OPTIONS] resolve|pull|push|login REFERENCE DIRECTORY");
	driver->verb = arguments->items[0];
	TRY(reference_parse(&reference, arguments->items[1]));
	reference_default_tag(&reference);
	TRY(dir_open(&driver->directory, AT_FDCWD, arguments->items[2]));
	TRY(load_access(&access, options, &reference));
	TRY(registry_mirrors_load(&mirrors, &access, options->registries, options->certs, &options->insecure));
	fetcher.mirrors = mirrors;
	TRY(loop_new(&driver->loop));
	TRY(fetcher_start(&driver->fetcher, driver->loop, &fetcher, &access, &reference, &handlers, driver));
	TRY(begin(driver));
	return loop_run(driver->loop);
}

int main(int argc, char **argv)
{
	Driver driver = {.directory = -1};
	autoclear(StringList) arguments = {0};

	Error *error = options_parse(options_table, &driver.options, argc - 1, argv + 1, 0, &arguments);
	if (!error)
		error = run(&driver, &arguments);
	if (error) {
		tell("failed", NULL, error);
		driver.status = 1;
	}
	manifest_clear(&driver.manifest);
	fetcher_free(driver.fetcher);
	loop_free(driver.loop);
	options_clear(options_table, &driver.options);
	return driver.status;
}
