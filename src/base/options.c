// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { HELP_COLUMN_MAX = 32, NAME_MAX_FOR_HINT = 64 };

typedef struct Parse {
	const Option *table;
	void *target;
	char *const *words; /* of the command line, still to be read */
	int count;
} Parse;

static bool is_end(const Option *option)
{
	return !option->name && option->kind == OPTION_SWITCH;
}

static bool is_real(const Option *option)
{
	return option->kind != OPTION_HEADING && option->name;
}

static bool takes_value(const Option *option)
{
	return option->kind == OPTION_REFUSED ? option->argument != NULL : option->kind != OPTION_SWITCH;
}

/* ---- finding ---- */

static const Option *find_long(const Option *table, const char *name, size_t length)
{
	for (; !is_end(table); table++)
		if (is_real(table) && strlen(table->name) == length && !strncmp(table->name, name, length))
			return table;
	return NULL;
}

static const Option *find_letter(const Option *table, char letter)
{
	for (; !is_end(table); table++)
		if (is_real(table) && table->letter == letter && letter)
			return table;
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, taken out or changed to make b of a (Levenshtein). */
static size_t edit_distance(const char *a, size_t a_length, const char *b)
{
	size_t row[NAME_MAX_FOR_HINT + 1], b_length = strlen(b);

	if (b_length > NAME_MAX_FOR_HINT)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			row[j] = least(least(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_length];
}

static fallible unknown_long(const Option *table, const char *name, size_t length)
{
	const char *nearest = NULL;
	size_t distance = length < 6 ? 1 : length / 3; /* further away it is another word */
	Error *error = error_new(ERROR_INVALID, "unknown option \"--%.*s\"", (int)length, name);

	for (; !is_end(table); table++) {
		if (!is_real(table) || table->kind == OPTION_REFUSED || length > NAME_MAX_FOR_HINT)
			continue;
		size_t found = edit_distance(name, length, table->name);
		if (found <= distance && (!nearest || found < distance)) {
			nearest = table->name;
			distance = found;
		}
	}
	return nearest ? error_hint(error, "did you mean \"--%s\"?", nearest) : error;
}

/* ---- storing ---- */

static fallible store_switch(bool *slot, const char *value)
{
	if (!value || string_equal(value, "true") || string_equal(value, "1"))
		*slot = true;
	else if (string_equal(value, "false") || string_equal(value, "0"))
		*slot = false;
	else
		return error_new(ERROR_INVALID, "\"%s\" is neither true nor false", value);
	return NULL;
}

static fallible store_bytes(const Option *option, int64_t *slot, const char *value)
{
	if (option->min == -1 && string_equal(value, "-1")) {
		*slot = -1;
		return NULL;
	}
	return string_to_bytes(slot, value);
}

static fallible store(const Option *option, void *target, const char *value)
{
	void *slot = (char *)target + option->offset;
	bool is_bounded = option->min || option->max;

	switch (option->kind) {
	case OPTION_SWITCH:
		return store_switch(slot, value);
	case OPTION_STRING:
		string_replace(slot, value);
		return NULL;
	case OPTION_INT:
		return string_to_int64(
			slot, value, is_bounded ? option->min : INT64_MIN, is_bounded ? option->max : INT64_MAX);
	case OPTION_BYTES:
		return store_bytes(option, slot, value);
	case OPTION_NANO:
		return string_to_nano(slot, value);
	case OPTION_DURATION:
		return clock_parse_duration(slot, value);
	case OPTION_LIST:
		strings_add(slot, value);
		return NULL;
	case OPTION_REFUSED:
	case OPTION_HEADING:
		break;
	}
	return error_new(ERROR_INTERNAL, "option table entry \"%s\" stores nothing", option->name);
}

static fallible refuse(const Option *option)
{
	return error_new(ERROR_UNSUPPORTED, "option \"--%s\" is not available%s%s", option->name,
		option->help ? ": " : "", option->help ? option->help : "");
}

/* ---- reading words ---- */

/* value is what was attached to the option, or NULL: then the next word is taken where one is needed. */
static fallible apply(Parse *parse, const Option *option, const char *value)
{
	if (option->kind == OPTION_REFUSED)
		return refuse(option);
	if (!value)
		value = option->alone;
	if (takes_value(option) && !value) {
		if (!parse->count)
			return error_new(ERROR_INVALID, "option \"--%s\" needs a value: %s", option->name,
				option->argument ? option->argument : "VALUE");
		value = *parse->words++;
		parse->count--;
	}
	TRY_WRAP(store(option, parse->target, value), "option \"--%s\"", option->name);
	return NULL;
}

static fallible read_long(Parse *parse, const char *text)
{
	size_t length = strcspn(text, "=");
	const Option *option = find_long(parse->table, text, length);

	if (!option)
		return unknown_long(parse->table, text, length);
	return apply(parse, option, text[length] ? text + length + 1 : NULL);
}

/* "abc": switches, of which the last may be an option with its value attached or in the next word. */
static fallible read_letters(Parse *parse, const char *letters)
{
	for (const char *letter = letters; *letter; letter++) {
		const Option *option = find_letter(parse->table, *letter);
		if (!option)
			return error_new(ERROR_INVALID, "unknown option \"-%c\"", *letter);
		if (takes_value(option)) {
			const char *value = letter[1] == '=' ? letter + 2 : letter + 1;
			return apply(parse, option, letter[1] ? value : NULL);
		}
		if (letter[1] == '=')
			return apply(parse, option, letter + 2);
		TRY(apply(parse, option, NULL));
	}
	return NULL;
}

Error *options_parse(
	const Option *table, void *target, int argc, char *const *argv, int flags, StringList *ret_arguments)
{
	Parse parse = {.table = table, .target = target, .words = argv, .count = argc};
	autoclear(StringList) arguments = {0};
	bool has_ended = false;

	while (parse.count) {
		const char *word = *parse.words++;
		parse.count--;
		if (has_ended || word[0] != '-' || !word[1]) {
			strings_add(&arguments, word);
			has_ended |= (flags & OPTIONS_STOP_AT_ARGUMENT) != 0;
		} else if (string_equal(word, "--")) {
			has_ended = true;
		} else {
			TRY(word[1] == '-' ? read_long(&parse, word + 2) : read_letters(&parse, word + 1));
		}
	}
	strings_clear(ret_arguments);
	*ret_arguments = arguments;
	arguments = (StringList){0};
	return NULL;
}

void options_clear(const Option *table, void *target)
{
	for (; !is_end(table); table++) {
		void *slot = (char *)target + table->offset;
		if (table->kind == OPTION_STRING)
			string_replace(slot, NULL);
		else if (table->kind == OPTION_LIST)
			strings_clear(slot);
	}
}

/* ---- help ---- */

static char *left_column(const Option *option)
{
	char letter[] = {'-', option->letter, ',', ' ', '\0'};
	const char *argument = takes_value(option) ? option->argument ? option->argument : "VALUE" : NULL;
	const char *before = option->alone ? "[=" : argument ? " " : "";

	return string_printf("  %s--%s%s%s%s", option->letter ? letter : "    ", option->name, before,
		argument ? argument : "", option->alone ? "]" : "");
}

static size_t help_column(const Option *table)
{
	size_t column = 0;

	for (; !is_end(table); table++) {
		if (!is_real(table) || table->kind == OPTION_REFUSED)
			continue;
		autofree char *left = left_column(table);
		size_t length = strlen(left) + 2;
		if (length > column && length <= HELP_COLUMN_MAX)
			column = length;
	}
	return column ? column : HELP_COLUMN_MAX;
}

static void put_option(Buffer *out, const Option *option, size_t column, size_t width)
{
	autofree char *left = left_column(option);
	size_t length = strlen(left);

	buffer_add_text(out, left);
	if (length + 2 > column) {
		buffer_add_char(out, '\n');
		length = 0;
	}
	buffer_printf(out, "%*s", (int)(column - length), "");
	buffer_add_wrapped(out, option->help ? option->help : "", column, width);
	buffer_add_char(out, '\n');
}

void options_help(const Option *table, Buffer *out, int width)
{
	size_t column = help_column(table);

	for (; !is_end(table); table++) {
		if (table->kind == OPTION_HEADING)
			buffer_printf(out, "%s%s\n", out->length ? "\n" : "", table->help ? table->help : table->name);
		else if (table->kind != OPTION_REFUSED)
			put_option(out, table, column, width > 0 ? (size_t)width : 80);
	}
}
