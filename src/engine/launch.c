// SPDX-License-Identifier: Apache-2.0
/* A start: the bundle is written, the socket listens, the shim is spawned. What follows is said by the shim (life.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/admission.h"
#include "engine/log_forward.h"
#include "engine/network_cni.h"
#include "engine/rules.h"
#include "engine/volume_internal.h"
#include "runtime/apparmor.h"
#include "runtime/bundle.h"
#include "runtime/device_requests.h"
#include "runtime/plan.h"
#include "runtime/spec_words.h"
#include "store/snapshots.h"
#include "telemetry/options.h"

#define LOCAL_MAX_SIZE "20m"
#define LOCAL_MAX_FILE "5"

const Runtime *container_runtime(const Container *container)
{
	return runtimes_get(container->engine->runtimes, container->record.spec.runtime);
}

/* Who joins a network has its owner's name. */
void container_hostname(char ret[256], const Container *container)
{
	const Container *owner = share_network_owner(container);
	const ContainerSpec *spec = &owner->record.spec;

	if (!string_empty(spec->hostname))
		snprintf(ret, 256, "%s", spec->hostname);
	else if (spec_is_host(spec->network_mode) || spec_is_host(container->record.spec.uts_mode))
		gethostname(ret, 256);
	else
		snprintf(ret, 256, "%.12s", owner->id);
}

static fallible launch_write_health(Container *container, const BundleInput *input)
{
	const StringList *test = &container->record.spec.health.test;
	autoclear(StringList) arguments = {0};
	autoclear(Buffer) text = {0};
	autofree char *path = path_join(container->bundle, "health.json");

	if (!test->count || string_equal(test->items[0], "NONE"))
		return NULL;
	if (string_equal(test->items[0], "CMD-SHELL")) {
		strings_add(&arguments, "/bin/sh");
		strings_add(&arguments, "-c");
	}
	for (size_t i = 1; i < test->count; i++)
		strings_add(&arguments, test->items[i]);
	TRY(bundle_write_process(&text, input, &arguments, false));
	return file_replace(AT_FDCWD, path, text.data, text.length, 0600);
}

const char *container_apparmor(const Container *container)
{
	const char *profile = NULL;

	error_free(apparmor_choose(
		&profile, &container->record.spec, container->engine->apparmor)); /* checked at create */
	return profile ? profile : "";
}

/* A container without its profile is not started. */
static fallible launch_check_apparmor(const Container *container)
{
	const char *profile = container_apparmor(container);

	return *profile ? apparmor_check(profile) : NULL;
}

static const char *path_or_none(const char *path)
{
	return *path ? path : NULL;
}

/* An ordinary container for which nobody has named a runtime is started by the shim itself, and by crun where not. */
static fallible launch_write_plan(Container *container, const Buffer *config_text)
{
	const Engine *engine = container->engine;
	const PlanInput input = {
		.id = container->id, .bundle = container->bundle, .config = config_text, .cgroups = engine->cgroups};
	const Runtime *runtime = container_runtime(container);
	autofree char *path = path_join(container->bundle, "plan");
	autoclear(Buffer) plan = {0};
	bool is_named = !string_empty(container->record.spec.runtime) || !string_empty(engine->config.default_runtime);

	container->is_planned = false;
	if (is_named || runtime->options.count || !runtime->takes_ready_made_seccomp)
		return NULL;
	plan_write(&plan, &container->is_planned, &input);
	return container->is_planned ? file_replace(AT_FDCWD, path, plan.data, plan.length, 0600) : NULL;
}

/* Another container's network is entered by the shim, so that the start can be the shim's own; but for settings, which
 * are the runtime's. */
static bool launch_enters_network(const Container *container, const Shares *shares)
{
	autoclear(StringMap) settings = {0};

	bundle_network_settings(&settings, &container->record.spec);
	return *shares->network && !settings.count;
}

/* What a vendor has written down by now counts: it may have been made anew since the last start. */
static fallible launch_find_devices(CdiEdits *edits, const Container *container)
{
	const EngineConfig *config = &container->engine->config;
	const char *path = getenv("PATH");
	const DeviceSources sources = {
		.cdi_directories = &config->cdi_spec_dirs,
		.path = string_empty(path) ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : path,
		.runtime_is_nvidia_s = string_starts(container_runtime(container)->name, "nvidia"),
	};
	autoclear(StringList) notes = {0};

	TRY(device_requests_resolve(edits, &container->record.spec.device_requests, &sources, &notes));
	for (size_t i = 0; i < notes.count; i++)
		log_info("container \"%s\": %s", container->record.name, notes.items[i]);
	return NULL;
}

