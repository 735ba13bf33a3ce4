// SPDX-License-Identifier: Apache-2.0
/* POST /networks/create. Source: moby api/types, NetworkCreateRequest, api/types/network, IPAM. */
#include "docker/network_create.h"

#include <stdlib.h>

#include "base/memory.h"
#include "docker/internal.h"
#include "docker/spec.h"
#include "engine/network.h"

enum { POOLS_MAX = 16 };

typedef struct CreateBody {
	NetworkSpec spec;
	char *driver, *ipam_driver;
	bool is_ingress;
} CreateBody;

/* clang-format off */
#define FIELD(key, type, member) { .name = (key), .kind = (type), .offset = offsetof(CreateBody, member) }
#define PART(key, type, member) { .name = (key), .kind = (type), .offset = offsetof(PoolSpec, member) }

static const Field pool_fields[] = {
	PART("Subnet", FIELD_STRING, subnet),
	PART("IPRange", FIELD_STRING, range),
	PART("Gateway", FIELD_STRING, gateway),
	PART("AuxiliaryAddresses", FIELD_MAP, auxiliary),
	FIELDS_END,
};

static const Field ipam_fields[] = {
	FIELD("Driver", FIELD_STRING, ipam_driver),
	FIELD("Options", FIELD_MAP, spec.ipam_options),
	{ .name = "Config", .kind = FIELD_ARRAY, .offset = offsetof(CreateBody, spec.pools), .sub = pool_fields, .sub_size = sizeof(PoolSpec), .max_count = POOLS_MAX },
	FIELDS_END,
};

static const Field create_fields[] = {
	FIELD("Name", FIELD_STRING, spec.name),
	FIELD("Driver", FIELD_STRING, driver),
	FIELD("EnableIPv6", FIELD_BOOL, spec.has_ipv6),
	FIELD("Internal", FIELD_BOOL, spec.is_internal),
	FIELD("Attachable", FIELD_BOOL, spec.is_attachable),
	FIELD("Ingress", FIELD_BOOL, is_ingress),
	FIELD("Options", FIELD_MAP, spec.options),
	FIELD("Labels", FIELD_MAP, spec.labels),
	{ .name = "IPAM", .kind = FIELD_OBJECT, .sub = ipam_fields },
	FIELDS_END,
};

/* What Docker knows and kedge does not do: refused when it asks for something. */
static const struct Refusal {
	const char *path, *reason;
	const char *harmless; /* a text that asks for nothing */
} refusals[] = {
	{ "Scope", "only \"local\" is available: kedge is no cluster", "local" },
	{ "ConfigOnly", "a network has its own configuration", NULL },
	{ "ConfigFrom.Network", "a network has its own configuration", NULL },
};
/* clang-format on */

static void create_body_clear(CreateBody *body)
{
	fields_clear(create_fields, body);
}
DEFINE_AUTOCLEAR(CreateBody, create_body_clear)

static fallible refuse_unavailable(const CreateBody *body, const Value *value)
{
	if (body->is_ingress)
		return error_new(ERROR_FORBIDDEN, "Ingress network can only be global scope network");
	for (size_t i = 0; i < COUNT(refusals); i++)
		if (!spec_asks_for_nothing(value_path(value, refusals[i].path), refusals[i].harmless))
			return error_new(ERROR_UNSUPPORTED, "field \"%s\": %s", refusals[i].path, refusals[i].reason);
	if (!value_bool(value_get(value, "EnableIPv4"), true))
		return error_new(ERROR_UNSUPPORTED, "field \"EnableIPv4\": networks without IPv4 are not available");
	return NULL;
}

static fallible read_driver(int *ret, const char *name)
{
	int driver = names_find(network_driver_names, NETWORK_DRIVERS, string_empty(name) ? NETWORK_BRIDGE : name);

	if (driver == NETWORK_DRIVER_CNI)
		return error_new(
			ERROR_INVALID, "field \"Driver\": networks of \"cni\" are made by files, and not by requests");
	if (string_equal(name, "overlay"))
		return error_new(
			ERROR_UNSUPPORTED, "field \"Driver\": \"overlay\" is not available: kedge is no cluster");
	if (driver < 0)
		return error_new(ERROR_NOT_FOUND, "plugin \"%.64s\" not found", name);
	*ret = driver;
	return NULL;
}

fallible network_body_read(NetworkSpec *ret, const Value *value)
{
	autoclear(CreateBody) body = {0};

	TRY(fields_read(create_fields, &body, value, 0));
	TRY(refuse_unavailable(&body, value));
	TRY(read_driver(&body.spec.driver, body.driver));
	if (!string_empty(body.ipam_driver) && !string_equal(body.ipam_driver, "default"))
		return error_new(ERROR_NOT_FOUND, "plugin \"%.64s\" not found", body.ipam_driver);
	body.spec.ipam_options_given = value_is_object(value_path(value, "IPAM.Options"));
	fields_copy(network_spec_fields, ret, &body.spec);
	return NULL;
}

static fallible make_network(Network **ret, StringList *ret_warnings, const HttpRequest *request, Engine *engine)
{
	autoclear(NetworkSpec) spec = {0};
	autoptr(Value) value = NULL;

	TRY(request_object(&value, request));
	TRY(network_body_read(&spec, value));
	return network_create(ret, engine, &spec, ret_warnings);
}

static void respond_created(HttpRequest *request, Network *network, const StringList *warnings)
{
	autofree char *warning = warnings->count ? strings_join(warnings, "; ") : NULL;
	autoclear(Buffer) out = {0};
	NetworkView view;
	Writer writer;

	network_view(network, &view);
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "Id", view.id);
	write_string(&writer, "Warning", warning);
	write_object_end(&writer);
	respond_json(request, 201, &out);
}

void create_network(HttpRequest *request, void *context)
{
	autoclear(StringList) warnings = {0};
	Network *network;
	Error *error = make_network(&network, &warnings, request, docker_engine(context));

	if (error)
		http_respond_error(request, error);
	else
		respond_created(request, network, &warnings);
}
