// SPDX-License-Identifier: Apache-2.0
#include "device/kanto.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/memory.h"
#include "device/carry.h"
#include "device/declaration_check.h"

/* ---- keys ---- */

/* In lower case, all the way down. Of two that differ in case alone the last one counts, as in Go. */
static Value *lower_keys(const Value *value)
{
	Value *copy = value_is_object(value) ? value_object() : value_array(), *member;
	const char *key;
	size_t cursor = 0;

	if (!value_is_object(value) && !value_is_array(value)) {
		value_free(copy);
		return value_copy(value);
	}
	while (value_is_object(value) && value_each(value, &cursor, &key, &member)) {
		autofree char *lower = string_lower(key);
		value_set(copy, lower, lower_keys(member));
	}
	for (size_t i = 0; value_is_array(value) && i < value_count(value); i++)
		value_append(copy, lower_keys(value_at(value, i)));
	return copy;
}

/* The first of two spellings that is there. */
static const Value *either(const Value *object, const char *a, const char *b)
{
	const Value *value = value_get(object, a);

	return says_nothing(value) ? value_get(object, b) : value;
}

static const char *text_of(const Value *object, const char *a, const char *b)
{
	const char *text = value_string(either(object, a, b));

	return text ? text : "";
}

bool kanto_is(const Value *document)
{
	autoptr(Value) lower = value_is_object(document) ? lower_keys(document) : NULL;

	return value_is_object(value_get(lower, "image")) || value_get(lower, "host_config") ||
	       value_get(lower, "container_id") || value_get(lower, "mount_points");
}

/* ---- parts ---- */

static void set_text(Value *object, const char *key, const char *text)
{
	if (*text)
		value_set(object, key, value_new_string(text));
}

static const char *put_name(Value *to, const Value *from, const char *name)
{
	const char *own = text_of(from, "container_name", "name");
	const char *id = text_of(from, "container_id", "id");

	name = *own ? own : *id ? id : name ? name : "";
	set_text(to, "name", name);
	return name;
}

/* Kanto makes host names up, but where the container has the machine's. */
static void put_host_names(Value *to, const Value *from, const char *name)
{
	const char *host = text_of(from, "host_name", "host_name"),
		   *domain = text_of(from, "domain_name", "domain_name");
	bool is_host = string_equal(value_string(value_path(from, "host_config.network_mode")), "host");
	autofree char *made_host = string_printf("%s-host", name), *made_domain = string_printf("%s-domain", name);

	if (is_host)
		return;
	set_text(to, "hostname", *host ? host : made_host);
	set_text(to, "domainName", *domain ? domain : made_domain);
}

static void put_mounts(Value *to, const Value *from)
{
	const Value *mounts = either(from, "mount_points", "mounts");
	Value *list = value_array();

	for (size_t i = 0; i < value_count(mounts); i++) {
		const Value *mount = value_at(mounts, i);
		Value *item = value_object();
		set_text(item, "type", "bind");
		set_text(item, "source", text_of(mount, "source", "source"));
		set_text(item, "target", text_of(mount, "destination", "destination"));
		set_text(item, "propagation", text_of(mount, "propagation_mode", "propagation_mode"));
		value_append(list, item);
	}
	value_set(to, "volumes", list);
}

static void put_devices(Value *to, const Value *host)
{
	const Value *devices = value_get(host, "devices");
	Value *list = value_array();

	for (size_t i = 0; i < value_count(devices); i++) {
		const Value *device = value_at(devices, i);
		Value *item = value_object();
		set_text(item, "path", text_of(device, "path_on_host", "path_on_host"));
		set_text(item, "target", text_of(device, "path_in_container", "path_in_container"));
		set_text(item, "permissions", text_of(device, "cgroup_permissions", "cgroup_permissions"));
		value_append(list, item);
	}
	value_set(to, "devices", list);
}

/* What is no address ("localhost") means every one, as there. */
static void put_address(Value *to, const char *text, StringList *notes)
{
	struct in6_addr address;

	if (!*text || !strcmp(text, "0.0.0.0"))
		return;
	if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
		value_set(to, "address", value_new_string(text));
	else
		strings_printf(notes,
			"field \"host_config.port_mappings\": \"%.64s\" is no address: every one of the host is meant",
			text);
}