/* The bundle lives in the run directory, on tmpfs: a start writes nothing to flash but its record. */
static fallible launch_write_bundle(Container *container, const Image *image, const Shares *shares)
{
	Engine *engine = container->engine;
	const Runtime *runtime = container_runtime(container);
	autoclear(StringList) directories = {0}, variables = {0};
	autoclear(Buffer) text = {0};
	autofree char *rootfs = path_join(container->bundle, "rootfs");
	autofree char *config = path_join(container->bundle, "config.json");
	const char *etc_directory = share_network_owner(container)->state_directory;
	autofree char *hosts = path_join(etc_directory, "hosts");
	autofree char *hostname_file = path_join(etc_directory, "hostname");
	autofree char *resolv = path_join(etc_directory, "resolv.conf");
	autofree char *shm = path_join(container->bundle, "shm");
	autofree char *sources = path_join(container->bundle, "sources");
	autoclear(CdiEdits) edits = {0};
	char hostname[256];
	UserIds user;

	if (runtime->is_crun)
		TRY(cgroup_check_crun(engine->cgroups));
	TRY(launch_check_apparmor(container));
	TRY(launch_find_devices(&edits, container));
	snapshot_directories(engine->store, container->id, image, &directories);
	TRY(user_resolve(&user, container->record.spec.user, &container->record.spec.groups, &directories));
	container_hostname(hostname, container);
	TRY(dir_make_all(AT_FDCWD, container->bundle, 0700));
	TRY(dir_make(AT_FDCWD, rootfs, 0755));
	TRY(etc_files_write(container, hostname));
	links_variables(&variables, container);
	BundleInput input = {
		.id = container->id,
		.spec = &container->record.spec,
		.rootfs = rootfs,
		.user = &user,
		.hostname = hostname,
		.cgroup = container->cgroup,
		.cgroups = engine->cgroups,
		.hosts_path = hosts,
		.hostname_path = hostname_file,
		.resolv_path = resolv,
		.sources_directory = sources,
		.volumes_directory = engine->volumes_path,
		.given_network = container->network.namespace_fd >= 0 || launch_enters_network(container, shares),
		.joined_pid = path_or_none(shares->pid),
		.joined_ipc = path_or_none(shares->ipc),
		.joined_network = path_or_none(shares->network),
		.joined_shm = shares->shm_pid ? shm : NULL,
		.seccomp = engine->seccomp,
		.apparmor = engine->apparmor,
		.link_variables = &variables,
		.seccomp_ready_made = runtime->takes_ready_made_seccomp,
		.edits = &edits,
	};
	TRY(bundle_write(&text, &input));
	TRY(launch_write_health(container, &input));
	TRY(launch_write_plan(container, &text));
	return file_replace(AT_FDCWD, config, text.data, text.length, 0600);
}

/* Of what is sent the local log is called a cache. What neither container nor daemon says of its driver, the daemon's
 * limits of files are for; but for driver "local", which has Docker's. */
static const char *launch_log_limit(const Container *container, const char *key, const char *cache_key)
{
	bool forwards = log_driver_forwards(container_log_driver(container));
	const char *value = container_log_option(container, forwards ? cache_key : key);

	if (value)
		return value;
	if (string_equal(container_log_driver(container), "local"))
		return string_equal(key, "max-size") ? LOCAL_MAX_SIZE : LOCAL_MAX_FILE;
	return map_get(&container->engine->config.log_options, key);
}

/* "none", "local", or what all others have. */
static const char *launch_log_form(const char *driver)
{
	return string_equal(driver, "none") || string_equal(driver, "local") ? driver : "json-file";
}

static fallible launch_log(ShimOptions *options, const Container *container)
{
	const char *size = launch_log_limit(container, "max-size", "cache-max-size");
	const char *files = launch_log_limit(container, "max-file", "cache-max-file");
	const char *driver = container_log_driver(container);
	bool blocks = !string_equal(container_log_option(container, "mode"), "non-blocking");

	options->log_driver = launch_log_form(driver);
	options->log_compresses = log_option_is_true(container_log_option(container, "compress"), true);
	options->log_forward = !log_driver_forwards(driver) ? NULL : blocks ? "blocking" : "non-blocking";
	options->log_max_size = 0;
	options->log_max_files = 1;
	if (size && !string_equal(size, "-1"))
		TRY_WRAP(string_to_bytes(&options->log_max_size, size), "log option \"max-size\"");
	if (files)
		TRY_WRAP(string_to_int64(&options->log_max_files, files, 1, 1000), "log option \"max-file\"");
	return NULL;
}

