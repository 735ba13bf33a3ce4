// SPDX-License-Identifier: Apache-2.0
#include "cli/facts.h"

#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/template.h"
#include "cli/units.h"

static void write_bytes(Buffer *out, const Value *value)
{
	char text[UNITS_TEXT_MAX];

	units_binary(text, value_double(value, 0));
	buffer_add_text(out, text);
}

static void write_list(Buffer *out, const Value *value)
{
	for (size_t i = 0; i < value_count(value); i++) {
		buffer_add_text(out, i > 0 ? " " : "");
		template_print(out, value_at(value, i));
	}
}

static void write_names(Buffer *out, const Value *value)
{
	autoclear(StringList) keys = template_sorted_keys(value);
	autofree char *text = strings_join(&keys, " ");

	buffer_add_text(out, text);
}

static void write_value_text(Buffer *out, const Fact *fact, const Value *value)
{
	switch (fact->kind) {
	case FACT_PLAIN:
		return template_print(out, value);
	case FACT_BYTES:
		return write_bytes(out, value);
	case FACT_LIST:
		return write_list(out, value);
	case FACT_NAMES:
		return write_names(out, value);
	}
}

static int label_width(const Fact *facts)
{
	int width = 0;

	for (; facts->label; facts++)
		if (facts->path && (int)strlen(facts->label) + facts->depth > width)
			width = (int)strlen(facts->label) + facts->depth;
	return width;
}

void facts_write(Buffer *out, const Fact *facts, const Value *value)
{
	int width = label_width(facts);

	for (; facts->label; facts++) {
		const Value *found = facts->path ? value_path(value, facts->path) : NULL;
		if (!facts->path)
			buffer_printf(out, "%*s%s:\n", facts->depth, "", facts->label);
		if (value_is_null(found) || string_equal(value_string(found), ""))
			continue;
		buffer_printf(out, "%*s%s:%*s", facts->depth, "", facts->label,
			width - facts->depth - (int)strlen(facts->label) + 2, "");
		write_value_text(out, facts, found);
		buffer_add_char(out, '\n');
	}
}

fallible facts_check(const char *format)
{
	return format && !string_equal(format, "json") ? template_check(format) : NULL;
}

fallible facts_format(Buffer *out, const char *format, const Value *value)
{
	if (string_equal(format, "json"))
		value_write(value, out);
	else
		TRY(template_execute(out, format, value));
	buffer_add_char(out, '\n');
	return NULL;
}

fallible facts_print(const char *format, const Value *value)
{
	autoclear(Buffer) out = {0};

	TRY(facts_format(&out, format, value));
	fputs(buffer_text(&out), stdout);
	return NULL;
}

fallible facts_show(Cli *cli, const char *format, const char *target, void (*print)(const Value *answer))
{
	autoptr(Value) answer = NULL;

	TRY(facts_check(format));
	TRY(api_get(cli, &answer, target));
	if (format)
		return facts_print(format, answer);
	print(answer);
	return NULL;
}
