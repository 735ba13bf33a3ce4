// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What changes in the firewall table while kedge runs: elements of its sets and maps, never a rule (network/table.h has
 * those). A batch is one transaction of nf_tables, made in process: all of it happens or nothing, at a cost that does
 * not depend on what is in the maps. A Firewall is kedged's connection to nf_tables, in the network namespace in which
 * it was opened, and the name of its table there.
 *
 * What should be in the maps is a FirewallState, made anew by whoever knows; firewall_sync() compares it with what is
 * there and sends the difference.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "network/address.h"

enum { NETWORK_SUBNETS_MAX = 8 };

/* A port of the host that leads into a container; addresses are of one family. */
typedef struct PublishElement {
	int protocol;       /* IPPROTO_TCP, _UDP, _SCTP */
	int family;         /* AF_INET, AF_INET6 */
	Address host;       /* family 0: any address of the host */
	uint16_t host_port; /* host order, as all ports here */
	Address to;         /* the container's; family 0: it has none of that family, and the port is relayed */
	uint16_t to_port;
	/* The network is routed: the port is opened at the container's own address, and none of the host's leads there.
	 */
	bool is_routed;
	/* IPv6: connections to ::1 (bridge-nf-call), or, where `to` has no family, all are left to the socket that the
	 * shim holds, which relays. */
	bool is_relayed;
} PublishElement;

/* How a network's addresses of one family are reached from outside: Docker's gateway_mode_ipv4 and _ipv6. */
typedef enum GatewayMode {
	GATEWAY_NAT,         /* masqueraded on the way out; reached by published ports alone */
	GATEWAY_ROUTED,      /* not masqueraded; published ports and pings reach the containers' own addresses */
	GATEWAY_UNPROTECTED, /* masqueraded; every port of the containers' own addresses is reached */
	GATEWAY_MODES
} GatewayMode;

typedef struct NetworkElement {
	char bridge[IFNAMSIZ];
	bool is_internal; /* nothing leaves it or comes in, but from and to the host itself */
	bool has_icc;     /* its containers reach each other */
	GatewayMode mode4, mode6;
	/* mode4, mode6 GATEWAY_NAT or _UNPROTECTED: false leaves addresses as they are (enable_ip_masquerade=false) */
	bool masquerades;
	Subnet subnets[NETWORK_SUBNETS_MAX]; /* of both families */
	size_t subnet_count;
	Address source4, source6; /* family 0: the outgoing interface's; else what its packets leave with (host_ipv4) */
} NetworkElement;

typedef struct FirewallState {
	PublishElement *publishes;
	size_t publish_count;
	NetworkElement *networks;
	size_t network_count;
} FirewallState;

void firewall_state_add_publish(FirewallState *state, const PublishElement *publish);
void firewall_state_add_network(FirewallState *state, const NetworkElement *network);
void firewall_state_clear(FirewallState *state);
DEFINE_AUTOCLEAR(FirewallState, firewall_state_clear)

typedef struct Firewall Firewall;

fallible firewall_open(Firewall **ret, const char *table); /* whether the table is there does not matter */
Firewall *firewall_close(Firewall *firewall);
DEFINE_AUTOPTR(Firewall, firewall_close)
const char *firewall_table(const Firewall *firewall);

/* What became of a batch. In all cases but the first nothing was changed; the kernel takes 10 to 25 ms for these, so a
 * batch is no way to ask. Adding what is there already, as it is, changes nothing. */
typedef enum FirewallOutcome {
	FIREWALL_DONE,
	FIREWALL_TAKEN,  /* an added port leads elsewhere already, or two networks have subnets that overlap */
	FIREWALL_ABSENT, /* what was to be removed is not there */
	FIREWALL_FLUSHED /* there is no such table (any more): firewall_load() (network/table.h) */
} FirewallOutcome;

typedef struct FirewallBatch FirewallBatch;

FirewallBatch *firewall_batch_new(Firewall *firewall);
FirewallBatch *firewall_batch_free(FirewallBatch *batch);
DEFINE_AUTOPTR(FirewallBatch, firewall_batch_free)
void firewall_add_publish(FirewallBatch *batch, const PublishElement *publish);
void firewall_remove_publish(FirewallBatch *batch, const PublishElement *publish);
void firewall_add_network(FirewallBatch *batch, const NetworkElement *network);
void firewall_remove_network(FirewallBatch *batch, const NetworkElement *network);
/* An empty batch is done at once. ret_ns (may be NULL): from sent to acknowledged, by the monotonic clock. */
fallible firewall_batch_send(FirewallBatch *batch, FirewallOutcome *ret, int64_t *ret_ns);

/* What is in the sets and maps now, each as nft prints it: "tcp . 8080 : 10.88.0.2 . 80"; purpose: of the set, in
 * words. Nothing where there is no table. */
typedef void FirewallVisitor(void *arg, const char *set, const char *purpose, const char *element);
fallible firewall_list(Firewall *firewall, FirewallVisitor *visit, void *arg);

/* How many elements firewall_sync() would add or remove; changes nothing. FIREWALL_DONE or _FLUSHED. */
fallible firewall_compare(Firewall *firewall, const FirewallState *desired, FirewallOutcome *ret, size_t *ret_changes);

/* Makes sets and maps hold exactly what desired says, in one batch, whatever is in them; sends nothing when they do.
 * ret_changes (may be NULL): how many elements were added or removed. FIREWALL_DONE, _FLUSHED, or, where desired says
 * two things of one port, _TAKEN. */
fallible firewall_sync(Firewall *firewall, const FirewallState *desired, FirewallOutcome *ret, size_t *ret_changes);
