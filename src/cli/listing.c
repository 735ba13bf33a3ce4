// SPDX-License-Identifier: Apache-2.0
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/grid.h"
#include "cli/template.h"
#include "cli/terminal.h"

enum { COLUMNS_MAX = 32 };

typedef enum Form { FORM_TABLE, FORM_TABLE_TEMPLATE, FORM_JSON, FORM_TEMPLATE } Form;

/* ---- which form ---- */

static Form form_of(const char *format)
{
	if (!format || string_equal(format, "table"))
		return FORM_TABLE;
	if (string_starts(format, "table "))
		return FORM_TABLE_TEMPLATE;
	return string_equal(format, "json") ? FORM_JSON : FORM_TEMPLATE;
}

char *listing_unescape(const char *format)
{
	autoclear(Buffer) out = {0};

	for (; *format; format++) {
		if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n'))
			buffer_add_char(&out, *++format == 't' ? '\t' : '\n');
		else
			buffer_add_char(&out, *format);
	}
	return buffer_steal(&out);
}

static char *template_of(const Listing *listing)
{
	const char *text = listing->format;

	if (form_of(text) == FORM_TABLE_TEMPLATE)
		text += strlen("table ");
	return listing_unescape(text);
}

fallible listing_check(const Listing *listing)
{
	if (form_of(listing->format) != FORM_TEMPLATE && form_of(listing->format) != FORM_TABLE_TEMPLATE)
		return NULL;
	autofree char *text = template_of(listing);
	return template_check(text);
}

/* ---- cells ---- */

const char *row_text(const Row *row, const char *key)
{
	const char *text = value_string(value_get(row->item, key));

	return text ? text : "";
}

void row_labels(Buffer *out, const Row *row)
{
	const Value *labels = value_get(row->item, "Labels");
	const char *key;
	Value *value;
	size_t cursor = 0;

	for (bool first = true; value_each(labels, &cursor, &key, &value); first = false)
		buffer_printf(out, "%s%s=%s", first ? "" : ",", key, value_string(value) ? value_string(value) : "");
}

static void write_cell(Buffer *out, const Column *column, const Row *row)
{
	if (column->write)
		column->write(out, row);
	else
		buffer_add_text(out, row_text(row, column->key));
}

/* ---- one row as an object, for JSON and templates ---- */

static Value *cell_value(const Column *column, const Row *row)
{
	autoclear(Buffer) text = {0};

	write_cell(&text, column, row);
	return value_new_string(buffer_text(&text));
}

static Value *hidden_value(const Column *column, const Row *row)
{
	Value *object = value_get(row->item, column->object);

	return object ? value_ref(object) : value_object();
}

static Value *row_object(const Listing *listing, const Row *row, bool with_hidden)
{
	Value *object = value_object();

	for (const Column *column = listing->columns; column->field; column++) {
		if (column->use != COLUMN_HIDDEN)
			value_set(object, column->field, cell_value(column, row));
		else if (with_hidden)
			value_set(object, column->field, hidden_value(column, row));
	}
	return object;
}

static Value *sorted(const Value *object)
{
	autoclear(StringList) keys = template_sorted_keys(object);
	Value *copy = value_object();

	for (size_t i = 0; i < keys.count; i++)
		value_set(copy, keys.items[i], value_ref(value_get(object, keys.items[i])));
	return copy;
}

static Value *header_object(const Listing *listing)
{
	Value *object = value_object();

	for (const Column *column = listing->columns; column->field; column++)
		value_set(object, column->field, value_new_string(column->header ? column->header : column->field));
	return object;
}

Value *listing_values(const Listing *listing, const Row *rows, size_t count)
{
	Value *list = value_array();

	for (size_t i = 0; i < count; i++) {
		autoptr(Value) object = row_object(listing, &rows[i], false);
		value_append(list, sorted(object));
	}
	return list;
}

static void write_json(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	autoptr(Value) list = listing_values(listing, rows, count);

	for (size_t i = 0; i < count; i++) {
		value_write(value_at(list, i), out);
		buffer_add_char(out, '\n');
	}
}

/* ---- templates ---- */

static fallible hint_fields(const Listing *listing, Error *error)
{
	autoclear(StringList) names = {0};

	for (const Column *column = listing->columns; column->field; column++)
		strings_printf(&names, ".%s", column->field);
	autofree char *text = strings_join(&names, ", ");
	return error_hint_text(error) ? error : error_hint(error, "the fields are %s", text);
}

static fallible execute_row(const Listing *listing, const char *template, const Row *row, Buffer *out)
{
	autoptr(Value) object = row_object(listing, row, true);
	Error *error = template_execute(out, template, object);

	return error ? hint_fields(listing, error) : NULL;
}

