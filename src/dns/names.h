// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What containers are called, by network. A name may be of several containers; its addresses are then answered in turn.
 * Nothing here is sent or asked.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strings.h"

typedef struct Names Names;

typedef struct Endpoint {
	char *container;
	StringList names; /* as they were given */
	bool has_ipv4, has_ipv6;
	struct in_addr ipv4;
	struct in6_addr ipv6;
	unsigned generation;
} Endpoint;

/* Those that one name stands for, in the order in which they came. */
typedef struct Found {
	Endpoint *const *endpoints;
	size_t count;
	size_t first; /* to begin with this time */
} Found;

Names *names_new(void);
Names *names_free(Names *names);
DEFINE_AUTOPTR(Names, names_free)

/* Addresses as text, "" for none; what is no address is none. generation: see names_sweep(). */
typedef struct NamesEntry {
	const char *network, *container, *ipv4, *ipv6;
	const StringList *names;
	unsigned generation;
} NamesEntry;

void names_set(Names *names, const NamesEntry *entry); /* replaces */
void names_remove(Names *names, const char *network, const char *container);
/* Removes what was set in another generation. */
void names_sweep(Names *names, unsigned generation);

/* name: in lower case. */
bool names_look_up(Names *names, Found *ret, const char *network, const char *name);
const Endpoint *names_endpoint(const Names *names, const char *network, const char *container); /* NULL: none */
/* reverse: "2.0.18.172.in-addr.arpa". NULL: none. */
const Endpoint *names_of_address(const Names *names, const char *network, const char *reverse);
