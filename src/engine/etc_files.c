// SPDX-License-Identifier: Apache-2.0
/*
 * The managed files of a container's /etc. They lie in its own directory, on the disk that its other files are on, and
 * root in the container may write to them; each start makes them anew, as Docker does. What is right already is not
 * written again: most starts write nothing. They are changed in place, since who joined the network has the same files.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "engine/name_server.h"
#include "engine/network_internal.h"
#include "engine/resolv_conf.h"
#include "runtime/spec_words.h"

#define HOST_GATEWAY "host-gateway" /* in place of an address */
#define HOST_HOSTS "/etc/hosts"
#define HOST_RESOLV_CONF "/etc/resolv.conf"
#define HOST_RESOLVED "/run/systemd/resolve/resolv.conf"

enum { ETC_FILE_MAX = 256 << 10 };

static bool holds(int fd, const Buffer *text)
{
	autofree char *now = mem_alloc(text->length + 1);

	return pread(fd, now, text->length + 1, 0) == (ssize_t)text->length &&
	       memcmp(now, buffer_text(text), text->length) == 0;
}

static fallible etc_write(const Container *container, const char *name, const Buffer *text)
{
	autofree char *path = path_join(container->state_directory, name);
	autofd fd = -1;

	/* Who shares them may hold a lease on them: that ends the start, but does not hold up everybody. */
	TRY(file_open(&fd, AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
	if (holds(fd, text))
		return NULL;
	if (ftruncate(fd, 0) < 0)
		return error_errno(errno, "\"%s\"", path);
	return file_write_all(fd, buffer_text(text), text->length, path);
}

/* "" when the host has none. */
static fallible host_file(char **ret, const char *path)
{
	if (file_exists(AT_FDCWD, path))
		return file_read(ret, NULL, AT_FDCWD, path, ETC_FILE_MAX);
	*ret = mem_strdup("");
	return NULL;
}

/* ---- hosts ---- */

static bool has_way_to_host(const Engine *engine, const ContainerSpec *spec)
{
	return !string_empty(engine->config.host_gateway) || spec_is_host(spec->network_mode) ||
	       container_has_network(spec);
}

/* NULL: there is no way to the host. */
static const char *host_gateway(const Container *container)
{
	const char *configured = container->engine->config.host_gateway;
	const Endpoint *way = endpoints_way_out(container, AF_INET);

	if (!string_empty(configured))
		return configured;
	if (spec_is_host(container->record.spec.network_mode))
		return "127.0.0.1";
	if (way)
		return way->gateway4;
	way = endpoints_way_out(container, AF_INET6);
	return way ? way->gateway6 : NULL;
}

fallible etc_files_check(const Engine *engine, const ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->extra_hosts.count; i++)
		if (string_ends(spec->extra_hosts.items[i], ":" HOST_GATEWAY) && !has_way_to_host(engine, spec))
			return error_hint(error_new(ERROR_INVALID,
						  "field \"extraHosts\": \"%s\": this network has no way to the host",
						  spec->extra_hosts.items[i]),
				"use --network host, or set hostGateway in kedged.yaml");
	return NULL;
}

static void hosts_extra(const Container *container, Buffer *text)
{
	const StringList *extra = &container->record.spec.extra_hosts;

	for (size_t i = 0; i < extra->count; i++) {
		const char *entry = extra->items[i], *colon = strchr(entry, ':');
		const char *address = colon ? colon + 1 : "";
		if (strcmp(address, HOST_GATEWAY) == 0)
			address = host_gateway(container);
		if (!string_empty(address))
			buffer_printf(text, "%s\t%.*s\n", address, (int)(colon - entry), entry);
	}
}

/* "172.17.0.2	box.example.org box": the full name, then the short one. */
static void hosts_own(const Container *container, Buffer *text, const char *address, const char *hostname)
{
	const char *domain = container->record.spec.domainname;
	size_t length = strcspn(hostname, ".");

	if (!string_empty(domain))
		buffer_printf(text, "%s\t%s.%s %s\n", address, hostname, domain, hostname);
	else if (hostname[length])
		buffer_printf(text, "%s\t%s %.*s\n", address, hostname, (int)length, hostname);
	else
		buffer_printf(text, "%s\t%s\n", address, hostname);
}

static void hosts_of_prefix(const Container *container, Buffer *text, const char *address, const char *hostname)
{
	autofree char *plain = string_empty(address) ? NULL : mem_strndup(address, strcspn(address, "/"));

	if (plain)
		hosts_own(container, text, plain, hostname);
}

/* One without addresses has a name all the same. */
static void hosts_addresses(const Container *container, Buffer *text, const char *hostname)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	if (!container->network.endpoints.count)
		hosts_own(container, text, "127.0.1.1", hostname);
	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		if (endpoints[i].is_leaving)
			continue;
		hosts_of_prefix(container, text, endpoints[i].ipv4, hostname);
		hosts_of_prefix(container, text, endpoints[i].ipv6, hostname);
	}
}

