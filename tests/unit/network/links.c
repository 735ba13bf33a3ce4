// SPDX-License-Identifier: Apache-2.0
/* Real links: each test has a network namespace of its own for the host, and another for a container. */
#include "network/links.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "check.h"
#include "network/host.h"
#include "network/namespace.h"

typedef struct Fixture {
	Netlink *host;
	int inner; /* a container's namespace */
} Fixture;

static int setup(void **state)
{
	Fixture *fixture = mem_new(Fixture);

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	check_ok(netlink_open_in(&fixture->host, -1, NETLINK_ROUTE));
	check_ok(namespace_make(&fixture->inner));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;

	netlink_close(fixture->host);
	close(fixture->inner);
	free(fixture);
	return 0;
}

/* What a command prints in the namespace of fd (-1: the host's); owned. */
static char *output_of(int fd, const char *command)
{
	autofree char *line = fd < 0 ? mem_strdup(command)
				     : string_printf("nsenter --net=/proc/%d/fd/%d %s", (int)getpid(), fd, command);
	char *text = mem_alloc(16384);
	FILE *pipe = popen(line, "r");

	assert_non_null(pipe);
	text[fread(text, 1, 16383, pipe)] = '\0';
	pclose(pipe);
	return text;
}

static void check_shows(int fd, const char *command, const char *expected, bool does)
{
	autofree char *text = output_of(fd, command);

	if ((strstr(text, expected) != NULL) != does)
		fail_msg("%s shows%s \"%s\":\n%s", command, does ? " no" : "", expected, text);
}

static Subnet subnet(const char *text)
{
	Subnet parsed;

	check_ok(subnet_parse(&parsed, text));
	return parsed;
}

static Address address(const char *text)
{
	Address parsed;

	check_ok(address_parse(&parsed, text));
	return parsed;
}

static int make_bridge(Fixture *fixture)
{
	BridgeSpec spec = {
		.name = "br0", .gateways = {subnet("10.9.0.1/16"), subnet("fd09::1/64")}, .gateway_count = 2};
	int index;

	check_ok(bridge_make(fixture->host, &spec, &index));
	return index;
}

static PlugSpec veth_of(const Fixture *fixture)
{
	return (PlugSpec){.namespace_fd = fixture->inner,
		.name = "eth0",
		.host_name = "vk1",
		.parent = "br0",
		.mac = {{0x02, 0x42, 0x0a, 0x09, 0, 2}},
		.addresses = {subnet("10.9.0.2/16"), subnet("fd09::2/64")},
		.address_count = 2,
		.gateways = {address("10.9.0.1"), address("fd09::1")},
		.has_ipv6 = true};
}

static void test_a_bridge_is_made_and_mended(void **state)
{
	Fixture *fixture = *state;
	int index = make_bridge(fixture), again;

	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.1/16 brd 10.9.255.255", true);
	check_shows(-1, "ip -o addr show br0", "inet6 fd09::1/64", true);
	check_shows(-1, "ip -o addr show br0", "tentative", false);
	check_shows(-1, "ip -o addr show br0", "fe80", false);
	check_shows(-1, "ip -o link show br0", ",UP", true);
	check_shows(-1, "cat /proc/sys/net/ipv6/conf/br0/accept_ra", "0", true);
	free(output_of(-1, "ip addr flush dev br0; ip link set br0 down mtu 1300 address 02:00:00:00:00:01; "
			   "ip addr add 10.77.0.1/24 dev br0"));
	again = make_bridge(fixture);
	assert_int_equal(index, again);
	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.1/16", true);
	check_shows(-1, "ip -o addr show br0", "inet6 fd09::1/64", true);
	check_shows(-1, "ip -o addr show br0", "inet 10.77.0.1/24", true); /* somebody's own */
	check_shows(-1, "ip -o link show br0", "mtu 1500", true);
	check_shows(-1, "ip -o link show br0", ",UP", true);
	check_shows(-1, "ip -o link show br0", "02:00:00:00:00:01", false);
}

