// SPDX-License-Identifier: Apache-2.0
#include "engine/log_forward.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "shim/logfiles.h"
#include "telemetry/options.h"
#include "telemetry/protocol.h"
#include "telemetry/tag.h"
#include "telemetry/target.h"

enum { SHORT_ID = 12, TLS_FILES = 3, FIRST_TLS = 2 };

/* ---- driver and options ---- */

const char *container_log_driver(const Container *container)
{
	const char *own = container->record.spec.log_driver;

	return string_empty(own) ? container->engine->config.log_driver : own;
}

const char *container_log_option(const Container *container, const char *key)
{
	const EngineConfig *config = &container->engine->config;
	const char *value = map_get(&container->record.spec.log_options, key);

	if (value || !string_equal(container_log_driver(container), config->log_driver))
		return value;
	return map_get(&config->log_options, key);
}

bool container_gathers_log(const Container *container)
{
	return string_equal(container_log_driver(container), "local") && container_is_live(container);
}

/* As Docker, at create, so that a container keeps its driver when the daemon gets another one. For json-file, what is
 * not said stays so, and `inspect` shows what was asked for. */
void log_forward_resolve(ContainerSpec *spec, const Engine *engine)
{
	const EngineConfig *config = &engine->config;

	if (string_equal(config->log_driver, "json-file"))
		return;
	if (string_empty(spec->log_driver))
		string_replace(&spec->log_driver, config->log_driver);
	for (size_t i = 0; i < config->log_options.count && string_equal(spec->log_driver, config->log_driver); i++) {
		const StringPair *pair = &config->log_options.items[i];
		if (!map_get(&spec->log_options, pair->key) && log_driver_has_option(spec->log_driver, pair->key))
			map_set(&spec->log_options, pair->key, pair->value);
	}
}

static bool is_forwarded(const Container *container)
{
	return log_driver_forwards(container_log_driver(container));
}

/* ---- what is said of it ---- */

static bool is_listed(const char *list, const char *name)
{
	autoclear(StringList) names = {0};

	strings_split(&names, list ? list : "", ',');
	return strings_has(&names, name);
}

