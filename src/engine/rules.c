// SPDX-License-Identifier: Apache-2.0
#include "engine/rules.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_cni.h"
#include "engine/ports.h"
#include "network/conntrack.h"
#include "network/opener.h"
#include "network/table.h"
#include "network/watch.h"

#define LOAD_AGAIN (30 * NANOS_PER_SECOND) /* after one that came to nothing: containers with ports may run */

struct Rules {
	Engine *engine;
	Firewall *firewall;
	RulesetWatch *watch;
	Conntrack *conntrack;
	ForeignOpener *opener;
	FirewallLoad *load;
	Source *comparison; /* that is due */
	Source *again;      /* a load that came to nothing */
	bool is_second;     /* this load: somebody has spoilt the first one */
	bool is_ready;
	bool is_contested; /* something that should be there was refused: what has its place may be about to go */
};

Rules *rules_free(Rules *rules)
{
	if (!rules)
		return NULL;
	source_free(rules->comparison);
	source_free(rules->again);
	firewall_load_free(rules->load);
	foreign_opener_free(rules->opener);
	ruleset_watch_close(rules->watch);
	conntrack_close(rules->conntrack);
	firewall_close(rules->firewall);
	free(rules);
	return NULL;
}

/* ---- what should be there ---- */

static Address host_of(const PortBinding *binding)
{
	static const uint8_t any[16];
	Address address = {0};

	error_free(address_parse(&address, binding->host_address)); /* we have written it */
	if (memcmp(address.bytes, any, sizeof(any)) == 0)
		address.family = 0;
	return address;
}

/* What may be relayed is, as soon as there is somewhere to. */
static bool relays_now(const Container *container, const PortBinding *binding)
{
	return binding->is_relayed && endpoints_way_out(container, AF_INET);
}

/* Where the container has no address of that family: its shim's socket, of which the firewall only needs to know. */
static bool relay_element(PublishElement *ret, const Container *container, const PortBinding *binding)
{
	*ret = (PublishElement){
		.protocol = protocol_number(binding->protocol),
		.family = AF_INET6,
		.host = host_of(binding),
		.host_port = (uint16_t)binding->host_port,
		.is_relayed = true,
	};
	return relays_now(container, binding);
}

/* False: nothing leads there that the firewall knows of. */
static bool publish_element(PublishElement *ret, const Container *container, const PortBinding *binding)
{
	Address host = {0};
	const Endpoint *endpoint;
	const Network *network; /* NULL: its record is gone, or was damaged, and the run goes on */
	Subnet to;

	error_free(address_parse(&host, binding->host_address)); /* we have written it */
	endpoint = endpoints_way_out(container, host.family);
	if (endpoints_publish_by_cni(container))
		return false;
	if (!endpoint)
		return relay_element(ret, container, binding);
	network = network_by_id(container->engine, endpoint->network);
	error_free(subnet_parse(&to, host.family == AF_INET ? endpoint->ipv4 : endpoint->ipv6)); /* as well */
	*ret = (PublishElement){
		.protocol = protocol_number(binding->protocol),
		.family = host.family,
		.host = host_of(binding),
		.host_port = (uint16_t)binding->host_port,
		.to = to.address,
		.to_port = (uint16_t)binding->port,
		.is_routed = network && network_gateway_mode(network, host.family) == GATEWAY_ROUTED,
		.is_relayed = relays_now(container, binding),
	};
	return true;
}

/* Family 0: none is given, or one of the other family, which earlier kedgeds took. */
static Address source_of(const Network *network, const char *option, int family)
{
	const char *text = network_option(network, option);
	Address address = {0};

	if (!string_empty(text))
		error_free(address_parse(&address, text)); /* it was checked */
	return address.family == family ? address : (Address){0};
}

