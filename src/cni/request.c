// SPDX-License-Identifier: Apache-2.0
#include "cni/request.h"

#include <fcntl.h>
#include <stddef.h>

#include "base/files.h"
#include "base/memory.h"

/* The bits that may go at once, ahead of the rate: a tenth of a second's, and one of the largest packets. */
enum { BURSTS_PER_SECOND = 10, BURST_MIN = 8 * (64 << 10) };

#define TEXT(type, key, member)                                                                                        \
	{                                                                                                              \
		.name = key, .kind = FIELD_STRING, .offset = offsetof(type, member), .omit_empty = true                \
	}
#define NUMBER(type, key, member)                                                                                      \
	{                                                                                                              \
		.name = key, .kind = FIELD_INT, .offset = offsetof(type, member), .omit_empty = true                   \
	}

static const Field port_fields[] = {
	TEXT(CniPort, "protocol", protocol),
	TEXT(CniPort, "hostIP", host),
	NUMBER(CniPort, "hostPort", host_port),
	NUMBER(CniPort, "containerPort", container_port),
	FIELDS_END,
};

static const Field bandwidth_fields[] = {
	NUMBER(CniBandwidth, "ingress", ingress),
	NUMBER(CniBandwidth, "egress", egress),
	FIELDS_END,
};

const Field cni_attachment_fields[] = {
	TEXT(CniAttachment, "container", container),
	TEXT(CniAttachment, "namespace", namespace),
	TEXT(CniAttachment, "interface", interface),
	{.name = "ports",
		.kind = FIELD_ARRAY,
		.offset = offsetof(CniAttachment, ports),
		.sub = port_fields,
		.sub_size = sizeof(CniPort),
		.omit_empty = true,
		.max_count = 65536},
	{.name = "addresses", .kind = FIELD_STRINGS, .offset = offsetof(CniAttachment, addresses), .omit_empty = true},
	TEXT(CniAttachment, "mac", mac),
	{.name = "aliases", .kind = FIELD_STRINGS, .offset = offsetof(CniAttachment, aliases), .omit_empty = true},
	{.name = "bandwidth",
		.kind = FIELD_OBJECT,
		.offset = offsetof(CniAttachment, bandwidth),
		.sub = bandwidth_fields},
	FIELDS_END,
};

void cni_attachment_clear(CniAttachment *attachment)
{
	fields_clear(cni_attachment_fields, attachment);
}

const char *cni_command_name(CniCommand command)
{
	static const char *const names[] = {
		[CNI_ADD] = "ADD", [CNI_CHECK] = "CHECK", [CNI_DEL] = "DEL", [CNI_VERSION] = "VERSION"};

	return names[command];
}

/* ---- capabilities ---- */

static bool wants_ports(const CniAttachment *attachment)
{
	return attachment->ports.count > 0;
}

static void write_ports(Writer *writer, const char *key, const CniAttachment *attachment)
{
	const CniPort *ports = attachment->ports.items;

	write_array(writer, key);
	for (size_t i = 0; i < attachment->ports.count; i++)
		fields_write(port_fields, &ports[i], writer, NULL);
	write_array_end(writer);
}

static bool wants_bandwidth(const CniAttachment *attachment)
{
	return attachment->bandwidth.ingress || attachment->bandwidth.egress;
}

static void write_rate(Writer *writer, const char *rate_key, const char *burst_key, int64_t rate)
{
	if (!rate)
		return;
	write_int(writer, rate_key, rate);
	write_int(writer, burst_key, rate / BURSTS_PER_SECOND > BURST_MIN ? rate / BURSTS_PER_SECOND : BURST_MIN);
}

static void write_bandwidth(Writer *writer, const char *key, const CniAttachment *attachment)
{
	write_object(writer, key);
	write_rate(writer, "ingressRate", "ingressBurst", attachment->bandwidth.ingress);
	write_rate(writer, "egressRate", "egressBurst", attachment->bandwidth.egress);
	write_object_end(writer);
}

static bool wants_addresses(const CniAttachment *attachment)
{
	return attachment->addresses.count > 0;
}

static void write_addresses(Writer *writer, const char *key, const CniAttachment *attachment)
{
	write_strings(writer, key, &attachment->addresses);
}

static bool wants_mac(const CniAttachment *attachment)
{
	return !string_empty(attachment->mac);
}

static void write_mac(Writer *writer, const char *key, const CniAttachment *attachment)
{
	write_string(writer, key, attachment->mac);
}

static bool wants_aliases(const CniAttachment *attachment)
{
	return attachment->aliases.count > 0;
}