static bool matches(const char *pattern, const char *name)
{
	regex_t regex;

	if (!pattern || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return false; /* it was checked */
	bool found = regexec(&regex, name, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static void add_labels(StringMap *ret, const Container *container)
{
	const StringMap *labels = &container->record.spec.labels;
	const char *list = container_log_option(container, "labels");
	const char *pattern = container_log_option(container, "labels-regex");

	for (size_t i = 0; i < labels->count; i++)
		if (is_listed(list, labels->items[i].key) || matches(pattern, labels->items[i].key))
			map_set(ret, labels->items[i].key, labels->items[i].value);
}

static void add_variables(StringMap *ret, const Container *container)
{
	const StringList *env = &container->record.spec.env;
	const char *list = container_log_option(container, "env");
	const char *pattern = container_log_option(container, "env-regex");

	for (size_t i = 0; i < env->count; i++) {
		size_t length = strcspn(env->items[i], "=");
		autofree char *name = mem_strndup(env->items[i], length);
		if (env->items[i][length] && (is_listed(list, name) || matches(pattern, name)))
			map_set(ret, name, env->items[i] + length + 1);
	}
}

static char *command_of(const ContainerSpec *spec)
{
	autoclear(StringList) words = {0};

	for (size_t i = 0; i < spec->entrypoint.count; i++)
		strings_add(&words, spec->entrypoint.items[i]);
	for (size_t i = 0; i < spec->command.count; i++)
		strings_add(&words, spec->command.items[i]);
	return strings_join(&words, " ");
}

static const char *plain_digest(const char *id)
{
	return string_starts(id, "sha256:") ? id + strlen("sha256:") : id;
}

static void set_short(StringMap *map, const char *key, const char *text)
{
	autofree char *shortened = mem_strndup(text, SHORT_ID);

	map_set(map, key, shortened);
}

static fallible expand_tag(LogTarget *target, const Container *container)
{
	autoclear(StringMap) fields = {0};
	autofree char *slashed = string_printf("/%s", target->name);

	set_short(&fields, "ID", container->id);
	map_set(&fields, "FullID", container->id);
	map_set(&fields, "Name", target->name);
	set_short(&fields, "ImageID", plain_digest(target->image_id));
	map_set(&fields, "ImageFullID", target->image_id);
	map_set(&fields, "ImageName", target->image_name);
	map_set(&fields, "Command", target->command);
	map_set(&fields, "Hostname", target->host);
	map_set(&fields, "DaemonName", "kedge");
	map_set(&fields, "ContainerID", container->id);
	map_set(&fields, "ContainerName", slashed);
	map_set(&fields, "ContainerImageID", target->image_id);
	map_set(&fields, "ContainerImageName", target->image_name);
	return log_tag_expand(&target->tag, container_log_option(container, "tag"), &fields);
}

static void set_options(LogTarget *target, const Container *container)
{
	const EngineConfig *config = &container->engine->config;

	if (string_equal(target->driver, config->log_driver))
		map_copy(&target->options, &config->log_options);
	for (size_t i = 0; i < container->record.spec.log_options.count; i++)
		map_set(&target->options, container->record.spec.log_options.items[i].key,
			container->record.spec.log_options.items[i].value);
	map_set(&target->options, LOG_JOURNAL_SOCKET, config->journal_socket);
}

static fallible describe(LogTarget *ret, const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	char host[256] = "", created[CLOCK_TEXT_MAX];

	gethostname(host, sizeof(host) - 1);
	clock_format(created, container->record.created_ns);
	ret->driver = mem_strdup(container_log_driver(container));
	ret->id = mem_strdup(container->id);
	ret->name = mem_strdup(container->record.name);
	ret->host = mem_strdup(host);
	ret->image_id = mem_strdup(container->record.image_id);
	ret->image_name = mem_strdup(spec->image ? spec->image : "");
	ret->command = command_of(spec);
	ret->created = mem_strdup(created);
	set_options(ret, container);
	add_labels(&ret->attributes, container);
	add_variables(&ret->attributes, container);
	return expand_tag(ret, container);
}

/* ---- what is handed over ---- */

static fallible open_place(int *ret_fd, int directory)
{
	LogForwarded nothing = {0};
	struct stat status;
	autofd fd = -1;

	TRY(file_open(&fd, directory, LOG_PLACE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
	if (fstat(fd, &status) == 0 && status.st_size == 0 && !logplace_write(fd, &nothing))
		return error_errno(ENOSPC, "could not make room for \"%s\"", LOG_PLACE_NAME);
	*ret_fd = take_fd(&fd);
	return NULL;
}

static fallible open_directory(int *ret_fd, const Container *container)
{
	autofd fd = -1;

	TRY(dir_open(&fd, AT_FDCWD, container->state_directory));
	if (fchmod(fd, 0750) < 0) /* kedge-log is of root's group, and nobody else is */
		return error_errno(errno, "could not open \"%s\" for kedge-log", container->state_directory);
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* Nothing else than a file: a pipe that nobody writes would keep kedged waiting. */
static fallible open_file(int *ret_fd, const char *path)
{
	struct stat status;
	autofd fd = -1;

	TRY(file_open(&fd, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return error_new(ERROR_INVALID, "\"%s\" is no file", path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* Those that there are; target->files says which. */
static fallible open_tls(LogTarget *target, const Container *container, int fds[TLS_FILES])
{
	static const struct {
		const char *option, *kind;
	} files[TLS_FILES] = {{"syslog-tls-ca-cert", "ca"}, {"syslog-tls-cert", "cert"}, {"syslog-tls-key", "key"}};
	autoclear(StringList) kinds = {0};

	for (size_t i = 0; i < TLS_FILES; i++) {
		const char *path = container_log_option(container, files[i].option);
		if (string_empty(path))
			continue;
		TRY_WRAP(open_file(&fds[kinds.count], path), "log option \"%s\"", files[i].option);
		strings_add(&kinds, files[i].kind);
	}
	target->files = strings_join(&kinds, ",");
	return NULL;
}

typedef struct Files {
	int fds[FIRST_TLS + TLS_FILES + 1]; /* ends with -1 */
} Files;

static void files_close(Files *files)
{
	for (size_t i = 0; i < COUNT(files->fds); i++)
		close_fd(&files->fds[i]);
}

DEFINE_AUTOCLEAR(Files, files_close)

static fallible say(Container *container)
{
	autoclear(LogTarget) target = {.tls = {-1, -1, -1}};
	autoclear(Files) files = {{-1, -1, -1, -1, -1, -1}};
	autoclear(Buffer) packet = {0};

	TRY(describe(&target, container));
	TRY(open_directory(&files.fds[0], container));
	TRY(open_place(&files.fds[1], files.fds[0]));
	TRY(open_tls(&target, container, &files.fds[FIRST_TLS]));
	packet_init(&packet, "log");
	packet_add(&packet, container->id);
	log_target_write(&packet, &target);
	if (buffer_overflown(&packet))
		return error_new(ERROR_TOO_LARGE, "labels, variables and options of the log take more than %d bytes",
			PACKET_MAX);
	companion_say(container->engine->logs, &packet, files.fds);
	return NULL;
}

/* ---- life ---- */

fallible log_forward_begin(Container *container)
{
	if (!is_forwarded(container))
		return NULL;
	companion_need(container->engine->logs);
	TRY_WRAP(say(container), "log driver \"%s\"", container_log_driver(container));
	return NULL;
}

void log_forward_tell(Container *container)
{
	if (!is_forwarded(container) || !container->record.run || !container->engine->logs)
		return;
	Error *error = say(container);
	if (error)
		error_log(error, "log of container \"%s\" is not sent", container->record.name);
}

/* ---- the files of one that is removed ---- */

static bool is_sent(int directory)
{
	autoclear(LogPosition) newest = LOG_NOWHERE;
	LogForwarded place;

	error_free(logfiles_newest(&newest, directory)); /* then there is nothing to be sent */
	if (newest.fd < 0 || logposition_size(&newest) == 0)
		return true;
	return logplace_read_at(&place, directory) && logplace_is_in(&place.sure, newest.fd, "") &&
	       place.sure.offset >= logposition_size(&newest);
}

static void open_chain(int fds[LAST_FILES_MAX + 1], int directory)
{
	autoclear(LogPosition) at = LOG_NOWHERE;
	Error *error = logfiles_oldest(&at, directory);
	size_t count = 0;

	while (!error && at.fd >= 0 && count < LAST_FILES_MAX) {
		LogPosition next = LOG_NOWHERE;
		error = logfiles_after(&next, directory, &at);
		fds[count++] = take_fd(&at.fd);
		at = next;
	}
	fds[count] = -1;
	if (error)
		error_log(error, "the rest of a container's log is not sent");
}

void log_forward_remove(Container *container)
{
	int fds[LAST_FILES_MAX + 1];
	autoclear(Buffer) packet = {0};
	autofd directory = -1;

	if (!is_forwarded(container) || !container->record.run || !container->engine->logs)
		return;
	fds[0] = -1;
	Error *error = dir_open(&directory, AT_FDCWD, container->state_directory);
	if (error)
		error_free(error); /* nothing is left to be sent */
	else if (!is_sent(directory))
		open_chain(fds, directory);
	packet_init(&packet, "last");
	packet_add(&packet, container->id);
	companion_say(container->engine->logs, &packet, fds);
	for (size_t i = 0; i < LAST_FILES_MAX && fds[i] >= 0; i++)
		close_fd(&fds[i]);
}

/* ---- the engine's ---- */

static bool has_something(const Container *container)
{
	autofd directory = -1;

	if (!is_forwarded(container) || !container->record.run)
		return false;
	if (container_is_live(container))
		return true;
	Error *error = dir_open(&directory, AT_FDCWD, container->state_directory);
	error_free(error); /* without it there is no log */
	return !error && !is_sent(directory);
}

static void on_ready(void *arg)
{
	Engine *engine = arg;

	list_each(&engine->container_order, Container, link, container) {
		if (has_something(container))
			log_forward_tell(container);
	}
}

static void on_gone(void *arg)
{
	(void)arg; /* what it has is said anew */
}

fallible log_forward_open(Engine *engine)
{
	static const CompanionKind kind = {.name = "kedge-log",
		.directory = "log",
		.version = LOG_VERSION,
		.work = "logs are sent",
		.ready = on_ready,
		.gone = on_gone};
	autofree char *program = engine_program(engine, "kedge-log");

	TRY(companion_open(&engine->logs, engine->loop, engine->config.run_dir, program, &kind, engine));
	list_each(&engine->container_order, Container, link, container) {
		if (has_something(container))
			companion_need(engine->logs);
	}
	return NULL;
}

void log_forward_close(Engine *engine)
{
	engine->logs = companion_close(engine->logs);
}

/* ---- shown ---- */

bool container_forwarding(const Container *container, ContainerForwarding *ret)
{
	autofd directory = -1;

	*ret = (ContainerForwarding){0};
	if (!is_forwarded(container))
		return false;
	Error *error = dir_open(&directory, AT_FDCWD, container->state_directory);
	error_free(error); /* it has not run yet */
	if (error)
		return true;
	ret->is_sent = is_sent(directory);
	logplace_read_at(&ret->place, directory);
	return true;
}