static void network_element(NetworkElement *ret, const Network *network)
{
	*ret = (NetworkElement){
		.is_internal = network->record.spec.is_internal,
		.has_icc = network_flag(network, "com.docker.network.bridge.enable_icc", true),
		.mode4 = network_gateway_mode(network, AF_INET),
		.mode6 = network_gateway_mode(network, AF_INET6),
		.masquerades = network_flag(network, "com.docker.network.bridge.enable_ip_masquerade", true),
	};
	if (ret->masquerades) {
		ret->source4 = source_of(network, "com.docker.network.host_ipv4", AF_INET);
		ret->source6 = source_of(network, "com.docker.network.host_ipv6", AF_INET6);
	}
	memcpy(ret->bridge, network->bridge, sizeof(ret->bridge));
	for (size_t i = 0; i < network->pool_count && i < NETWORK_SUBNETS_MAX; i++)
		ret->subnets[ret->subnet_count++] = network->pools[i].subnet;
}

static void desired_state(FirewallState *ret, const Engine *engine)
{
	list_each(&engine->network_order, Network, link, network) {
		NetworkElement element;
		if (!network->is_up || network->record.spec.driver != NETWORK_DRIVER_BRIDGE)
			continue;
		network_element(&element, network);
		firewall_state_add_network(ret, &element);
	}
	list_each(&engine->container_order, Container, link, container) {
		const PortBinding *ports = container->network.ports.items;
		for (size_t i = 0; i < container->network.ports.count; i++) {
			PublishElement element;
			if (publish_element(&element, container, &ports[i]))
				firewall_state_add_publish(ret, &element);
		}
	}
}

/* ---- the rules of others ---- */

static void look_at_others(void *arg)
{
	Rules *rules = arg;
	autoclear(FirewallState) desired = {0};
	autoclear(StringList) bridges = {0};

	desired_state(&desired, rules->engine);
	list_each(&rules->engine->network_order, Network, link, network)
		if (network_has_bridge(network) && !network->is_leaving)
			strings_add(&bridges, network->bridge);
	foreign_opener_look(rules->opener, &desired, &bridges);
}

Firewall *rules_firewall(const Engine *engine)
{
	return engine->rules ? engine->rules->firewall : NULL;
}

fallible rules_look_at_others(Engine *engine)
{
	return engine->rules && engine->rules->is_ready ? foreign_opener_look_now(engine->rules->opener) : NULL;
}

const ForeignReport *rules_report(const Engine *engine)
{
	return engine->rules ? foreign_opener_report(engine->rules->opener) : NULL;
}

static bool is_asked_about(const ContainerSpec *spec, const Network *network)
{
	const EndpointSpec *endpoints = spec ? spec->endpoints.items : NULL;

	if (network->record.spec.driver != NETWORK_DRIVER_BRIDGE)
		return false;
	for (size_t i = 0; endpoints && i < spec->endpoints.count; i++)
		if (network_by_id(network->engine, endpoints[i].network) == network)
			return true;
	return !spec && network->is_up;
}

static void warn_of(const ForeignReport *report, const char *bridge, bool are_opened, StringList *ret)
{
	for (size_t i = 0; i < report->count; i++) {
		const ForeignDrop *drop = &report->drops[i];
		autofree char *words = foreign_drop_warning(drop);
		if (words && strings_has(&drop->bridges, bridge) && !strings_has(ret, words) &&
			(are_opened || drop->manager == MANAGER_OWNER))
			strings_take(ret, take(words));
	}
}

/* Its bridge is made by the first start: what would be dropped then, and not be opened. */
static fallible warn_of_network(Engine *engine, const Network *network, StringList *ret)
{
	autoclear(Ruleset) ruleset = {0};
	autoclear(ForeignReport) report = {0};
	NetworkElement element;

	network_element(&element, network);
	if (element.subnet_count == 0) /* they are chosen later */
		TRY(subnet_parse(&element.subnets[element.subnet_count++], "0.0.0.0/0"));
	TRY(ruleset_read(&ruleset, engine->config.firewall_table));
	foreign_judge(&report, &ruleset, &(FirewallState){.networks = &element, .network_count = 1}, NULL);
	warn_of(&report, network->bridge, false, ret);
	return NULL;
}

