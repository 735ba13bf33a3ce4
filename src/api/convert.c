// SPDX-License-Identifier: Apache-2.0
/*
 * POST /kedge/v1/convert?from=auto|kedge|kura|kanto|inspect|compose&name=&directory=: a document (YAML or JSON, the
 * body) as declarations: {"Form", "Containers": [{"Name", "Declaration", "Notes", "Problem"}]}. Nothing is changed.
 * GET /kedge/v1/schema/containers and /kedge/v1/schema/service: what such documents may have, as JSON Schema.
 */
#include "api/inspected.h"
#include "api/internal.h"
#include "base/memory.h"
#include "device/document.h"
#include "device/schema.h"
#include "engine/image.h"

typedef enum ConvertForm {
	CONVERT_KEDGE,
	CONVERT_KURA,
	CONVERT_KANTO,
	CONVERT_INSPECT,
	CONVERT_COMPOSE,
	CONVERT_FORMS
} ConvertForm;

static const char *const form_names[CONVERT_FORMS] = {
	[CONVERT_KEDGE] = "kedge",
	[CONVERT_KURA] = "kura",
	[CONVERT_KANTO] = "kanto",
	[CONVERT_INSPECT] = "inspect",
	[CONVERT_COMPOSE] = "compose",
};

static const DocumentForm document_forms[] = {
	[CONVERT_KEDGE] = DOCUMENT_KEDGE,
	[CONVERT_KURA] = DOCUMENT_KURA,
	[CONVERT_KANTO] = DOCUMENT_KANTO,
};

static ConvertForm find_form(const Value *document)
{
	if (inspected_is(document))
		return CONVERT_INSPECT;
	if (compose_is(document))
		return CONVERT_COMPOSE;
	switch (document_form(document)) {
	case DOCUMENT_KURA:
		return CONVERT_KURA;
	case DOCUMENT_KANTO:
		return CONVERT_KANTO;
	default:
		return CONVERT_KEDGE;
	}
}

static fallible choose_form(ConvertForm *ret, const HttpRequest *request, const Value *document)
{
	const char *from = http_request_query(request, "from");
	int form = names_find(form_names, CONVERT_FORMS, from ? from : "");

	if (!string_empty(from) && !string_equal(from, "auto") && form < 0)
		return error_new(ERROR_INVALID,
			"query parameter \"from\": \"%.32s\" is none of auto, kedge, kura, kanto, inspect and compose",
			from);
	*ret = form < 0 ? find_form(document) : (ConvertForm)form;
	return NULL;
}

static fallible read_image(void *arg, ImageConfig *ret, const char *name)
{
	autoptr(Image) image = NULL;

	TRY(image_lookup(&image, arg, name));
	return image_describe(ret, arg, image);
}

static void convert_one(ConvertedList *list, ConvertForm form, const Value *document, const char *name)
{
	const char *own = value_string(value_get(document, "name"));
	Converted *converted = converted_add(list, own ? own : name ? name : "");
	Error *error = document_read(&converted->declaration, &converted->notes, document_forms[form], document, name);

	if (error)
		converted_fail(converted, error);
	else
		string_replace(&converted->name, converted->declaration.name);
}

static fallible convert_all(
	ConvertedList *list, ConvertForm form, const HttpRequest *request, Engine *engine, const Value *document)
{
	if (form == CONVERT_INSPECT)
		return inspected_convert(list, document, read_image, engine);
	if (form == CONVERT_COMPOSE)
		return compose_convert(list, document, http_request_query(request, "directory"));
	convert_one(list, form, document, http_request_query(request, "name"));
	return NULL;
}

static void write_converted(Writer *writer, const Converted *converted)
{
	write_object(writer, NULL);
	write_string(writer, "Name", converted->name);
	if (converted->problem)
		write_null(writer, "Declaration");
	else
		declaration_write(&converted->declaration, writer, "Declaration");
	write_strings(writer, "Notes", &converted->notes);
	write_string(writer, "Problem", converted->problem);
	write_object_end(writer);
}

static void respond_list(HttpRequest *request, ConvertForm form, const ConvertedList *list)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "Form", form_names[form]);
	write_array(&writer, "Containers");
	for (size_t i = 0; i < list->count; i++)
		write_converted(&writer, &list->items[i]);
	write_array_end(&writer);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static fallible convert_body(HttpRequest *request, Engine *engine)
{
	autoptr(Value) document = NULL;
	autoclear(ConvertedList) list = {0};
	ConvertForm form = CONVERT_KEDGE;
	size_t length;
	const char *body = http_request_body(request, &length);

	TRY_WRAP(value_parse_yaml_aliased(&document, body, length), "document");
	TRY(choose_form(&form, request, document));
	TRY(convert_all(&list, form, request, engine, document));
	respond_list(request, form, &list);
	return NULL;
}

static void convert(HttpRequest *request, void *context)
{
	Error *error = convert_body(request, api_engine(context));

	if (error)
		http_respond_error(request, error);
}

static void respond_schema(HttpRequest *request, Value *take_schema)
{
	autoptr(Value) schema = take_schema;
	autoclear(Buffer) out = {0};

	value_write(schema, &out);
	respond_json(request, 200, &out);
}

static void containers_schema(HttpRequest *request, void *context)
{
	(void)context;
	respond_schema(request, schema_of_declaration());
}

static void service_schema(HttpRequest *request, void *context)
{
	(void)context;
	respond_schema(request, schema_of_service());
}

const HttpRoute convert_routes[] = {
	{"POST", "/kedge/v1/convert", convert, 0, 0},
	{"GET", "/kedge/v1/schema/containers", containers_schema, DOCKER_MONITOR, 0},
	{"GET", "/kedge/v1/schema/service", service_schema, DOCKER_MONITOR, 0},
	{0},
};
