// SPDX-License-Identifier: Apache-2.0
#include "cni/result.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "cni/version.h"

enum { TEXT_MAX = 4096, ERROR_TEXT_MAX = 2048, INTERFACE_UNSAID = -1, TRY_AGAIN_LATER = 11 };

/* ---- tables ---- */

#define TEXT(type, key, member)                                                                                        \
	{                                                                                                              \
		.name = key, .kind = FIELD_STRING, .offset = offsetof(type, member), .max_length = TEXT_MAX            \
	}
#define TEXTS(type, key, member)                                                                                       \
	{                                                                                                              \
		.name = key, .kind = FIELD_STRINGS, .offset = offsetof(type, member),                                  \
		.max_count = CNI_RESULT_ITEMS_MAX, .max_length = TEXT_MAX                                              \
	}
#define ITEMS(key, member, table, type)                                                                                \
	{                                                                                                              \
		.name = key, .kind = FIELD_ARRAY, .offset = offsetof(CniResult, member), .sub = table,                 \
		.sub_size = sizeof(type), .max_count = CNI_RESULT_ITEMS_MAX                                            \
	}

static const Field interface_fields[] = {
	TEXT(CniInterface, "name", name),
	TEXT(CniInterface, "mac", mac),
	TEXT(CniInterface, "sandbox", sandbox),
	FIELDS_END,
};

static const Field address_fields[] = {
	{.name = "address",
		.kind = FIELD_STRING,
		.offset = offsetof(CniAddress, address),
		.required = true,
		.max_length = TEXT_MAX},
	TEXT(CniAddress, "gateway", gateway),
	{.name = "interface",
		.kind = FIELD_INT,
		.offset = offsetof(CniAddress, interface),
		.min = 0,
		.max = CNI_RESULT_ITEMS_MAX},
	FIELDS_END,
};

static const Field route_fields[] = {
	{.name = "dst",
		.kind = FIELD_STRING,
		.offset = offsetof(CniRoute, destination),
		.required = true,
		.max_length = TEXT_MAX},
	TEXT(CniRoute, "gw", gateway),
	FIELDS_END,
};

static const Field dns_fields[] = {
	TEXTS(CniDns, "nameservers", servers),
	TEXTS(CniDns, "search", search),
	TEXTS(CniDns, "options", options),
	TEXT(CniDns, "domain", domain),
	FIELDS_END,
};

static const Field result_fields[] = {
	{.name = "cniVersion",
		.kind = FIELD_STRING,
		.offset = offsetof(CniResult, version),
		.required = true,
		.max_length = TEXT_MAX},
	ITEMS("interfaces", interfaces, interface_fields, CniInterface),
	ITEMS("ips", addresses, address_fields, CniAddress),
	ITEMS("routes", routes, route_fields, CniRoute),
	{.name = "dns", .kind = FIELD_OBJECT, .offset = offsetof(CniResult, dns), .sub = dns_fields},
	FIELDS_END,
};

typedef struct Failure {
	int64_t code;
	char *message, *details;
} Failure;

static const Field failure_fields[] = {
	{.name = "code", .kind = FIELD_INT, .offset = offsetof(Failure, code)},
	TEXT(Failure, "msg", message),
	TEXT(Failure, "details", details),
	FIELDS_END,
};

static void failure_clear(Failure *failure)
{
	fields_clear(failure_fields, failure);
}
DEFINE_AUTOCLEAR(Failure, failure_clear)

/* ---- checks ---- */

/* length characters of text are an address of either family; gives the most that its prefix may be, or 0. */
static int address_bits(const char *text, size_t length)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (length >= sizeof(copy))
		return 0;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET, copy, &address) == 1)
		return 32;
	return inet_pton(AF_INET6, copy, &address) == 1 ? 128 : 0;
}

static bool is_subnet(const char *text)
{
	size_t length = strcspn(text, "/");
	int bits = address_bits(text, length);
	int64_t prefix;
	Error *error = text[length] ? string_to_int64(&prefix, text + length + 1, 0, bits) : NULL;
	bool is_prefix = text[length] && !error;

	error_free(error); /* told as a whole */
	return bits && is_prefix;
}

static fallible check_gateway(const char *field, size_t index, const char *key, const char *gateway)
{
	if (string_empty(gateway) || address_bits(gateway, strlen(gateway)))
		return NULL;
	return error_new(
		ERROR_INVALID, "field \"%s[%zu].%s\": \"%.100s\" is not an address", field, index, key, gateway);
}

static fallible check_addresses(const CniResult *result)
{
	const CniAddress *items = result->addresses.items;

	for (size_t i = 0; i < result->addresses.count; i++) {
		if (!is_subnet(items[i].address))
			return error_new(ERROR_INVALID,
				"field \"ips[%zu].address\": \"%.100s\" is not an address with a prefix", i,
				items[i].address);
		if (items[i].interface >= (int64_t)result->interfaces.count)
			return error_new(ERROR_INVALID, "field \"ips[%zu].interface\": there is no interface %lld", i,
				(long long)items[i].interface);
		TRY(check_gateway("ips", i, "gateway", items[i].gateway));
	}
	return NULL;
}

static fallible check_routes(const CniResult *result)
{
	const CniRoute *items = result->routes.items;

	for (size_t i = 0; i < result->routes.count; i++) {
		if (!is_subnet(items[i].destination))
			return error_new(ERROR_INVALID, "field \"routes[%zu].dst\": \"%.100s\" is not a subnet", i,
				items[i].destination);
		TRY(check_gateway("routes", i, "gw", items[i].gateway));
	}
	return NULL;
}

