// SPDX-License-Identifier: Apache-2.0
/* "network create", "connect", "disconnect" and "rm"; "network ls" is network_ls.c's, "network inspect" inspect.c's,
 * "network prune" prune.c's. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/ipam_option.h"
#include "cli/network_option.h"

#define CLUSTER "there are no networks of a cluster"
#define TEMPLATES "a network has its own configuration; write --opt, --subnet and the like where it is made"

static fallible post(Cli *cli, Value **ret, const char *target, Buffer *body)
{
	return api_post(cli, ret, target, buffer_text(body));
}

/* ---- create ---- */

typedef struct CreateOptions {
	bool help, attachable, internal, ipv4, ipv6;
	char *driver;
	StringList labels, options;
	IpamOptions ipam;
} CreateOptions;

static const CreateOptions create_defaults = {.ipv4 = true};

#define CREATE(member) offsetof(CreateOptions, member)

static const Option create_table[] = {
	HELP_OPTION(CreateOptions),
	{"driver", 'd', OPTION_STRING, CREATE(driver), "NAME", "bridge, macvlan or ipvlan (default: bridge)",
		.complete = "bridge macvlan ipvlan"},
	{"subnet", 0, OPTION_LIST, CREATE(ipam.subnets), "SUBNET",
		"its addresses, for example 172.20.0.0/16 (without it: some that nothing here uses)"},
	{"ip-range", 0, OPTION_LIST, CREATE(ipam.ranges), "SUBNET", "the part of a subnet that containers get"},
	{"gateway", 0, OPTION_LIST, CREATE(ipam.gateways), "ADDRESS",
		"the way out of a subnet (default: its first address)"},
	{"aux-address", 0, OPTION_LIST, CREATE(ipam.auxiliary), "NAME=ADDRESS",
		"an address that no container gets: somebody else has it"},
	{"ipv6", 0, OPTION_SWITCH, CREATE(ipv6), .help = "give containers an IPv6 address, too"},
	{"ipv4", 0, OPTION_SWITCH, CREATE(ipv4), .help = "give containers an IPv4 address (default: true)"},
	{"internal", 0, OPTION_SWITCH, CREATE(internal), .help = "no way out of it, and none in"},
	{"attachable", 0, OPTION_SWITCH, CREATE(attachable), .help = "noted for clients, without effect"},
	{"label", 0, OPTION_LIST, CREATE(labels), "NAME[=VALUE]", "set a label"},
	{"opt", 'o', OPTION_LIST, CREATE(options), "NAME=VALUE", "an option of the driver",
		.complete = "parent= macvlan_mode= ipvlan_mode= com.docker.network.bridge.name= "
			    "com.docker.network.driver.mtu= com.docker.network.bridge.enable_icc= "
			    "com.docker.network.bridge.enable_ip_masquerade= "
			    "com.docker.network.bridge.host_binding_ipv4="},
	{"ipam-driver", 0, OPTION_STRING, CREATE(ipam.driver), "NAME", "who gives addresses out (default: default)",
		.complete = "default"},
	{"ipam-opt", 0, OPTION_LIST, CREATE(ipam.options), "NAME=VALUE", "an option of that one"},
	{"ingress", 0, OPTION_REFUSED, .help = CLUSTER},
	{"scope", 0, OPTION_REFUSED, .argument = "WORD", .help = CLUSTER},
	{"config-only", 0, OPTION_REFUSED, .help = TEMPLATES},
	{"config-from", 0, OPTION_REFUSED, .argument = "NETWORK", .help = TEMPLATES},
	OPTION_END,
};

static fallible write_network(Writer *writer, const CreateOptions *given, const char *name)
{
	write_object(writer, NULL);
	write_string(writer, "Name", name);
	write_bool(writer, "CheckDuplicate", true);
	if (given->driver)
		write_string(writer, "Driver", given->driver);
	if (!given->ipv4)
		write_bool(writer, "EnableIPv4", false);
	write_bool(writer, "EnableIPv6", given->ipv6);
	write_bool(writer, "Internal", given->internal);
	write_bool(writer, "Attachable", given->attachable);
	TRY(ipam_options_write(writer, &given->ipam));
	TRY(pairs_write(writer, "Options", &given->options, "opt", true));
	TRY(pairs_write(writer, "Labels", &given->labels, "label", false));
	write_object_end(writer);
	return NULL;
}

static fallible run_create(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) body = {0};
	autoptr(Value) answer = NULL;
	Writer writer;

	writer_init(&writer, &body);
	TRY(write_network(&writer, opts, arguments->items[0]));
	TRY(post(cli, &answer, "/networks/create", &body));
	const char *warning = value_string(value_get(answer, "Warning"));
	if (!string_empty(warning))
		fprintf(stderr, "WARNING: %s\n", warning);
	puts(value_string(value_get(answer, "Id")));
	return NULL;
}

const Command network_create_command = {
	.name = "network create",
	.usage = "[OPTIONS] NETWORK",
	.summary = "Make a network",
	.example = "network create --subnet 172.20.0.0/16 plant",
	.options = create_table,
	.options_size = sizeof(CreateOptions),
	.defaults = &create_defaults,
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_create,
};

