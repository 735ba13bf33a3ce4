// SPDX-License-Identifier: Apache-2.0
/* kedged: options, configuration, wiring, loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "device/device.h"
#include "device/schema.h"
#include "device/service_file.h"
#include "docker/api.h"
#include "engine/engine.h"
#include "external/engine.h"
#include "main/handed.h"
#include "main/notify.h"
#include "main/root.h"
#include "main/upgrade.h"
#include "tls/door.h"
#include "json/fields.h"

enum { CONFIG_MAX = 1 << 20, EXIT_USAGE = 2 };

#define UPGRADE_TIMEOUT (30 * NANOS_PER_SECOND)
#define CONFIG_DEFAULT "/etc/kedge/kedged.yaml"
#define SERVICE_DEFAULT "/etc/kedge/service.yaml"

/* kedged.yaml: the engine's settings and those of the daemon around it. Options of the same meaning win over the file.
 */
typedef struct Settings {
	EngineConfig engine;
	DeviceConfig device;
	char *socket;                 /* <run dir>/kedge.sock */
	char *socket_group;           /* "kedge" */
	char *read_only_socket;       /* NULL or empty: there is none */
	char *read_only_socket_group; /* "kedge-monitor" */
	char *service_file;           /* /etc/kedge/service.yaml */
	char *log_level;              /* "info" */
	int64_t upgrade_timeout_ns;   /* how long an upgrade waits for what runs */
	TlsConfig tcp;
} Settings;

static const Field settings_fields[] = {
	{.name = "socket", .kind = FIELD_STRING, .offset = offsetof(Settings, socket)},
	{.name = "socketGroup", .kind = FIELD_STRING, .offset = offsetof(Settings, socket_group)},
	{.name = "readOnlySocket", .kind = FIELD_STRING, .offset = offsetof(Settings, read_only_socket)},
	{.name = "readOnlySocketGroup", .kind = FIELD_STRING, .offset = offsetof(Settings, read_only_socket_group)},
	{.name = "serviceFile", .kind = FIELD_STRING, .offset = offsetof(Settings, service_file)},
	{.name = "logLevel", .kind = FIELD_STRING, .offset = offsetof(Settings, log_level)},
	{.name = "upgradeTimeout", .kind = FIELD_DURATION, .offset = offsetof(Settings, upgrade_timeout_ns)},
	{.name = "tcp",
		.kind = FIELD_OBJECT,
		.offset = offsetof(Settings, tcp),
		.sub = tls_config_fields,
		.sub_size = sizeof(TlsConfig)},
	{.name = "engine",
		.kind = FIELD_OBJECT,
		.offset = offsetof(Settings, engine),
		.sub = engine_config_fields,
		.sub_size = sizeof(EngineConfig)},
	{.name = "device",
		.kind = FIELD_OBJECT,
		.offset = offsetof(Settings, device),
		.sub = device_config_fields,
		.sub_size = sizeof(DeviceConfig)},
	FIELDS_END,
};

typedef struct Arguments {
	char *config, *root, *run_dir, *socket, *group, *read_only_socket, *read_only_group, *libexec_dir,
		*registries_dir, *certs_dir, *cni_config_dir, *journal_socket, *runtime, *cgroup_parent, *bridge,
		*firewall_table, *containers_dir, *service_file, *seal_key, *log_level;
	StringList cni_plugin_dirs, cdi_spec_dirs, insecure, address_pools;
	bool check, dump, schema, help, version;
} Arguments;

#define TEXT(option_name, member, option_argument, text)                                                               \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_STRING, .offset = offsetof(Arguments, member),                     \
		.argument = option_argument, .help = text                                                              \
	}
#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(Arguments, member), .help = text        \
	}

