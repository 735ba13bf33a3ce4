// SPDX-License-Identifier: Apache-2.0
#include "external/documents.h"

#include <string.h>

#include "base/memory.h"
#include "oci/digest.h"

enum { NAME_MAX_LENGTH = 4096 };

static bool is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == strlen(text);
}

bool external_is_id(const char *text)
{
	return text && strlen(text) == EXTERNAL_ID_LENGTH && is_hex(text);
}

/* Engines put a slash before it. */
static const char *bare_name(const char *name)
{
	return name && *name == '/' ? name + 1 : name;
}

/* podman leaves out by which sum. */
static void name_sum(char **id)
{
	autofree char *whole = external_is_id(*id) ? string_printf("sha256:%s", *id) : NULL;

	if (whole)
		string_replace(id, whole);
}

/* ---- the list ---- */

void external_items_clear(ExternalItems *items)
{
	buffer_clear(&items->item);
	*items = (ExternalItems){0};
}

static bool is_between_items(const ExternalItems *items, char byte)
{
	if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n')
		return true;
	if (items->depth == 1)
		return byte == '{' || byte == ',' || byte == ']';
	return byte == '[' && !items->is_over;
}

static void follow(ExternalItems *items, char byte)
{
	if (items->is_escaped) {
		items->is_escaped = false;
	} else if (items->is_in_string) {
		items->is_escaped = byte == '\\';
		items->is_in_string = byte != '"';
	} else if (byte == '"') {
		items->is_in_string = true;
	} else if (byte == '{' || byte == '[') {
		items->depth++;
	} else if (byte == '}' || byte == ']') {
		items->depth--;
	}
	items->is_over = items->depth == 0 && (items->is_over || byte == ']');
}

static void add_to_item(ExternalItems *items, const char *from, const char *to)
{
	size_t room = EXTERNAL_ITEM_MAX - items->item.length, length = (size_t)(to - from);

	buffer_add(&items->item, from, length < room ? length : room);
}

void external_items_feed(
	ExternalItems *items, const char *bytes, size_t length, ExternalItemHandler *handler, void *arg)
{
	const char *from = bytes, *end = bytes + length;

	for (const char *at = bytes; at < end && !items->is_none; at++) {
		bool was_in_item = items->depth > 1;
		items->is_none = !was_in_item && !is_between_items(items, *at);
		follow(items, *at);
		if (!was_in_item) {
			from = at;
		} else if (items->depth == 1) {
			add_to_item(items, from, at + 1);
			handler(arg, buffer_text(&items->item), items->item.length);
			buffer_truncate(&items->item, 0);
		}
	}
	if (items->depth > 1)
		add_to_item(items, from, end);
}

fallible external_items_end(const ExternalItems *items)
{
	if (items->is_none)
		return error_new(ERROR_UNAVAILABLE, "its list of containers is none");
	return items->is_over ? NULL : error_new(ERROR_UNAVAILABLE, "its list of containers breaks off");
}

/* ---- an item of it ---- */

#define PORT(key, kind_, member)                                                                                       \
	{                                                                                                              \
		.name = (key), .kind = (kind_), .offset = offsetof(ExternalPort, member)                               \
	}

static const Field listed_port_fields[] = {
	PORT("IP", FIELD_STRING, ip),
	PORT("PrivatePort", FIELD_INT, private_port),
	PORT("PublicPort", FIELD_INT, public_port),
	PORT("Type", FIELD_STRING, type),
	FIELDS_END,
};

const Field external_port_fields[] = {
	PORT("ip", FIELD_STRING, ip),
	PORT("privatePort", FIELD_INT, private_port),
	PORT("publicPort", FIELD_INT, public_port),
	PORT("type", FIELD_STRING, type),
	FIELDS_END,
};

typedef struct ListedDocument {
	ExternalListed listed;
	StringList names;
} ListedDocument;

#define LISTED(key, member)                                                                                            \
	{                                                                                                              \
		.name = (key), .kind = FIELD_STRING, .offset = offsetof(ListedDocument, listed.member),                \
		.max_length = NAME_MAX_LENGTH                                                                          \
	}

static const Field listed_fields[] = {
	LISTED("Id", id),
	LISTED("Image", image),
	LISTED("ImageID", image_id),
	LISTED("State", state),
	LISTED("Status", status),
	{.name = "Created", .kind = FIELD_INT, .offset = offsetof(ListedDocument, listed.created)},
	{.name = "Names", .kind = FIELD_STRINGS, .offset = offsetof(ListedDocument, names)},
	{.name = "Ports",
		.kind = FIELD_ARRAY,
		.offset = offsetof(ListedDocument, listed.ports),
		.sub = listed_port_fields,
		.sub_size = sizeof(ExternalPort)},
	FIELDS_END,
};