static void test_a_bridge_keeps_its_mac(void **state)
{
	Fixture *fixture = *state;
	char mac[MAC_TEXT_MAX];
	Mac derived = mac_of_name("br0");
	PlugSpec spec = veth_of(fixture);

	mac_format(mac, &derived);
	make_bridge(fixture);
	check_shows(-1, "ip -o link show br0", mac, true);
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(-1, "ip -o link show br0", mac, true);
	free(output_of(-1, "ip link del br0"));
	make_bridge(fixture);
	check_shows(-1, "ip -o link show br0", mac, true);
}

static void test_what_is_no_bridge_is_left_alone(void **state)
{
	Fixture *fixture = *state;
	BridgeSpec spec = {.name = "lo"};
	int index;

	check_error(bridge_make(fixture->host, &spec, &index), ERROR_CONFLICT,
		"could not make bridge \"lo\": there is a link of this name that is no bridge");
	spec.name = "a-name-that-is-too-long";
	check_invalid(bridge_make(fixture->host, &spec, &index),
		"could not make bridge \"a-name-that-is-too-long\": \"a-name-that-is-too-long\" is too long for the "
		"name of a link");
}

/* A bridge of somebody else, with our addresses: those of the owner are what they were. */
static void test_only_our_addresses_are_taken_off(void **state)
{
	Fixture *fixture = *state;
	const BridgeSpec spec = {
		.name = "br0", .gateways = {subnet("10.9.0.1/24"), subnet("fd09::1/64")}, .gateway_count = 2};
	autoclear(StringList) added = {0};
	int index;

	strings_split(&added, "10.9.0.1/24 fd09::1/64 nonsense", ' ');
	free(output_of(-1, "ip link add br0 type bridge; ip addr add 10.9.0.1/16 dev br0; ip link set br0 up"));
	check_ok(bridge_make(fixture->host, &spec, &index));
	free(output_of(-1, "ip addr add 10.9.0.5/24 dev br0; ip addr add 10.9.0.6/24 dev br0"));
	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.5/24 scope global secondary", true); /* to ours */
	check_ok(bridge_give_back(fixture->host, "br0", &added, 0));
	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.1/16", true);
	check_shows(-1, "ip -o addr show br0", "10.9.0.1/24", false);
	check_shows(-1, "ip -o addr show br0", "fd09::1", false);
	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.5/24", true);
	check_shows(-1, "ip -o addr show br0", "inet 10.9.0.6/24", true);
	check_shows(-1, "ip route show dev br0", "10.9.0.0/24", true);
	check_shows(-1, "cat /proc/sys/net/ipv4/conf/br0/promote_secondaries", "0", true);
	check_ok(bridge_give_back(fixture->host, "br0", &added, 0));
	check_ok(link_remove(fixture->host, "br0"));
	check_ok(bridge_give_back(fixture->host, "br0", &added, 0));
}

static void test_a_container_is_plugged_in(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	Mac mac;

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, &mac));
	assert_memory_equal(&mac, &spec.mac, sizeof(mac));
	check_shows(fixture->inner, "ip -o link show eth0", "02:42:0a:09:00:02", true);
	check_shows(fixture->inner, "ip -o addr show eth0", "inet 10.9.0.2/16 brd 10.9.255.255 scope global", true);
	check_shows(fixture->inner, "ip -o addr show eth0", "inet6 fd09::2/64", true);
	check_shows(fixture->inner, "ip -o addr show lo", "inet 127.0.0.1/8", true);
	check_shows(fixture->inner, "ip -o addr show lo", "inet6 ::1/128", true);
	check_shows(fixture->inner, "ip route", "default via 10.9.0.1 dev eth0", true);
	check_shows(fixture->inner, "ip -6 route", "default via fd09::1 dev eth0", true);
	check_shows(-1, "ip -o link show vk1", "master br0", true);
	check_shows(-1, "ip -o addr show vk1", "inet6", false);
	check_shows(fixture->inner, "busybox ping -c1 -W5 10.9.0.1", "1 packets received", true);
	check_shows(fixture->inner, "busybox ping -c1 -W5 fd09::1", "1 packets received", true);
}

