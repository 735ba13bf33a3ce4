// SPDX-License-Identifier: Apache-2.0
/* Containers: create and inspect. The list is container_list.c, their life life.c. */
#include <string.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "docker/container_list.h"
#include "docker/container_sizes.h"
#include "docker/forms.h"
#include "docker/internal.h"
#include "docker/network.h"
#include "docker/spec.h"
#include "engine/exec.h"
#include "engine/image.h"

enum { INSPECT_USUAL = 6 << 10 }; /* bytes: not grown into step by step */

/* ---- create ---- */

static void write_created(Buffer *out, Container *container, const StringList *warnings)
{
	ContainerView view;
	Writer writer;

	container_view(container, &view);
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "Id", view.id);
	write_strings(&writer, "Warnings", warnings);
	write_object_end(&writer);
}

static fallible check_platform(Engine *engine, const char *image, const char *text)
{
	autoclear(Platform) platform = {0};

	if (string_empty(text) || string_empty(image))
		return NULL;
	TRY(platform_parse(&platform, text));
	return image_check_platform(engine, image, &platform);
}

static fallible make_container(Container **ret, Buffer *out, HttpRequest *request, Engine *engine)
{
	const char *name = http_request_query(request, "name");
	autoclear(ContainerSpec) spec = {0};
	autoclear(StringList) warnings = {0};
	autoptr(Value) body = NULL;

	TRY(request_object(&body, request));
	TRY(spec_read(&spec, body));
	spec_as_version(&spec, docker_version(request));
	TRY(check_platform(engine, spec.image, http_request_query(request, "platform")));
	TRY(container_create(ret, engine, string_empty(name) ? NULL : name, &spec, &warnings));
	write_created(out, *ret, &warnings);
	return NULL;
}

/* One whose volumes get files of the image first. */
typedef struct Creation {
	HttpRequest *request; /* NULL: the client left, the container stays */
	Container *container;
	Buffer answer;
} Creation;

static void creation_gone(void *arg)
{
	((Creation *)arg)->request = NULL;
}

static void creation_filled(void *arg, Error *take_error)
{
	Creation *creation = arg;
	Error *error = take_error ? container_remove(creation->container, true, true, NULL, NULL) : NULL;

	if (error)
		error_log(error, "a container whose volumes could not be filled stays");
	if (creation->request && take_error)
		http_respond_error(creation->request, take_error);
	else if (creation->request)
		respond_json(creation->request, 201, &creation->answer);
	else if (take_error)
		error_log(take_error, "a container could not be made");
	container_unref(creation->container);
	buffer_clear(&creation->answer);
	free(creation);
}

static void fill_volumes(HttpRequest *request, Container *container, Buffer *answer)
{
	Creation *creation = mem_new(Creation);

	*creation = (Creation){.request = request, .container = container_ref(container), .answer = *answer};
	*answer = (Buffer){0}; /* handed on */
	http_request_on_gone(request, creation_gone, creation);
	container_fill_volumes(container, creation_filled, creation);
}

