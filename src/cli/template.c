// SPDX-License-Identifier: Apache-2.0
#include "cli/template.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

enum { TEXT_MAX = 64 << 10, VARIABLES_MAX = 16, OUTPUT_MAX = 64 << 20 };

/*
 * Reading and running are one pass over the text: a branch that is not taken is read with `live` off, a range goes back
 * to its beginning for each item. Every Value that an eval_ function gives is a reference of the receiver; NULL is a
 * field that is not there (or nothing, when not live).
 */
typedef struct Template {
	const char *at;
	const Value *root;
	Buffer *out;
	bool live;
	int depth;
	int steps;
	char *missing; /* the path of the last field that was not there */
	struct {
		const char *name; /* in the text, with its dollar sign */
		size_t length;
		Value *value;
	} variables[VARIABLES_MAX];
	size_t variable_count;
} Template;

typedef enum Stop { STOP_AT_END_OF_TEXT, STOP_AT_END, STOP_AT_ELSE } Stop;

static fallible eval_pipeline(Value **ret, Template *template, const Value *dot);
static fallible run_block(Template *template, const Value *dot, Stop *ret_stop);

static void clear_arguments(TemplateArguments *arguments)
{
	for (size_t i = 0; i < arguments->count; i++)
		value_free(arguments->items[i]);
}

DEFINE_AUTOCLEAR(TemplateArguments, clear_arguments)

/* ---- reading ---- */

static void skip_spaces(Template *template)
{
	while (isspace((unsigned char)*template->at))
		template->at++;
}

static bool skip(Template *template, const char *word)
{
	if (!string_starts(template->at, word))
		return false;
	template->at += strlen(word);
	return true;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return length;
}

static bool skip_keyword(Template *template, const char *word)
{
	size_t length = strlen(word);

	if (name_length(template->at) != length || strncmp(template->at, word, length) != 0)
		return false;
	template->at += length;
	skip_spaces(template);
	return true;
}

static fallible unexpected(const Template *template, const char *wanted)
{
	if (!*template->at)
		return error_new(ERROR_INVALID, "the template ends where %s should be", wanted);
	return error_new(ERROR_INVALID, "there is \"%.20s\" where %s should be", template->at, wanted);
}

/* "}}" or " -}}", which takes the white space behind it away. */
static bool at_close(const Template *template)
{
	return string_starts(template->at, "}}") || string_starts(template->at, "-}}");
}

static fallible read_close(Template *template)
{
	skip_spaces(template);
	if (skip(template, "-}}"))
		skip_spaces(template);
	else if (!skip(template, "}}"))
		return unexpected(template, "\"}}\"");
	return NULL;
}

/* ---- operands ---- */

static void note_missing(Template *template, const char *path, size_t length)
{
	free(template->missing);
	template->missing = mem_strndup(path, length);
}

/* ".A.B" below value; takes value. */
static Value *eval_path(Template *template, Value *value)
{
	const char *start = template->at;

	while (*template->at == '.' && name_length(template->at + 1) > 0) {
		size_t length = name_length(template->at + 1);
		autofree char *name = mem_strndup(template->at + 1, length);
		Value *member = value_get(value, name);
		template->at += 1 + length;
		if (!member)
			note_missing(template, start, (size_t)(template->at - start));
		if (member)
			value_ref(member);
		value_free(value);
		value = member;
	}
	return value;
}

static Value *ref_or_null(const Value *value)
{
	return value ? value_ref((Value *)value) : NULL;
}

static fallible eval_variable(Value **ret, Template *template)
{
	size_t length = 1 + name_length(template->at + 1);
	const Value *value = length == 1 ? template->root : NULL;
	bool found = length == 1;

	for (size_t i = template->variable_count; i-- > 0 && !found;) {
		found = template->variables[i].length == length &&
			strncmp(template->variables[i].name, template->at, length) == 0;
		value = template->variables[i].value;
	}
	if (!found)
		return error_new(ERROR_INVALID, "there is no variable \"%.*s\"", (int)length, template->at);
	template->at += length;
	*ret = eval_path(template, ref_or_null(value));
	return NULL;
}

