// SPDX-License-Identifier: Apache-2.0
#include "device/declared_labels.h"

#include <string.h>

#include "base/memory.h"

enum { SHORT_DIGEST = 8 };

static const struct {
	const char *name;
	FieldEffect effect;
} effects[] = {
	{"name", EFFECT_NONE},
	{"enabled", EFFECT_NONE},
	{"pull", EFFECT_NONE},
	{"pullRetries", EFFECT_NONE},
	{"pullInterval", EFFECT_NONE},
	{"pullTimeout", EFFECT_NONE},
	{"registry", EFFECT_NONE},
	{"dependsOn", EFFECT_NONE},
	{"probation", EFFECT_NONE},
	{"signature", EFFECT_NONE},
	{"identity", EFFECT_NONE},
	{"memory", EFFECT_LIMIT},
	{"memoryReservation", EFFECT_LIMIT},
	{"memorySwap", EFFECT_LIMIT},
	{"cpus", EFFECT_LIMIT},
	{"cpuShares", EFFECT_LIMIT},
	{"cpuPeriod", EFFECT_LIMIT},
	{"cpuQuota", EFFECT_LIMIT},
	{"cpuset", EFFECT_LIMIT},
	{"cpusetMems", EFFECT_LIMIT},
	{"blkioWeight", EFFECT_LIMIT},
	{"pidsLimit", EFFECT_RESTART},
	{"restart", EFFECT_RESTART},
	{"restartRetries", EFFECT_RESTART},
};

FieldEffect declared_field_effect(const char *name)
{
	for (size_t i = 0; i < COUNT(effects); i++)
		if (string_equal(effects[i].name, name))
			return effects[i].effect;
	return EFFECT_RECREATE;
}

/* ---- digests ---- */

static void digest_value(Digest *ret, const Value *value)
{
	autoclear(Buffer) text = {0};

	value_write(value, &text);
	digest_of(ret, buffer_text(&text), text.length);
}

/* Of the fields with one of two effects. */
static void digest_fields(Digest *ret, const Declaration *declaration, FieldEffect effect, FieldEffect other)
{
	autoptr(Value) value = declaration_value(declaration);
	autoptr(Value) part = value_object();
	const char *name;
	Value *member;
	size_t cursor = 0;

	while (value_each(value, &cursor, &name, &member))
		if (declared_field_effect(name) == effect || declared_field_effect(name) == other)
			value_set(part, name, value_ref(member));
	digest_value(ret, part);
}

void declaration_digest(Digest *ret, const Declaration *declaration)
{
	digest_fields(ret, declaration, EFFECT_RECREATE, EFFECT_RECREATE);
}

void declared_limits_digest(Digest *ret, const Declaration *declaration)
{
	digest_fields(ret, declaration, EFFECT_LIMIT, EFFECT_RESTART);
}

/* ---- fields, shortly ---- */

/* "image=1a2b3c4d" for each field that the container was made from. */
static void field_marks(StringList *ret, const Declaration *declaration)
{
	autoptr(Value) value = declaration_value(declaration);
	const char *name;
	Value *member;
	size_t cursor = 0;
	Digest digest;

	while (value_each(value, &cursor, &name, &member)) {
		if (declared_field_effect(name) != EFFECT_RECREATE)
			continue;
		digest_value(&digest, member);
		strings_printf(ret, "%s=%.*s", name, SHORT_DIGEST, digest_hex(&digest));
	}
}

void declared_labels_put(StringMap *labels, const Declaration *declaration)
{
	autoclear(StringList) marks = {0};
	Digest digest;

	field_marks(&marks, declaration);
	autofree char *fields = strings_join(&marks, ",");
	map_set(labels, DECLARED_LABEL, declaration->name);
	map_set(labels, DECLARED_FIELDS_LABEL, fields);
	declaration_digest(&digest, declaration);
	map_set(labels, DECLARED_DIGEST_LABEL, digest.text);
	declared_limits_digest(&digest, declaration);
	map_set(labels, DECLARED_LIMITS_LABEL, digest.text);
}

static void add_missing(StringList *ret_names, const StringList *marks, const StringList *others)
{
	for (size_t i = 0; i < marks->count; i++) {
		autofree char *name = mem_strndup(marks->items[i], strcspn(marks->items[i], "="));
		if (!strings_has(others, marks->items[i]) && !strings_has(ret_names, name))
			strings_add(ret_names, name);
	}
}

void declared_labels_differ(StringList *ret_names, const char *label, const Declaration *declaration)
{
	autoclear(StringList) marks = {0}, then = {0};

	field_marks(&marks, declaration);
	strings_split(&then, label ? label : "", ',');
	add_missing(ret_names, &marks, &then);
	add_missing(ret_names, &then, &marks);
}
