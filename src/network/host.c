// SPDX-License-Identifier: Apache-2.0
#include "network/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/files.h"
#include "base/memory.h"
#include "network/links.h"

enum { VALUE_MAX = 64, KEPT_MAX = 64 * 1024 };

#define SYSCTL "/proc/sys/"
#define LINKS6 SYSCTL "net/ipv6/conf"

static StringList settings;
static char *kept_at;

/* ---- what is kept ---- */

fallible host_keep(const char *path)
{
	autofree char *text = NULL;
	StringList lines = {0};

	string_replace(&kept_at, path);
	if (!file_exists(AT_FDCWD, path))
		return NULL;
	TRY(file_read(&text, NULL, AT_FDCWD, path, KEPT_MAX));
	strings_split(&lines, text, '\n');
	strings_clear(&settings);
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.items[i])
			strings_add(&settings, lines.items[i]);
	strings_clear(&lines);
	return NULL;
}

void host_forget(void)
{
	strings_clear(&settings);
	string_replace(&kept_at, NULL);
}

static fallible keep(const char *path, const char *value, const char *was)
{
	autofree char *name = mem_strdup(path + strlen(SYSCTL)), *text = NULL;

	for (char *c = name; *c; c++)
		*c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
	strings_printf(&settings, "%s = %s (was %s)", name, value, was);
	if (!kept_at)
		return NULL;
	text = strings_join(&settings, "\n");
	return file_replace(AT_FDCWD, kept_at, text, strlen(text), 0600);
}

/* ---- switches ---- */

static fallible read_switch(char **ret, const char *path)
{
	TRY(file_read(ret, NULL, AT_FDCWD, path, VALUE_MAX));
	string_trim(*ret);
	return NULL;
}

/* From one value to another; one that has neither is somebody else's choice. */
static fallible change_switch(const char *path, const char *from, const char *to)
{
	autofree char *value = NULL;

	TRY(read_switch(&value, path));
	if (!string_equal(value, from))
		return NULL;
	TRY(file_poke(AT_FDCWD, path, to));
	return keep(path, to, from);
}

static bool is_on(const char *path)
{
	autofree char *value = NULL;
	Error *error = read_switch(&value, path);

	error_free(error); /* what is not there is off */
	return !error && string_equal(value, "1");
}

/* A link that goes meanwhile has nothing to keep. */
static Error *keep_advertisements(void *arg, int dir, const char *name, unsigned char type)
{
	autofree char *path = string_printf(LINKS6 "/%s/accept_ra", name);
	Error *error;

	(void)arg, (void)dir, (void)type;
	if (string_equal(name, "all") || string_equal(name, "lo"))
		return NULL;
	error = change_switch(path, "1", "2");
	return error && error_kind(error) == ERROR_NOT_FOUND ? error_free(error) : error;
}

static fallible forward6(void)
{
	if (is_on(LINKS6 "/all/forwarding"))
		return NULL;
	TRY(dir_each(AT_FDCWD, LINKS6, keep_advertisements, NULL));
	return change_switch(LINKS6 "/all/forwarding", "0", "1");
}

fallible host_forward(int family)
{
	if (family == AF_INET6)
		TRY_WRAP(forward6(), "could not switch on IPv6 forwarding");
	else
		TRY_WRAP(change_switch(SYSCTL "net/ipv4/ip_forward", "0", "1"), "could not switch on IPv4 forwarding");
	return NULL;
}

bool host_filters_bridges(int family)
{
	return is_on(family == AF_INET6 ? SYSCTL "net/bridge/bridge-nf-call-ip6tables"
					: SYSCTL "net/bridge/bridge-nf-call-iptables");
}

/* ---- bridges ---- */

static char *localnet_path(const char *bridge)
{
	return string_printf(SYSCTL "net/ipv4/conf/%s/route_localnet", bridge);
}

static void put_local_route(Netlink *host, uint16_t type, uint16_t flags, int index)
{
	static const uint8_t loopback[16] = {[15] = 1};
	const struct rtmsg header = {.rtm_family = AF_INET6,
		.rtm_dst_len = 128,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_LOCAL};
	struct nlmsghdr *message = netlink_message(host, type, flags, &header, sizeof(header));

	mnl_attr_put(message, RTA_DST, sizeof(loopback), loopback);
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)index);
	netlink_tolerate(host, type == RTM_NEWROUTE ? EEXIST : ESRCH);
}

static fallible open_loopback(Netlink *host, const char *bridge, bool has_ipv6)
{
	autofree char *path = localnet_path(bridge);
	int index;

	TRY(file_poke(AT_FDCWD, path, "1"));
	if (!has_ipv6)
		return NULL;
	TRY(link_index(&index, host, bridge));
	if (!index)
		return error_new(ERROR_NOT_FOUND, "there is no such link");
	/* Behind those of other bridges, and of lo (NLM_F_APPEND). */
	put_local_route(host, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, index);
	return netlink_send(host);
}

fallible host_open_loopback(Netlink *host, const char *bridge, bool has_ipv6)
{
	TRY_WRAP(open_loopback(host, bridge, has_ipv6), "bridge \"%s\"", bridge);
	return NULL;
}

bool host_has_localnet(const char *bridge)
{
	autofree char *path = localnet_path(bridge);

	return is_on(path);
}

static fallible close_loopback(Netlink *host, const char *bridge, bool keeps_localnet)
{
	autofree char *path = localnet_path(bridge);
	int index;

	TRY(link_index(&index, host, bridge));
	if (!index)
		return NULL;
	if (!keeps_localnet)
		TRY(file_poke(AT_FDCWD, path, "0"));
	if (host_has_ipv6())
		put_local_route(host, RTM_DELROUTE, 0, index);
	return netlink_send(host);
}

fallible host_close_loopback(Netlink *host, const char *bridge, bool keeps_localnet)
{
	TRY_WRAP(close_loopback(host, bridge, keeps_localnet), "bridge \"%s\"", bridge);
	return NULL;
}

/* ---- the report ---- */

void host_settings(StringList *ret, const StringList *bridges)
{
	for (size_t i = 0; i < settings.count; i++)
		strings_add(ret, settings.items[i]);
	for (size_t i = 0; i < bridges->count; i++) {
		if (host_has_localnet(bridges->items[i]))
			strings_printf(ret, "net.ipv4.conf.%s.route_localnet = 1", bridges->items[i]);
	}
}
