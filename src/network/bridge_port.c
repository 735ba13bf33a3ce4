// SPDX-License-Identifier: Apache-2.0
#include "network/bridge_port.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "network/links.h"

/* It is set up, too. */
static struct nlmsghdr *change(Netlink *host, const char *name)
{
	const struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlmsghdr *message = netlink_message(host, RTM_NEWLINK, 0, &link, sizeof(link));

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	netlink_tolerate(host, ENODEV);
	return message;
}

void bridge_port_put(struct nlmsghdr *message, BridgePort port)
{
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(message, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(message, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(message, IFLA_BRPORT_MODE, port.is_hairpin);
	mnl_attr_put_u8(message, IFLA_BRPORT_ISOLATED, port.is_isolated);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

/* By the bridge's own message: a change of the link as such would switch the port on again at once. */
fallible bridge_port_cut(Netlink *host, const char *name)
{
	struct ifinfomsg port = {.ifi_family = AF_BRIDGE};
	struct nlmsghdr *message;
	struct nlattr *data;

	TRY(link_index(&port.ifi_index, host, name));
	if (!port.ifi_index)
		return NULL;
	message = netlink_message(host, RTM_SETLINK, 0, &port, sizeof(port));
	data = mnl_attr_nest_start(message, IFLA_PROTINFO);
	mnl_attr_put_u8(message, IFLA_BRPORT_STATE, BR_STATE_DISABLED);
	mnl_attr_nest_end(message, data);
	netlink_tolerate(host, EOPNOTSUPP); /* it is in no bridge */
	Error *error = netlink_send(host);
	if (error && error_number(error) == ENODEV)
		error = error_free(error); /* it has gone meanwhile */
	TRY_WRAP(error, "could not cut \"%s\" off", name);
	return NULL;
}

fallible bridge_port_join(Netlink *host, const char *name, int bridge_index, BridgePort port)
{
	mnl_attr_put_u32(change(host, name), IFLA_MASTER, (uint32_t)bridge_index);
	bridge_port_put(change(host, name), port);
	TRY_WRAP(netlink_send(host), "could not put \"%s\" into its bridge", name);
	return NULL;
}

/* ---- what is there ---- */

typedef struct PortVisit {
	void (*visit)(void *arg, const char *name, bool is_cut);
	void *arg;
} PortVisit;

static int port_state(const struct nlattr *info)
{
	const struct nlattr *parts[IFLA_INFO_MAX + 1], *data[IFLA_BRPORT_MAX + 1];

	if (!info)
		return -1;
	netlink_nested(parts, IFLA_INFO_MAX + 1, info);
	if (!parts[IFLA_INFO_SLAVE_DATA])
		return -1;
	netlink_nested(data, IFLA_BRPORT_MAX + 1, parts[IFLA_INFO_SLAVE_DATA]);
	return data[IFLA_BRPORT_STATE] ? mnl_attr_get_u8(data[IFLA_BRPORT_STATE]) : -1;
}

static Error *visit_link(void *arg, const struct nlmsghdr *message)
{
	const PortVisit *visit = arg;
	const struct nlattr *parts[IFLA_MAX + 1];

	netlink_attributes(parts, IFLA_MAX + 1, message, sizeof(struct ifinfomsg));
	if (parts[IFLA_IFNAME])
		visit->visit(visit->arg, mnl_attr_get_str(parts[IFLA_IFNAME]),
			port_state(parts[IFLA_LINKINFO]) == BR_STATE_DISABLED);
	return NULL;
}

fallible bridge_ports_each(
	Netlink *host, int bridge_index, void (*visit)(void *arg, const char *name, bool is_cut), void *arg)
{
	const struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
	struct nlmsghdr *message = netlink_message(host, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	PortVisit port = {visit, arg};

	mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)bridge_index);
	TRY_WRAP(netlink_ask(host, visit_link, &port), "could not list a bridge's ports");
	return NULL;
}