static const Option options[] = {
	TEXT("config", config, "FILE", "configuration (" CONFIG_DEFAULT ", if it is there)"),
	SWITCH("check-config", check, "read the configuration, say what is wrong, end"),
	SWITCH("print-config", dump, "print the configuration as it will be used, end"),
	SWITCH("print-schema", schema, "print the JSON Schema of declared containers, end"),
	TEXT("root", root, "DIR", "where images and containers are kept (/var/lib/kedge)"),
	TEXT("run-dir", run_dir, "DIR", "what may be lost at a reboot (/run/kedge)"),
	TEXT("socket", socket, "PATH", "socket of the API (<run-dir>/kedge.sock)"),
	TEXT("group", group, "NAME", "group that may use the socket (kedge)"),
	TEXT("read-only-socket", read_only_socket, "PATH", "socket for monitors: what can be looked at (none)"),
	TEXT("read-only-group", read_only_group, "NAME", "group that may use it (kedge-monitor)"),
	TEXT("libexec-dir", libexec_dir, "DIR",
		"where kedge-shim, kedge-fetch, kedge-unpack, kedge-pack, kedge-tls, kedge-login, kedge-ws, "
		"kedge-dns and kedge-log are"),
	TEXT("registries-dir", registries_dir, "DIR", "settings of single registries (/etc/kedge/registries.d)"),
	TEXT("certs-dir", certs_dir, "DIR", "certificates by registry (/etc/docker/certs.d)"),
	TEXT("journal-socket", journal_socket, "PATH",
		"where log driver journald sends to (/run/systemd/journal/socket)"),
	TEXT("cni-config-dir", cni_config_dir, "DIR", "networks that are CNI configuration lists (/etc/kedge/cni.d)"),
	{.name = "cni-plugin-dir",
		.kind = OPTION_LIST,
		.offset = offsetof(Arguments, cni_plugin_dirs),
		.argument = "DIR",
		.help = "where their plugins are (/usr/lib/cni and /opt/cni/bin)"},
	{.name = "cdi-spec-dir",
		.kind = OPTION_LIST,
		.offset = offsetof(Arguments, cdi_spec_dirs),
		.argument = "DIR",
		.help = "where devices are described for CDI (/etc/cdi and /var/run/cdi)"},
	{.name = "insecure-registry",
		.kind = OPTION_LIST,
		.offset = offsetof(Arguments, insecure),
		.argument = "HOST",
		.help = "registry that may be used without TLS or with a certificate nobody vouches for"},
	TEXT("containers-dir", containers_dir, "DIR", "declared containers, a file each (/etc/kedge/containers.d)"),
	TEXT("seal-key", seal_key, "FILE",
		"key that seals their passwords; made when it is missing (/etc/kedge/seal.key)"),
	TEXT("runtime", runtime, "NAME", "OCI runtime to use (crun)"),
	TEXT("cgroup-parent", cgroup_parent, "PATH", "control group above those of the containers (/kedge)"),
	TEXT("bridge", bridge, "NAME", "bridge of the network that containers are on by default (kedge0)"),
	TEXT("firewall-table", firewall_table, "NAME", "table of nf_tables for published ports (kedge)"),
	{.name = "address-pool",
		.kind = OPTION_LIST,
		.offset = offsetof(Arguments, address_pools),
		.argument = "'SUBNET LENGTH'",
		.help = "addresses for networks that name no subnet, cut into parts of that prefix length"},
	TEXT("service-file", service_file, "FILE",
		"the service's own options, which are changed while it runs (" SERVICE_DEFAULT ")"),
	TEXT("log-level", log_level, "LEVEL", "debug, info, warning or error (info)"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static void usage(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, "Usage: kedged [OPTION...]\n\nRuns containers on this device.\n\n");
	options_help(options, &text, 100);
	fputs(buffer_text(&text), stdout);
}

/* ---- configuration ---- */

static fallible settings_read_file(Settings *settings, const char *path)
{
	autofree char *text = NULL;
	size_t length = 0;
	autoptr(Value) value = NULL;

	TRY(file_read(&text, &length, AT_FDCWD, path, CONFIG_MAX));
	TRY_WRAP(value_parse_yaml(&value, text, length), "configuration \"%s\"", path);
	if (value_is_null(value)) /* nothing, or comments alone */
		return NULL;
	TRY_WRAP(fields_read(settings_fields, settings, value, FIELDS_STRICT), "configuration \"%s\"", path);
	return NULL;
}

static void override(char **slot, const char *value)
{
	if (value)
		string_replace(slot, value);
}

static void settings_override(Settings *settings, const Arguments *arguments)
{
	override(&settings->engine.root, arguments->root);
	override(&settings->engine.run_dir, arguments->run_dir);
	override(&settings->engine.libexec_dir, arguments->libexec_dir);
	override(&settings->engine.registries_dir, arguments->registries_dir);
	override(&settings->engine.certs_dir, arguments->certs_dir);
	override(&settings->engine.journal_socket, arguments->journal_socket);
	override(&settings->engine.cni_config_dir, arguments->cni_config_dir);
	if (arguments->cni_plugin_dirs.count)
		strings_copy(&settings->engine.cni_plugin_dirs, &arguments->cni_plugin_dirs);
	if (arguments->cdi_spec_dirs.count)
		strings_copy(&settings->engine.cdi_spec_dirs, &arguments->cdi_spec_dirs);
	override(&settings->device.containers_dir, arguments->containers_dir);
	override(&settings->device.seal_key_file, arguments->seal_key);
	override(&settings->engine.default_runtime, arguments->runtime);
	override(&settings->engine.cgroup_parent, arguments->cgroup_parent);
	override(&settings->engine.bridge, arguments->bridge);
	override(&settings->engine.firewall_table, arguments->firewall_table);
	if (arguments->address_pools.count)
		strings_copy(&settings->engine.address_pools, &arguments->address_pools);
	override(&settings->socket, arguments->socket);
	override(&settings->socket_group, arguments->group);
	override(&settings->read_only_socket, arguments->read_only_socket);
	override(&settings->read_only_socket_group, arguments->read_only_group);
	override(&settings->service_file, arguments->service_file);
	override(&settings->log_level, arguments->log_level);
	for (size_t i = 0; i < arguments->insecure.count; i++)
		strings_add(&settings->engine.insecure_registries, arguments->insecure.items[i]);
}

static fallible check_socket(const char *field, const char *path)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (*path != '/')
		return error_new(ERROR_INVALID, "field \"%s\": path \"%s\" is not absolute", field, path);
	if (strlen(path) > max)
		return error_new(ERROR_INVALID, "field \"%s\": path \"%s\" is longer than %zu bytes", field, path, max);
	return NULL;
}

