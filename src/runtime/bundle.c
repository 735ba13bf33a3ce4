// SPDX-License-Identifier: Apache-2.0
#include "runtime/bundle.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/apparmor.h"
#include "runtime/bundle_parts.h"
#include "runtime/capability.h"
#include "runtime/seccomp_file.h"

/* The last thing in a container's argv[0], where Docker has it too. */
#define INIT_PATH "/sbin/docker-init"
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- process ---- */

static void write_user(Writer *writer, const UserIds *user, const CdiEdits *edits)
{
	write_object(writer, "user");
	write_uint(writer, "uid", user->uid);
	write_uint(writer, "gid", user->gid);
	write_array(writer, "additionalGids");
	write_uint(writer, NULL,
		user->gid); /* so that setgroups(2) drops nothing that a file of that group was refused to */
	for (size_t i = 0; i < user->group_count; i++)
		if (user->groups[i] != user->gid)
			write_uint(writer, NULL, user->groups[i]);
	for (size_t i = 0; edits && i < value_count(edits->gids); i++)
		write_int(writer, NULL, value_int(value_at(edits->gids, i), 0));
	write_array_end(writer);
	write_object_end(writer);
}

static void write_arguments(Writer *writer, const ContainerSpec *spec)
{
	static const char *const init[] = {INIT_PATH, "--"};

	write_array(writer, "args");
	for (size_t i = 0; spec->init && !spec_is_shared(spec->pid_mode) && i < COUNT(init); i++)
		write_string(writer, NULL, init[i]);
	for (size_t i = 0; i < spec->entrypoint.count; i++)
		write_string(writer, NULL, spec->entrypoint.items[i]);
	for (size_t i = 0; i < spec->command.count; i++)
		write_string(writer, NULL, spec->command.items[i]);
	write_array_end(writer);
}

static void write_terminal(Writer *writer, const ContainerSpec *spec)
{
	write_bool(writer, "terminal", spec->tty);
	if (!spec->tty || !spec->console_rows || !spec->console_columns)
		return;
	write_object(writer, "consoleSize");
	write_uint(writer, "height", (uint64_t)spec->console_rows);
	write_uint(writer, "width", (uint64_t)spec->console_columns);
	write_object_end(writer);
}

/* Ours first, so that the caller's and the image's replace them. A bare NAME takes a variable away. */
static void write_env(Writer *writer, const BundleInput *input)
{
	autoclear(StringList) env = {0};

	strings_add(&env, DEFAULT_PATH);
	if (!string_empty(input->hostname))
		strings_printf(&env, "HOSTNAME=%s", input->hostname);
	strings_printf(&env, "HOME=%s", input->user->home);
	if (input->spec->tty)
		strings_add(&env, "TERM=xterm");
	for (size_t i = 0; input->link_variables && i < input->link_variables->count; i++)
		strings_env_set(&env, input->link_variables->items[i]);
	for (size_t i = 0; i < input->spec->env.count; i++)
		if (strchr(input->spec->env.items[i], '='))
			strings_env_set(&env, input->spec->env.items[i]);
	for (size_t i = 0; input->edits && i < input->edits->env.count; i++)
		strings_env_set(&env, input->edits->env.items[i]);
	write_strings(writer, "env", &env);
}

static void write_capability_set(Writer *writer, const char *key, uint64_t set)
{
	write_array(writer, key);
	for (int i = 0; capability_name(i); i++)
		if (set & CAPABILITY_BIT(i))
			write_string(writer, NULL, capability_name(i));
	write_array_end(writer);
}

/* As Docker: neither inheritable nor ambient, so that a user other than root has none after execve(2) but what files
 * give. */
static void write_capabilities(Writer *writer, uint64_t set)
{
	write_object(writer, "capabilities");
	write_capability_set(writer, "bounding", set);
	write_capability_set(writer, "effective", set);
	write_capability_set(writer, "permitted", set);
	write_object_end(writer);
}