/* The copy follows an upgrade of the program. */
static fallible launch_seal(SealedProgram *sealed, const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return error_errno(errno, "program \"%s\"", path);
	if (sealed->fd >= 0 && sealed->device == status.st_dev && sealed->inode == status.st_ino &&
		sealed->modified == status.st_mtime)
		return NULL;
	close_fd(&sealed->fd);
	TRY(shim_seal_program(&sealed->fd, path));
	sealed->device = status.st_dev;
	sealed->inode = status.st_ino;
	sealed->modified = status.st_mtime;
	return NULL;
}

/* crun copies itself into sealed memory at each start unless it runs from there already. The shim that becomes a
 * container has to lie there as well: the container could find it as /proc/self/exe and overwrite it. */
fallible container_seal_programs(Engine *engine, const Runtime *runtime, ShimOptions *options)
{
	if (runtime->is_crun && runtime->is_program) {
		TRY(launch_seal(&engine->sealed_runtime, runtime->path));
		options->runtime_fd = engine->sealed_runtime.fd;
	}
	if (options->is_planned) {
		TRY(launch_seal(&engine->sealed_shim, options->program));
		options->program_fd = engine->sealed_shim.fd;
	}
	return NULL;
}

/* The socket is there before the shim is: who attaches now sees the first byte, and a kedged that comes after us finds
 * the shim at once. */
static fallible launch_listen(Container *container, int *ret_fd)
{
	TRY(shim_listen(ret_fd, container->bundle));
	container->shim_listens = true;
	container_attaches_connect(container);
	return container_clients_hand_over(container);
}

/* As the shim reads them (shim/sources.h) and the bundle numbers them. */
static void launch_sources(StringList *ret, const Container *container)
{
	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = (const MountSpec *)container->record.spec.mounts.items + i;
		const char *kind = mount_spec_source_kind(mount);
		if (!kind)
			continue;
		autofree char *path =
			mount->subpath ? volume_part(container->engine, mount) : mem_strdup(mount->source);
		strings_printf(ret, "%zu:%s:%s", i, kind, path);
	}
}

static fallible launch_spawn(Container *container, const Image *image, const Shares *shares, const StringList *distant)
{
	Engine *engine = container->engine;
	const Runtime *runtime = container_runtime(container);
	autofd listen_fd = -1, network = -1;
	autofree char *relay_to = NULL;
	const ContainerSpec *spec = &container->record.spec;
	autofree char *program = engine_program(engine, "kedge-shim");
	autofree char *runtime_root = path_join(engine->config.run_dir, "runtime");
	autofree char *layers = layers_path(engine->store), *lower = snapshot_lower(image);
	autofree char *upper = snapshot_path(engine->store, container->id, "upper");
	autofree char *work = snapshot_path(engine->store, container->id, "work");
	autoclear(StringList) sources = {0};
	autofree char *oom_file = cgroup_oom_file(engine->cgroups, container->cgroup);
	ShimOptions options = {
		.program = program,
		.id = container->id,
		.run = (uint64_t)container->record.run,
		.bundle = container->bundle,
		.state = container->state_directory,
		.runtime = runtime->path,
		.runtime_options = &runtime->options,
		.runtime_root = runtime_root,
		.layers = layers,
		.lower = lower,
		.upper = upper,
		.work = work,
		.oom_file = oom_file,
		.has_stdin = spec->open_stdin,
		.has_terminal = spec->tty,
		.is_crun = runtime->is_crun,
		.is_planned = container->is_planned,
		.start_timeout_ms = engine->config.start_timeout_ns / NANOS_PER_MILLI,
		.cgroup = container->cgroup,
		.is_volatile = spec->auto_remove,
		.shm_pid = shares->shm_pid,
		.distant = distant,
		.sources = &sources,
	};

	TRY(endpoints_save(container));
	TRY(launch_log(&options, container));
	launch_sources(&sources, container);
	if (launch_enters_network(container, shares))
		TRY(file_open(&network, AT_FDCWD, shares->network, O_RDONLY, 0));
	options.netns_fd = network >= 0 ? network : container->network.namespace_fd;
	options.held_fds = container->network.held;
	options.held_count = container->network.held_count;
	options.relay_ports = container->network.relay_ports;
	relay_to = endpoints_relay_to(container);
	options.relay_to = relay_to ? relay_to : "";
	TRY(container_seal_programs(engine, runtime, &options));
	TRY(launch_listen(container, &listen_fd));
	options.listen_fd = listen_fd;
	return shim_spawn(&container->shim, engine->loop, &options, &container_shim_handlers, container);
}

