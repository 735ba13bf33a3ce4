// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Networks, and what containers have on them. A network is a record; its bridge is made when a container first needs
 * it, and again when somebody has removed it. Three are always there: "bridge", "host" and "none". A container with a
 * network of its own has an Endpoint on each of its networks while it runs, and none otherwise: addresses and free
 * ports are given out at each start. A Network pointer is valid until the network is removed.
 *
 * Errors and their words are Docker's where it has such. What is connected to a container that does not run is
 * connected at its next start.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/container.h"

#define NETWORK_BRIDGE "bridge" /* the default network's name, and the default driver */
#define NETWORK_HOST "host"
#define NETWORK_NONE "none"

typedef struct Network Network;

typedef enum NetworkDriver {
	NETWORK_DRIVER_BRIDGE,
	NETWORK_DRIVER_MACVLAN,
	NETWORK_DRIVER_IPVLAN,
	NETWORK_DRIVER_CNI,
	NETWORK_DRIVER_HOST,
	NETWORK_DRIVER_NULL,
	NETWORK_DRIVERS
} NetworkDriver;
extern const char *const network_driver_names[NETWORK_DRIVERS]; /* "bridge", ..., "null" */

/* One family's, or a part's, addresses. */
typedef struct PoolSpec {
	char *subnet;        /* "172.18.0.0/16"; NULL: one is chosen */
	char *range;         /* of it, for containers; NULL: all */
	char *gateway;       /* NULL: the first address */
	StringMap auxiliary; /* addresses that are somebody else's, by name */
	bool is_chosen; /* by kedge: the subnet was left open */
} PoolSpec;
extern const Field pool_spec_fields[];

typedef struct NetworkSpec {
	char *name;
	int driver;       /* NetworkDriver */
	FieldArray pools; /* PoolSpec */
	bool has_ipv6;
	bool is_internal;   /* no way out, and none in from other networks */
	bool is_attachable; /* kept for clients, no effect */
	StringMap ipam_options, options, labels;
	bool ipam_options_given;
} NetworkSpec;
extern const Field network_spec_fields[];
void network_spec_clear(NetworkSpec *spec);
DEFINE_AUTOCLEAR(NetworkSpec, network_spec_clear)

typedef struct NetworkView {
	const char *id;          /* 64 hex */
	const NetworkSpec *spec; /* pools as they were given; chosen ones as well */
	int64_t created_ns;      /* wall clock; 0: it was always there */
	bool is_predefined;
} NetworkView;

/* What a running container has on a network. Addresses are text; "" where there is none. */
typedef struct Endpoint {
	char *network;        /* the network's id */
	char *id;             /* 64 hex, of this run */
	char *interface;      /* in the container: "eth0" */
	char *host_interface; /* its other end; "" for those that have none */
	char *mac;
	char *ipv4, *ipv6; /* with their prefix lengths: "172.17.0.2/16" */
	char *gateway4, *gateway6; /* "" on an internal network */
	bool is_joined;  /* while it ran */
	bool is_leaving; /* disconnected; its interface is being removed */
} Endpoint;

/* A published port of a running container. */
typedef struct PortBinding {
	int64_t port;
	int protocol;       /* Protocol */
	char *host_address; /* "0.0.0.0", "::", or the one asked for */
	int64_t host_port;
	bool is_relayed; /* by its shim, where packets cannot be sent on to the container: from [::], or from ::1 alone */
} PortBinding;

/* ---- networks ---- */

/* spec is copied. ERROR_CONFLICT when the name is taken, or its addresses overlap another network's or the host's
 * routes. Durable on return. */
fallible network_create(Network **ret, Engine *engine, const NetworkSpec *spec, StringList *ret_warnings);
/* By name, id or unique id prefix. ERROR_NOT_FOUND "network x not found". */
fallible network_find(Network **ret, Engine *engine, const char *name);
size_t network_list(Network ***ret, Engine *engine); /* all, by name; the array is the caller's */
/* The default network has its addresses chosen when it is first looked at or used. */
void network_view(Network *network, NetworkView *ret);
/* ERROR_FORBIDDEN while containers have endpoints on it. done: when its bridge is gone too. */
fallible network_remove(Network *network, ContainerDone *done, void *arg);
bool network_is_used(const Network *network); /* by a container, running or not */

/* ---- containers on them ---- */

/* endpoint->network may be NULL. done is called when the container has it, or, where it does not run, at once; durable.
 */
fallible network_connect(
	Network *network, Container *container, const EndpointSpec *endpoint, ContainerDone *done, void *arg);
fallible network_disconnect(Network *network, Container *container, ContainerDone *done, void *arg);

/* What a container has now: borrowed until the next call into the engine; NULL and 0 when it has none. */
const Endpoint *container_endpoints(const Container *container, size_t *ret_count);
const Endpoint *container_endpoint_on(const Container *container, const char *network_id); /* NULL: none */
/* The host's ports lead to it: not where all of its networks are internal, or are cards of the host (macvlan). */
bool container_is_published(const Container *container);
const PortBinding *container_ports(const Container *container, size_t *ret_count);
/* The spec's endpoint of a network; NULL: it is not on it. */
const EndpointSpec *container_endpoint_spec(const Container *container, const char *network_id);
