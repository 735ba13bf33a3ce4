// SPDX-License-Identifier: Apache-2.0
#include "device/service.h"

#include <string.h>

#include "base/memory.h"
#include "device/kura_value.h"

/* clang-format off */
#define AT(member) .offset = offsetof(Service, member)
static const Field engine_fields[] = {
	{ .name = "url", .kind = FIELD_STRING, AT(engine_url), .omit_empty = true, .max_length = 4096, .text = "Socket of another engine (Docker, podman) whose containers are shown, steered and enforced on: unix:///PATH, or tcp://ADDRESS:PORT of the loopback interface; without it none" },
	FIELDS_END,
};

const Field service_fields[] = {
	{ .name = "enabled", .kind = FIELD_BOOL, AT(enabled), .text = "Whether declared containers are kept; false: all of them are removed, their declarations stay" },
	{ .name = "engine", .kind = FIELD_OBJECT, .sub = engine_fields, .text = "Another engine on this device" },
	{ .name = "enforcement", .kind = FIELD_OBJECT, AT(enforcement), .sub = policy_config_fields, .text = "Which containers may run, whoever starts them" },
	FIELDS_END,
};
/* clang-format on */

void service_init(Service *service)
{
	*service = (Service){.enabled = true};
}

void service_clear(Service *service)
{
	fields_clear(service_fields, service);
}

void service_copy(Service *to, const Service *from)
{
	fields_copy(service_fields, to, from);
}

bool service_equal(const Service *a, const Service *b)
{
	return fields_equal(service_fields, a, b);
}

/* ---- Kura's form ---- */

#define KURA_HOST "container.engine.host"
#define KURA_ENFORCED "enforcement.enabled"
#define KURA_ALLOWED "enforcement.allowlist"

static bool is_kura(const Value *document)
{
	static const char *const ids[] = {KURA_HOST, KURA_ENFORCED, KURA_ALLOWED};
	const Value *properties = kura_properties(document);

	for (size_t i = 0; i < COUNT(ids); i++)
		if (value_get(properties, ids[i]))
			return true;
	return properties != document;
}

static fallible refuse_unknown(const Value *properties)
{
	const char *name;
	size_t cursor = 0;

	while (value_each(properties, &cursor, &name, NULL))
		if ((string_starts(name, "container.") || string_starts(name, "enforcement.")) &&
			strcmp(name, KURA_HOST) && strcmp(name, KURA_ENFORCED) && strcmp(name, KURA_ALLOWED))
			return error_new(ERROR_INVALID, "property \"%.300s\" is unknown", name);
	return NULL;
}

static fallible read_kura(Service *service, const Value *properties)
{
	autofree char *host = NULL, *allowed = NULL;

	TRY(refuse_unknown(properties));
	TRY(kura_bool(&service->enabled, properties, "enabled", false));
	TRY(kura_text(&host, properties, KURA_HOST, ""));
	TRY(kura_bool(&service->enforcement.is_enabled, properties, KURA_ENFORCED, false));
	TRY(kura_text(&allowed, properties, KURA_ALLOWED, ""));
	service->engine_url = *host ? take(host) : NULL;
	if (*allowed)
		strings_add(&service->enforcement.allowlist, allowed);
	return NULL;
}

/* Kura's properties and options of ours in one document: what would hold is not clear. "enabled" is one of each, where
 * the properties have no object of their own. */
static fallible refuse_mixture(const Value *document)
{
	static const char *const ours[] = {"engine", "enforcement", "enabled"};
	size_t count = kura_properties(document) == document ? COUNT(ours) - 1 : COUNT(ours);

	for (size_t i = 0; i < count; i++)
		if (value_get(document, ours[i]))
			return error_hint(
				error_new(ERROR_INVALID, "field \"%s\" stands beside properties of Kura's", ours[i]),
				"a document has one form");
	return NULL;
}

/* ---- both ---- */

static fallible check_url(const char *url, const char *field)
{
	if (string_empty(url) || string_starts(url, "unix:///") || (string_starts(url, "tcp://") && url[6]))
		return NULL;
	return error_new(ERROR_INVALID, "%s: \"%.300s\" is neither unix:///PATH nor tcp://HOST:PORT", field, url);
}

/* That it can be judged by. */
static fallible check_enforcement(const PolicyConfig *config, const char *field)
{
	autoptr(Policy) policy = NULL;

	TRY_WRAP(policy_new(&policy, config, NULL), "%s", field);
	return NULL;
}

static fallible read_service(Service *service, const Value *document)
{
	bool kura = is_kura(document);

	if (kura) {
		TRY(refuse_mixture(document));
		TRY(read_kura(service, kura_properties(document)));
	} else if (!value_is_null(document)) /* an empty file says nothing */
		TRY(fields_read(service_fields, service, document, FIELDS_STRICT));
	if (string_empty(service->engine_url))
		string_replace(&service->engine_url, NULL);
	TRY(check_url(service->engine_url, kura ? "property \"" KURA_HOST "\"" : "field \"engine.url\""));
	return check_enforcement(
		&service->enforcement, kura ? "property \"" KURA_ALLOWED "\"" : "field \"enforcement\"");
}

fallible service_read(Service *ret, const Value *document)
{
	autoclear(Service) service;

	service_init(&service);
	TRY(read_service(&service, document));
	service_clear(ret);
	*ret = service;
	service_init(&service);
	return NULL;
}

bool service_says_enforced(const Value *document)
{
	return !value_is_null(value_get(value_get(document, "enforcement"), "enabled")) ||
	       kura_has(kura_properties(document), KURA_ENFORCED);
}

fallible service_parse(Service *ret, const char *text, size_t length)
{
	autoptr(Value) document = NULL;

	TRY(value_parse_yaml_long(&document, text, length, SERVICE_MAX));
	return service_read(ret, document);
}

Value *service_value(const Service *service)
{
	autoclear(Buffer) text = {0};
	Value *value = NULL;
	Writer writer;

	writer_init(&writer, &text);
	fields_write(service_fields, service, &writer, NULL);
	error_free(value_parse(&value, buffer_text(&text), text.length)); /* it was written here: there is none */
	return value;
}