static void write_aliases(Writer *writer, const char *key, const CniAttachment *attachment)
{
	write_strings(writer, key, &attachment->aliases);
}

typedef struct Capability {
	const char *name;
	const char *what; /* cannot be done without it; NULL: there is another way, or it does not matter */
	bool (*is_wanted)(const CniAttachment *attachment);
	void (*write)(Writer *writer, const char *key, const CniAttachment *attachment);
} Capability;

static const Capability capabilities[] = {
	{"portMappings", "publish ports", wants_ports, write_ports},
	{"bandwidth", "limit bandwidth", wants_bandwidth, write_bandwidth},
	{"ips", NULL, wants_addresses, write_addresses},
	{"mac", NULL, wants_mac, write_mac},
	{"aliases", NULL, wants_aliases, write_aliases},
};

fallible cni_request_check(const CniNetwork *network, const CniAttachment *attachment)
{
	for (size_t i = 0; i < COUNT(capabilities); i++) {
		const Capability *capability = &capabilities[i];
		if (capability->what && capability->is_wanted(attachment) &&
			!cni_network_can(network, capability->name))
			return error_new(ERROR_INVALID,
				"network \"%s\" cannot %s: no plugin of \"%s\" has the capability \"%s\"",
				network->name, capability->what, network->file, capability->name);
	}
	return NULL;
}

static bool applies(const Capability *capability, const Value *plugin, const CniAttachment *attachment)
{
	return cni_plugin_can(plugin, capability->name) && capability->is_wanted(attachment);
}

static void write_runtime(Writer *writer, const Value *plugin, const CniAttachment *attachment)
{
	write_object(writer, "runtimeConfig");
	for (size_t i = 0; i < COUNT(capabilities); i++)
		if (applies(&capabilities[i], plugin, attachment))
			capabilities[i].write(writer, capabilities[i].name, attachment);
	write_object_end(writer);
}

/* ---- the document ---- */

/* The runtime's to say, or, of capabilities, none of the plugin's business. */
static bool is_ours(const char *key)
{
	static const char *const keys[] = {"cniVersion", "name", "capabilities", "prevResult", "runtimeConfig"};

	return names_find(keys, COUNT(keys), key) >= 0;
}

char *cni_request_write(const CniNetwork *network, size_t index, const CniAttachment *attachment, const Value *previous)
{
	const Value *plugin = cni_network_plugin(network, index);
	Buffer text = {0};
	Writer writer;
	const char *key;
	Value *value;
	size_t cursor = 0;

	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_string(&writer, "cniVersion", network->version);
	write_string(&writer, "name", network->name);
	while (value_each(plugin, &cursor, &key, &value))
		if (!is_ours(key))
			write_value(&writer, key, value);
	write_runtime(&writer, plugin, attachment);
	if (previous)
		write_value(&writer, "prevResult", previous);
	write_object_end(&writer);
	return buffer_steal(&text);
}

/* ---- the environment ---- */

/* What plugins of before a capability understand; each takes one value, and plugins that know none of it are told not
 * to mind. */
static char *arguments(const CniNetwork *network, const CniAttachment *attachment)
{
	Buffer text = {0};

	buffer_add_text(&text, "IgnoreUnknown=1");
	if (wants_addresses(attachment) && !cni_network_can(network, "ips"))
		buffer_printf(&text, ";IP=%s", attachment->addresses.items[0]);
	if (wants_mac(attachment) && !cni_network_can(network, "mac"))
		buffer_printf(&text, ";MAC=%s", attachment->mac);
	return buffer_steal(&text);
}

/* DEL comes without one when it is gone. */
static bool has_namespace(const CniAttachment *attachment)
{
	return attachment->namespace && file_exists(AT_FDCWD, attachment->namespace);
}

void cni_request_environment(StringList *ret, CniCommand command, const CniNetwork *network,
	const CniAttachment *attachment, const char *path)
{
	const char *own_path = getenv("PATH");
	autofree char *extra = arguments(network, attachment);

	strings_printf(
		ret, "PATH=%s", own_path ? own_path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strings_printf(ret, "CNI_COMMAND=%s", cni_command_name(command));
	strings_printf(ret, "CNI_CONTAINERID=%s", attachment->container ? attachment->container : "");
	strings_printf(ret, "CNI_NETNS=%s", has_namespace(attachment) ? attachment->namespace : "");
	strings_printf(ret, "CNI_IFNAME=%s", attachment->interface ? attachment->interface : "");
	strings_printf(ret, "CNI_ARGS=%s", extra);
	strings_printf(ret, "CNI_PATH=%s", path);
}
