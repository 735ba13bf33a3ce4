// SPDX-License-Identifier: Apache-2.0
#include "dns/client.h"

#include <string.h>

#include "base/memory.h"
#include "base/table.h"
#include "dns/protocol.h"

struct Dns {
	Companion *companion;
	DnsHandlers handlers;
	void *arg;
	Table *held; /* containers of which it has sockets */
};

/* ---- what it says ---- */

static void on_gone(void *arg)
{
	Dns *dns = arg;

	table_free(dns->held);
	dns->held = table_new();
}

static void on_packet(void *arg, const char *verb, Packet *packet)
{
	Dns *dns = arg;

	if (!string_equal(verb, "held"))
		return;
	for (const char *id = packet_next(packet); id; id = packet_next(packet))
		table_set(dns->held, id, dns);
}

static void on_ready(void *arg)
{
	Dns *dns = arg;

	dns->handlers.ready(dns->arg);
}

/* ---- life ---- */

void dns_need(Dns *dns)
{
	companion_need(dns->companion);
}

bool dns_is_ready(const Dns *dns)
{
	return companion_is_ready(dns->companion);
}

fallible dns_open(
	Dns **ret, Loop *loop, const char *run_dir, const char *program, const DnsHandlers *handlers, void *arg)
{
	static const CompanionKind kind = {.name = "kedge-dns",
		.directory = "dns",
		.version = DNS_VERSION,
		.work = "names are answered",
		.ready = on_ready,
		.gone = on_gone,
		.packet = on_packet};
	autoptr(Dns) dns = mem_new(Dns);

	dns->handlers = *handlers;
	dns->arg = arg;
	dns->held = table_new();
	TRY(companion_open(&dns->companion, loop, run_dir, program, &kind, dns));
	*ret = take(dns);
	return NULL;
}

Dns *dns_close(Dns *dns)
{
	if (!dns)
		return NULL;
	companion_close(dns->companion);
	table_free(dns->held);
	free(dns);
	return NULL;
}

/* ---- names ---- */

void dns_names_set(Dns *dns, const DnsNames *names)
{
	autoclear(Buffer) packet = {0};

	if (!dns_is_ready(dns))
		return;
	packet_init(&packet, "names");
	packet_add(&packet, names->network_id);
	packet_add(&packet, names->container_id);
	packet_add(&packet, names->ipv4);
	packet_add(&packet, names->ipv6);
	for (size_t i = 0; i < names->names->count; i++)
		packet_add(&packet, names->names->items[i]);
	companion_say(dns->companion, &packet, NULL);
}

void dns_names_remove(Dns *dns, const char *network_id, const char *container_id)
{
	autoclear(Buffer) packet = {0};

	if (!dns_is_ready(dns))
		return;
	packet_init(&packet, "forget-names");
	packet_add(&packet, network_id);
	packet_add(&packet, container_id);
	companion_say(dns->companion, &packet, NULL);
}

/* ---- views ---- */

bool dns_has_sockets(const Dns *dns, const char *container_id)
{
	return table_get(dns->held, container_id);
}

/* As many packets as it takes; the sockets go with the first. */
typedef struct Parts {
	Dns *dns;
	const char *container_id;
	int *fds;
	Buffer packet;
} Parts;

static void say_part(Parts *parts)
{
	companion_say(parts->dns->companion, &parts->packet, parts->fds);
	buffer_clear(&parts->packet);
	parts->fds = NULL;
}

/* Words with a NULL at the end; they are not parted. */
static void add_group(Parts *parts, const char *const words[])
{
	size_t length = 0;

	for (size_t i = 0; words[i]; i++)
		length += strlen(words[i]) + 1;
	if (parts->packet.length + length > DNS_PACKET_MAX) {
		say_part(parts);
		packet_init(&parts->packet, "view-more");
		packet_add(&parts->packet, parts->container_id);
	}
	for (size_t i = 0; words[i]; i++)
		packet_add(&parts->packet, words[i]);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void add_view(Parts *parts, const DnsView *view)
{
	for (size_t i = 0; i < view->network_count; i++) {
		const DnsNetwork *network = &view->networks[i];
		add_group(parts, (const char *[]){"n", or_empty(network->id), or_empty(network->name), NULL});
	}
	for (size_t i = 0; i < view->link_count; i++) {
		const DnsLink *link = &view->links[i];
		add_group(parts, (const char *[]){"l", or_empty(link->name), or_empty(link->network_id),
					 or_empty(link->container_id), NULL});
	}
	for (size_t i = 0; view->servers && i < view->servers->count; i++)
		add_group(parts, (const char *[]){"s", view->servers->items[i], NULL});
}

void dns_view_set(Dns *dns, const char *container_id, const DnsView *view, int take_udp, int take_tcp)
{
	int fds[DNS_FDS_MAX + 1] = {take_udp, take_tcp, -1};
	Parts parts = {.dns = dns, .container_id = container_id, .fds = fds};

	if (dns_is_ready(dns)) {
		packet_init(&parts.packet, "view");
		packet_add(&parts.packet, container_id);
		packet_add(&parts.packet, view->may_forward ? "1" : "0");
		if (take_udp >= 0)
			table_set(dns->held, container_id, dns);
		add_view(&parts, view);
		say_part(&parts);
	}
	for (size_t i = 0; i < DNS_FDS_MAX; i++)
		close_fd(&fds[i]); /* what the queue has not kept */
}

void dns_view_remove(Dns *dns, const char *container_id)
{
	autoclear(Buffer) packet = {0};

	if (!dns_is_ready(dns))
		return;
	table_remove(dns->held, container_id);
	packet_init(&packet, "forget-view");
	packet_add(&packet, container_id);
	companion_say(dns->companion, &packet, NULL);
}