static fallible launch_try(Container *container)
{
	autoptr(Image) image = NULL;
	autoclear(StringList) distant = {0};
	Shares shares;

	if (!container_runtime(container))
		return error_new(ERROR_INVALID, "unknown runtime \"%s\"",
			container->record.spec.runtime ? container->record.spec.runtime
						       : container->engine->config.default_runtime);
	TRY(image_pinned(&image, container->engine->store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	TRY(share_find(&shares, container));
	TRY(volumes_check(container));
	TRY(sources_make(&distant, &container->record.spec));
	if (container->record.spec.cgroup_parent)
		TRY(cgroup_make_parent(container->engine->cgroups, container->record.spec.cgroup_parent));
	TRY(endpoints_attach(container));
	TRY(fault("engine.launch.bundle"));
	TRY(log_forward_begin(container));
	TRY(launch_write_bundle(container, image, &shares));
	TRY(fault("engine.launch.spawn"));
	return launch_spawn(container, image, &shares, &distant);
}

static ContainerState state_without_run(const Container *container)
{
	return container->record.started_ns ? CONTAINER_EXITED : CONTAINER_CREATED;
}

/* The door that every start passes, whoever asks for it, and once more when it has waited for something. */
static fallible launch_admit(Container *container)
{
	Error *error = admission_ask(container, "start");

	container->is_refused = error && error_kind(error) == ERROR_FORBIDDEN;
	if (!error)
		return NULL;
	container->launch_when_gone = false;
	if (container->state == CONTAINER_STARTING || container->state == CONTAINER_RESTARTING)
		container_move(container, state_without_run(container));
	container_set_error(container, error_message(error));
	container->record.exit_code = EXIT_START_FAILED;
	return error;
}

fallible container_launch(Container *container)
{
	bool waits = false;
	Error *error;

	TRY(launch_admit(container));
	container_move(container, CONTAINER_STARTING);
	/* The last run is still cleaned up, its files are written into, the profile is loaded, or a volume mounted or
	 * filled. */
	waits = container->shim || container->cleaning || container->copies || profile_is_awaited(container) ||
		rules_are_awaited(container);
	error = waits ? NULL : volumes_await(container, &waits);
	if (!error && !waits)
		error = endpoints_await_cni(container, &waits);
	container->launch_when_gone = waits;
	if (waits)
		return NULL;
	container->record.run++;
	container->exit_seen = false;
	container->rebooted = false;
	container->undecided = false;
	container->shim_listens = false;
	string_replace(&container->record.boot_id, container->engine->boot_id);
	if (!error)
		error = launch_try(container);
	network_run_close(&container->network);
	if (!error)
		return NULL;
	endpoints_detach(container);
	container_move(container, state_without_run(container));
	container->shim_listens = false;
	error_free(tree_remove(AT_FDCWD, container->bundle)); /* the launch's error is the one to tell */
	container_set_error(container, error_message(error));
	container->record.exit_code = EXIT_START_FAILED;
	return error;
}

/* A start that failed: told to whoever waits for it, kept in the record, and judged by the restart policy. */
void container_launch_failed(Container *container, int exit_code, Error *take_error)
{
	container->record.exit_code = exit_code;
	container->record.pid = 0;
	container->kill_timer = source_free(container->kill_timer);
	container->pending_signal = 0;
	endpoints_detach(container);
	container_set_error(container, error_message(take_error));
	if (container->state == CONTAINER_STARTING)
		container_move(container, state_without_run(container));
	if (list_empty(&container->starts) && container->record.started_ns)
		container_restart_if_wanted(container, 0);
	container_save_or_log(container);
	completions_finish(&container->starts, take_error);
	error_free(take_error);
	container_waits_exit(container);
	container_attaches_end(container);
	volumes_release(container->engine);
	container_remove_if_due(container);
}

void container_launch_later(Container *container)
{
	Error *error = container_launch(container);

	if (error)
		container_launch_failed(container, EXIT_START_FAILED, error);
}