/* Of an item that may be cut off, or not be JSON: engines write it first. */
static char *first_id(const char *item, size_t length)
{
	static const char beginning[] = "{\"Id\":\"";
	size_t before = strlen(beginning);

	if (length <= before + EXTERNAL_ID_LENGTH || memcmp(item, beginning, before) != 0 ||
		item[before + EXTERNAL_ID_LENGTH] != '"')
		return NULL;
	return string_printf("%.*s", EXTERNAL_ID_LENGTH, item + before);
}

static fallible read_listed(ListedDocument *ret, char **ret_id, const char *text, size_t length)
{
	autoptr(Value) item = NULL;
	Error *error = value_parse(&item, text, length);
	const char *id = value_string(value_get(item, "Id"));
	autofree char *known = error ? first_id(text, length) : mem_strdup(id ? id : "");

	if (external_is_id(known))
		*ret_id = take(known);
	TRY(error);
	TRY(fields_read(listed_fields, ret, item, 0));
	if (!*ret_id)
		return error_new(ERROR_INVALID, "field \"Id\" is no container's");
	if (ret->names.count)
		ret->listed.name = mem_strdup(bare_name(ret->names.items[0]));
	name_sum(&ret->listed.image_id);
	return NULL;
}

fallible external_listed_read(ExternalListed *ret, char **ret_id, const char *item, size_t length)
{
	ListedDocument document = {0};
	Error *error = read_listed(&document, ret_id, item, length);

	if (!error) {
		external_listed_clear(ret);
		*ret = document.listed;
		document.listed = (ExternalListed){0};
	}
	free(document.listed.name); /* of no field */
	fields_clear(listed_fields, &document);
	return error;
}

void external_listed_clear(ExternalListed *listed)
{
	ListedDocument document = {.listed = *listed};

	free(listed->name);
	fields_clear(listed_fields, &document);
	*listed = (ExternalListed){0};
}

/* ---- a container ---- */

static const Field health_fields[] = {
	{.name = "Status", .kind = FIELD_STRING, .offset = offsetof(ExternalFacts, health)},
	FIELDS_END,
};

static const Field state_fields[] = {
	{.name = "Status", .kind = FIELD_STRING, .offset = offsetof(ExternalFacts, state), .required = true},
	{.name = "Health", .kind = FIELD_OBJECT, .sub = health_fields},
	FIELDS_END,
};

static const Field config_fields[] = {
	{.name = "Image",
		.kind = FIELD_STRING,
		.offset = offsetof(ExternalFacts, image),
		.max_length = NAME_MAX_LENGTH},
	FIELDS_END,
};

static const Field host_fields[] = {
	{.name = "Privileged", .kind = FIELD_BOOL, .offset = offsetof(ExternalFacts, is_privileged), .required = true},
	{.name = "NetworkMode",
		.kind = FIELD_STRING,
		.offset = offsetof(ExternalFacts, network_mode),
		.max_length = NAME_MAX_LENGTH,
		.required = true},
	{.name = "CapAdd", .kind = FIELD_STRINGS, .offset = offsetof(ExternalFacts, capabilities)},
	FIELDS_END,
};

static const Field container_fields[] = {
	{.name = "Id", .kind = FIELD_STRING, .offset = offsetof(ExternalFacts, id), .required = true},
	{.name = "Name", .kind = FIELD_STRING, .offset = offsetof(ExternalFacts, name), .max_length = NAME_MAX_LENGTH},
	{.name = "Image", .kind = FIELD_STRING, .offset = offsetof(ExternalFacts, image_id), .required = true},
	{.name = "State", .kind = FIELD_OBJECT, .sub = state_fields, .required = true},
	{.name = "Config", .kind = FIELD_OBJECT, .sub = config_fields, .required = true},
	{.name = "HostConfig", .kind = FIELD_OBJECT, .sub = host_fields, .required = true},
	FIELDS_END,
};

static const Field image_fields[] = {
	{.name = "RepoTags", .kind = FIELD_STRINGS, .offset = offsetof(ExternalFacts, tags)},
	{.name = "RepoDigests", .kind = FIELD_STRINGS, .offset = offsetof(ExternalFacts, origins)},
	FIELDS_END,
};

void external_facts_clear(ExternalFacts *facts)
{
	strings_clear(&facts->digests);
	fields_clear(image_fields, facts);
	fields_clear(container_fields, facts);
	facts->is_image_unknown = false;
}

static void add_digest(ExternalFacts *facts, const char *text)
{
	Digest digest;
	Error *error = digest_parse(&digest, text);

	if (!error && !strings_has(&facts->digests, digest.text))
		strings_add(&facts->digests, digest.text);
	error_free(error); /* what is no digest is on nobody's list */
}