/* ---- connect ---- */

typedef struct ConnectOptions {
	bool help;
	char *ip, *ip6, *mac, *priority;
	StringList aliases, links, link_local_ips, driver_options;
} ConnectOptions;

#define CONNECT(member) offsetof(ConnectOptions, member)

static const Option connect_table[] = {
	HELP_OPTION(ConnectOptions),
	{"alias", 0, OPTION_LIST, CONNECT(aliases), "NAME", "a further name on this network"},
	{"ip", 0, OPTION_STRING, CONNECT(ip), "ADDRESS", "its IPv4 address there"},
	{"ip6", 0, OPTION_STRING, CONNECT(ip6), "ADDRESS", "its IPv6 address there"},
	{"link-local-ip", 0, OPTION_LIST, CONNECT(link_local_ips), "ADDRESS", "a link-local address there"},
	{"mac-address", 0, OPTION_STRING, CONNECT(mac), "ADDRESS", "its hardware address there"},
	{"link", 0, OPTION_LIST, CONNECT(links), "CONTAINER[:ALIAS]", "know another container by a name",
		.complete = "container"},
	{"driver-opt", 0, OPTION_LIST, CONNECT(driver_options), "NAME=VALUE", "an option of the network's driver"},
	{"gw-priority", 0, OPTION_STRING, CONNECT(priority), "N",
		"the way out is through the network with the highest (default: 0)"},
	OPTION_END,
};

/* The words of the command line, as --network of run has them. */
static fallible read_endpoint(EndpointOption *ret, const ConnectOptions *given)
{
	if (given->priority)
		TRY(endpoint_option_set_priority(ret, given->priority));
	TRY(endpoint_option_add_driver_options(ret, &given->driver_options));
	string_replace(&ret->ip, given->ip);
	string_replace(&ret->ip6, given->ip6);
	string_replace(&ret->mac, given->mac);
	strings_copy(&ret->aliases, &given->aliases);
	strings_copy(&ret->links, &given->links);
	strings_copy(&ret->link_local_ips, &given->link_local_ips);
	return NULL;
}

static fallible run_connect(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(EndpointOption) endpoint = {0};
	autoclear(Buffer) target = {0}, body = {0};
	Writer writer;

	TRY(read_endpoint(&endpoint, opts));
	writer_init(&writer, &body);
	write_object(&writer, NULL);
	write_string(&writer, "Container", arguments->items[1]);
	endpoint_option_write(&writer, "EndpointConfig", &endpoint);
	write_object_end(&writer);
	target_path(&target, "/networks/", arguments->items[0], "/connect");
	return post(cli, NULL, buffer_text(&target), &body);
}

const Command network_connect_command = {
	.name = "network connect",
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Connect a container to a network",
	.example = "network connect --alias db plant store",
	.options = connect_table,
	.options_size = sizeof(ConnectOptions),
	.arguments_min = 2,
	.arguments_max = 2,
	.arguments = "network container",
	.run = run_connect,
};

/* ---- disconnect ---- */

typedef struct ForceOptions {
	bool help, force;
} ForceOptions;

static const Option disconnect_table[] = {
	HELP_OPTION(ForceOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(ForceOptions, force),
		.help = "sent to the daemon, which has no endpoints of containers that are gone"},
	OPTION_END,
};

static fallible run_disconnect(Cli *cli, const void *opts, const StringList *arguments)
{
	const ForceOptions *given = opts;
	autoclear(Buffer) target = {0}, body = {0};
	Writer writer;

	writer_init(&writer, &body);
	write_object(&writer, NULL);
	write_string(&writer, "Container", arguments->items[1]);
	write_bool(&writer, "Force", given->force);
	write_object_end(&writer);
	target_path(&target, "/networks/", arguments->items[0], "/disconnect");
	return post(cli, NULL, buffer_text(&target), &body);
}

const Command network_disconnect_command = {
	.name = "network disconnect",
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Take a container off a network",
	.options = disconnect_table,
	.options_size = sizeof(ForceOptions),
	.arguments_min = 2,
	.arguments_max = 2,
	.arguments = "network container",
	.run = run_disconnect,
};

/* ---- rm ---- */

static const Option remove_table[] = {
	HELP_OPTION(ForceOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(ForceOptions, force), .help = "one that is not there is fine"},
	OPTION_END,
};

static fallible remove_one(Cli *cli, const char *name, const void *opts)
{
	const ForceOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, "/networks/", name, "");
	Error *error = api_delete(cli, NULL, buffer_text(&target));
	if (error && given->force && error_kind(error) == ERROR_NOT_FOUND)
		return error_free(error);
	if (!error)
		puts(name);
	return error;
}

static fallible run_remove(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, remove_one, opts, false);
}

static const char *const remove_aliases[] = {"network remove", NULL};

const Command network_rm_command = {
	.name = "network rm",
	.aliases = remove_aliases,
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.summary = "Remove networks that no container is on",
	.options = remove_table,
	.options_size = sizeof(ForceOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "network",
	.run = run_remove,
};
