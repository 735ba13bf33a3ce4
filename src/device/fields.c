// SPDX-License-Identifier: Apache-2.0
#include "device/fields.h"

#include <string.h>

#include "base/memory.h"
#include "base/words.h"
#include "runtime/spec.h"

/* ---- texts ---- */

static void set_text(Value *object, const char *key, const char *text)
{
	if (!string_empty(text))
		value_set(object, key, value_new_string(text));
}

static Value *object_with(const char *key, const char *text)
{
	Value *object = value_object();

	value_set(object, key, value_new_string(text));
	return object;
}

/* Numbers and truths, as YAML makes them of what has no quotes. */
static fallible text_of(char **ret, const Value *value, const char *name)
{
	bool is_whole = value_is_number(value) && value_int(value, 0) == value_int(value, 1);

	if (value_is_string(value))
		*ret = mem_strdup(value_string(value));
	else if (value_is_bool(value))
		*ret = mem_strdup(value_bool(value, false) ? "true" : "false");
	else if (is_whole)
		*ret = string_printf("%lld", (long long)value_int(value, 0));
	else if (value_is_number(value))
		return error_new(
			ERROR_INVALID, "\"%s\" must be in quotes, so that the number stays as it is written", name);
	else
		return error_new(
			ERROR_INVALID, "\"%s\" must be a string, not of type %s", name, value_kind_name(value));
	return NULL;
}

static fallible want_text(const char **ret, const Value *item)
{
	*ret = value_string(item);
	if (*ret)
		return NULL;
	return error_new(ERROR_INVALID, "must be a string or an object, not of type %s", value_kind_name(item));
}

/* ---- lists of words ---- */

Error *expand_words(Value **ret, const Value *value)
{
	if (!value_is_string(value))
		return NULL;
	*ret = value_array();
	value_append(*ret, value_new_string(value_string(value)));
	return NULL;
}

Error *expand_line(Value **ret, const Value *value)
{
	autoclear(StringList) words = {0};

	if (!value_is_string(value))
		return NULL;
	TRY(words_split(&words, value_string(value)));
	*ret = value_array();
	for (size_t i = 0; i < words.count; i++)
		value_append(*ret, value_new_string(words.items[i]));
	return NULL;
}

Error *expand_test(Value **ret, const Value *value)
{
	const char *line = value_string(value);

	if (!line)
		return NULL;
	*ret = value_array();
	value_append(*ret, value_new_string(string_equal(line, "NONE") ? line : "CMD-SHELL"));
	if (!string_equal(line, "NONE"))
		value_append(*ret, value_new_string(line));
	return NULL;
}

/* ---- maps ---- */

static fallible map_of_list(Value *map, const Value *list)
{
	autoclear(StringMap) pairs = {0};

	for (size_t i = 0; i < value_count(list); i++) {
		const char *word;
		TRY(want_text(&word, value_at(list, i)));
		TRY(pair_word_add(&pairs, word));
	}
	for (size_t i = 0; i < pairs.count; i++)
		value_set(map, pairs.items[i].key, value_new_string(pairs.items[i].value));
	return NULL;
}

Error *expand_map(Value **ret, const Value *value)
{
	autoptr(Value) map = value_object();
	const char *key;
	Value *member;
	size_t cursor = 0;

	if (!value_is_object(value) && !value_is_array(value))
		return NULL; /* which the table refuses */
	if (value_is_array(value))
		TRY(map_of_list(map, value));
	while (value_is_object(value) && value_each(value, &cursor, &key, &member)) {
		autofree char *text = NULL;
		if (!value_is_null(member))
			TRY(text_of(&text, member, key));
		value_set(map, key, value_new_string(text ? text : ""));
	}
	*ret = take(map);
	return NULL;
}

/* A list of "NAME<joint>value" out of an object. */
static fallible list_of_map(Value **ret, const Value *map, char joint, bool takes_null)
{
	autoptr(Value) list = value_array();
	const char *key;
	Value *member;
	size_t cursor = 0;

	while (value_each(map, &cursor, &key, &member)) {
		autofree char *text = NULL;
		bool is_bare = takes_null && value_is_null(member);
		if (!is_bare)
			TRY(text_of(&text, member, key));
		autofree char *word = is_bare ? mem_strdup(key) : string_printf("%s%c%s", key, joint, text);
		value_append(list, value_new_string(word));
	}
	*ret = take(list);
	return NULL;
}