static fallible check_sockets(const Settings *settings)
{
	TRY(check_socket("socket", settings->socket));
	if (string_empty(settings->read_only_socket))
		return NULL;
	TRY(check_socket("readOnlySocket", settings->read_only_socket));
	if (string_equal(settings->socket, settings->read_only_socket))
		return error_new(ERROR_INVALID, "field \"readOnlySocket\": \"%s\" is the API's own socket",
			settings->read_only_socket);
	return NULL;
}

static fallible settings_check(const Settings *settings)
{
	if (log_level_find(settings->log_level) < 0)
		return error_new(ERROR_INVALID, "field \"logLevel\": \"%s\" is none of debug, info, warning, error",
			settings->log_level);
	TRY(check_sockets(settings));
	if (*settings->service_file != '/')
		return error_new(
			ERROR_INVALID, "field \"serviceFile\": path \"%s\" is not absolute", settings->service_file);
	TRY(tls_config_check(&settings->tcp));
	TRY(device_config_check(&settings->device));
	return engine_config_check(&settings->engine);
}

static fallible settings_load(Settings *settings, const Arguments *arguments)
{
	const char *path = arguments->config ? arguments->config : CONFIG_DEFAULT;

	engine_config_init(&settings->engine);
	device_config_init(&settings->device);
	tls_config_init(&settings->tcp);
	settings->socket_group = mem_strdup("kedge");
	settings->read_only_socket_group = mem_strdup("kedge-monitor");
	settings->service_file = mem_strdup(SERVICE_DEFAULT);
	settings->log_level = mem_strdup("info");
	settings->upgrade_timeout_ns = UPGRADE_TIMEOUT;
	if (arguments->config || file_exists(AT_FDCWD, path))
		TRY(settings_read_file(settings, path));
	settings_override(settings, arguments);
	if (!settings->socket)
		settings->socket = path_join(settings->engine.run_dir, "kedge.sock");
	return settings_check(settings);
}

/* Who looks over a shoulder, or reads a report, learns no password (invariant 9). */
static void mask(char **url)
{
	autofree char *masked = string_mask_login(*url);

	string_replace(url, masked);
}

static void settings_print(Settings *settings)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	mask(&settings->engine.http_proxy);
	mask(&settings->engine.https_proxy);
	writer_init(&writer, &text);
	fields_write(settings_fields, settings, &writer, NULL);
	puts(buffer_text(&text));
}

static void schema_print(void)
{
	autoptr(Value) schema = schema_of_declaration();
	autoclear(Buffer) text = {0};

	value_write(schema, &text);
	puts(buffer_text(&text));
}

/* ---- running ---- */

typedef struct Serving {
	Loop *loop;
	Engine *engine;
	Device *device;
	Source *stopping;
	bool goes_down;
} Serving;

/* While the machine goes down, its init program sends TERM too, after PWR: but of signals that wait together, the lower
 * number comes first. */
static void stop(void *arg)
{
	source_rearm(((const Serving *)arg)->stopping, 0);
}