/* So that nobody asks every port of the bridge. */
static void test_container_and_host_know_each_other(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(-1, "ip neigh show dev br0", "10.9.0.2 lladdr 02:42:0a:09:00:02 STALE", true);
	check_shows(-1, "ip neigh show dev br0", "fd09::2 lladdr 02:42:0a:09:00:02 STALE", true);
	check_shows(-1, "bridge fdb show dev vk1", "02:42:0a:09:00:02 master br0 static", true);
	check_shows(fixture->inner, "ip neigh show", "10.9.0.1", false); /* the gateway may be somebody else */
	check_ok(link_remove(fixture->host, "vk1"));
	close(fixture->inner);
	check_ok(namespace_make(&fixture->inner));
	spec = veth_of(fixture);
	spec.meets_bridge = true;
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "ip neigh show", "10.9.0.1 dev eth0 lladdr ", true);
	check_shows(fixture->inner, "ip neigh show", "fd09::1 dev eth0 lladdr ", true);
	check_shows(fixture->inner, "busybox ping -c1 -W5 10.9.0.1", "1 packets received", true);
}

static void test_a_container_without_ipv6_has_no_address_of_it(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	make_bridge(fixture);
	spec.address_count = 1;
	spec.gateways[1] = (Address){0};
	spec.has_ipv6 = false;
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "busybox ping -c1 -W5 10.9.0.1", "1 packets received", true); /* both ends are up */
	check_shows(fixture->inner, "ip -o addr show eth0", "inet6", false);
}

static void test_ports_have_flags_and_mtu(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	make_bridge(fixture);
	spec.port = (BridgePort){.is_hairpin = true, .is_isolated = true};
	spec.mtu = 1400;
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(-1, "ip -d -o link show vk1", "hairpin on", true);
	check_shows(-1, "ip -d -o link show vk1", "isolated on", true);
	check_shows(-1, "ip -o link show vk1", "mtu 1400", true);
	check_shows(fixture->inner, "ip -o link show eth0", "mtu 1400", true);
}

/* With the bridge its ports' flags are gone: who puts them into another one says them again. */
static void test_a_port_joins_a_bridge_that_was_made_again(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	int index;

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, NULL));
	free(output_of(-1, "ip link del br0"));
	index = make_bridge(fixture);
	check_ok(bridge_port_join(fixture->host, "vk1", index, (BridgePort){.is_isolated = true}));
	check_shows(-1, "ip -d -o link show vk1", "master br0", true);
	check_shows(-1, "ip -d -o link show vk1", "isolated on", true);
	check_shows(-1, "ip -d -o link show vk1", "hairpin off", true);
	check_shows(fixture->inner, "busybox ping -c1 -W5 10.9.0.1", "1 packets received", true);
	check_ok(bridge_port_cut(fixture->host, "vk1"));
	check_shows(-1, "ip -d -o link show vk1", "state disabled", true);
	check_shows(fixture->inner, "busybox ping -c1 -W1 10.9.0.1", "1 packets received", false);
	check_ok(bridge_port_cut(fixture->host, "none"));
	free(output_of(-1, "ip link set vk1 nomaster"));
	check_ok(bridge_port_cut(fixture->host, "vk1"));
	check_ok(bridge_port_join(fixture->host, "none", index, (BridgePort){0}));
}

/* A gateway that is on none of the link's subnets is reached over it nevertheless. */
static void test_a_gateway_may_be_anywhere(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	make_bridge(fixture);
	spec.gateways[0] = address("192.0.2.1");
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "ip route", "default via 192.0.2.1 dev eth0 onlink", true);
}

static void test_nothing_is_left_of_a_plug_that_fails(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	check_error(link_plug(fixture->host, &spec, NULL), ERROR_NOT_FOUND,
		"could not plug \"eth0\" into \"br0\": there is no bridge \"br0\"");
	make_bridge(fixture);
	spec.addresses[1].prefix = 200; /* the kernel refuses what comes last but two */
	Error *error = link_plug(fixture->host, &spec, NULL);
	assert_non_null(error);
	error_free(error);
	check_shows(-1, "ip -o link", "vk1", false);
	check_shows(fixture->inner, "ip -o link", "eth0", false);
}

