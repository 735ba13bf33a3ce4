// SPDX-License-Identifier: Apache-2.0
#include "network/sets.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- fields ---- */

typedef enum Field {
	FIELD_NONE,
	FIELD_INTERFACE,
	FIELD_IPV4,
	FIELD_IPV6,
	FIELD_PROTOCOL,
	FIELD_PORT,
	FIELD_FAMILY,
	FIELDS
} Field;

typedef struct FieldShape {
	const char *type; /* nft's name */
	size_t length;    /* padded */
	void (*print)(Buffer *out, const uint8_t *bytes);
	void (*say)(Buffer *out, const uint8_t *bytes); /* for people */
} FieldShape;

static void print_interface(Buffer *out, const uint8_t *bytes)
{
	buffer_printf(out, "\"%.*s\"", IFNAMSIZ, (const char *)bytes);
}

static void print_ipv4(Buffer *out, const uint8_t *bytes)
{
	char text[INET_ADDRSTRLEN];

	buffer_add_text(out, inet_ntop(AF_INET, bytes, text, sizeof text));
}

static void print_ipv6(Buffer *out, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN];

	buffer_add_text(out, inet_ntop(AF_INET6, bytes, text, sizeof text));
}

static void print_number(Buffer *out, const uint8_t *bytes)
{
	buffer_printf(out, "%u", bytes[0]);
}

static void print_port(Buffer *out, const uint8_t *bytes)
{
	buffer_printf(out, "%u", bytes[0] << 8 | bytes[1]);
}

static void print_family(Buffer *out, const uint8_t *bytes)
{
	buffer_add_text(out, bytes[0] == NFPROTO_IPV4 ? "ipv4" : "ipv6");
}

static void say_interface(Buffer *out, const uint8_t *bytes)
{
	buffer_printf(out, "%.*s", IFNAMSIZ, (const char *)bytes);
}

static void say_protocol(Buffer *out, const uint8_t *bytes)
{
	const char *name = bytes[0] == IPPROTO_UDP ? "udp" : bytes[0] == IPPROTO_SCTP ? "sctp" : "tcp";

	buffer_add_text(out, name);
}

static void say_port(Buffer *out, const uint8_t *bytes)
{
	buffer_add_text(out, "port ");
	print_port(out, bytes);
}

static void say_family(Buffer *out, const uint8_t *bytes)
{
	buffer_add_text(out, bytes[0] == NFPROTO_IPV4 ? "IPv4" : "IPv6");
}

static const FieldShape field_shapes[FIELDS] = {
	[FIELD_INTERFACE] = {"ifname", IFNAMSIZ, print_interface, say_interface},
	[FIELD_IPV4] = {"ipv4_addr", 4, print_ipv4, print_ipv4},
	[FIELD_IPV6] = {"ipv6_addr", 16, print_ipv6, print_ipv6},
	[FIELD_PROTOCOL] = {"inet_proto", 4, print_number, say_protocol},
	[FIELD_PORT] = {"inet_service", 4, print_port, say_port},
	[FIELD_FAMILY] = {"nf_proto", 4, print_family, say_family},
};

/* ---- sets ---- */

enum { KEY_FIELDS_MAX = 3, VALUE_FIELDS_MAX = 2 };

typedef struct SetShape {
	const char *name;
	Field key[KEY_FIELDS_MAX], value[VALUE_FIELDS_MAX];
	bool is_intervals;
	size_t said;      /* fields of the key that say something to people; 0: all */
	const char *verb; /* between key and value */
	const char *purpose;
} SetShape;

#define AT4                                                                                                            \
	{                                                                                                              \
		FIELD_IPV4, FIELD_PROTOCOL, FIELD_PORT                                                                 \
	}
#define AT6                                                                                                            \
	{                                                                                                              \
		FIELD_IPV6, FIELD_PROTOCOL, FIELD_PORT                                                                 \
	}
