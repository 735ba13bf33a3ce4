// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Networks as the engine's own files see them. Callers see network.h. */
#include "engine/container_internal.h"
#include "engine/network.h"
#include "network/address.h"
#include "network/bridge_port.h"
#include "network/elements.h"
#include "network/links.h"
#include "network/pool.h"

#define ENDPOINT_PREFIX "vk" /* of the host's end of a container's interface */

enum { INTERFACE_NAME_MAX = 15 };

/* What is stored, as JSON. */
typedef struct NetworkRecord {
	NetworkSpec spec;
	int64_t created_ns;
} NetworkRecord;

/* One PoolSpec, read. */
typedef struct NetworkPool {
	Subnet subnet;
	Address gateway;
	AddressPool *addresses;
} NetworkPool;

struct Network {
	List link;
	Engine *engine;
	char id[65];
	NetworkRecord record;
	bool is_predefined;
	bool is_leaving;  /* its bridge is being removed */
	bool is_up;       /* bridge and rules are there, as far as we know */
	bool is_doubtful; /* up when it was looked at last; who needs it looks again */
	bool is_covered;  /* a route of the host takes its addresses away; that was said */
	bool is_noted;    /* its CNI configuration was there when they were read */
	char bridge[INTERFACE_NAME_MAX + 1];
	NetworkPool *pools;
	size_t pool_count;
};

/* ---- network.c ---- */
fallible networks_restore(Engine *engine); /* before the containers */
void networks_forget(Engine *engine);
Network *network_by_id(const Engine *engine, const char *id); /* NULL: there is none */
fallible network_save(const Network *network);
const char *network_option(const Network *network, const char *name); /* NULL: not given */
/* Those that are CNI configurations: each is noted while the directory is read, and the others go, unless a container
 * names them. False: its name is another network's. */
void networks_begin_cni(Engine *engine);
bool network_note_cni(Engine *engine, const char *name, const char *file);
void networks_end_cni(Engine *engine);

/* ---- network_spec.c ---- */
/* All that can be told without looking at the host; ERROR_INVALID. */
fallible network_spec_check(const NetworkSpec *spec);
fallible network_check_endpoint(const Network *network, const EndpointSpec *endpoint);
fallible interface_name_check(const char *value);
fallible flag_parse(bool *ret, const char *text); /* as Go reads one: "1", "true", ... */
fallible gateway_mode_parse(GatewayMode *ret, const char *text);
bool network_flag(const Network *network, const char *option, bool otherwise);
GatewayMode network_gateway_mode(const Network *network, int family);
int network_mtu(const Network *network); /* 0: the usual one */

/* ---- network_pools.c ---- */
/* "172.17.0.0/12 16" each */
fallible network_pools_check(const StringList *pools);
/* Chooses what the spec leaves open, and reads it: the choices are in the spec then. ERROR_FORBIDDEN when somebody else
 * has what it names. */
fallible network_pools_open(Network *network);
fallible network_pools_read(Network *network); /* of a record */
void network_pools_close(Network *network);
/* Says which routes of the host take addresses of networks away. */
void network_routes_check(const Engine *engine);
/* The default network's are chosen late, and are on record then. */
fallible network_settle(Network *network);
NetworkPool *network_pool(const Network *network, int family); /* the first; NULL: it has none */

/* ---- network_bridge.c ---- */
bool network_has_bridge(const Network *network);
fallible network_open_links(Engine *engine);
fallible network_up(Network *network); /* cheap when it is */
/* Its bridge: made, or mended where somebody has changed it. */
fallible network_make_bridge(const Network *network, int *ret_index);
/* done: when its bridge is gone. */
void network_down(Network *network, ContainerDone *done, void *arg);

/* ---- network_notes.c ---- */
fallible bridge_note(const Engine *engine, const char *bridge); /* it is about to lose its network */
void bridge_drop_note(const Engine *engine, const char *bridge);
/* Before it is made what the spec says; again is fine. Nothing is noted of one that nobody has lent. */
fallible bridge_borrow(const Engine *engine, const BridgeSpec *spec);
fallible bridge_return(const Engine *engine, const char *bridge); /* as it was */
void bridges_sweep(Engine *engine); /* at a start: those that are leaving go, where no network has them */