static void test_names_that_are_taken(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	Error *error;

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, NULL));
	spec.host_name = "vk2"; /* eth0 is there already */
	error = link_plug(fixture->host, &spec, NULL);
	assert_non_null(error);
	assert_int_equal(error_kind(error), ERROR_CONFLICT);
	assert_int_equal(error_number(error), EEXIST);
	error_free(error);
	check_shows(-1, "ip -o link", "vk2", false);
	check_shows(-1, "ip -o link", "vk1", true);
	check_shows(fixture->inner, "ip -o addr show eth0", "10.9.0.2/16", true);
}

static void test_another_way_out(void **state)
{
	Fixture *fixture = *state;
	BridgeSpec other = {
		.name = "br1", .gateways = {subnet("10.8.0.1/16"), subnet("fd08::1/64")}, .gateway_count = 2};
	const Address first[2] = {address("10.9.0.1"), address("fd09::1")}, second[2] = {address("10.8.0.1")};
	PlugSpec spec = veth_of(fixture);
	int index;

	make_bridge(fixture);
	check_ok(bridge_make(fixture->host, &other, &index));
	check_ok(link_plug(fixture->host, &spec, NULL));
	spec = (PlugSpec){.namespace_fd = fixture->inner,
		.name = "eth1",
		.host_name = "vk2",
		.parent = "br1",
		.addresses = {subnet("10.8.0.2/16")},
		.address_count = 1};
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "ip route", "default via 10.9.0.1 dev eth0", true);
	check_ok(link_set_gateways(fixture->inner, "eth1", second));
	check_shows(fixture->inner, "ip route", "default via 10.8.0.1 dev eth1", true);
	check_shows(fixture->inner, "ip route", "default via 10.9.0.1 dev eth0", false);
	check_shows(fixture->inner, "ip -6 route", "default via fd09::1 dev eth0", true); /* not eth1's */
	check_ok(link_set_gateways(fixture->inner, "eth0", first));
	check_ok(link_remove(fixture->host, "vk2"));
	check_ok(link_remove(fixture->host, "vk2"));
	check_shows(fixture->inner, "ip -o link", "eth1", false);
	check_shows(fixture->inner, "ip route", "default via 10.9.0.1 dev eth0", true);
	check_error(link_set_gateways(fixture->inner, "eth1", first), ERROR_NOT_FOUND, "there is no link \"eth1\"");
}

/* With the last descriptor the kernel takes both ends away. */
static void test_links_go_with_the_namespace(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	int index = 1;

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, NULL));
	close(fixture->inner);
	for (int tries = 0; index && tries < 5000; tries++) {
		usleep(1000);
		check_ok(link_index(&index, fixture->host, "vk1"));
	}
	assert_int_equal(index, 0);
	fixture->inner = open("/dev/null", O_RDONLY);
}

static bool has_kind(const char *kind)
{
	autofree char *command = string_printf("ip link add probe0 link card type %s 2>&1; ip link del probe0", kind);
	autofree char *text = output_of(-1, command);

	return !strstr(text, "Unknown device type") && !strstr(text, "not supported");
}

