// SPDX-License-Identifier: Apache-2.0
#include "engine/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_cni.h"
#include "engine/rules.h"
#include "network/links.h"
#include "store/records.h"

const char *const network_driver_names[NETWORK_DRIVERS] = {
	[NETWORK_DRIVER_BRIDGE] = "bridge",
	[NETWORK_DRIVER_MACVLAN] = "macvlan",
	[NETWORK_DRIVER_IPVLAN] = "ipvlan",
	[NETWORK_DRIVER_CNI] = "cni",
	[NETWORK_DRIVER_HOST] = "host",
	[NETWORK_DRIVER_NULL] = "null",
};

/* ---- the stored form ---- */

#define AT(member) .offset = offsetof(OWNER, member), .omit_empty = true

#define OWNER PoolSpec
const Field pool_spec_fields[] = {
	{"subnet", FIELD_STRING, AT(subnet)},
	{"range", FIELD_STRING, AT(range)},
	{"gateway", FIELD_STRING, AT(gateway)},
	{"auxiliary", FIELD_MAP, AT(auxiliary)},
	{"chosen", FIELD_BOOL, AT(is_chosen)},
	FIELDS_END,
};
#undef OWNER

#define OWNER NetworkSpec
const Field network_spec_fields[] = {
	{"name", FIELD_STRING, AT(name)},
	{"driver", FIELD_ENUM, .offset = offsetof(OWNER, driver), .names = network_driver_names,
		.name_count = NETWORK_DRIVERS},
	{"pools", FIELD_ARRAY, AT(pools), .sub = pool_spec_fields, .sub_size = sizeof(PoolSpec), .max_count = 16},
	{"ipv6", FIELD_BOOL, AT(has_ipv6)},
	{"internal", FIELD_BOOL, AT(is_internal)},
	{"attachable", FIELD_BOOL, AT(is_attachable)},
	{"ipamOptions", FIELD_MAP, AT(ipam_options)},
	{"ipamOptionsGiven", FIELD_BOOL, AT(ipam_options_given)},
	{"options", FIELD_MAP, AT(options)},
	{"labels", FIELD_MAP, AT(labels)},
	FIELDS_END,
};
#undef OWNER

#define OWNER NetworkRecord
static const Field record_fields[] = {
	{"spec", FIELD_OBJECT, .offset = offsetof(OWNER, spec), .sub = network_spec_fields},
	{"createdNs", FIELD_INT, AT(created_ns)},
	FIELDS_END,
};
#undef OWNER

void network_spec_clear(NetworkSpec *spec)
{
	fields_clear(network_spec_fields, spec);
}

fallible network_save(const Network *network)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(record_fields, &network->record, &writer, NULL);
	return record_put(
		network->engine->store, "network", network->id, network->record.spec.name, buffer_text(&text));
}

/* ---- life of the object ---- */

static Network *network_new(Engine *engine, const char *id)
{
	Network *network = mem_new(Network);

	list_init(&network->link);
	network->engine = engine;
	snprintf(network->id, sizeof(network->id), "%s", id);
	return network;
}

static void network_free(Network *network)
{
	list_remove(&network->link);
	network_pools_close(network);
	fields_clear(record_fields, &network->record);
	free(network);
}

static void network_index(Network *network)
{
	table_set(network->engine->networks, network->id, network);
	list_append(&network->engine->network_order, &network->link);
}

const char *network_option(const Network *network, const char *name)
{
	return map_get(&network->record.spec.options, name);
}

/* The bridge's name is the owner's to choose: "br-" and the id's first digits else. */
static void network_name_bridge(Network *network)
{
	const char *chosen = network_option(network, "com.docker.network.bridge.name");

	if (!string_empty(chosen))
		snprintf(network->bridge, sizeof(network->bridge), "%s", chosen);
	else if (network->is_predefined)
		snprintf(network->bridge, sizeof(network->bridge), "%s", network->engine->config.bridge);
	else
		snprintf(network->bridge, sizeof(network->bridge), "br-%.12s", network->id);
}

/* ---- what is always there ---- */