static fallible read_container(ExternalFacts *facts, const Buffer *document)
{
	TRY(fields_read_text(container_fields, facts, "its document", buffer_text(document), document->length, 0));
	if (!external_is_id(facts->id))
		return error_new(ERROR_INVALID, "its document: field \"Id\" is no container's");
	string_replace(&facts->state, string_empty(facts->state) ? "unknown" : facts->state);
	autofree char *name = mem_strdup(bare_name(facts->name ? facts->name : ""));
	string_replace(&facts->name, name);
	if (string_empty(facts->health) || string_equal(facts->health, "none"))
		string_replace(&facts->health, NULL);
	name_sum(&facts->image_id);
	add_digest(facts, facts->image_id);
	if (string_empty(facts->image))
		string_replace(&facts->image, facts->image_id);
	return NULL;
}

fallible external_facts_read(ExternalFacts *ret, const Buffer *document)
{
	autoclear(ExternalFacts) facts = {0};

	TRY(read_container(&facts, document));
	external_facts_clear(ret);
	*ret = facts;
	facts = (ExternalFacts){0};
	return NULL;
}

/* ---- its image ---- */

char *external_image_target(const ExternalFacts *facts)
{
	const char *sum = "sha256:", *id = facts->image_id;

	if (!string_starts(id, sum) || !external_is_id(id + strlen(sum)))
		return NULL;
	return string_printf("/images/%s/json", id);
}

fallible external_facts_read_image(ExternalFacts *facts, const Buffer *document)
{
	TRY(fields_read_text(image_fields, facts, "its image's document", buffer_text(document), document->length, 0));
	for (size_t i = 0; i < facts->origins.count; i++) {
		const char *at = strrchr(facts->origins.items[i], '@');
		if (at)
			add_digest(facts, at + 1);
	}
	return NULL;
}

void external_facts_keep_image(ExternalFacts *facts, const ExternalFacts *earlier)
{
	strings_copy(&facts->digests, &earlier->digests);
	strings_copy(&facts->tags, &earlier->tags);
	strings_copy(&facts->origins, &earlier->origins);
	facts->is_image_unknown = earlier->is_image_unknown;
}

/* ---- events ---- */

void external_lines_clear(ExternalLines *lines)
{
	buffer_clear(&lines->line);
	lines->is_too_long = false;
}

static void end_line(ExternalLines *lines, ExternalLineHandler *handler, void *arg)
{
	if (lines->is_too_long)
		handler(arg, NULL, 0);
	else if (lines->line.length)
		handler(arg, buffer_text(&lines->line), lines->line.length);
	buffer_truncate(&lines->line, 0);
	lines->is_too_long = false;
}

static void add_part(ExternalLines *lines, const char *bytes, size_t length)
{
	if (lines->line.length + length > EXTERNAL_LINE_MAX) {
		buffer_clear(&lines->line);
		lines->is_too_long = true;
	}
	if (!lines->is_too_long)
		buffer_add(&lines->line, bytes, length);
}

void external_lines_feed(
	ExternalLines *lines, const char *bytes, size_t length, ExternalLineHandler *handler, void *arg)
{
	while (length) {
		const char *end = memchr(bytes, '\n', length);
		size_t part = end ? (size_t)(end - bytes) : length;
		add_part(lines, bytes, part);
		if (!end)
			return;
		end_line(lines, handler, arg);
		bytes += part + 1;
		length -= part + 1;
	}
}

/* Commands in a container, and looks at it, many of them: "exec_start: sh -c true". */
static bool changes_nothing(const char *action)
{
	static const char *const quiet[] = {"exec_", "top", "resize", "attach", "detach", "export", "copy",
		"archive-path", "extract-to-dir", "checkpoint", "mount", "unmount", "sync", "exec"};

	for (size_t i = 0; i < COUNT(quiet); i++)
		if (string_starts(action, quiet[i]))
			return true;
	return false;
}

static const char *either(const Value *event, const char *key, const char *older)
{
	const char *text = value_string(value_path(event, key));

	return text ? text : value_string(value_get(event, older));
}

fallible external_event_read(ExternalEvent *ret, char **ret_id, const char *line, size_t length)
{
	autoptr(Value) event = NULL;

	TRY(value_parse(&event, line, length));
	const char *type = value_string(value_get(event, "Type"));
	const char *action = either(event, "Action", "status");
	const char *id = either(event, "Actor.ID", "id");
	if (!type || !action)
		return error_new(ERROR_INVALID, "an event has no type or no action");
	*ret = string_equal(type, "image") ? EXTERNAL_IMAGES : EXTERNAL_NO_CHANGE;
	if (!string_equal(type, "container") || changes_nothing(action))
		return NULL;
	if (!external_is_id(id))
		return error_new(ERROR_INVALID, "an event is of no container");
	*ret_id = mem_strdup(id);
	*ret = EXTERNAL_CONTAINER;
	return NULL;
}