static void test_macvlan_on_a_card(void **state)
{
	static const char *const names[] = {"bridge", "private", "vepa", "passthru"};
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	Mac mac;

	check_ok(link_make_dummy(fixture->host, "card"));
	check_ok(link_make_dummy(fixture->host, "card"));
	if (!has_kind("macvlan"))
		skip();
	spec.kind = PLUG_MACVLAN;
	spec.parent = "card";
	for (size_t i = 0; i < COUNT(names); i++) {
		autofree char *mode = string_printf("mode %s", names[i]);

		spec.mode = names[i];
		check_ok(link_plug(fixture->host, &spec, &mac));
		if (!string_equal(names[i], "passthru")) /* which is the card, and has its MAC */
			assert_memory_equal(&mac, &spec.mac, sizeof(mac));
		check_shows(fixture->inner, "ip -d -o link show eth0", "macvlan", true);
		check_shows(fixture->inner, "ip -d -o link show eth0", mode, true);
		check_shows(fixture->inner, "ip route", "default via 10.9.0.1 dev eth0", true);
		free(output_of(fixture->inner, "ip link del eth0"));
	}
	spec.mode = "l2";
	check_invalid(link_plug(fixture->host, &spec, NULL),
		"could not plug \"eth0\" into \"card\": there is no macvlan mode \"l2\"");
	spec.mode = NULL;
	spec.parent = "none";
	check_error(link_plug(fixture->host, &spec, NULL), ERROR_NOT_FOUND,
		"could not plug \"eth0\" into \"none\": link \"none\": no such link");
}

static void test_ipvlan_on_a_card(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);

	check_ok(link_make_dummy(fixture->host, "card"));
	if (!has_kind("ipvlan"))
		skip();
	spec.kind = PLUG_IPVLAN;
	spec.parent = "card";
	spec.mac = (Mac){0};
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "ip -d -o link show eth0", "mode l2", true);
	free(output_of(fixture->inner, "ip link del eth0"));
	spec.mode = "l3";
	spec.gateways[0] = spec.gateways[1] = (Address){0};
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_shows(fixture->inner, "ip -d -o link show eth0", "mode l3", true);
	check_shows(fixture->inner, "ip route", "default dev eth0 scope link", true);
}

static void test_a_vlan_is_made_as_a_parent(void **state)
{
	Fixture *fixture = *state;
	bool made;
	int index;

	check_ok(link_make_dummy(fixture->host, "card"));
	free(output_of(-1, "ip link add link card name probe.1 type vlan id 1 2>/dev/null"));
	check_ok(link_index(&index, fixture->host, "probe.1"));
	if (!index)
		skip();
	check_ok(link_need_parent(fixture->host, "card.42", &index, &made));
	assert_true(made);
	check_shows(-1, "ip -d -o link show card.42", "vlan protocol 802.1Q id 42", true);
	check_shows(-1, "ip -d -o link show card.42", ",UP", true);
	check_ok(link_need_parent(fixture->host, "card.42", &index, &made));
	assert_false(made);
	check_error(link_need_parent(fixture->host, "none.42", &index, &made), ERROR_NOT_FOUND,
		"link \"none.42\": no such link, nor \"none\" to make it on");
}

static void test_routes_of_others_are_listed(void **state)
{
	static const char *const own[] = {"br0", "car", NULL}; /* not "card" */
	Fixture *fixture = *state;
	Subnet *routes, expected[] = {subnet("10.50.0.0/16"), subnet("192.0.2.0/24"), subnet("fd50::/64")};
	size_t count, found = 0;

	make_bridge(fixture);
	check_ok(link_make_dummy(fixture->host, "card"));
	free(output_of(-1, "ip addr add 10.50.0.1/16 dev card; ip -6 addr add fd50::1/64 dev card nodad; "
			   "ip route add default via 10.50.0.2; ip route add 192.0.2.0/24 via 10.50.0.2"));
	check_ok(routes_list(&routes, &count, fixture->host, own));
	for (size_t i = 0; i < count; i++) {
		Subnet bridge = subnet("10.9.0.0/16"), bridge6 = subnet("fd09::/64");

		assert_int_not_equal(routes[i].prefix, 0);
		assert_false(subnets_overlap(&routes[i], &bridge) || subnets_overlap(&routes[i], &bridge6));
		for (size_t j = 0; j < COUNT(expected); j++)
			found += subnet_equal(&routes[i], &expected[j]);
	}
	assert_int_equal(found, COUNT(expected));
	free(routes);
}

static void note_counters(void *arg, const LinkCounters *counters)
{
	LinkCounters *kept = arg;

	assert_string_not_equal(counters->name, "lo");
	if (string_equal(counters->name, "eth0"))
		*kept = *counters;
}

