// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What ps, images and stats print: rows of named fields, as a table that fits the terminal, as JSON lines, or by a
 * template. A command describes its fields once as an array of Column; Docker's names are the fields of --format.
 */
#include <stdint.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "json/value.h"

/* One object of the API's list, and what the cells depend on besides. */
typedef struct Row {
	const Value *item;
	const char *reference; /* images: one of the item's names */
	int64_t now_ns;
	bool truncates;
} Row;

typedef enum ColumnUse {
	COLUMN_SHOWN,  /* in the table when nothing else is asked for */
	COLUMN_ASKED,  /* only by its name in --format, and in JSON */
	COLUMN_HIDDEN, /* only by its name: {{.Label "x"}} looks into the object behind it */
} ColumnUse;

typedef struct Column {
	const char *field, *header;
	ColumnUse use;
	int least;                                  /* how narrow the table may cut it: see cli/grid.h */
	void (*write)(Buffer *out, const Row *row); /* NULL: the item's text at key */
	const char *(*colour)(const char *text);    /* NULL: none */
	const char *object;                         /* COLUMN_HIDDEN: the key of the API's object */
	int rank;                                   /* when it is cut, and whether it may be left out: see there, too */
	bool may_go;
	const char *key;
} Column;

/* For cells that are more than a text. */
const char *row_text(const Row *row, const char *key); /* "" without one */
void row_labels(Buffer *out, const Row *row);          /* "a=b,c=d" */

typedef struct Listing {
	const Column *columns; /* ends with field NULL */
	const char *shown;  /* fields of the table in their order, separated by spaces; NULL: those of COLUMN_SHOWN */
	const char *format; /* of --format; NULL: the table */
	bool is_quiet;      /* the field ID alone, without header */
	bool truncates;
} Listing;

/* Before the daemon is asked: a template that cannot be read is an error at once. */
fallible listing_check(const Listing *listing);
fallible listing_write(const Listing *listing, const Row *rows, size_t count, Buffer *out);
/* The same, to standard output. */
fallible listing_print(const Listing *listing, const Row *rows, size_t count);
/* An array with an object of fields for each row. */
Value *listing_values(const Listing *listing, const Row *rows, size_t count);
/* "\t" and "\n" written as two characters, as shells hand them over. */
char *listing_unescape(const char *format);