static char unescaped(char c)
{
	return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

/* "text" with escapes, or `text` as it is. */
static fallible eval_string(Value **ret, Template *template)
{
	autoclear(Buffer) text = {0};
	char quote = *template->at++;

	for (; *template->at && *template->at != quote; template->at++) {
		if (*template->at == '\\' && quote == '"' && template->at[1])
			buffer_add_char(&text, unescaped(*++template->at));
		else
			buffer_add_char(&text, *template->at);
	}
	if (!*template->at)
		return error_new(ERROR_INVALID, "a string is not closed");
	template->at++;
	*ret = value_new_string(buffer_text(&text));
	return NULL;
}

static fallible eval_number(Value **ret, Template *template)
{
	size_t length = strspn(template->at, "-0123456789");
	autofree char *text = mem_strndup(template->at, length);
	int64_t number;

	TRY(string_to_int64(&number, text, INT64_MIN, INT64_MAX));
	template->at += length;
	*ret = value_new_int(number);
	return NULL;
}

static fallible eval_parentheses(Value **ret, Template *template, const Value *dot)
{
	autoptr(Value) value = NULL;

	template->at++;
	if (++template->depth > TEMPLATE_DEPTH_MAX)
		return error_new(ERROR_INVALID, "it is nested more than %d deep", TEMPLATE_DEPTH_MAX);
	TRY(eval_pipeline(&value, template, dot));
	template->depth--;
	skip_spaces(template);
	if (!skip(template, ")"))
		return unexpected(template, "\")\"");
	*ret = eval_path(template, take(value));
	return NULL;
}

static fallible eval_word(Value **ret, Template *template)
{
	if (skip_keyword(template, "true"))
		*ret = value_new_bool(true);
	else if (skip_keyword(template, "false"))
		*ret = value_new_bool(false);
	else if (skip_keyword(template, "nil"))
		*ret = NULL;
	else
		return unexpected(template, "a value");
	return NULL;
}

static fallible eval_operand(Value **ret, Template *template, const Value *dot)
{
	char c = *template->at;

	if (c == '.') {
		Value *value = eval_path(template, ref_or_null(dot));
		if (template->at[0] == '.' && !isalnum((unsigned char)template->at[1]))
			template->at++; /* the dot alone */
		*ret = value;
		return NULL;
	}
	if (c == '$')
		return eval_variable(ret, template);
	if (c == '"' || c == '`')
		return eval_string(ret, template);
	if (c == '-' || isdigit((unsigned char)c))
		return eval_number(ret, template);
	if (c == '(')
		return eval_parentheses(ret, template, dot);
	return eval_word(ret, template);
}

/* ---- commands and pipelines ---- */

static bool at_end_of_command(const Template *template)
{
	return at_close(template) || strchr("|),", *template->at) || string_starts(template->at, ":=");
}

static fallible eval_arguments(TemplateArguments *arguments, Template *template, const Value *dot)
{
	for (skip_spaces(template); !at_end_of_command(template); skip_spaces(template)) {
		if (arguments->count == TEMPLATE_ARGUMENTS_MAX)
			return error_new(ERROR_INVALID, "there are more than %d arguments", TEMPLATE_ARGUMENTS_MAX);
		Value *value = NULL;
		TRY(eval_operand(&value, template, dot));
		arguments->items[arguments->count++] = value;
	}
	return NULL;
}

/* What came through a pipe is the last argument. */
static fallible add_piped(TemplateArguments *arguments, Value **piped, bool is_piped)
{
	if (!is_piped)
		return NULL;
	if (arguments->count == TEMPLATE_ARGUMENTS_MAX)
		return error_new(ERROR_INVALID, "there are more than %d arguments", TEMPLATE_ARGUMENTS_MAX);
	arguments->items[arguments->count++] = take(*piped);
	return NULL;
}

static fallible call_function(
	Value **ret, const Template *template, const TemplateFunction *function, const TemplateArguments *arguments)
{
	if (arguments->count < function->min || arguments->count > function->max)
		return error_new(ERROR_INVALID, "function \"%s\" takes %s%zu arguments, not %zu", function->name,
			function->min == function->max ? "" : "at least ", function->min, arguments->count);
	if (!template->live)
		return NULL;
	return function->call(ret, arguments);
}

/* {{.Label "x"}}: a field with an argument is looked into by it, as Docker's methods do. */
static fallible call_field(Value **ret, const Template *template, const TemplateArguments *arguments)
{
	const Value *field = arguments->items[0];

	if (arguments->count == 1) {
		*ret = ref_or_null(field);
		return NULL;
	}
	if (!template->live)
		return NULL;
	if (value_is_string(field)) { /* a row of headings: the argument is the heading */
		*ret = ref_or_null(arguments->items[1]);
		return NULL;
	}
	return template_function_find("index", 5)->call(ret, arguments);
}

static bool at_function(const Template *template, const TemplateFunction **ret)
{
	size_t length = name_length(template->at);

	*ret = template_function_find(template->at, length);
	return length > 0 && !isdigit((unsigned char)*template->at);
}

static bool at_constant(const Template *template)
{
	size_t length = name_length(template->at);

	return (length == 4 && strncmp(template->at, "true", 4) == 0) ||
	       (length == 5 && strncmp(template->at, "false", 5) == 0) ||
	       (length == 3 && strncmp(template->at, "nil", 3) == 0);
}

static fallible unknown_function(const Template *template)
{
	return error_hint(
		error_new(ERROR_INVALID, "there is no function \"%.*s\"", (int)name_length(template->at), template->at),
		"fields begin with a dot: {{.%.*s}}", (int)name_length(template->at), template->at);
}

/* piped: what the command before gave; taken. */
static fallible eval_command(Value **ret, Template *template, const Value *dot, Value **piped, bool is_piped)
{
	autoclear(TemplateArguments) arguments = {0};
	const TemplateFunction *function = NULL;
	bool is_call = at_function(template, &function) && !at_constant(template);

	if (is_call && !function)
		return unknown_function(template);
	if (is_call)
		template->at += strlen(function->name);
	TRY(eval_arguments(&arguments, template, dot));
	TRY(add_piped(&arguments, piped, is_piped));
	if (is_call)
		return call_function(ret, template, function, &arguments);
	return arguments.count > 0 ? call_field(ret, template, &arguments) : unexpected(template, "a value");
}

static fallible eval_pipeline(Value **ret, Template *template, const Value *dot)
{
	autoptr(Value) value = NULL;
	bool is_piped = false;

	if (++template->steps > TEMPLATE_STEPS_MAX)
		return error_new(ERROR_INVALID, "it takes more than %d steps", TEMPLATE_STEPS_MAX);
	do {
		Value *result = NULL;
		skip_spaces(template);
		TRY(eval_command(&result, template, dot, &value, is_piped));
		value_free(value);
		value = result;
		is_piped = true;
		skip_spaces(template);
	} while (skip(template, "|"));
	*ret = take(value);
	return NULL;
}

/* ---- blocks ---- */

static fallible run_block_if(Template *template, const Value *dot, bool live, Stop *ret_stop)
{
	bool before = template->live;

	template->live = before &&live;
	if (++template->depth > TEMPLATE_DEPTH_MAX)
		return error_new(ERROR_INVALID, "it is nested more than %d deep", TEMPLATE_DEPTH_MAX);
	TRY(run_block(template, dot, ret_stop));
	template->depth--;
	template->live = before;
	if (*ret_stop == STOP_AT_END_OF_TEXT)
		return error_new(ERROR_INVALID, "an {{end}} is missing");
	return NULL;
}

static fallible need_end(Stop stop)
{
	return stop == STOP_AT_END ? NULL : error_new(ERROR_INVALID, "there is a second {{else}}");
}

static fallible run_else(Template *template, const Value *dot, bool live)
{
	Stop stop;

	TRY(read_close(template));
	TRY(run_block_if(template, dot, live, &stop));
	return need_end(stop);
}

static fallible run_if(Template *template, const Value *dot, bool is_with, bool live)
{
	autoptr(Value) value = NULL;
	Stop stop;

	TRY(eval_pipeline(&value, template, dot));
	TRY(read_close(template));
	bool truth = template_truth(value);
	TRY(run_block_if(template, is_with ? value : dot, live && truth, &stop));
	if (stop != STOP_AT_ELSE)
		return NULL;
	if (skip_keyword(template, "if"))
		return run_if(template, dot, false, live && !truth);
	return run_else(template, dot, live && !truth);
}

/* "$key, $value :=" or "$value :="; names of length 0 where there are none. */
typedef struct RangeNames {
	const char *key, *value;
	size_t key_length, value_length;
} RangeNames;

static size_t variable_length(const char *text)
{
	return *text == '$' ? 1 + name_length(text + 1) : 0;
}

static void read_range_names(RangeNames *ret, Template *template)
{
	const char *start = template->at;

	*ret = (RangeNames){.value = template->at, .value_length = variable_length(template->at)};
	template->at += ret->value_length;
	skip_spaces(template);
	if (ret->value_length > 0 && skip(template, ",")) {
		skip_spaces(template);
		ret->key = ret->value;
		ret->key_length = ret->value_length;
		ret->value = template->at;
		ret->value_length = variable_length(template->at);
		template->at += ret->value_length;
		skip_spaces(template);
	}
	if (!skip(template, ":=")) { /* "range $x": no names, a value */
		*ret = (RangeNames){0};
		template->at = start;
	}
}

static fallible push_variable(Template *template, const char *name, size_t length, Value *take_value)
{
	if (length == 0 || template->variable_count == VARIABLES_MAX) {
		value_free(take_value);
		return length == 0 ? NULL : error_new(ERROR_INVALID, "there are more than %d variables", VARIABLES_MAX);
	}
	template->variables[template->variable_count].name = name;
	template->variables[template->variable_count].length = length;
	template->variables[template->variable_count++].value = take_value;
	return NULL;
}

static void pop_variables(Template *template, size_t count)
{
	while (template->variable_count > count)
		value_free(template->variables[--template->variable_count].value);
}

/* One turn: item is borrowed, key is taken. */
static fallible run_item(Template *template, const RangeNames *names, Value *key, const Value *item, Stop *ret_stop)
{
	size_t count = template->variable_count;

	if (++template->steps > TEMPLATE_STEPS_MAX) {
		value_free(key);
		return error_new(ERROR_INVALID, "it takes more than %d steps", TEMPLATE_STEPS_MAX);
	}
	TRY(push_variable(template, names->key, names->key_length, key));
	TRY(push_variable(template, names->value, names->value_length, ref_or_null(item)));
	TRY(run_block_if(template, item, true, ret_stop));
	pop_variables(template, count);
	return NULL;
}

static fallible run_items(Template *template, const RangeNames *names, const Value *list, Stop *ret_stop)
{
	const char *body = template->at;
	autoclear(StringList) keys = template_sorted_keys(list);

	for (size_t i = 0; i < value_count(list); i++) {
		template->at = body;
		if (value_is_object(list))
			TRY(run_item(template, names, value_new_string(keys.items[i]), value_get(list, keys.items[i]),
				ret_stop));
		else
			TRY(run_item(template, names, value_new_int((int64_t)i), value_at(list, i), ret_stop));
	}
	return NULL;
}

/* Reads the body once for its end, without running it; the names must be known in it. */
static fallible skip_items(Template *template, const RangeNames *names, Stop *ret_stop)
{
	bool before = template->live;

	template->live = false;
	TRY(run_item(template, names, value_new_int(0), NULL, ret_stop));
	template->live = before;
	return NULL;
}

static fallible run_range(Template *template, const Value *dot)
{
	autoptr(Value) list = NULL;
	RangeNames names;
	Stop stop;

	read_range_names(&names, template);
	TRY(eval_pipeline(&list, template, dot));
	TRY(read_close(template));
	bool is_list = value_is_array(list) || value_is_object(list);
	if (template->live && !is_list && !value_is_null(list))
		return error_new(ERROR_INVALID, "range needs a list, not %s", value_kind_name(list));
	bool has_items = template->live && is_list && value_count(list) > 0;
	if (has_items)
		TRY(run_items(template, &names, list, &stop));
	else
		TRY(skip_items(template, &names, &stop));
	return stop == STOP_AT_ELSE ? run_else(template, dot, !has_items) : NULL;
}

static fallible run_value(Template *template, const Value *dot)
{
	autoptr(Value) value = NULL;

	free(take(template->missing));
	TRY(eval_pipeline(&value, template, dot));
	TRY(read_close(template));
	if (!template->live)
		return NULL;
	if (!value && template->missing)
		return error_new(ERROR_INVALID, "there is no field \"%s\"", template->missing);
	template_print(template->out, value);
	return NULL;
}

static fallible skip_comment(Template *template)
{
	const char *end = strstr(template->at, "*/");

	if (!end)
		return error_new(ERROR_INVALID, "a comment is not closed");
	template->at = end + 2;
	return read_close(template);
}

/* Behind "{{"; *ret_stop is changed by end and else, whose rest ("if ...", "}}") their block reads. */
static fallible run_action(Template *template, const Value *dot, Stop *ret_stop)
{
	skip_spaces(template);
	if (string_starts(template->at, "/*"))
		return skip_comment(template);
	if (skip_keyword(template, "if"))
		return run_if(template, dot, false, true);
	if (skip_keyword(template, "with"))
		return run_if(template, dot, true, true);
	if (skip_keyword(template, "range"))
		return run_range(template, dot);
	if (skip_keyword(template, "end")) {
		*ret_stop = STOP_AT_END;
		return read_close(template);
	}
	if (skip_keyword(template, "else")) {
		*ret_stop = STOP_AT_ELSE;
		return NULL;
	}
	return run_value(template, dot);
}

/* Text up to the next "{{", without the white space that a "{{- " takes away; false at the end of the template. */
static bool run_text(Template *template)
{
	const char *open = strstr(template->at, "{{");
	size_t length = open ? (size_t)(open - template->at) : strlen(template->at);
	bool trims = open && open[2] == '-' && isspace((unsigned char)open[3]);
	const char *text = template->at;

	template->at += length + (open ? 2 : 0) + (trims ? 1 : 0);
	while (trims && length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	if (template->live)
		buffer_add(template->out, text, length);
	return open != NULL;
}

static fallible run_block(Template *template, const Value *dot, Stop *ret_stop)
{
	*ret_stop = STOP_AT_END_OF_TEXT;
	while (*ret_stop == STOP_AT_END_OF_TEXT && run_text(template))
		TRY(run_action(template, dot, ret_stop));
	return NULL;
}

static fallible run_whole(Template *template, const Value *dot)
{
	Stop stop;

	TRY(run_block(template, dot, &stop));
	if (stop != STOP_AT_END_OF_TEXT)
		return error_new(ERROR_INVALID, "there is an {{%s}} too many", stop == STOP_AT_END ? "end" : "else");
	if (buffer_overflown(template->out))
		return error_new(ERROR_TOO_LARGE, "it prints more than %d bytes", OUTPUT_MAX);
	return NULL;
}

static fallible run(Buffer *out, const char *text, const Value *dot, bool live)
{
	Template template = {.at = text, .root = dot, .out = out, .live = live};
	Error *error = strlen(text) > TEXT_MAX ? error_new(ERROR_TOO_LARGE, "it is longer than %d bytes", TEXT_MAX)
					       : run_whole(&template, dot);

	pop_variables(&template, 0);
	free(template.missing);
	return error ? error_wrap(error, "template \"%.100s\"", text) : NULL;
}

fallible template_check(const char *text)
{
	autoclear(Buffer) out = {0};

	return run(&out, text, NULL, false);
}

fallible template_execute(Buffer *out, const char *text, const Value *dot)
{
	autoclear(Buffer) printed = {.limit = OUTPUT_MAX};

	TRY(run(&printed, text, dot, true));
	buffer_add(out, printed.data, printed.length);
	return NULL;
}