static void stop_unless_down(void *arg)
{
	const Serving *serving = arg;

	if (serving->goes_down)
		return;
	log_info("stopping; containers go on");
	loop_stop(serving->loop);
}

static void power_is_down(void *arg)
{
	const Serving *serving = arg;

	log_info("stopping; no container runs");
	loop_stop(serving->loop);
}

static void power_down(void *arg)
{
	Serving *serving = arg;

	if (serving->goes_down)
		return;
	serving->goes_down = true;
	device_stop(serving->device);
	engine_power_down(serving->engine, power_is_down, serving);
}

/* The heap of a busy second (an archive's index, a list of a thousand) is not that of an idle device. */
#define REST_DELAY (2 * NANOS_PER_SECOND)

static void rest(void *arg)
{
	engine_trim(arg);
	mem_trim();
}

typedef struct Successor {
	int fds[HANDED_MAX];
	size_t count; /* 0: there is none */
} Successor;

typedef struct Listening {
	HandedSocket sockets[DOCKER_SOCKETS_MAX];
	DockerProfile profiles[DOCKER_SOCKETS_MAX];
	size_t count;
	char *tls_socket, *guests_socket;
} Listening;

static void listening_clear(Listening *listening)
{
	free(listening->tls_socket);
	free(listening->guests_socket);
}
DEFINE_AUTOCLEAR(Listening, listening_clear)

static void add_socket(Listening *listening, DockerProfile profile, const char *path, const char *group)
{
	listening->profiles[listening->count] = profile;
	listening->sockets[listening->count++] = (HandedSocket){path, group, -1, -1};
}

/* Before the engine is opened: who comes meanwhile waits for its answer, where it would be refused otherwise. */
static fallible listen_all(Listening *ret, const Settings *settings, const DoorPlace *place)
{
	add_socket(ret, DOCKER_ALL, settings->socket, settings->socket_group);
	if (!string_empty(settings->read_only_socket))
		add_socket(ret, DOCKER_READ_ONLY, settings->read_only_socket, settings->read_only_socket_group);
	if (tls_config_is_on(&settings->tcp)) {
		TRY(door_prepare(&ret->tls_socket, &ret->guests_socket, place));
		add_socket(ret, DOCKER_CERTIFIED, ret->tls_socket, NULL);
	}
	if (tls_config_has_guests(&settings->tcp))
		add_socket(ret, DOCKER_GUARDED, ret->guests_socket, NULL);
	return handed_listen(ret->sockets, ret->count);
}

static fallible serve_all(DockerApi *api, const Listening *listening)
{
	for (size_t i = 0; i < listening->count; i++) {
		const HandedSocket *handed = &listening->sockets[i];
		notify_store(handed->fd);
		TRY(docker_api_serve(api, handed->fd, listening->profiles[i]));
		if (handed->connections_fd >= 0)
			docker_api_take_over(api, handed->connections_fd);
		log_info("kedged %s listens on %s", KEDGE_VERSION, handed->path);
	}
	return NULL;
}

/* None of our own sockets is another engine's. */
static ExternalEngine *new_external(Engine *engine, const ServiceFile *service, const Listening *listening)
{
	autoclear(StringList) sockets = {0};

	for (size_t i = 0; i < listening->count; i++)
		strings_add(&sockets, listening->sockets[i].path);
	return external_engine_new(engine, service, &sockets);
}

/* TLS comes last: its process is none of those that the program before this one had. */
static fallible open_door(Door **ret, Loop *loop, const Settings *settings, const DoorPlace *place)
{
	if (tls_config_is_on(&settings->tcp))
		return door_new(ret, loop, &settings->tcp, place);
	door_remove(place);
	return NULL;
}