void rules_warnings(Engine *engine, const ContainerSpec *spec, StringList *ret)
{
	list_each(&engine->network_order, Network, link, network) {
		Error *error = NULL;
		if (!is_asked_about(spec, network))
			continue;
		if (engine->rules && network->is_up)
			warn_of(rules_report(engine), network->bridge, true, ret);
		else
			error = warn_of_network(engine, network, ret);
		if (error)
			error_log(error, "the rules of others could not be looked at");
	}
}

/* ---- the table ---- */

static bool waits_for_rules(const Container *container)
{
	return container->launch_when_gone && !container->shim && !container->cleaning &&
	       endpoints_need_rules(container);
}

static void starts_go_on(Engine *engine, const Error *error)
{
	list_each(&engine->container_order, Container, link, container) {
		if (!waits_for_rules(container))
			continue;
		container->launch_when_gone = false;
		if (error)
			container_launch_failed(container, EXIT_START_FAILED, error_copy(error));
		else
			container_launch_later(container);
	}
}

static size_t compare(Rules *rules)
{
	autoclear(FirewallState) desired = {0};
	FirewallOutcome outcome = FIREWALL_DONE;
	size_t changes = 0;
	Error *error;

	desired_state(&desired, rules->engine);
	error = firewall_sync(rules->firewall, &desired, &outcome, &changes);
	if (error)
		error_log(error, "the packet filter's elements could not be compared");
	else if (outcome == FIREWALL_FLUSHED)
		rules->is_ready = false;
	else if (changes)
		log_debug("the packet filter had %zu elements to be changed", changes);
	rules->is_contested = outcome == FIREWALL_TAKEN;
	look_at_others(rules);
	return changes;
}

static void comparison_due(void *arg)
{
	Rules *rules = arg;

	rules->comparison = source_free(rules->comparison);
	if (rules->is_ready)
		compare(rules);
}

static void compare_soon(Rules *rules)
{
	Error *error = NULL;

	if (!rules->comparison)
		error = loop_defer(&rules->comparison, rules->engine->loop, comparison_due, rules);
	if (error)
		error_log(error, "the packet filter's elements are not compared");
}

static void load_again(void *arg);

static void load_later(Rules *rules)
{
	Error *error = NULL;

	if (!rules->again)
		error = loop_timer(&rules->again, rules->engine->loop, LOAD_AGAIN, load_again, rules);
	if (error)
		error_log(error, "the packet filter's table is not loaded again");
}

static fallible look(Rules *rules, size_t *ret_changes)
{
	FirewallCondition condition;

	*ret_changes = 1;
	TRY(firewall_look(rules->firewall, &condition));
	rules->is_ready = condition == FIREWALL_WHOLE;
	if (rules->is_ready)
		*ret_changes = compare(rules);
	return NULL;
}

static fallible begin_load(Rules *rules);

/* What somebody has done to it meanwhile, was_damaged() has left to us. */
static void table_loaded(void *arg, Error *take_error)
{
	Rules *rules = arg;
	bool was_second = rules->is_second;
	Error *error = take_error;
	size_t changes;

	rules->load = firewall_load_free(rules->load);
	if (!error)
		error = look(rules, &changes);
	if (!error && !rules->is_ready && !was_second)
		error = begin_load(rules);
	rules->is_second = rules->load;
	if (rules->load)
		return; /* starts wait for that one */
	if (!rules->is_ready)
		load_later(rules);
	starts_go_on(rules->engine, error);
	if (error)
		error_log(
			error, "the packet filter's table \"%s\" could not be loaded", firewall_table(rules->firewall));
}

static fallible begin_load(Rules *rules)
{
	autoclear(FirewallState) desired = {0};

	if (rules->load)
		return NULL;
	rules->is_ready = false;
	desired_state(&desired, rules->engine);
	TRY(fault("engine.rules.load"));
	return firewall_load(
		&rules->load, rules->engine->loop, rules->engine->config.firewall_table, &desired, table_loaded, rules);
}

static fallible mend(Rules *rules, size_t *ret_changes)
{
	TRY(look(rules, ret_changes));
	return rules->is_ready ? NULL : begin_load(rules);
}