static void put_ports(Value *to, const Value *host, StringList *notes)
{
	static const Carried inside[] = {{"container_port", "container"}, {NULL, NULL}};
	const Value *ports = value_get(host, "port_mappings");
	Value *list = value_array();

	for (size_t i = 0; i < value_count(ports); i++) {
		const Value *port = value_at(ports, i);
		int64_t first = value_int(value_get(port, "host_port"), 0);
		int64_t last = value_int(value_get(port, "host_port_end"), 0);
		Value *item = value_object();
		carry(item, port, inside);
		value_set(item, "host", value_new_int(first));
		if (last > first)
			value_set(item, "hostEnd", value_new_int(last));
		set_text(item, "protocol", text_of(port, "proto", "protocol"));
		put_address(item, text_of(port, "host_ip", "host_ip"), notes);
		value_append(list, item);
	}
	value_set(to, "ports", list);
}

static void put_restart(Value *to, const Value *host, StringList *notes)
{
	const Value *policy = value_get(host, "restart_policy");

	set_text(to, "restart", text_of(policy, "type", "type"));
	if (!says_nothing(value_get(policy, "maximum_retry_count")))
		value_set(to, "restartRetries", value_copy(value_get(policy, "maximum_retry_count")));
	if (!says_nothing(value_get(policy, "retry_timeout")))
		strings_printf(notes,
			"field \"host_config.restart_policy.retry_timeout\" is left out: the time between "
			"two starts is kedge's own");
}

/* containerd's names of its runtimes; runc is whatever this device runs containers with. */
static void put_runtime(Value *to, const Value *host)
{
	const char *runtime = text_of(host, "runtime", "runtime");

	if (string_starts(runtime, "io.containerd.runc.") || string_equal(runtime, "io.containerd.runtime.v1.linux"))
		return;
	if (!string_starts(runtime, "io.containerd.")) {
		set_text(to, "runtime", runtime);
		return;
	}
	const char *name = runtime + strlen("io.containerd.");
	autofree char *alone = mem_strndup(name, strcspn(name, "."));
	set_text(to, "runtime", alone);
}

static void put_number(Value *options, const char *key, const Value *number)
{
	if (value_int(number, 0) > 0) {
		autofree char *text = string_printf("%lld", (long long)value_int(number, 0));
		set_text(options, key, text);
	}
}

static void put_log(Value *to, const Value *from)
{
	const Value *nested = value_path(from, "host_config.log_config");
	const Value *config = says_nothing(nested) ? value_get(from, "log_config") : nested;
	const Value *driver = value_get(config, "driver_config"), *mode = value_get(config, "mode_config");
	bool is_none = string_equal(value_string(value_get(driver, "type")), "none");
	Value *options = value_object();

	if (!is_none) {
		put_number(options, "max-file", value_get(driver, "max_files"));
		set_text(options, "max-size", text_of(driver, "max_size", "max_size"));
	}
	if (string_equal(value_string(value_get(mode, "mode")), "non-blocking")) {
		set_text(options, "mode", "non-blocking");
		set_text(options, "max-buffer-size", text_of(mode, "max_buffer_size", "max_buffer_size"));
	}
	set_text(to, "driver", text_of(driver, "type", "type"));
	value_set(to, "options", options);
}

/* "-1" is no limit; other sizes are texts that we read as well. */
static void put_memory(Value *to, const Value *from)
{
	static const struct {
		const char *from, *to;
	} sizes[] = {{"memory", "memory"}, {"memory_reservation", "memoryReservation"}, {"memory_swap", "memorySwap"}};
	const Value *nested = value_path(from, "host_config.resources");
	const Value *resources = says_nothing(nested) ? value_get(from, "resources") : nested;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		const Value *size = value_get(resources, sizes[i].from);
		if (says_nothing(size))
			continue;
		value_set(
			to, sizes[i].to, string_equal(value_string(size), "-1") ? value_new_int(-1) : value_copy(size));
	}
}

/* ---- names in the container ---- */

/* "container_NAME-host": the container that Kanto gave that host name. Its address changes, a link follows it. */
static bool put_link(Value *to, const char *alias, const char *host)
{
	size_t length = strlen(host);

	if (!string_ends(host, "-host") || length == strlen("-host"))
		return false;
	autofree char *name = mem_strndup(host, length - strlen("-host"));
	autofree char *link = string_printf("%s:%s", name, alias);
	if (!value_get(to, "links")) {
		value_set(to, "links", value_array());
		value_set(to, "dependsOn", value_object());
	}
	value_append(value_get(to, "links"), value_new_string(link));
	value_set(value_get(to, "dependsOn"), name, value_object());
	return true;
}

/* It finds itself by its host name. */
static bool is_itself(const Value *to, const char *host)
{
	const char *name = value_string(value_get(to, "name"));
	size_t length = name ? strlen(name) : 0;

	return host && length && strncmp(host, name, length) == 0 && strcmp(host + length, "-host") == 0;
}