static fallible write_process_members(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	SecurityChoice security;
	uint64_t capabilities;
	const char *profile;

	TRY(spec_read_security(&security, spec));
	TRY(apparmor_choose(&profile, spec, input->apparmor));
	TRY(capability_set(&capabilities, &spec->cap_add, &spec->cap_drop, spec->privileged));
	write_user(writer, input->user, input->edits);
	write_env(writer, input);
	write_string(writer, "cwd", string_empty(spec->workdir) ? "/" : spec->workdir);
	write_capabilities(writer, capabilities);
	write_bool(writer, "noNewPrivileges", security.no_new_privileges);
	TRY(bundle_write_rlimits(writer, spec));
	TRY(bundle_write_oom_score(writer, spec));
	if (profile)
		write_string(writer, "apparmorProfile", profile);
	return NULL;
}

/* ---- linux ---- */

static void write_path_list(Writer *writer, const char *key, const StringList *paths)
{
	if (paths->count)
		write_strings(writer, key, paths);
}

static void write_paths(Writer *writer, const ContainerSpec *spec)
{
	autoclear(StringList) masked = {0}, read_only = {0};

	container_spec_masked_paths(&masked, spec);
	container_spec_read_only_paths(&read_only, spec);
	write_path_list(writer, "maskedPaths", &masked);
	write_path_list(writer, "readonlyPaths", &read_only);
}

/* NULL is private here; those that the kernel lacks are left out. */
static void write_namespaces(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	const struct {
		const char *type, *mode, *path, *kernel_file;
	} namespaces[] = {
		{"mount", NULL, NULL, NULL},
		{"pid", spec->pid_mode, input->joined_pid, NULL},
		{"ipc", spec->ipc_mode, input->joined_ipc, NULL},
		{"uts", spec->uts_mode, NULL, NULL},
		{"network", spec->network_mode, input->joined_network, NULL},
		{"cgroup", spec->cgroupns_mode, NULL, "/proc/self/ns/cgroup"},
	};

	write_array(writer, "namespaces");
	for (size_t i = 0; i < COUNT(namespaces); i++) {
		if (spec_is_host(namespaces[i].mode))
			continue;
		if (input->given_network && string_equal(namespaces[i].type, "network"))
			continue;
		if (namespaces[i].kernel_file && !file_exists(AT_FDCWD, namespaces[i].kernel_file))
			continue;
		write_object(writer, NULL);
		write_string(writer, "type", namespaces[i].type);
		if (namespaces[i].path)
			write_string(writer, "path", namespaces[i].path);
		write_object_end(writer);
	}
	write_array_end(writer);
}

static void add_sysctls(StringMap *ret, const ContainerSpec *spec, bool are_of_network)
{
	for (size_t i = 0; i < spec->sysctls.count; i++)
		if (string_starts(spec->sysctls.items[i].key, "net.") == are_of_network)
			map_set(ret, spec->sysctls.items[i].key, spec->sysctls.items[i].value);
}

/* In a network of its own a container may ping and bind low ports without capabilities, as Docker lets it. */
void bundle_network_settings(StringMap *ret, const ContainerSpec *spec)
{
	if (!spec_is_shared(spec->network_mode)) {
		map_set(ret, "net.ipv4.ping_group_range", "0 2147483647");
		map_set(ret, "net.ipv4.ip_unprivileged_port_start", "0");
	}
	add_sysctls(ret, spec, true);
}

static void write_sysctls(Writer *writer, const BundleInput *input)
{
	autoclear(StringMap) sysctls = {0};

	if (!input->given_network)
		bundle_network_settings(&sysctls, input->spec);
	if (!string_empty(input->spec->domainname))
		map_set(&sysctls, "kernel.domainname", input->spec->domainname);
	add_sysctls(&sysctls, input->spec, false);
	write_map(writer, "sysctl", &sysctls);
}

/* A profile of the caller's own goes to the runtime as JSON; the default one as it takes it best. */
static fallible read_filter(Buffer *out, const BundleInput *input, bool ready_made)
{
	const ContainerSpec *spec = input->spec;
	SecurityChoice security;
	uint64_t capabilities;
	const char *text;

	TRY(spec_read_security(&security, spec));
	TRY(capability_set(&capabilities, &spec->cap_add, &spec->cap_drop, spec->privileged));
	if (security.seccomp_profile)
		return ready_made ? NULL : seccomp_file_convert(out, security.seccomp_profile, capabilities);
	if (!input->seccomp || security.seccomp_off || ready_made != input->seccomp_ready_made)
		return NULL;
	if (ready_made)
		TRY(seccomp_filter_base64(&text, input->seccomp, capabilities));
	else
		TRY(seccomp_filter_json(&text, input->seccomp, capabilities));
	buffer_add_text(out, text);
	return NULL;
}