#define ANY                                                                                                            \
	{                                                                                                              \
		FIELD_PROTOCOL, FIELD_PORT                                                                             \
	}
#define TO4                                                                                                            \
	{                                                                                                              \
		FIELD_IPV4, FIELD_PORT                                                                                 \
	}
#define TO6                                                                                                            \
	{                                                                                                              \
		FIELD_IPV6, FIELD_PORT                                                                                 \
	}
#define PAIR4                                                                                                          \
	{                                                                                                              \
		FIELD_IPV4, FIELD_IPV4                                                                                 \
	}
#define PAIR6                                                                                                          \
	{                                                                                                              \
		FIELD_IPV6, FIELD_IPV6                                                                                 \
	}

static const SetShape set_shapes[SETS] = {
	[SET_BRIDGES] = {"bridges", {FIELD_INTERFACE}, .purpose = "the bridges of kedge's networks"},
	[SET_INTERNAL] = {"internal", {FIELD_INTERFACE}, .purpose = "bridges that nothing leaves or enters"},
	[SET_SAME] = {"same", {FIELD_INTERFACE, FIELD_INTERFACE}, .said = 1,
		.purpose = "bridges whose containers reach each other"},
	[SET_UNPROTECTED] = {"unprotected", {FIELD_INTERFACE, FIELD_FAMILY},
		.purpose = "bridges whose containers are reached at every port of their own addresses"},
	[SET_ROUTED] = {"routed", {FIELD_INTERFACE, FIELD_FAMILY},
		.purpose = "bridges whose containers answer pings at their own addresses"},
	[SET_HAIRPIN4] = {"hairpin4", PAIR4, .is_intervals = true, .said = 1,
		.purpose = "networks whose containers reach each other's ports through the host's address"},
	[SET_HAIRPIN6] = {"hairpin6", PAIR6, .is_intervals = true, .said = 1,
		.purpose = "networks whose containers reach each other's ports through the host's address"},
	[SET_MASQUERADE4] = {"masquerade4", PAIR4, .is_intervals = true, .said = 1,
		.purpose = "addresses that leave the host under the host's own"},
	[SET_MASQUERADE6] = {"masquerade6", PAIR6, .is_intervals = true, .said = 1,
		.purpose = "addresses that leave the host under the host's own"},
	[SET_SOURCE4] = {"source4", PAIR4, {FIELD_IPV4}, .verb = "leaves as", .is_intervals = true, .said = 1,
		.purpose = "addresses that leave the host under a given one"},
	[SET_SOURCE6] = {"source6", PAIR6, {FIELD_IPV6}, .verb = "leaves as", .is_intervals = true, .said = 1,
		.purpose = "addresses that leave the host under a given one"},
	[SET_RELAY6_AT] = {"relay6_at", AT6,
		.purpose = "ports at one address that are relayed, as the container has no IPv6"},
	[SET_RELAY6] = {"relay6", ANY,
		.purpose = "ports on [::] that are relayed, not translated: at [::1], and where the container has no "
			   "IPv6"},
	[SET_OPEN4] = {"open4", AT4, .purpose = "published ports of routed networks"},
	[SET_OPEN6] = {"open6", AT6, .purpose = "published ports of routed networks"},
	[SET_PUBLISHED4_AT] = {"published4_at", AT4, TO4, .verb = "leads to",
		.purpose = "ports published at one address"},
	[SET_PUBLISHED4] = {"published4", ANY, TO4, .verb = "leads to", .purpose = "ports published at every address"},
	[SET_PUBLISHED6_AT] = {"published6_at", AT6, TO6, .verb = "leads to",
		.purpose = "ports published at one address"},
	[SET_PUBLISHED6] = {"published6", ANY, TO6, .verb = "leads to", .purpose = "ports published at every address"},
};

static size_t fields_length(const Field *fields, size_t max)
{
	size_t length = 0;

	for (size_t i = 0; i < max && fields[i]; i++)
		length += field_shapes[fields[i]].length;
	return length;
}