static fallible serve(Successor *ret_next, Loop *loop, Engine *engine, const Settings *settings, char *const *argv)
{
	autoclear(Listening) listening = {.count = 0};
	autoptr(ServiceFile) service = NULL;
	autoptr(Device) device = NULL;
	autoptr(ExternalEngine) external = NULL;
	autoptr(Api) own = NULL;
	autoptr(DockerApi) api = NULL;
	autoptr(Upgrade) upgrade = NULL;
	autoptr(Door) door = NULL;
	autoptr(Source) terminate = NULL;
	autoptr(Source) interrupt = NULL;
	autoptr(Source) power = NULL;
	autoptr(Source) stopping = NULL;
	autoptr(Source) watchdog = NULL;
	autoptr(Source) resting = NULL;
	Serving serving = {.loop = loop, .engine = engine};
	const DoorPlace place = {settings->engine.run_dir, settings->engine.libexec_dir};

	TRY(handed_children(loop)); /* before there are any of our own: each has one who waits for it */
	TRY(listen_all(&listening, settings, &place));
	TRY(service_file_open(&service, engine, settings->service_file));
	TRY_WRAP(device_new(&device, engine, &settings->device, service), "could not start");
	TRY_WRAP(engine_open(engine), "could not start");
	serving.device = device;
	external = new_external(engine, service, &listening);
	TRY(external_engine_start(external));
	TRY(api_new(&own, engine, device, service, external));
	if (tls_config_has_guests(&settings->tcp))
		api_let_log_in(own, settings->tcp.passwords);
	api_take_over_sessions(own, handed_memory());
	const DockerExtra extra = api_extra(own);
	TRY(docker_api_new(&api, engine, &extra));
	TRY(serve_all(api, &listening));
	TRY(upgrade_new(&upgrade, loop, api, settings->upgrade_timeout_ns, argv));
	TRY(loop_timer(&stopping, loop, -1, stop_unless_down, &serving));
	serving.stopping = stopping;
	TRY(loop_signal(&terminate, loop, SIGTERM, stop, &serving));
	TRY(loop_signal(&interrupt, loop, SIGINT, stop, &serving));
	TRY(loop_signal(&power, loop, SIGPWR, power_down, &serving));
	TRY(loop_after_work(&resting, loop, REST_DELAY, rest, engine));
	TRY(notify_watchdog(&watchdog, loop));
	device_start(device);
	notify("READY=1");
	TRY(open_door(&door, loop, settings, &place));
	TRY(loop_run(loop));
	ret_next->count = upgrade_take_sockets(upgrade, ret_next->fds);
	if (ret_next->count > 0) {
		ret_next->fds[ret_next->count++] = api_hand_over_sessions(own);
		return NULL;
	}
	door_shut(door);
	notify("STOPPING=1");
	return NULL;
}

static fallible serve_engine(Successor *ret_next, const Settings *settings, char *const *argv)
{
	autoptr(Loop) loop = NULL;
	autoptr(Engine) engine = NULL;

	TRY(loop_new(&loop));
	TRY_WRAP(engine_new(&engine, loop, &settings->engine), "could not start");
	return serve(ret_next, loop, engine, settings, argv);
}

/* Clients and shims take a descriptor each: what the administrator allows is used. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("could not raise the limit of open files: %s", strerror(errno));
}

static fallible run(const Settings *settings, char *const *argv)
{
	autofree char *program = NULL;
	Successor next = {0};

	TRY(root_check());
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	TRY(serve_engine(&next, settings, argv));
	if (next.count == 0)
		return NULL;
	TRY(upgrade_program(&program));
	return handed_over(next.fds, next.count, program, argv);
}

/* Not when kedged starts: a certificate that is no good keeps no container from being started. */
static fallible check_files(const Settings *settings)
{
	return tls_config_is_on(&settings->tcp) ? door_check(&settings->tcp, settings->engine.libexec_dir) : NULL;
}

static fallible kedged(const Arguments *arguments, char *const *argv)
{
	Settings settings = {0};
	Error *error = settings_load(&settings, arguments);

	if (!error) {
		log_set_level((LogLevel)log_level_find(settings.log_level));
		if (arguments->dump)
			settings_print(&settings);
		else if (arguments->check)
			error = check_files(&settings);
		else
			error = run(&settings, argv);
	}
	fields_clear(settings_fields, &settings);
	return error;
}

static int complain(Error *error, int status)
{
	fprintf(stderr, "kedged: %s\n", error_message(error));
	if (error_hint_text(error))
		fprintf(stderr, "hint: %s\n", error_hint_text(error));
	error_free(error);
	return status;
}

int main(int argc, char **argv)
{
	Arguments arguments = {0};
	autoclear(StringList) rest = {0};
	Error *error = options_parse(options, &arguments, argc - 1, argv + 1, 0, &rest);

	log_set_name("kedged");
	if (!error && rest.count)
		error = error_new(ERROR_INVALID, "unexpected argument \"%s\"", rest.items[0]);
	if (error)
		return complain(error, EXIT_USAGE);
	if (arguments.help)
		usage();
	else if (arguments.version)
		puts("kedged " KEDGE_VERSION);
	else if (arguments.schema)
		schema_print();
	else
		error = kedged(&arguments, argv);
	options_clear(options, &arguments);
	return error ? complain(error, EXIT_FAILURE) : EXIT_SUCCESS;
}
