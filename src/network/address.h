// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Addresses of hosts, subnets and network cards: plain data in network order, text as RFC 4291 and RFC 5952 have it. An
 * IPv4 address has its four bytes first and zeroes behind, so that two addresses compare by memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Address {
	int family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16];
} Address;

typedef struct Subnet {
	Address address; /* as given, with the host's part */
	int prefix;
} Subnet;

enum { ADDRESS_TEXT_MAX = 46, SUBNET_TEXT_MAX = 50, MAC_TEXT_MAX = 18 };

/* Numbers alone, without zone: "192.0.2.1", "2001:db8::1". */
fallible address_parse(Address *ret, const char *text);
void address_format(char ret[ADDRESS_TEXT_MAX], const Address *address); /* "" for none */
size_t address_length(int family);                                       /* in bytes: 4, 16; 0 for none */
bool address_equal(const Address *a, const Address *b);
int address_compare(const Address *a, const Address *b); /* by family, then in counting order */
bool address_is_loopback(const Address *address);        /* 127.0.0.0/8, ::1 */

/* "10.1.0.0/16"; the host's part may be set: "10.1.0.1/16" is one address and its subnet. */
fallible subnet_parse(Subnet *ret, const char *text);
void subnet_format(char ret[SUBNET_TEXT_MAX], const Subnet *subnet);           /* the network: "10.1.0.0/16" */
void subnet_format_with_host(char ret[SUBNET_TEXT_MAX], const Subnet *subnet); /* as given: "10.1.0.1/16" */
bool subnet_equal(const Subnet *a, const Subnet *b);                           /* whatever the host's parts are */
bool subnet_contains(const Subnet *subnet, const Address *address);
bool subnet_covers(const Subnet *subnet, const Subnet *inner); /* all of inner is in it */
bool subnets_overlap(const Subnet *a, const Subnet *b);
Address subnet_at(const Subnet *subnet, uint64_t n); /* the n-th address, 0 the first; taken modulo the size */
Address subnet_last(const Subnet *subnet);
uint64_t subnet_size(const Subnet *subnet); /* UINT64_MAX for that many and more */

typedef struct Mac {
	uint8_t bytes[6];
} Mac;

fallible mac_parse(Mac *ret, const char *text); /* "02:42:ac:11:00:02", also with dashes; no group address */
void mac_format(char ret[MAC_TEXT_MAX], const Mac *mac);
bool mac_is_zero(const Mac *mac);
/* As Docker derives it: 02:42 and the four bytes of an IPv4 address; of an IPv6 address its last four. */
Mac mac_of_address(const Address *address);
Mac mac_of_name(const char *name); /* locally administered, always the same for a name */