fallible bundle_write_filter(Buffer *out, const BundleInput *input)
{
	return read_filter(out, input, true);
}

static fallible write_linux(Writer *writer, const BundleInput *input)
{
	const char *propagation = bundle_root_propagation(input);
	autoclear(Buffer) filter = {0};

	TRY(read_filter(&filter, input, false));
	write_object(writer, "linux");
	write_string(writer, "cgroupsPath", input->cgroup);
	write_namespaces(writer, input);
	write_sysctls(writer, input);
	write_paths(writer, input->spec);
	if (propagation)
		write_string(writer, "rootfsPropagation", propagation);
	TRY(bundle_write_devices(writer, input));
	TRY(bundle_write_resources(writer, input));
	if (filter.length)
		write_raw(writer, "seccomp", buffer_text(&filter));
	write_object_end(writer);
	return NULL;
}

/* ---- hooks ---- */

static void write_hook(Writer *writer, const CdiHook *hook)
{
	write_object(writer, NULL);
	write_string(writer, "path", hook->path);
	if (hook->args.count)
		write_strings(writer, "args", &hook->args);
	if (hook->env.count)
		write_strings(writer, "env", &hook->env);
	if (hook->timeout_s)
		write_int(writer, "timeout", hook->timeout_s);
	write_object_end(writer);
}

static void write_hooks_of(Writer *writer, const char *name, const CdiEdits *edits)
{
	const CdiHook *hooks = edits->hooks.items;
	bool is_open = false;

	for (size_t i = 0; i < edits->hooks.count; i++) {
		if (!string_equal(hooks[i].name, name))
			continue;
		if (!is_open)
			write_array(writer, name);
		is_open = true;
		write_hook(writer, &hooks[i]);
	}
	if (is_open)
		write_array_end(writer);
}

static void write_hooks(Writer *writer, const CdiEdits *edits)
{
	if (!edits || edits->hooks.count == 0)
		return;
	write_object(writer, "hooks");
	for (size_t i = 0; i < CDI_HOOK_NAMES; i++)
		write_hooks_of(writer, cdi_hook_names[i], edits);
	write_object_end(writer);
}

/* ---- the whole ---- */

static void write_root(Writer *writer, const BundleInput *input)
{
	write_object(writer, "root");
	write_string(writer, "path", input->rootfs);
	write_bool(writer, "readonly", input->spec->read_only_root);
	write_object_end(writer);
}

static fallible write_annotations(Writer *writer, const BundleInput *input)
{
	autoclear(Buffer) filter = {0};

	TRY(read_filter(&filter, input, true));
	if (!filter.length && !input->spec->annotations.count)
		return NULL;
	write_object(writer, "annotations");
	for (size_t i = 0; i < input->spec->annotations.count; i++)
		write_string(writer, input->spec->annotations.items[i].key, input->spec->annotations.items[i].value);
	if (filter.length)
		write_string(writer, SECCOMP_ANNOTATION, buffer_text(&filter));
	write_object_end(writer);
	return NULL;
}

fallible bundle_write(Buffer *out, const BundleInput *input)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "ociVersion", "1.0.2");
	write_object(&writer, "process");
	write_arguments(&writer, input->spec);
	write_terminal(&writer, input->spec);
	TRY(write_process_members(&writer, input));
	write_object_end(&writer);
	write_root(&writer, input);
	if (!spec_is_host(input->spec->uts_mode) && !string_empty(input->hostname))
		write_string(&writer, "hostname", input->hostname);
	TRY(bundle_write_mounts(&writer, input));
	TRY(write_annotations(&writer, input));
	write_hooks(&writer, input->edits);
	TRY(write_linux(&writer, input));
	write_object_end(&writer);
	return NULL;
}

fallible bundle_write_process(Buffer *out, const BundleInput *input, const StringList *arguments, bool has_terminal)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_strings(&writer, "args", arguments);
	if (has_terminal)
		write_terminal(&writer, input->spec);
	else
		write_bool(&writer, "terminal", false);
	TRY(write_process_members(&writer, input));
	write_object_end(&writer);
	return NULL;
}