const char *set_name(SetId set)
{
	return set_shapes[set].name;
}

const char *set_purpose(SetId set)
{
	return set_shapes[set].purpose;
}

bool set_is_intervals(SetId set)
{
	return set_shapes[set].is_intervals;
}

size_t set_key_length(SetId set)
{
	return fields_length(set_shapes[set].key, KEY_FIELDS_MAX);
}

size_t set_value_length(SetId set)
{
	return fields_length(set_shapes[set].value, VALUE_FIELDS_MAX);
}

static void declare_fields(Buffer *out, const Field *fields, size_t max)
{
	for (size_t i = 0; i < max && fields[i]; i++)
		buffer_printf(out, "%s%s", i ? " . " : "", field_shapes[fields[i]].type);
}

void set_declare(Buffer *out, SetId set)
{
	const SetShape *shape = &set_shapes[set];

	buffer_printf(out, "%s %s { type ", shape->value[0] ? "map" : "set", shape->name);
	declare_fields(out, shape->key, KEY_FIELDS_MAX);
	if (shape->value[0])
		buffer_add_text(out, " : ");
	declare_fields(out, shape->value, VALUE_FIELDS_MAX);
	buffer_printf(out, ";%s }", shape->is_intervals ? " flags interval;" : "");
}

/* ---- the text of an element ---- */