static void create_container(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Container *container;
	Error *error = make_container(&container, &out, request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else if (container_has_volumes_to_fill(container))
		fill_volumes(request, container, &out);
	else
		respond_json(request, 201, &out);
}

/* ---- inspect ---- */

static void write_health(Writer *writer, const ContainerView *view)
{
	write_object(writer, "Health");
	write_string(writer, "Status", health_state_name(view->health));
	write_int(writer, "FailingStreak", view->health_streak);
	write_array(writer, "Log");
	for (size_t i = 0; i < view->health_log_count; i++) {
		const HealthProbe *probe = &view->health_log[i];
		write_object(writer, NULL);
		write_time(writer, "Start", probe->start_wall_ns);
		write_time(writer, "End", probe->end_wall_ns);
		write_int(writer, "ExitCode", probe->exit_code);
		write_string(writer, "Output", probe->output);
		write_object_end(writer);
	}
	write_array_end(writer);
	write_object_end(writer);
}

static void write_state(Writer *writer, const Container *container, const ContainerView *view)
{
	bool is_restarting = view->state == CONTAINER_RESTARTING;

	write_object(writer, "State");
	write_string(writer, "Status", container_state_name(view->state));
	write_bool(writer, "Running", container_is_live(container) || is_restarting);
	write_bool(writer, "Paused", view->state == CONTAINER_PAUSED);
	write_bool(writer, "Restarting", is_restarting);
	write_bool(writer, "OOMKilled", view->oom_killed);
	write_bool(writer, "Dead", view->state == CONTAINER_DEAD);
	write_int(writer, "Pid", view->pid);
	write_int(writer, "ExitCode", view->exit_code);
	write_string(writer, "Error", view->error);
	write_time(writer, "StartedAt", view->started_ns);
	write_time(writer, "FinishedAt", view->finished_ns);
	if (view->health != HEALTH_NONE)
		write_health(writer, view);
	write_object_end(writer);
}

static const char *word_at(const ContainerSpec *spec, size_t index)
{
	if (index < spec->entrypoint.count)
		return spec->entrypoint.items[index];
	index -= spec->entrypoint.count;
	return index < spec->command.count ? spec->command.items[index] : NULL;
}

static void write_arguments(Writer *writer, const ContainerSpec *spec)
{
	write_string(writer, "Path", word_at(spec, 0));
	write_array(writer, "Args");
	for (size_t i = 1; word_at(spec, i); i++)
		write_string(writer, NULL, word_at(spec, i));
	write_array_end(writer);
}

static void write_file_path(Writer *writer, const char *key, const ContainerView *view, const char *name)
{
	autofree char *path = path_join(view->etc_directory, name);

	write_string(writer, key, path);
}

/* As Docker, no path of a file that others cannot read. */
static const char *shown_log_path(const ContainerView *view)
{
	const char *driver = view->spec->log_driver;

	return string_equal(driver, "none") || string_equal(driver, "local") ? "" : view->log_path;
}

static void write_paths(Writer *writer, const ContainerView *view)
{
	write_file_path(writer, "ResolvConfPath", view, "resolv.conf");
	write_file_path(writer, "HostnamePath", view, "hostname");
	write_file_path(writer, "HostsPath", view, "hosts");
	write_string(writer, "LogPath", shown_log_path(view));
}

/* Docker has no word for it. What stands here is read from beside the log, whoever sends it now. */
static void write_forwarding(Writer *writer, const Container *container)
{
	ContainerForwarding forwarding;

	if (!container_forwarding(container, &forwarding))
		return;
	write_object(writer, "LogForwarding");
	write_bool(writer, "AllSent", forwarding.is_sent);
	write_int(writer, "LinesSent", forwarding.place.sent_lines);
	write_int(writer, "LinesDropped", forwarding.place.dropped);
	write_string(writer, "Error", forwarding.place.error);
	write_object_end(writer);
}

static void write_driver(Writer *writer, const ContainerView *view)
{
	autofree char *upper = path_join(view->state_directory, "upper");
	autofree char *work = path_join(view->state_directory, "work");
	autofree char *merged = path_join(view->bundle, "rootfs");

	write_object(writer, "GraphDriver");
	write_string(writer, "Name", "overlayfs");
	write_object(writer, "Data");
	write_string(writer, "UpperDir", upper);
	write_string(writer, "WorkDir", work);
	write_string(writer, "MergedDir", merged);
	write_object_end(writer);
	write_object_end(writer);
}

static void write_exec_ids(Writer *writer, const Container *container)
{
	autoclear(StringList) ids = {0};

	container_exec_ids(&ids, container);
	if (ids.count)
		write_strings(writer, "ExecIDs", &ids);
	else
		write_null(writer, "ExecIDs");
}

static void write_identity(Writer *writer, const Container *container, const ContainerView *view)
{
	write_string(writer, "Id", view->id);
	write_time(writer, "Created", view->created_ns);
	write_arguments(writer, view->spec);
	write_string(writer, "Image", view->image_id);
	write_paths(writer, view);
	write_forwarding(writer, container);
	write_stringf(writer, "Name", "/%s", view->name);
	write_int(writer, "RestartCount", view->restart_count);
	write_string(writer, "Driver", "overlayfs");
	write_string(writer, "Platform", "linux");
	write_string(writer, "MountLabel", "");
	write_string(writer, "ProcessLabel", "");
	write_string(writer, "AppArmorProfile", container_apparmor(container));
	write_exec_ids(writer, container);
}

/* Who may only look is not told the values, where secrets are: the names stay. */
static void hide_values(StringList *ret, const StringList *env)
{
	for (size_t i = 0; i < env->count; i++)
		strings_printf(ret, "%.*s=***", (int)strcspn(env->items[i], "="), env->items[i]);
}

static void write_config_shown(Writer *writer, const HttpRequest *request, const ContainerView *view)
{
	autoclear(StringList) names = {0};
	ContainerSpec spec = *view->spec;
	ContainerView shown = *view;

	if (docker_is_read_only(request)) {
		hide_values(&names, &view->spec->env);
		spec.env = names;
		shown.spec = &spec;
	}
	write_config(writer, &shown);
}

/* sizes: NULL when they were not asked for. */
static void respond_inspect(HttpRequest *request, void *context, const ContainerSizes *sizes)
{
	Container *container = find_container(request, context);
	autoclear(Buffer) out = {0};
	ContainerView view;
	Writer writer;

	if (!container)
		return;
	container_view(container, &view);
	buffer_reserve(&out, INSPECT_USUAL);
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_identity(&writer, container, &view);
	write_state(&writer, container, &view);
	write_host_config(&writer, &view, docker_version(request));
	write_driver(&writer, &view);
	write_container_sizes(&writer, container, sizes);
	if (docker_version(request) < 20)
		write_old_mounts(&writer, &view);
	else
		write_mounts(&writer, &view);
	write_config_shown(&writer, request, &view);
	write_network_settings(&writer, context, container, docker_version(request));
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void inspect_container(HttpRequest *request, void *context)
{
	Container *container;

	if (!http_request_flag(request, "size"))
		respond_inspect(request, context, NULL);
	else if ((container = find_container(request, context)))
		container_sizes_measure(request, context, &container, 1, respond_inspect);
}

const HttpRoute container_routes[] = {
	{"GET", "/containers/json", list_containers, DOCKER_MONITOR, 0},
	{"POST", "/containers/create", create_container, 0, 0},
	{"GET", "/containers/{id}/json", inspect_container, DOCKER_MONITOR, 0},
	{0},
};
