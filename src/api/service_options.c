// SPDX-License-Identifier: Apache-2.0
#include "api/service_options.h"

#include <string.h>

#include "base/memory.h"
#include "policy/policy.h"

const Service *service_options_now(Api *api)
{
	service_file_look(api->service);
	return service_file_options(api->service);
}

char *wanted_revision(const HttpRequest *request)
{
	const char *text = http_request_header(request, "If-Match");
	size_t length = text ? strlen(text) : 0;

	if (!text || string_equal(text, "*"))
		return NULL;
	return length >= 2 && *text == '"' ? mem_strndup(text + 1, length - 2) : mem_strdup(text);
}

fallible request_without_status(Value **ret, const HttpRequest *request)
{
	TRY(request_object(ret, request));
	value_remove(*ret, "status");
	return NULL;
}

void set_revision(HttpRequest *request, const ServiceFile *service)
{
	autofree char *tag = string_printf("\"%s\"", service_file_revision(service));

	http_response_header(request, "ETag", tag);
}

static void write_entries(Writer *writer, const StringList *allowlist)
{
	autoclear(StringList) entries = {0};
	bool changed = false;

	strings_copy(&entries, allowlist);
	error_free(allowlist_add(&entries, "", &changed)); /* it was read before it came into force */
	write_strings(writer, "allowlist", &entries);
}

static void write_rules(Writer *writer, const PolicyConfig *config)
{
	PolicyConfig rules = {.rules = config->rules}; /* lends them */
	autoclear(Buffer) text = {0};
	autoptr(Value) value = NULL;
	Writer inner;

	writer_init(&inner, &text);
	fields_write(policy_config_fields, &rules, &inner, NULL);
	error_free(value_parse(&value, text.data, text.length)); /* ours */
	write_value(writer, "rules", value_get(value, "rules"));
}

void write_enforcement(Writer *writer, const PolicyConfig *config)
{
	write_bool(writer, "enabled", config->is_enabled);
	write_entries(writer, &config->allowlist);
	write_rules(writer, config);
}

void write_removals(Writer *writer, const char *key, const FieldArray *removals)
{
	write_array(writer, key);
	for (size_t i = 0; i < removals->count; i++)
		fields_write(removal_fields, (const Removal *)removals->items + i, writer, NULL);
	write_array_end(writer);
}
