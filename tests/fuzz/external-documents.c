// SPDX-License-Identifier: Apache-2.0
/*
 * What another engine says is read or refused; events are the same lines, and lists the same items, however they are
 * cut into pieces.
 */
#include "external/documents.h"

#include <string.h>

#include "fuzz.h"

enum { LINES_MAX = 64 };

static void add_line(void *arg, const char *line, size_t length)
{
	StringList *lines = arg;
	autofree char *id = NULL;
	ExternalEvent event = EXTERNAL_NO_CHANGE;
	Error *error = line ? external_event_read(&event, &id, line, length) : NULL;

	must_hold(!id || (!error && event == EXTERNAL_CONTAINER && external_is_id(id)));
	if (lines->count < LINES_MAX)
		strings_add(lines, error || !id ? "" : id);
	error_free(error);
}

static void must_be_same(const StringList *whole, const StringList *single)
{
	must_hold(whole->count == single->count);
	for (size_t i = 0; i < whole->count; i++)
		must_hold(string_equal(whole->items[i], single->items[i]));
}

static void read_events(const uint8_t *data, size_t size)
{
	autoclear(StringList) whole = {0}, single = {0};
	ExternalLines one = {0}, other = {0};

	external_lines_feed(&one, (const char *)data, size, add_line, &whole);
	for (size_t i = 0; i < size; i++)
		external_lines_feed(&other, (const char *)data + i, 1, add_line, &single);
	must_be_same(&whole, &single);
	external_lines_clear(&one);
	external_lines_clear(&other);
}

static void add_item(void *arg, const char *item, size_t length)
{
	StringList *items = arg;
	autoclear(ExternalListed) listed = {0};
	autofree char *id = NULL;
	Error *error = external_listed_read(&listed, &id, item, length);

	must_hold(!id || external_is_id(id));
	must_hold(error || string_equal(listed.id, id));
	if (items->count < LINES_MAX)
		strings_add(items, id ? id : "");
	error_free(error);
}

static void read_list(const uint8_t *data, size_t size)
{
	autoclear(StringList) whole = {0}, single = {0};
	ExternalItems one = {0}, other = {0};

	external_items_feed(&one, (const char *)data, size, add_item, &whole);
	for (size_t i = 0; i < size; i++)
		external_items_feed(&other, (const char *)data + i, 1, add_item, &single);
	Error *error = external_items_end(&one), *same = external_items_end(&other);
	must_hold(!error == !same);
	must_be_same(&whole, &single);
	error_free(error);
	error_free(same);
	external_items_clear(&one);
	external_items_clear(&other);
}

static void read_facts(const Buffer *document)
{
	autoclear(ExternalFacts) facts = {0};
	Error *error = external_facts_read(&facts, document);

	must_hold(error || (external_is_id(facts.id) && facts.name && facts.image && facts.image_id && facts.state &&
				   facts.network_mode));
	error_free(error);
	error_free(external_facts_read_image(&facts, document));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(Buffer) document = {0};

	buffer_add(&document, data, size);
	read_events(data, size);
	read_list(data, size);
	read_facts(&document);
	return 0;
}