/* The length of the prefix whose first and last address these are, or -1. */
static int prefix_of(const uint8_t *first, const uint8_t *last, size_t length)
{
	int bits = 0;

	while (bits < (int)length * 8 && !((first[bits / 8] ^ last[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	for (int bit = bits; bit < (int)length * 8; bit++)
		if (first[bit / 8] & (0x80 >> bit % 8) || !(last[bit / 8] & (0x80 >> bit % 8)))
			return -1;
	return bits;
}

static void print_range(Buffer *out, const FieldShape *shape, const uint8_t *first, const uint8_t *last)
{
	int prefix = prefix_of(first, last, shape->length);

	shape->print(out, first);
	if (memcmp(first, last, shape->length) == 0)
		return;
	if (prefix >= 0) {
		buffer_printf(out, "/%d", prefix);
		return;
	}
	buffer_add_char(out, '-');
	shape->print(out, last);
}

static const uint8_t *last_key(const Element *element)
{
	return set_shapes[element->set].is_intervals ? element->key_end : element->key;
}

static void print_fields(Buffer *out, const Field *fields, size_t max, const uint8_t *first, const uint8_t *last)
{
	for (size_t i = 0; i < max && fields[i]; i++) {
		const FieldShape *shape = &field_shapes[fields[i]];
		if (i)
			buffer_add_text(out, " . ");
		print_range(out, shape, first, last);
		first += shape->length;
		last += shape->length;
	}
}

void element_print(Buffer *out, const Element *element)
{
	const SetShape *shape = &set_shapes[element->set];

	print_fields(out, shape->key, KEY_FIELDS_MAX, element->key, last_key(element));
	if (shape->value[0]) {
		buffer_add_text(out, " : ");
		print_fields(out, shape->value, VALUE_FIELDS_MAX, element->value, element->value);
	}
}

static void say_fields(Buffer *out, const Field *fields, size_t count, const uint8_t *first, const uint8_t *last)
{
	for (size_t i = 0; i < count && fields[i]; i++) {
		const FieldShape *shape = &field_shapes[fields[i]];
		if (i)
			buffer_add_char(out, ' ');
		if (memcmp(first, last, shape->length) == 0)
			shape->say(out, first);
		else
			print_range(out, shape, first, last);
		first += shape->length;
		last += shape->length;
	}
}

void element_say(Buffer *out, const Element *element)
{
	const SetShape *shape = &set_shapes[element->set];

	say_fields(out, shape->key, shape->said ? shape->said : KEY_FIELDS_MAX, element->key, last_key(element));
	if (shape->value[0]) {
		buffer_printf(out, " %s ", shape->verb);
		say_fields(out, shape->value, VALUE_FIELDS_MAX, element->value, element->value);
	}
}

/* ---- the bytes of an element ---- */

static uint8_t *put_address(uint8_t *at, const Address *address)
{
	size_t length = address_length(address->family);

	memcpy(at, address->bytes, length);
	return at + length;
}

static uint8_t *put_number(uint8_t *at, int number)
{
	at[0] = (uint8_t)number;
	return at + 4;
}

static uint8_t *put_port(uint8_t *at, uint16_t port)
{
	at[0] = port >> 8;
	at[1] = port & 0xff;
	return at + 4;
}

static uint8_t *put_interface(uint8_t *at, const char *name)
{
	memcpy(at, name, strnlen(name, IFNAMSIZ - 1));
	return at + IFNAMSIZ;
}

/* ---- lists ---- */

void elements_add(ElementList *list, const Element *element)
{
	if (list->count == list->room) {
		list->room = list->room ? list->room * 2 : 16;
		list->items = mem_array(list->items, list->room, sizeof *list->items);
	}
	list->items[list->count++] = *element;
}

static int compare_elements(const void *a, const void *b)
{
	const Element *one = a, *other = b;

	if (one->set != other->set)
		return one->set < other->set ? -1 : 1;
	return memcmp(one->key, other->key, sizeof *one - offsetof(Element, key));
}

void elements_sort(ElementList *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->items, list->count, sizeof *list->items, compare_elements);
	for (size_t i = 0; i < list->count; i++)
		if (kept == 0 || compare_elements(&list->items[kept - 1], &list->items[i]) != 0)
			list->items[kept++] = list->items[i];
	list->count = kept;
}

void elements_difference(ElementList *ret, const ElementList *a, const ElementList *b)
{
	size_t j = 0;

	for (size_t i = 0; i < a->count; i++) {
		while (j < b->count && compare_elements(&b->items[j], &a->items[i]) < 0)
			j++;
		if (j == b->count || compare_elements(&b->items[j], &a->items[i]) != 0)
			elements_add(ret, &a->items[i]);
	}
}

void elements_clear(ElementList *list)
{
	free(list->items);
	*list = (ElementList){0};
}

/* ---- what a port and a network are ---- */

/* At one address where it is relayed whole: others may have that port at another one. */
static void add_relay(ElementList *list, const PublishElement *publish)
{
	bool is_at_one = publish->host.family && !publish->to.family;
	Element element = {.set = is_at_one ? SET_RELAY6_AT : SET_RELAY6};
	uint8_t *key = is_at_one ? put_address(element.key, &publish->host) : element.key;

	put_port(put_number(key, publish->protocol), publish->host_port);
	elements_add(list, &element);
}

static void add_open(ElementList *list, const PublishElement *publish)
{
	Element element = {.set = publish->family == AF_INET6 ? SET_OPEN6 : SET_OPEN4};

	put_port(put_number(put_address(element.key, &publish->to), publish->protocol), publish->to_port);
	elements_add(list, &element);
}

void elements_add_publish(ElementList *list, const PublishElement *publish)
{
	bool is_ipv6 = publish->family == AF_INET6, is_at_one = publish->host.family != 0;
	Element element = {.set = is_ipv6 ? SET_PUBLISHED6 : SET_PUBLISHED4};
	uint8_t *key = element.key;

	if (publish->is_relayed)
		add_relay(list, publish);
	if (!publish->to.family)
		return;
	if (publish->is_routed) {
		add_open(list, publish);
		return;
	}
	if (is_at_one) {
		element.set = is_ipv6 ? SET_PUBLISHED6_AT : SET_PUBLISHED4_AT;
		key = put_address(key, &publish->host);
	}
	put_port(put_number(key, publish->protocol), publish->host_port);
	put_port(put_address(element.value, &publish->to), publish->to_port);
	elements_add(list, &element);
}

static void add_bridge(ElementList *list, SetId set, const char *bridge)
{
	Element element = {.set = set};

	put_interface(element.key, bridge);
	elements_add(list, &element);
}

static void add_same(ElementList *list, const char *bridge)
{
	Element element = {.set = SET_SAME};

	put_interface(put_interface(element.key, bridge), bridge);
	elements_add(list, &element);
}

static void add_mode(ElementList *list, const char *bridge, GatewayMode mode, int family)
{
	Element element = {.set = mode == GATEWAY_ROUTED ? SET_ROUTED : SET_UNPROTECTED};

	if (mode == GATEWAY_NAT)
		return;
	put_number(put_interface(element.key, bridge), family);
	elements_add(list, &element);
}

/* A pair of ranges: from the subnet to itself, or to everywhere. */
static Element pair_of(SetId set, const Subnet *subnet, bool is_everywhere)
{
	Address first = subnet_at(subnet, 0), last = subnet_last(subnet);
	size_t length = address_length(first.family);
	Element element = {.set = set};

	put_address(element.key, &first);
	put_address(element.key_end, &last);
	if (is_everywhere) {
		memset(element.key_end + length, 0xff, length);
	} else {
		put_address(element.key + length, &first);
		put_address(element.key_end + length, &last);
	}
	return element;
}

static void add_subnet(ElementList *list, const NetworkElement *network, const Subnet *subnet)
{
	bool is_ipv6 = subnet->address.family == AF_INET6;
	const Address *source = is_ipv6 ? &network->source6 : &network->source4;
	Element hairpin = pair_of(is_ipv6 ? SET_HAIRPIN6 : SET_HAIRPIN4, subnet, false);
	Element leaving = pair_of(is_ipv6 ? SET_MASQUERADE6 : SET_MASQUERADE4, subnet, true);

	elements_add(list, &hairpin);
	if (network->is_internal || (is_ipv6 ? network->mode6 : network->mode4) == GATEWAY_ROUTED)
		return;
	if (source->family) {
		leaving.set = is_ipv6 ? SET_SOURCE6 : SET_SOURCE4;
		put_address(leaving.value, source);
	} else if (!network->masquerades) {
		return;
	}
	elements_add(list, &leaving);
}

void elements_add_network(ElementList *list, const NetworkElement *network)
{
	add_bridge(list, SET_BRIDGES, network->bridge);
	if (network->is_internal)
		add_bridge(list, SET_INTERNAL, network->bridge);
	if (network->has_icc)
		add_same(list, network->bridge);
	add_mode(list, network->bridge, network->mode4, NFPROTO_IPV4);
	add_mode(list, network->bridge, network->mode6, NFPROTO_IPV6);
	for (size_t i = 0; i < network->subnet_count; i++)
		add_subnet(list, network, &network->subnets[i]);
}

void elements_add_state(ElementList *list, const FirewallState *state)
{
	for (size_t i = 0; i < state->network_count; i++)
		elements_add_network(list, &state->networks[i]);
	for (size_t i = 0; i < state->publish_count; i++)
		elements_add_publish(list, &state->publishes[i]);
}

/* ---- states ---- */

void firewall_state_add_publish(FirewallState *state, const PublishElement *publish)
{
	state->publishes = mem_array(state->publishes, state->publish_count + 1, sizeof *publish);
	state->publishes[state->publish_count++] = *publish;
}

void firewall_state_add_network(FirewallState *state, const NetworkElement *network)
{
	state->networks = mem_array(state->networks, state->network_count + 1, sizeof *network);
	state->networks[state->network_count++] = *network;
}

void firewall_state_clear(FirewallState *state)
{
	free(state->publishes);
	free(state->networks);
	*state = (FirewallState){0};
}
