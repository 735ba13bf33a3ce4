// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The part of Go's text/template that people write after --format: {{.Field.Path}}, {{json .X}}, {{index .Map "key"}},
 * {{range}}, {{if}}, {{with}}, {{else}},
 * {{end}}, pipes, parentheses, {{- trimming -}}, {{range $key, $value := .X}}, the functions of the table in
 * template_functions.c. A field that is not there is false for {{if}} and an error where it is printed. Steps and
 * output are bounded. Source: pkg.go.dev/text/template, docs.docker.com/go/formatting.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/strings.h"
#include "json/value.h"

enum { TEMPLATE_STEPS_MAX = 1000000, TEMPLATE_DEPTH_MAX = 16, TEMPLATE_ARGUMENTS_MAX = 8 };

/* Errors in the text alone: for asking before the daemon is asked. */
fallible template_check(const char *text);
fallible template_execute(Buffer *out, const char *text, const Value *dot);
/* As {{print value}} shows it; NULL is "<no value>". */
void template_print(Buffer *out, const Value *value);

/* ---- the functions ---- */
typedef struct TemplateArguments {
	Value *items[TEMPLATE_ARGUMENTS_MAX]; /* NULL: a field that is not there */
	size_t count;
} TemplateArguments;

typedef struct TemplateFunction {
	const char *name;
	size_t min, max;
	Error *(*call)(Value **ret, const TemplateArguments *arguments);
} TemplateFunction;

const TemplateFunction *template_function_find(const char *name, size_t length);
bool template_truth(const Value *value);
StringList template_sorted_keys(const Value *object);