/* Absent and 0 are not the same here. */
static void mark_unsaid_interfaces(CniResult *result)
{
	const Value *ips = value_get(result->document, "ips");
	CniAddress *items = result->addresses.items;

	for (size_t i = 0; i < result->addresses.count; i++)
		if (value_is_null(value_get(value_at(ips, i), "interface")))
			items[i].interface = INTERFACE_UNSAID;
}

/* ---- results ---- */

static fallible read_and_check(CniResult *result, const Value *document)
{
	result->document = value_ref((Value *)document);
	TRY(fields_read(result_fields, result, document, 0));
	TRY_WRAP(cni_version_check(result->version), "field \"cniVersion\"");
	mark_unsaid_interfaces(result);
	TRY(check_addresses(result));
	return check_routes(result);
}

fallible cni_result_read(CniResult *ret, const Value *document)
{
	autoclear(CniResult) result = {0};

	TRY(read_and_check(&result, document));
	*ret = result;
	result = (CniResult){0};
	return NULL;
}

fallible cni_result_parse(CniResult *ret, const char *text, size_t length)
{
	autoptr(Value) document = NULL;

	TRY(value_parse(&document, text, length));
	return cni_result_read(ret, document);
}

void cni_result_clear(CniResult *result)
{
	fields_clear(result_fields, result);
	result->document = value_free(result->document);
}

/* ---- of other versions ---- */

static Value *address_as(const Value *address, bool has_family)
{
	Value *copy = value_object(), *value;
	const char *key, *text = value_string(value_get(address, "address"));
	size_t cursor = 0;

	if (has_family)
		value_set(copy, "version", value_new_string(text && strchr(text, ':') ? "6" : "4"));
	while (value_each(address, &cursor, &key, &value))
		if (!string_equal(key, "version"))
			value_set(copy, key, value_ref(value));
	return copy;
}

Value *cni_result_as(const Value *document, const char *version)
{
	const Value *ips = value_get(document, "ips");
	Value *copy = value_object(), *addresses = value_array(), *value;
	const char *key;
	size_t cursor = 0;

	while (value_each(document, &cursor, &key, &value))
		value_set(copy, key, value_ref(value));
	value_set(copy, "cniVersion", value_new_string(version));
	for (size_t i = 0; i < value_count(ips); i++)
		value_append(addresses, address_as(value_at(ips, i), cni_version_has_family(version)));
	value_set(copy, "ips", addresses);
	return copy;
}

/* ---- reading ---- */

const char *cni_result_mac(const CniResult *result, const char *interface)
{
	const CniInterface *items = result->interfaces.items;

	for (size_t i = 0; i < result->interfaces.count; i++)
		if (!string_empty(items[i].sandbox) && string_equal(items[i].name, interface))
			return string_empty(items[i].mac) ? NULL : items[i].mac;
	return NULL;
}

static bool is_same_address(const char *a, const char *b)
{
	struct in6_addr one = {0}, other = {0};
	int family = strchr(a, ':') ? AF_INET6 : AF_INET;

	return inet_pton(family, a, &one) == 1 && inet_pton(family, b, &other) == 1 &&
	       !memcmp(&one, &other, sizeof(one));
}

bool cni_result_has_address(const CniResult *result, const char *address)
{
	const CniAddress *items = result->addresses.items;

	for (size_t i = 0; i < result->addresses.count; i++) {
		autofree char *bare = mem_strndup(items[i].address, strcspn(items[i].address, "/"));
		if (is_same_address(bare, address))
			return true;
	}
	return false;
}

/* ---- errors ---- */

/* Source: section 5, "Error": 11 is "try again later", all others stay as they are. */
static ErrorKind kind_of_code(int64_t code)
{
	return code == TRY_AGAIN_LATER ? ERROR_UNAVAILABLE : ERROR_INTERNAL;
}

Error *cni_error_parse(const char *text, size_t length)
{
	autoptr(Value) document = NULL;
	autoclear(Failure) failure = {0};
	Error *error = value_parse(&document, text, length);

	if (!error)
		error = fields_read(failure_fields, &failure, document, 0);
	error_free(error); /* then its standard error tells */
	if (string_empty(failure.message))
		return NULL;
	if (string_empty(failure.details))
		return error_new(kind_of_code(failure.code), "%.*s", ERROR_TEXT_MAX, failure.message);
	return error_new(kind_of_code(failure.code), "%.*s: %.*s", ERROR_TEXT_MAX, failure.message, ERROR_TEXT_MAX,
		failure.details);
}

/* ---- versions ---- */

fallible cni_versions_parse(bool *ret_has, char **ret_versions, const char *text, size_t length, const char *version)
{
	typedef struct Answer {
		StringList versions;
	} Answer;
	static const Field answer_fields[] = {
		{.name = "supportedVersions",
			.kind = FIELD_STRINGS,
			.offset = offsetof(Answer, versions),
			.required = true,
			.max_count = CNI_RESULT_ITEMS_MAX,
			.max_length = TEXT_MAX},
		FIELDS_END,
	};
	Answer answer = {0};
	Error *error = fields_read_text(answer_fields, &answer, "answer to VERSION", text, length, 0);

	if (!error) {
		*ret_has = strings_has(&answer.versions, version);
		*ret_versions = strings_join(&answer.versions, ", ");
	}
	fields_clear(answer_fields, &answer);
	return error;
}
