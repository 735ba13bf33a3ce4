// SPDX-License-Identifier: Apache-2.0
#include "network/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"

enum { BITS = 8 };

size_t address_length(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static bool read_as(Address *ret, int family, const char *text)
{
	Address address = {.family = family};

	if (inet_pton(family, text, address.bytes) != 1)
		return false;
	*ret = address;
	return true;
}

fallible address_parse(Address *ret, const char *text)
{
	if (!read_as(ret, AF_INET, text) && !read_as(ret, AF_INET6, text))
		return error_new(ERROR_INVALID, "\"%s\" is not an IP address", text);
	return NULL;
}

void address_format(char ret[ADDRESS_TEXT_MAX], const Address *address)
{
	if (!address_length(address->family) || !inet_ntop(address->family, address->bytes, ret, ADDRESS_TEXT_MAX))
		*ret = '\0';
}

int address_compare(const Address *a, const Address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, address_length(a->family));
}

bool address_equal(const Address *a, const Address *b)
{
	return !address_compare(a, b);
}

bool address_is_loopback(const Address *address)
{
	static const uint8_t one[16] = {[15] = 1};

	if (address->family == AF_INET)
		return address->bytes[0] == 127;
	return address->family == AF_INET6 && !memcmp(address->bytes, one, sizeof(one));
}

fallible subnet_parse(Subnet *ret, const char *text)
{
	const char *slash = strchr(text, '/');
	Subnet subnet;
	int64_t prefix;

	if (!slash || slash - text >= ADDRESS_TEXT_MAX)
		return error_new(ERROR_INVALID, "\"%s\" is not of the form ADDRESS/PREFIX", text);
	autofree char *address = strndup(text, (size_t)(slash - text));
	TRY(address_parse(&subnet.address, address));
	TRY_WRAP(string_to_int64(&prefix, slash + 1, 0, (int64_t)address_length(subnet.address.family) * BITS),
		"prefix of \"%s\"", text);
	subnet.prefix = (int)prefix;
	*ret = subnet;
	return NULL;
}

/* The bits of byte i that are the network's. */
static uint8_t mask_at(const Subnet *subnet, size_t i)
{
	int bits = subnet->prefix - (int)i * BITS;

	return bits <= 0 ? 0 : bits >= BITS ? 0xff : (uint8_t)(0xff << (BITS - bits));
}

static Address first_of(const Subnet *subnet)
{
	Address address = subnet->address;

	for (size_t i = 0; i < sizeof(address.bytes); i++)
		address.bytes[i] &= mask_at(subnet, i);
	return address;
}

Address subnet_last(const Subnet *subnet)
{
	Address address = subnet->address;

	for (size_t i = 0; i < address_length(address.family); i++)
		address.bytes[i] |= (uint8_t)~mask_at(subnet, i);
	return address;
}

/* The host's part is counted up from the last byte; what leaves it is lost. */
Address subnet_at(const Subnet *subnet, uint64_t n)
{
	Address address = first_of(subnet);

	for (size_t i = address_length(address.family); i-- > 0 && n; n >>= BITS)
		address.bytes[i] |= (uint8_t)n & (uint8_t)~mask_at(subnet, i);
	return address;
}

uint64_t subnet_size(const Subnet *subnet)
{
	int bits = (int)address_length(subnet->address.family) * BITS - subnet->prefix;

	return bits >= 64 ? UINT64_MAX : UINT64_C(1) << bits;
}

static void format_both(char ret[SUBNET_TEXT_MAX], const Address *address, int prefix)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(text, address);
	snprintf(ret, SUBNET_TEXT_MAX, "%s/%d", text, prefix);
}

void subnet_format(char ret[SUBNET_TEXT_MAX], const Subnet *subnet)
{
	Address first = first_of(subnet);

	format_both(ret, &first, subnet->prefix);
}

void subnet_format_with_host(char ret[SUBNET_TEXT_MAX], const Subnet *subnet)
{
	format_both(ret, &subnet->address, subnet->prefix);
}

bool subnet_contains(const Subnet *subnet, const Address *address)
{
	const Subnet its = {*address, subnet->prefix};
	const Address a = first_of(subnet), b = first_of(&its);

	return address_equal(&a, &b);
}

bool subnet_covers(const Subnet *subnet, const Subnet *inner)
{
	return subnet->prefix <= inner->prefix && subnet_contains(subnet, &inner->address);
}

bool subnet_equal(const Subnet *a, const Subnet *b)
{
	return a->prefix == b->prefix && subnet_covers(a, b);
}

bool subnets_overlap(const Subnet *a, const Subnet *b)
{
	return subnet_covers(a, b) || subnet_covers(b, a);
}

/* Two digits and what follows them, six times. */
static bool read_mac(Mac *ret, const char *text)
{
	for (size_t i = 0; i < sizeof(ret->bytes); i++, text += 3) {
		const char digits[] = {text[0], text[0] ? text[1] : '\0', '\0'};
		bool is_last = i + 1 == sizeof(ret->bytes);

		if (strspn(digits, "0123456789abcdefABCDEF") != 2)
			return false;
		if (is_last ? text[2] != '\0' : text[2] != ':' && text[2] != '-')
			return false;
		ret->bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

fallible mac_parse(Mac *ret, const char *text)
{
	Mac mac;

	if (!read_mac(&mac, text))
		return error_new(ERROR_INVALID, "\"%s\" is not a MAC address", text);
	if (mac.bytes[0] & 1 || mac_is_zero(&mac))
		return error_new(ERROR_INVALID, "MAC address \"%s\" is not that of one card", text);
	*ret = mac;
	return NULL;
}

void mac_format(char ret[MAC_TEXT_MAX], const Mac *mac)
{
	const uint8_t *b = mac->bytes;

	snprintf(ret, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

bool mac_is_zero(const Mac *mac)
{
	static const Mac zero;

	return !memcmp(mac, &zero, sizeof(zero));
}

Mac mac_of_address(const Address *address)
{
	size_t length = address_length(address->family);
	Mac mac = {{0x02, 0x42}};

	if (length)
		memcpy(mac.bytes + 2, address->bytes + length - 4, 4);
	return mac;
}

/* FNV-1a. */
Mac mac_of_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	Mac mac = {{0x02, 0x42}};

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	for (size_t i = 2; i < sizeof(mac.bytes); i++)
		mac.bytes[i] = (uint8_t)(hash >> (i * BITS));
	return mac;
}