Error *expand_environment(Value **ret, const Value *value)
{
	return value_is_object(value) ? list_of_map(ret, value, '=', true) : NULL;
}

Error *expand_hosts(Value **ret, const Value *value)
{
	autoptr(Value) list = NULL;
	const char *word;

	if (value_is_object(value))
		return list_of_map(ret, value, ':', false);
	if (!value_is_array(value))
		return NULL;
	list = value_array();
	for (size_t i = 0; i < value_count(value); i++) {
		autofree char *host = NULL;
		TRY(want_text(&word, value_at(value, i)));
		TRY(host_word_parse(&host, word));
		value_append(list, value_new_string(host));
	}
	*ret = take(list);
	return NULL;
}

/* ---- lists of objects that have a name ---- */

static fallible named_of_map(Value **ret, const Value *map)
{
	autoptr(Value) list = value_array();
	const char *key;
	Value *member;
	size_t cursor = 0;

	while (value_each(map, &cursor, &key, &member)) {
		Value *object = value_is_object(member) ? value_copy(member) : value_object();
		value_append(list, object);
		if (!value_is_object(member) && !value_is_null(member))
			return error_new(ERROR_INVALID, "\"%s\" must be an object, not of type %s", key,
				value_kind_name(member));
		if (value_get(object, "name"))
			return error_new(ERROR_INVALID, "\"%s\" has its name twice", key);
		value_set(object, "name", value_new_string(key));
	}
	*ret = take(list);
	return NULL;
}

static fallible named_of_words(Value **ret, const Value *list)
{
	autoptr(Value) objects = value_array();

	for (size_t i = 0; i < value_count(list); i++) {
		Value *item = value_at(list, i);
		value_append(
			objects, value_is_string(item) ? object_with("name", value_string(item)) : value_ref(item));
	}
	*ret = take(objects);
	return NULL;
}

static fallible expand_named(Value **ret, const Value *value)
{
	if (value_is_object(value))
		return named_of_map(ret, value);
	return value_is_array(value) ? named_of_words(ret, value) : NULL;
}

Error *expand_networks(Value **ret, const Value *value)
{
	return expand_named(ret, value);
}

Error *expand_dependencies(Value **ret, const Value *value)
{
	return expand_named(ret, value);
}

/* ---- limits ---- */

static Value *ulimit_object(const char *name, int64_t soft, int64_t hard)
{
	Value *object = object_with("name", name);

	value_set(object, "soft", value_new_int(soft));
	value_set(object, "hard", value_new_int(hard));
	return object;
}

static fallible ulimits_of_words(Value **ret, const Value *list)
{
	autoptr(Value) objects = value_array();
	int64_t soft, hard;

	for (size_t i = 0; i < value_count(list); i++) {
		Value *item = value_at(list, i);
		autofree char *name = NULL;
		if (value_is_object(item)) {
			value_append(objects, value_ref(item));
			continue;
		}
		const char *word;
		TRY(want_text(&word, item));
		TRY(ulimit_word_parse(&name, &soft, &hard, word));
		value_append(objects, ulimit_object(name, soft, hard));
	}
	*ret = take(objects);
	return NULL;
}

/* {"nofile": 1024, "nproc": {"soft": 1, "hard": 2}} */
static fallible ulimits_of_map(Value **ret, const Value *map)
{
	autoptr(Value) plain = value_object();
	const char *key;
	Value *member;
	size_t cursor = 0;

	while (value_each(map, &cursor, &key, &member)) {
		Value *object = value_is_number(member) ? value_object() : value_ref(member);
		if (value_is_number(member)) {
			value_set(object, "soft", value_ref(member));
			value_set(object, "hard", value_ref(member));
		}
		value_set(plain, key, object);
	}
	return named_of_map(ret, plain);
}

Error *expand_ulimits(Value **ret, const Value *value)
{
	if (value_is_object(value))
		return ulimits_of_map(ret, value);
	return value_is_array(value) ? ulimits_of_words(ret, value) : NULL;
}

