// SPDX-License-Identifier: Apache-2.0
#pragma once
/* "Label:  value" lines of version and info: a table of labels and paths into the API's answer. What is not there is
 * left out. And what commands have in common that print one answer of the API, or with --format a template of it. */
#include "base/buffer.h"
#include "cli/cli.h"
#include "json/value.h"

typedef enum FactKind { FACT_PLAIN, FACT_BYTES, FACT_LIST, FACT_NAMES } FactKind;

typedef struct Fact {
	const char *label;
	const char *path; /* "a.b"; NULL: a heading without a value */
	FactKind kind;    /* FACT_LIST: an array of strings; FACT_NAMES: the keys of an object */
	int depth;        /* of indentation */
} Fact;

/* facts ends with label NULL. */
void facts_write(Buffer *out, const Fact *facts, const Value *value);
/* Before the daemon is asked: a template that cannot be read is an error at once. NULL is fine. */
fallible facts_check(const char *format);
/* As Docker's --format of these commands: "json" or a template. */
fallible facts_format(Buffer *out, const char *format, const Value *value);
fallible facts_print(const char *format, const Value *value); /* the same, to standard output */

/* The options of a command that takes no others. */
typedef struct FactsOptions {
	bool help;
	char *format;
} FactsOptions;

/* T has `char *format`. */
#define FORMAT_OPTION(T, example)                                                                                      \
	{                                                                                                              \
		"format", 'f', OPTION_STRING, offsetof(T, format), "FORMAT",                                           \
			"\"json\", or a template such as \"" example "\"", .complete = "json"                          \
	}

/* GET target, shown by the format, or by print where there is none. */
fallible facts_show(Cli *cli, const char *format, const char *target, void (*print)(const Value *answer));