/* Words in the place of an address: Kanto leaves out what it does not find. */
static void put_host(Value *to, const char *entry, bool has_bridge, StringList *notes)
{
	size_t length = strcspn(entry, ":");
	const char *address = entry + length + (entry[length] == ':');
	autofree char *name = mem_strndup(entry, length);
	autofree char *gateway = string_printf("%s:host-gateway", name);
	const char *other = string_starts(address, "container_") ? strchr(address, '_') + 1 : NULL;

	if (is_itself(to, other) || (other && has_bridge && put_link(to, name, other)))
		return;
	if (other || string_starts(address, "host_ip_"))
		strings_printf(notes,
			"field \"host_config.extra_hosts\": \"%.300s\" is left out: there is nothing of its kind",
			entry);
	else
		value_append(value_get(to, "extraHosts"),
			value_new_string(string_equal(address, "host_ip") ? gateway : entry));
}

static void put_hosts(Value *to, const Value *host, StringList *notes)
{
	const Value *entries = value_get(host, "extra_hosts");
	bool has_bridge = !string_equal(value_string(value_get(host, "network_mode")), "host");

	value_set(to, "extraHosts", value_array());
	for (size_t i = 0; i < value_count(entries); i++) {
		const char *entry = value_string(value_at(entries, i));
		put_host(to, entry ? entry : "", has_bridge, notes);
	}
}

static void note_what_is_missing(StringList *notes, const Value *from)
{
	static const char *const known[] = {"container_id", "id", "container_name", "name", "image", "domain_name",
		"host_name", "mount_points", "mounts", "config", "host_config", "io_config", "network_settings",
		"state", "resolv_conf_path", "hosts_path", "hostname_path", "created", "restart_count",
		"manually_stopped", "started_successfully_before", "log_config", "resources", NULL};
	static const char *const known_host[] = {"devices", "network_mode", "privileged", "restart_policy", "runtime",
		"extra_hosts", "extra_capabilities", "port_mappings", "log_config", "resources", NULL};
	static const char *const known_image[] = {"name", NULL};
	static const char *const known_config[] = {"env", "cmd", NULL};

	note_others(notes, from, "field ", known);
	note_others(notes, value_get(from, "host_config"), "field \"host_config\": ", known_host);
	note_others(notes, value_get(from, "image"), "field \"image\": ", known_image);
	note_others(notes, value_get(from, "config"), "field \"config\": ", known_config);
}

/* ---- the whole ---- */

static const Carried plain[] = {
	{"image.name", "image"},
	{"config.env", "environment"},
	{"config.cmd", "command"},
	{"host_config.network_mode", "networkMode"},
	{"host_config.privileged", "privileged"},
	{"host_config.extra_capabilities", "capAdd"},
	{"io_config.open_stdin", "stdinOpen"},
	{"io_config.tty", "tty"},
	{NULL, NULL},
};

static const FieldName field_names[] = {
	{"name", "container_name"},
	{"image", "image.name"},
	{"environment", "config.env"},
	{"command", "config.cmd"},
	{"volumes", "mount_points"},
	{"devices", "host_config.devices"},
	{"ports", "host_config.port_mappings"},
	{"networkMode", "host_config.network_mode"},
	{"privileged", "host_config.privileged"},
	{"restart", "host_config.restart_policy.type"},
	{"restartRetries", "host_config.restart_policy.maximum_retry_count"},
	{"extraHosts", "host_config.extra_hosts"},
	{"capAdd", "host_config.extra_capabilities"},
	{"logging", "host_config.log_config"},
	{"memory", "host_config.resources.memory"},
	{"memoryReservation", "host_config.resources.memory_reservation"},
	{"memorySwap", "host_config.resources.memory_swap"},
	{"hostname", "host_name"},
	{"domainName", "domain_name"},
	{NULL, NULL},
};

fallible kanto_read(Declaration *ret, StringList *ret_notes, const Value *document, const char *name)
{
	autoptr(Value) from = lower_keys(document);
	autoptr(Value) to = value_object();
	Value *logging = value_object();
	const Value *host = value_get(from, "host_config");

	carry(to, from, plain);
	put_host_names(to, from, put_name(to, from, name));
	put_mounts(to, from);
	put_devices(to, host);
	put_ports(to, host, ret_notes);
	put_hosts(to, host, ret_notes);
	put_restart(to, host, ret_notes);
	put_runtime(to, host);
	value_set(to, "logging", logging);
	put_log(logging, from);
	put_memory(to, from);
	note_what_is_missing(ret_notes, from);
	return error_rename_field(declaration_read(ret, to, NULL), "field", field_names);
}
