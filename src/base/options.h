// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Command line options as tables: parsing, help text, man-page fragments and shell completion are generated from the
 * same array.
 * "--name value", "--name=value", "-n value", "-nvalue", "-abc" for switches; "--" ends options. With
 * OPTIONS_STOP_AT_ARGUMENT, the first word that is no option ends them too (`kedge run IMAGE -x` leaves -x to the
 * container).
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/strings.h"

typedef enum OptionKind {
	OPTION_SWITCH,   /* bool: --name, --name=true|false */
	OPTION_STRING,   /* char *: owned copy */
	OPTION_INT,      /* int64_t within min..max */
	OPTION_BYTES,    /* int64_t: "64m"; with min -1 also "-1" */
	OPTION_NANO,     /* int64_t: "1.5" times 1e9 (cpus) */
	OPTION_DURATION, /* int64_t ns: "1m30s"; */
	OPTION_LIST,     /* StringList: may be repeated */
	OPTION_REFUSED,  /* known from docker, not available: `help` says why */
	OPTION_HEADING,  /* a line in the help text */
} OptionKind;

typedef struct Option {
	const char *name; /* long name without dashes */
	char letter;      /* 0: none */
	OptionKind kind;
	size_t offset;        /* into the struct that options_parse() fills */
	const char *argument; /* "FILE"; NULL for switches */
	const char *help;     /* one line, lower case */
	int64_t min, max;     /* OPTION_INT; both 0: any. OPTION_BYTES: see there */
	const char *alone; /* what it means without a value, which is then attached: --name=value; NULL: it needs one */
	const char
		*complete; /* completion hint: "container", "image", "file", "signal", or words separated by spaces */
} Option;

#define OPTION_END                                                                                                     \
	{                                                                                                              \
		.name = NULL, .kind = OPTION_SWITCH                                                                    \
	}

enum { OPTIONS_STOP_AT_ARGUMENT = 1 };

/* Fills target by the table (ends with OPTION_END); what is left goes to ret_arguments. Errors name the option. */
fallible options_parse(
	const Option *table, void *target, int argc, char *const *argv, int flags, StringList *ret_arguments);
void options_clear(const Option *table, void *target); /* frees strings and lists */
/* "  -d, --detach          run in the background", wrapped to width columns */
void options_help(const Option *table, Buffer *out, int width);