static void test_traffic_is_counted(void **state)
{
	Fixture *fixture = *state;
	PlugSpec spec = veth_of(fixture);
	LinkCounters before = {.name = ""}, after = {.name = ""};
	autoptr(Netlink) inner = NULL;

	make_bridge(fixture);
	check_ok(link_plug(fixture->host, &spec, NULL));
	check_ok(netlink_open_in(&inner, fixture->inner, NETLINK_ROUTE));
	check_ok(link_counters_each(inner, note_counters, &before));
	check_shows(fixture->inner, "busybox ping -c3 -A -s1000 -W5 10.9.0.1", "3 packets received", true);
	check_ok(link_counters_each(inner, note_counters, &after));
	assert_string_equal(after.name, "eth0");
	assert_true(after.tx_bytes - before.tx_bytes >= 3 * 1042 && after.rx_bytes - before.rx_bytes >= 3 * 1042);
	assert_true(after.tx_packets - before.tx_packets >= 3 && after.rx_packets - before.rx_packets >= 3);
}

/* ---- host.h ---- */

static void test_forwarding_is_switched_on_and_kept_in_mind(void **state)
{
	autofree char *path = string_printf("/tmp/kedge-unit-settings-%d", (int)getpid());
	const StringList bridges = {0};
	StringList lines = {0}, kept = {0};

	(void)state;
	free(output_of(-1, "ip link add card type bridge; echo 0 >/proc/sys/net/ipv4/ip_forward"));
	check_ok(host_keep(path));
	check_ok(host_forward(AF_INET));
	check_ok(host_forward(AF_INET6));
	check_ok(host_forward(AF_INET));
	check_shows(-1, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding", "1\n1\n", true);
	check_shows(-1, "cat /proc/sys/net/ipv6/conf/card/accept_ra", "2", true);
	host_settings(&lines, &bridges);
	assert_string_equal(lines.items[0], "net.ipv4.ip_forward = 1 (was 0)");
	assert_true(strings_has(&lines, "net.ipv6.conf.card.accept_ra = 2 (was 1)"));
	assert_string_equal(lines.items[lines.count - 1], "net.ipv6.conf.all.forwarding = 1 (was 0)");
	host_forget();
	check_ok(host_keep(path)); /* the next kedged */
	host_settings(&kept, &bridges);
	assert_int_equal(kept.count, lines.count);
	host_forget();
	strings_clear(&lines);
	strings_clear(&kept);
	unlink(path);
}

static void test_what_is_on_already_is_not_ours(void **state)
{
	const StringList bridges = {0};
	StringList lines = {0};

	(void)state;
	free(output_of(-1, "ip link add card type bridge; echo 1 >/proc/sys/net/ipv4/ip_forward; "
			   "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"));
	check_ok(host_forward(AF_INET));
	check_ok(host_forward(AF_INET6));
	check_shows(-1, "cat /proc/sys/net/ipv6/conf/card/accept_ra", "1", true);
	host_settings(&lines, &bridges);
	assert_int_equal(lines.count, 0);
}

/* A program that has no descriptor left for the question is not on a kernel without IPv6. */
static void test_ipv6_is_there_without_descriptors(void **state)
{
	struct rlimit limit, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	bool has_ipv6 = host_has_ipv6();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(has_ipv6, access("/proc/sys/net/ipv6", F_OK) == 0);
}

static void test_loopback_leads_into_each_bridge(void **state)
{
	Fixture *fixture = *state;
	BridgeSpec other = {.name = "br1", .gateways = {subnet("10.8.0.1/16")}, .gateway_count = 1};
	StringList bridges = {0}, lines = {0};
	int index;

	make_bridge(fixture);
	check_ok(bridge_make(fixture->host, &other, &index));
	check_ok(host_open_loopback(fixture->host, "br0", true));
	check_ok(host_open_loopback(fixture->host, "br1", true));
	check_ok(host_open_loopback(fixture->host, "br1", true));
	check_shows(-1, "ip -6 route show table local", "local ::1 dev br0", true);
	check_shows(-1, "ip -6 route show table local", "local ::1 dev br1", true);
	check_shows(-1, "ip link set lo up; ip -6 route get ::1", "dev lo", true);
	strings_add(&bridges, "br0");
	host_settings(&lines, &bridges);
	assert_true(strings_has(&lines, "net.ipv4.conf.br0.route_localnet = 1"));
	strings_clear(&bridges);
	strings_clear(&lines);
}

/* ---- namespace.h ---- */

static void test_settings_of_a_namespace(void **state)
{
	static const char *const bad[] = {"kernel.hostname", "network.x", "net.//.kernel.hostname"};
	Fixture *fixture = *state;

	check_ok(namespace_sysctl(fixture->inner, "net.ipv4.ip_unprivileged_port_start", "77"));
	check_shows(fixture->inner, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "77", true);
	check_shows(-1, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "77", false);
	free(output_of(fixture->inner, "ip link add a.b type bridge"));
	check_ok(namespace_sysctl(fixture->inner, "net.ipv4.conf.a/b.forwarding", "1"));
	check_shows(fixture->inner, "cat /proc/sys/net/ipv4/conf/a.b/forwarding", "1", true);
	for (size_t i = 0; i < COUNT(bad); i++) {
		autofree char *expected = string_printf("\"%s\" is not a setting of a network namespace", bad[i]);

		check_invalid(namespace_sysctl(fixture->inner, bad[i], "1"), expected);
	}
}

static pid_t somebody_in(int namespace_fd)
{
	int home;

	check_ok(namespace_enter(&home, namespace_fd));
	pid_t process = fork();
	if (process == 0) {
		pause();
		_exit(0);
	}
	namespace_leave(home);
	assert_true(process > 0);
	return process;
}

static void assert_not_found(pid_t process)
{
	int none = -1;
	Error *error = namespace_open_of(&none, process);

	assert_int_equal(error_kind(error), ERROR_NOT_FOUND);
	assert_int_equal(none, -1);
	error_free(error);
}

static void test_the_namespace_of_a_process(void **state)
{
	Fixture *fixture = *state;
	pid_t process = somebody_in(fixture->inner);
	struct stat here, there;
	autofd fd = -1;

	check_ok(namespace_open_of(&fd, process));
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
	assert_int_equal(fstat(fd, &there) | fstat(fixture->inner, &here), 0);
	assert_int_equal(here.st_ino, there.st_ino);
	assert_not_found(0x3ffffff);
	assert_not_found(getpid()); /* ours is no container's */
}

#define link_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		link_test(test_a_bridge_is_made_and_mended),
		link_test(test_a_bridge_keeps_its_mac),
		link_test(test_what_is_no_bridge_is_left_alone),
		link_test(test_only_our_addresses_are_taken_off),
		link_test(test_a_container_is_plugged_in),
		link_test(test_container_and_host_know_each_other),
		link_test(test_a_container_without_ipv6_has_no_address_of_it),
		link_test(test_ports_have_flags_and_mtu),
		link_test(test_a_port_joins_a_bridge_that_was_made_again),
		link_test(test_a_gateway_may_be_anywhere),
		link_test(test_nothing_is_left_of_a_plug_that_fails),
		link_test(test_names_that_are_taken),
		link_test(test_another_way_out),
		link_test(test_links_go_with_the_namespace),
		link_test(test_macvlan_on_a_card),
		link_test(test_ipvlan_on_a_card),
		link_test(test_a_vlan_is_made_as_a_parent),
		link_test(test_routes_of_others_are_listed),
		link_test(test_traffic_is_counted),
		link_test(test_forwarding_is_switched_on_and_kept_in_mind),
		link_test(test_what_is_on_already_is_not_ours),
		link_test(test_ipv6_is_there_without_descriptors),
		link_test(test_loopback_leads_into_each_bridge),
		link_test(test_settings_of_a_namespace),
		link_test(test_the_namespace_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