static fallible write_template(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	autofree char *template = template_of(listing);

	for (size_t i = 0; i < count; i++) {
		TRY(execute_row(listing, template, &rows[i], out));
		buffer_add_char(out, '\n');
	}
	return NULL;
}

static void add_cells(Grid *grid, const char *line)
{
	autoclear(StringList) cells = {0};

	strings_split(&cells, line, '\t');
	for (size_t i = 0; i < cells.count; i++)
		grid_cell(grid, cells.items[i], NULL);
	if (cells.count == 0)
		grid_cell(grid, "", NULL);
}

static size_t count_tabs(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\t';
	return count;
}

/* The header row is the template over the headers; a cell with a tab of its own (none of the fields has) would shift
 * the others. */
static fallible execute_header(const Listing *listing, const char *template, Buffer *out)
{
	autoptr(Value) headers = header_object(listing);
	Error *error = template_execute(out, template, headers);

	return error ? hint_fields(listing, error) : NULL;
}

static int table_width(const Listing *listing)
{
	return listing->truncates ? terminal_width(stdout) : 0;
}

static fallible write_table_template(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	autofree char *template = template_of(listing);
	autoptr(Grid) grid = grid_new();
	autoclear(Buffer) header = {0};

	TRY(execute_header(listing, template, &header));
	size_t columns = count_tabs(buffer_text(&header)) + 1;
	for (size_t i = 0; i < columns; i++)
		grid_column(grid, (GridColumn){.least = 8});
	add_cells(grid, buffer_text(&header));
	for (size_t i = 0; i < count; i++) {
		autoclear(Buffer) line = {0};
		TRY(execute_row(listing, template, &rows[i], &line));
		if (count_tabs(buffer_text(&line)) + 1 != columns)
			return error_new(ERROR_INVALID,
				"template \"%.100s\" does not give the same columns for all rows", template);
		add_cells(grid, buffer_text(&line));
	}
	grid_write(grid, out, table_width(listing), terminal_has_colours(stdout));
	return NULL;
}

/* ---- the table ---- */

static const Column *find_column(const Listing *listing, const char *field)
{
	const Column *column = listing->columns;

	while (!string_equal(column->field, field))
		column++;
	return column;
}

static size_t shown_columns(const Listing *listing, const Column *ret[COLUMNS_MAX])
{
	autoclear(StringList) shown = {0};
	size_t count = 0;

	strings_split(&shown, listing->shown ? listing->shown : "", ' ');
	for (; count < shown.count; count++)
		ret[count] = find_column(listing, shown.items[count]);
	for (const Column *column = listing->columns; column->field && !listing->shown; column++)
		if (column->use == COLUMN_SHOWN)
			ret[count++] = column;
	return count;
}

static void add_cell(Grid *grid, const Column *column, const Row *row)
{
	autoclear(Buffer) text = {0};

	write_cell(&text, column, row);
	grid_cell(grid, buffer_text(&text), column->colour ? column->colour(buffer_text(&text)) : NULL);
}

static void write_table(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	const Column *shown[COLUMNS_MAX];
	size_t columns = shown_columns(listing, shown);
	autoptr(Grid) grid = grid_new();

	for (size_t i = 0; i < columns; i++)
		grid_column(grid, (GridColumn){shown[i]->least, shown[i]->rank, shown[i]->may_go});
	for (size_t i = 0; i < columns; i++)
		grid_cell(grid, shown[i]->header, NULL);
	for (size_t row = 0; row < count; row++)
		for (size_t i = 0; i < columns; i++)
			add_cell(grid, shown[i], &rows[row]);
	grid_write(grid, out, table_width(listing), terminal_has_colours(stdout));
}

static void write_quiet(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	const Column *id = find_column(listing, "ID");

	for (size_t i = 0; i < count; i++) {
		write_cell(out, id, &rows[i]);
		buffer_add_char(out, '\n');
	}
}

/* ---- all ---- */

fallible listing_write(const Listing *listing, const Row *rows, size_t count, Buffer *out)
{
	if (listing->is_quiet && form_of(listing->format) == FORM_TABLE) {
		write_quiet(listing, rows, count, out);
		return NULL;
	}
	switch (form_of(listing->format)) {
	case FORM_TABLE:
		write_table(listing, rows, count, out);
		return NULL;
	case FORM_JSON:
		write_json(listing, rows, count, out);
		return NULL;
	case FORM_TABLE_TEMPLATE:
		return write_table_template(listing, rows, count, out);
	case FORM_TEMPLATE:
		return write_template(listing, rows, count, out);
	}
	return NULL;
}

fallible listing_print(const Listing *listing, const Row *rows, size_t count)
{
	autoclear(Buffer) out = {0};

	TRY(listing_write(listing, rows, count, &out));
	fwrite(buffer_text(&out), 1, out.length, stdout);
	return NULL;
}