static void was_damaged(void *arg)
{
	Rules *rules = arg;
	size_t changes;
	Error *error = rules->load ? NULL : mend(rules, &changes);

	if (!error)
		return;
	error_log(error, "the packet filter's table \"%s\"", firewall_table(rules->firewall));
	load_later(rules);
}

static bool is_needed(const Engine *engine)
{
	list_each(&engine->container_order, Container, link, container)
		if (container->network.endpoints.count)
			return true;
	return false;
}

static void load_again(void *arg)
{
	Rules *rules = arg;

	rules->again = source_free(rules->again);
	if (!rules->is_ready && is_needed(rules->engine))
		was_damaged(rules);
}

/* There is a table: the next kedged looks at it also when no container is left that has ports. */
static char *mark_path(const Engine *engine)
{
	return path_join(engine->config.run_dir, "rules");
}

static fallible open_parts(Rules *rules)
{
	static const RulesetHandlers handlers = {.damaged = was_damaged, .others_changed = look_at_others};
	Engine *engine = rules->engine;

	autofree char *mark = mark_path(engine);
	autofree char *record = path_join(engine->config.run_dir, "firewalld");

	TRY(file_replace(AT_FDCWD, mark, "", 0, 0600));
	TRY(firewall_open(&rules->firewall, engine->config.firewall_table));
	TRY(conntrack_open(&rules->conntrack, engine->loop));
	TRY(foreign_opener_new(&rules->opener, engine->loop, rules->firewall, record, NULL, NULL));
	return ruleset_watch_open(&rules->watch, engine->loop, rules->firewall, &handlers, rules);
}

static fallible rules_open(Engine *engine)
{
	Rules *rules;
	Error *error;

	if (engine->rules)
		return NULL;
	rules = mem_new(Rules);
	rules->engine = engine;
	error = open_parts(rules);
	if (error) {
		rules_free(rules);
		return error;
	}
	engine->rules = rules;
	return NULL;
}

/* Until all containers are known, what should be there is not. */
static fallible rules_load(Engine *engine)
{
	size_t changes;

	TRY(rules_open(engine));
	if (!engine->knows_all || engine->rules->is_ready || engine->rules->load)
		return NULL;
	return mend(engine->rules, &changes);
}

fallible rules_adopt(Engine *engine)
{
	TRY(rules_load(engine));
	if (engine->rules->is_ready)
		compare_soon(engine->rules);
	return NULL;
}

static bool is_loading(const Engine *engine)
{
	return engine->rules && (engine->rules->load || !engine->knows_all);
}

void rules_restore(Engine *engine)
{
	autofree char *mark = mark_path(engine);
	Error *error = NULL;

	engine->knows_all = true;
	if (engine->rules || file_exists(AT_FDCWD, mark))
		error = rules_load(engine);
	if (error)
		error_log(error, "the packet filter"); /* starts fail by it */
	if (!is_loading(engine))
		starts_go_on(engine, NULL);
}

bool rules_are_awaited(const Container *container)
{
	Engine *engine = container->engine;
	Error *error;

	if (!endpoints_need_rules(container) || (engine->rules && engine->rules->is_ready))
		return false;
	error = rules_load(engine);
	if (error)
		error_log(error, "the packet filter"); /* the start fails by it */
	return is_loading(engine);
}

/* ---- elements ---- */

/* Somebody has removed the table: it is loaded again, with these elements. What leads elsewhere is left from a
 * container that is gone, as the port is held by this one: all elements are compared then. */
static fallible outcome_settle(Rules *rules, FirewallOutcome outcome)
{
	if (outcome == FIREWALL_TAKEN)
		compare(rules);
	return outcome == FIREWALL_FLUSHED ? begin_load(rules) : NULL;
}