/* "ID:ALIAS": on the default network, where there is no name server. */
static void hosts_link(const Container *container, Buffer *text, const char *network_id, const char *link)
{
	size_t length = strcspn(link, ":");
	autofree char *id = mem_strndup(link, length);
	const Container *other = table_get(container->engine->containers, id);
	const Endpoint *endpoint = other ? container_endpoint_on(other, network_id) : NULL;

	if (endpoint && link[length])
		buffer_printf(text, "%.*s\t%s %.12s %s\n", (int)strcspn(endpoint->ipv4, "/"), endpoint->ipv4,
			link + length + 1, other->id, other->record.name);
}

static void hosts_links(const Container *container, Buffer *text)
{
	const FieldArray *endpoints = &container->record.spec.endpoints;

	for (size_t i = 0; i < endpoints->count; i++) {
		const EndpointSpec *endpoint = (const EndpointSpec *)endpoints->items + i;
		const Network *network = network_by_id(container->engine, endpoint->network);
		for (size_t j = 0; network && network->is_predefined && j < endpoint->links.count; j++)
			hosts_link(container, text, network->id, endpoint->links.items[j]);
	}
}

static fallible hosts_write(const Container *container, const char *hostname)
{
	autoclear(Buffer) text = {0};
	autofree char *ours = NULL;

	if (spec_is_host(container->record.spec.network_mode)) {
		TRY(host_file(&ours, HOST_HOSTS));
		buffer_add_text(&text, ours);
	} else {
		buffer_add_text(&text, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
				       "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\n"
				       "ff02::2\tip6-allrouters\n");
		hosts_addresses(container, &text, hostname);
		hosts_links(container, &text);
	}
	hosts_extra(container, &text);
	return etc_write(container, "hosts", &text);
}

/* ---- resolv.conf ---- */

static fallible host_resolv_conf(char **ret)
{
	TRY(host_file(ret, HOST_RESOLV_CONF));
	if (!resolv_conf_is_stub(*ret) || !file_exists(AT_FDCWD, HOST_RESOLVED))
		return NULL;
	free(*ret);
	*ret = NULL;
	return host_file(ret, HOST_RESOLVED);
}

static fallible resolv_write(const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	bool is_private = !spec_is_host(spec->network_mode);
	ResolvWish wish = {.servers = &spec->dns,
		.search = &spec->dns_search,
		.options = &spec->dns_options,
		.is_private = is_private,
		.has_names = container_has_names(container)};
	autoclear(Buffer) text = {0};
	autofree char *host = NULL;

	TRY(is_private ? host_resolv_conf(&host) : host_file(&host, HOST_RESOLV_CONF));
	resolv_conf_write(&text, host, &wish);
	return etc_write(container, "resolv.conf", &text);
}

fallible etc_hosts_write(const Container *container)
{
	char hostname[256];

	container_hostname(hostname, container);
	return hosts_write(container, hostname);
}

fallible etc_files_follow(const Container *container, bool had_names)
{
	TRY(etc_hosts_write(container));
	return had_names == container_has_names(container) ? NULL : resolv_write(container);
}

fallible etc_files_write(const Container *container, const char *hostname)
{
	autoclear(Buffer) name = {0};

	if (spec_joined(container->record.spec.network_mode))
		return NULL; /* it has those of the network's owner */
	buffer_printf(&name, "%s\n", hostname);
	TRY(etc_write(container, "hostname", &name));
	TRY(hosts_write(container, hostname));
	return resolv_write(container);
}