/* ---- network_join.c ---- */
void network_tell(const Network *network, const char *action, const Container *container); /* an event */

/* ---- network_watch.c ---- */
typedef struct NetworkWatch NetworkWatch;
fallible network_watch_open(Engine *engine); /* again is fine */
NetworkWatch *network_watch_close(NetworkWatch *watch);
void network_mend_soon(Engine *engine); /* looks whether bridges and interfaces are there, and makes what is not */

/* ---- endpoints.c: a container's networks, from its making to its end ---- */
bool container_has_network(const ContainerSpec *spec); /* of its own */
/* At create: names become ids, and the network mode's own endpoint is there. */
fallible endpoints_resolve(ContainerSpec *spec, Engine *engine, StringList *ret_warnings);
fallible endpoint_resolve_links(EndpointSpec *endpoint, Engine *engine);
EndpointSpec *endpoints_add_spec(ContainerSpec *spec); /* an empty one; pointers to others are void afterwards */
void endpoints_tell(const Container *container, const char *action); /* "connect", "disconnect": of its run */
void endpoints_tell_linked(const Container *container); /* it has addresses: who names it in a file hears of them */
bool endpoints_need_rules(const Container *container);
/* At each start: addresses, sockets of published ports, and a namespace with its interfaces; endpoints_detach() follows
 * also when this has failed. */
fallible endpoints_prepare(Container *container); /* the part of it that comes before interfaces; again is fine */
fallible endpoints_attach(Container *container);
fallible endpoints_save(const Container *container); /* for the next kedged; the bundle's directory is there */
fallible endpoints_restore(Container *container);    /* of a run that goes on */
void endpoints_detach(Container *container);         /* its run is over, or was not begun */
void endpoints_forget(Container *container);         /* kedged ends, the run goes on */
void network_run_close(NetworkRun *run);             /* descriptors: the shim has them */
/* Of one that runs, and whose spec has it or has it no more. */
fallible endpoints_add(Container *container, const Network *network);
/* The part of it that comes before its plugins are run, and the one behind. */
fallible endpoints_begin_add(Container *container, const Network *network);
fallible endpoints_end_add(Container *container, const Network *network);
/* ERROR_CONFLICT: its shim, of an earlier version, would go on with an address that may soon be another container's. */
fallible endpoints_check_leave(const Container *container, const Network *network);
void endpoints_drop(Container *container, const Network *network, ContainerDone *done, void *arg);
char *endpoints_relay_to(const Container *container); /* its IPv4 address, owned; NULL: none */
/* Through which the container reaches the outside, and is reached; NULL: none. */
const Endpoint *endpoints_way_out(const Container *container, int family);

/* ---- links.c: --link on the default network ---- */
fallible links_check(const Container *container); /* at a start: ERROR_INTERNAL when one leads nowhere */
void links_variables(StringList *ret, const Container *container); /* of those that run: "DB_PORT=tcp://..." */
/* At create, of links on other networks: who is on none of them. */
void links_warnings(StringList *ret, const ContainerSpec *spec, const Engine *engine);

/* ---- endpoint.c: one of them ---- */
fallible endpoint_choose(Endpoint *ret, Network *network, const EndpointSpec *spec, const char *interface);
void endpoint_claim(const Container *container, const Endpoint *endpoint); /* after a restart of kedged */
void endpoint_give_back(const Container *container, const Endpoint *endpoint);
BridgePort endpoint_port(const Network *network); /* what its end in the bridge may do */
fallible endpoint_plug(const Container *container, const Endpoint *endpoint, int namespace_fd);
void endpoint_unplug(const Container *container, const Endpoint *endpoint, ContainerDone *done, void *arg);
/* What it asks of bits per second in its options, by kedge.bandwidth.ingress and .egress; 0: nothing. */
fallible endpoint_bandwidth(int64_t *ret_ingress, int64_t *ret_egress, const EndpointSpec *spec);
/* Default routes are those of the ways out. All of them: where one cannot be set, the others are, and that is the
 * error. */
fallible endpoint_route(const Container *container, const Endpoint *endpoint, int namespace_fd);
fallible endpoints_route(const Container *container, int namespace_fd);