fallible rules_publish(Container *container)
{
	Rules *rules = container->engine->rules;
	const PortBinding *ports = container->network.ports.items;
	FirewallOutcome outcome = FIREWALL_DONE;
	int64_t taken_ns = 0;

	if (!container->network.ports.count || !rules)
		return NULL;
	autoptr(FirewallBatch) batch = firewall_batch_new(rules->firewall);
	for (size_t i = 0; i < container->network.ports.count; i++) {
		PublishElement element;
		if (!publish_element(&element, container, &ports[i]))
			continue;
		firewall_add_publish(batch, &element);
		/* Connections of its last owner ended with that one's address. */
		if (ports[i].protocol != PROTOCOL_TCP && element.to.family)
			conntrack_forget_port(
				rules->conntrack, element.protocol, &element.host, element.host_port, &element.to);
	}
	TRY(firewall_batch_send(batch, &outcome, &taken_ns));
	container->network.is_published = true;
	log_debug("container \"%s\": %zu ports published in %lld us", container->record.name,
		container->network.ports.count, (long long)(taken_ns / 1000));
	return outcome_settle(rules, outcome);
}

static void forget_flows(Rules *rules, const Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		const char *texts[2] = {endpoints[i].ipv4, endpoints[i].ipv6};
		for (size_t family = 0; family < 2; family++) {
			Subnet subnet;
			if (string_empty(texts[family]))
				continue;
			error_free(subnet_parse(&subnet, texts[family])); /* we have written it */
			conntrack_forget_address(rules->conntrack, &subnet.address);
		}
	}
}

/* Elements that are gone already are no failure: what else is there is compared then. */
void rules_withdraw(Container *container)
{
	Rules *rules = container->engine->rules;
	const PortBinding *ports = container->network.ports.items;
	FirewallOutcome outcome = FIREWALL_DONE;
	Error *error;

	if (!rules || !container->network.is_published)
		return;
	container->network.is_published = false;
	autoptr(FirewallBatch) batch = firewall_batch_new(rules->firewall);
	for (size_t i = 0; i < container->network.ports.count; i++) {
		PublishElement element;
		if (publish_element(&element, container, &ports[i]))
			firewall_remove_publish(batch, &element);
	}
	error = firewall_batch_send(batch, &outcome, NULL);
	forget_flows(rules, container);
	if (error)
		error_log(error, "container \"%s\": its ports could not be withdrawn", container->record.name);
	if (error || outcome == FIREWALL_ABSENT || rules->is_contested)
		compare_soon(rules);
}

/* ---- networks ---- */

fallible rules_add_network(const Network *network)
{
	Rules *rules = network->engine->rules;
	FirewallOutcome outcome = FIREWALL_DONE;
	NetworkElement element;

	if (!rules || !rules->is_ready)
		return NULL; /* the load has it */
	autoptr(FirewallBatch) batch = firewall_batch_new(rules->firewall);
	network_element(&element, network);
	firewall_add_network(batch, &element);
	TRY(firewall_batch_send(batch, &outcome, NULL));
	if (outcome == FIREWALL_TAKEN)
		compare_soon(rules);
	look_at_others(rules);
	return outcome == FIREWALL_FLUSHED ? begin_load(rules) : NULL;
}

void rules_remove_network(const Network *network)
{
	Rules *rules = network->engine->rules;

	if (rules)
		compare_soon(rules); /* it is not up any more */
}

static fallible count_differences(const Rules *rules, size_t *ret)
{
	autoclear(FirewallState) desired = {0};
	FirewallCondition condition;
	FirewallOutcome outcome;

	*ret = 1;
	TRY(firewall_look(rules->firewall, &condition));
	if (condition != FIREWALL_WHOLE)
		return NULL;
	desired_state(&desired, rules->engine);
	return firewall_compare(rules->firewall, &desired, &outcome, ret);
}

size_t rules_differences(Engine *engine)
{
	const Rules *rules = engine->rules;
	size_t count = 0;

	if (!rules || rules->load)
		return 0; /* as below */
	Error *error = count_differences(rules, &count);
	if (error)
		error_log(error, "the packet filter");
	return count;
}

size_t rules_mend(Engine *engine)
{
	Rules *rules = engine->rules;
	size_t changes = 0;

	if (!rules || rules->load)
		return 0; /* nothing needs it, or it is being loaded */
	Error *error = mend(rules, &changes);
	if (error)
		error_log(error, "the packet filter");
	return changes;
}