/* The device's own id, turned by the name: made up once, and kept for as long as the device's. */
static void predefined_id(char ret[65], const Engine *engine, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	for (const char *c = engine->id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	snprintf(ret, 65, "%016llx%.48s", (unsigned long long)hash, engine->id);
}

static const struct {
	const char *name;
	NetworkDriver driver;
} predefined[] = {
	{NETWORK_BRIDGE, NETWORK_DRIVER_BRIDGE},
	{NETWORK_HOST, NETWORK_DRIVER_HOST},
	{NETWORK_NONE, NETWORK_DRIVER_NULL},
};

/* key: by which its id is always the same. */
static Network *known(Engine *engine, const char *key, const char *name, NetworkDriver driver)
{
	char id[65];

	predefined_id(id, engine, key);
	Network *network = table_get(engine->networks, id);
	if (network)
		return network;
	network = network_new(engine, id);
	network->record.spec.name = mem_strdup(name);
	network->record.spec.driver = (int)driver;
	network_index(network);
	return network;
}

static void add_predefined(Engine *engine, const char *name, NetworkDriver driver)
{
	Network *network = known(engine, name, name, driver);

	network->is_predefined = true;
	network_name_bridge(network);
}

/* ---- restoring ---- */

static fallible read_record(Network *network, const char *json)
{
	TRY(fields_read_text(record_fields, &network->record, "record", json, strlen(json), 0));
	network_name_bridge(network);
	return network_pools_read(network);
}

static void restore_network(void *arg, const char *id, const char *name, const char *json)
{
	Engine *engine = arg;

	(void)name;
	if (table_get(engine->networks, id))
		return;
	Network *network = network_new(engine, id);
	Error *error = read_record(network, json);
	if (!error) {
		network_index(network);
		return;
	}
	Error *aside = record_set_aside(engine->store, "network", id, error_message(error));
	if (aside)
		error_log(aside, "network %.12s", id);
	error_free(error); /* it is the reason */
	network_free(network);
}

fallible networks_restore(Engine *engine)
{
	TRY(record_each(engine->store, "network", restore_network, engine));
	for (size_t i = 0; i < COUNT(predefined); i++)
		add_predefined(engine, predefined[i].name, predefined[i].driver);
	cni_look(engine); /* containers name them by id */
	return NULL;
}

void networks_forget(Engine *engine)
{
	while (!list_empty(&engine->network_order))
		network_free(list_entry(engine->network_order.next, Network, link));
	table_free(engine->networks);
}

/* ---- finding ---- */

Network *network_by_id(const Engine *engine, const char *id)
{
	return id ? table_get(engine->networks, id) : NULL;
}

static Network *by_name(const Engine *engine, const char *name)
{
	list_each(&engine->network_order, Network, link, network)
		if (!network->is_leaving && string_equal(network->record.spec.name, name))
			return network;
	return NULL;
}

static fallible by_prefix(Network **ret, const Engine *engine, const char *prefix)
{
	Network *found = NULL;
	size_t matches = 0;

	list_each(&engine->network_order, Network, link, network) {
		if (*prefix && !network->is_leaving && string_starts(network->id, prefix)) {
			found = network;
			matches++;
		}
	}
	if (matches > 1)
		return error_new(ERROR_INVALID, "network %s is ambiguous (%zu matches found based on ID prefix)",
			prefix, matches);
	if (!found)
		return error_new(ERROR_NOT_FOUND, "network %.300s not found", prefix);
	*ret = found;
	return NULL;
}

/* What is on record first: it is not looked for in a directory. */
static Network *find_by_name(Engine *engine, const char *name)
{
	Network *network = by_name(engine, name);

	if (network && network->record.spec.driver != NETWORK_DRIVER_CNI)
		return network;
	cni_look(engine);
	return by_name(engine, name);
}

fallible network_find(Network **ret, Engine *engine, const char *name)
{
	Network *network = table_get(engine->networks, name);

	if (!network || network->is_leaving)
		network = find_by_name(engine, string_equal(name, "default") ? NETWORK_BRIDGE : name);
	if (!network)
		return by_prefix(ret, engine, name);
	*ret = network;
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	const Network *const *one = a, *const *other = b;

	return strcmp((*one)->record.spec.name, (*other)->record.spec.name);
}

size_t network_list(Network ***ret, Engine *engine)
{
	Network **list;
	size_t count = 0;

	cni_look(engine);
	list = mem_array(NULL, table_count(engine->networks) + 1, sizeof(*list));
	list_each(&engine->network_order, Network, link, network)
		if (!network->is_leaving)
			list[count++] = network;
	qsort(list, count, sizeof(*list), compare_names);
	*ret = list;
	return count;
}

void network_view(Network *network, NetworkView *ret)
{
	Error *error = NULL;

	if (network->record.spec.driver == NETWORK_DRIVER_BRIDGE && !network->pool_count)
		error = network_settle(network);
	if (error)
		error_log(error, "network \"%s\" has no addresses", network->record.spec.name);
	*ret = (NetworkView){
		.id = network->id,
		.spec = &network->record.spec,
		.created_ns = network->record.created_ns,
		.is_predefined = network->is_predefined,
	};
}

bool network_is_used(const Network *network)
{
	list_each(&network->engine->container_order, Container, link, container)
		if (container_endpoint_spec(container, network->id))
			return true;
	return false;
}

/* ---- those that are CNI configurations ---- */

static bool network_is_cni(const Network *network)
{
	return network->record.spec.driver == NETWORK_DRIVER_CNI;
}

void networks_begin_cni(Engine *engine)
{
	list_each(&engine->network_order, Network, link, network)
		network->is_noted = false;
}

bool network_note_cni(Engine *engine, const char *name, const char *file)
{
	autofree char *key = string_printf("cni:%s", name);
	const Network *other = by_name(engine, name);

	if (other && !network_is_cni(other))
		return false;
	Network *network = known(engine, key, name, NETWORK_DRIVER_CNI);
	map_set(&network->record.spec.options, CNI_FILE_OPTION, file);
	network->is_noted = true;
	return true;
}

void networks_end_cni(Engine *engine)
{
	list_each(&engine->network_order, Network, link, network) {
		if (!network_is_cni(network) || network->is_noted || network_is_used(network))
			continue;
		table_remove(engine->networks, network->id);
		network_free(network);
	}
}

/* ---- creating ---- */

static fallible check_name(const Engine *engine, const char *name)
{
	if (string_empty(name))
		return error_new(ERROR_INVALID, "invalid name: ");
	if (string_equal(name, "default") || string_equal(name, NETWORK_BRIDGE) || string_equal(name, NETWORK_HOST) ||
		string_equal(name, NETWORK_NONE))
		return error_new(ERROR_FORBIDDEN, "operation is not permitted on predefined %s network ", name);
	if (by_name(engine, name))
		return error_new(ERROR_CONFLICT, "network with name %s already exists", name);
	return NULL;
}

static fallible check_driver(int driver)
{
	if (driver == NETWORK_DRIVER_CNI)
		return error_new(ERROR_INVALID, "a network of CNI is made by its configuration in a directory");
	if (driver == NETWORK_DRIVER_HOST || driver == NETWORK_DRIVER_NULL)
		return error_new(ERROR_FORBIDDEN, "only one instance of \"%s\" network is allowed",
			network_driver_names[driver]);
	return NULL;
}

static fallible check_bridge(const Network *network)
{
	list_each(&network->engine->network_order, Network, link, other)
		if (other->record.spec.driver == NETWORK_DRIVER_BRIDGE && string_equal(other->bridge, network->bridge))
			return error_new(ERROR_CONFLICT, "bridge \"%s\" is network \"%s\"'s", network->bridge,
				other->record.spec.name);
	return NULL;
}

/* That a link of the host which the caller names is one that can be used. */
static fallible check_link(const Network *network)
{
	const char *bridge = network_option(network, "com.docker.network.bridge.name");
	const char *parent = network_option(network, "parent");
	bool is_bridge = network->record.spec.driver == NETWORK_DRIVER_BRIDGE;
	BridgeState state = {.owner = BRIDGE_ABSENT};

	if (string_empty(is_bridge ? bridge : parent))
		return NULL;
	TRY(network_open_links(network->engine));
	if (is_bridge)
		TRY(bridge_look(&state, network->engine->links, bridge));
	else
		TRY_WRAP(link_check_parent(network->engine->links, parent), "option \"parent\"");
	if (state.owner == BRIDGE_IS_NONE)
		return error_new(ERROR_INVALID,
			"option \"com.docker.network.bridge.name\": there is an interface \"%s\" that is no bridge",
			bridge);
	return NULL;
}

static fallible create_steps(Network *network)
{
	TRY(check_bridge(network));
	TRY(check_link(network));
	TRY(network_pools_open(network));
	TRY(fault("engine.network.record"));
	return network_save(network);
}

fallible network_create(Network **ret, Engine *engine, const NetworkSpec *spec, StringList *ret_warnings)
{
	Network *network;
	char id[65];

	TRY(check_name(engine, spec->name));
	TRY(check_driver(spec->driver));
	TRY(network_spec_check(spec));
	string_random_hex(id, 64);
	network = network_new(engine, id);
	fields_copy(network_spec_fields, &network->record.spec, spec);
	network->record.created_ns = clock_wall_ns();
	network_name_bridge(network);
	Error *error = create_steps(network);
	if (error) {
		network_free(network);
		return error;
	}
	network_index(network);
	(void)ret_warnings;
	event_emit(engine, "network", "create", network->id, "name", spec->name, "type",
		network_driver_names[spec->driver], NULL);
	*ret = network;
	return NULL;
}

/* ---- removing ---- */

static fallible check_unused(const Network *network)
{
	autoclear(StringList) users = {0};

	list_each(&network->engine->container_order, Container, link, container)
		if (container_endpoint_on(container, network->id))
			strings_printf(&users, "\"%s\"", container->record.name);
	if (!users.count)
		return NULL;
	autofree char *names = strings_join(&users, ", ");
	return error_new(ERROR_FORBIDDEN, "error while removing network: network %s id %s has active endpoints: %s",
		network->record.spec.name, network->id, names);
}

static void network_gone(Network *network)
{
	event_emit(network->engine, "network", "destroy", network->id, "name", network->record.spec.name, "type",
		network_driver_names[network->record.spec.driver], NULL);
	table_remove(network->engine->networks, network->id);
	network_free(network);
}

typedef struct Removal {
	Network *network;
	ContainerDone *done;
	void *arg;
} Removal;

static void bridge_gone(void *arg, Error *take_error)
{
	Removal *removal = arg;

	if (take_error)
		error_log(take_error, "network \"%s\": its bridge \"%s\" stays", removal->network->record.spec.name,
			removal->network->bridge);
	else if (network_has_bridge(removal->network))
		bridge_drop_note(removal->network->engine, removal->network->bridge);
	network_gone(removal->network);
	if (removal->done)
		removal->done(removal->arg, NULL);
	free(removal);
}

/* The record's deletion is the moment; a bridge that is left by kedged's end is swept at the next start. */
fallible network_remove(Network *network, ContainerDone *done, void *arg)
{
	Removal *removal;

	if (network->is_predefined)
		return error_new(ERROR_FORBIDDEN, "%s is a pre-defined network and cannot be removed",
			network->record.spec.name);
	TRY(check_unused(network));
	if (network_is_cni(network))
		return error_new(ERROR_FORBIDDEN, "network %s is the CNI configuration \"%s\", and goes with it",
			network->record.spec.name, network_option(network, CNI_FILE_OPTION));
	TRY(fault("engine.network.remove"));
	if (network_has_bridge(network))
		TRY(bridge_note(network->engine, network->bridge));
	TRY(record_delete(network->engine->store, "network", network->id));
	network->is_leaving = true;
	removal = mem_new(Removal);
	*removal = (Removal){network, done, arg};
	network_down(network, bridge_gone, removal);
	return NULL;
}