static fallible add_rate(Value *array, Value *item, const char *key, bool takes_units)
{
	autofree char *path = NULL;
	const char *word;
	int64_t rate;

	if (value_is_object(item)) {
		value_append(array, value_ref(item));
		return NULL;
	}
	TRY(want_text(&word, item));
	TRY(rate_word_parse(&path, &rate, word, takes_units));
	Value *object = object_with("path", path);
	value_set(object, key, value_new_int(rate));
	value_append(array, object);
	return NULL;
}

Error *expand_rate(Value *array, Value *item)
{
	return add_rate(array, item, "rate", true);
}

Error *expand_number(Value *array, Value *item)
{
	return add_rate(array, item, "rate", false);
}

Error *expand_weight(Value *array, Value *item)
{
	return add_rate(array, item, "weight", false);
}

/* ---- GPUs ---- */

Error *expand_gpus(Value **ret, const Value *value)
{
	const char *word = value_string(value);
	int64_t count = -1;

	if (value_is_object(value) || value_is_bool(value))
		return NULL;
	if (word && !string_equal(word, "all"))
		TRY(string_to_int64(&count, word, 1, 1024));
	*ret = value_object();
	if (value_is_array(value))
		value_set(*ret, "ids", value_copy(value));
	else
		value_set(*ret, "count", word ? value_new_int(count) : value_copy(value));
	return NULL;
}

/* ---- ports, volumes, devices ---- */

static Value *port_object(const PortWord *word, int64_t nth)
{
	Value *object = value_object();
	bool is_range = word->first == word->last && word->host_first != word->host_last;

	value_set(object, "container", value_new_int(word->first + nth));
	value_set(object, "protocol", value_new_string(word->protocol));
	set_text(object, "address", word->host);
	if (word->host_first >= 0)
		value_set(object, "host", value_new_int(word->host_first + (is_range ? 0 : nth)));
	if (is_range)
		value_set(object, "hostEnd", value_new_int(word->host_last));
	return object;
}

Error *expand_port(Value *array, Value *item)
{
	autoclear(PortWord) word = {0};
	autofree char *text = NULL;

	if (value_is_object(item)) {
		value_append(array, value_ref(item));
		return NULL;
	}
	if (!value_is_string(item) && !value_is_number(item))
		return error_new(ERROR_INVALID, "must be a string, a number or an object, not of type %s",
			value_kind_name(item));
	TRY(text_of(&text, item, "port"));
	TRY_WRAP(port_word_parse(&word, text), "\"%s\"", text);
	for (int64_t port = word.first; port <= word.last; port++)
		value_append(array, port_object(&word, port - word.first));
	return NULL;
}

static Value *mount_object(const MountSpec *mount)
{
	Value *object = object_with("type", mount_kind_names[mount->kind]);

	set_text(object, "source", mount->source);
	set_text(object, "target", mount->target);
	set_text(object, "propagation", mount->propagation);
	if (mount->read_only)
		value_set(object, "readOnly", value_new_bool(true));
	if (mount->make_source)
		value_set(object, "createSource", value_new_bool(true));
	if (mount->no_copy)
		value_set(object, "noCopy", value_new_bool(true));
	return object;
}

Error *expand_volume(Value *array, Value *item)
{
	autoclear(ContainerSpec) spec = {0};
	const char *word;

	if (value_is_object(item)) {
		value_append(array, value_ref(item));
		return NULL;
	}
	TRY(want_text(&word, item));
	if (!strchr(word, ':')) {
		value_append(array, mount_object(&(MountSpec){.kind = MOUNT_VOLUME, .target = (char *)word}));
		return NULL;
	}
	strings_add(&spec.binds, word);
	TRY(container_spec_parse_binds(&spec));
	value_append(array, mount_object(spec.mounts.items));
	return NULL;
}

Error *expand_device(Value *array, Value *item)
{
	autoclear(DeviceWord) word = {0};
	const char *text;

	if (value_is_object(item)) {
		value_append(array, value_ref(item));
		return NULL;
	}
	TRY(want_text(&text, item));
	if (*text != '/') { /* a CDI device */
		value_append(array, object_with("path", text));
		return NULL;
	}
	TRY(device_word_parse(&word, text));
	Value *object = object_with("path", word.path);
	value_set(object, "target", value_new_string(word.target));
	value_set(object, "permissions", value_new_string(word.permissions));
	value_append(array, object);
	return NULL;
}
