// SPDX-License-Identifier: Apache-2.0
#include "cli/port_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

typedef struct Port {
	const char *ip; /* "": not published */
	const char *type;
	int64_t private, public;
} Port;

/* Ports of one address and protocol that follow each other. */
typedef struct Run {
	const Port *first;
	int64_t last;
} Run;

static const char *text_of(const Value *port, const char *key)
{
	const char *text = value_string(value_get(port, key));

	return text ? text : "";
}

static int sign(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
	const Port *a = left, *b = right;
	int order = sign(a->private, b->private);

	order = order ? order : strcmp(a->ip, b->ip);
	order = order ? order : sign(a->public, b->public);
	return order ? order : strcmp(a->type, b->type);
}

static Port *sorted(const Value *ports, size_t count)
{
	Port *list = mem_array(NULL, count + 1, sizeof(Port));

	for (size_t i = 0; i < count; i++) {
		const Value *port = value_at(ports, i);
		list[i] = (Port){text_of(port, "IP"), text_of(port, "Type"),
			value_int(value_get(port, "PrivatePort"), 0), value_int(value_get(port, "PublicPort"), 0)};
	}
	qsort(list, count, sizeof(Port), compare);
	return list;
}

static void begin_word(Buffer *out)
{
	if (out->length > 0)
		buffer_add_text(out, ", ");
}

static void write_host(Buffer *out, const char *ip)
{
	buffer_printf(out, strchr(ip, ':') ? "[%s]:" : "%s:", ip);
}

static void write_range(Buffer *out, int64_t first, int64_t last)
{
	buffer_printf(out, "%lld", (long long)first);
	if (last != first)
		buffer_printf(out, "-%lld", (long long)last);
}

/* "0.0.0.0:80-81->80-81/tcp", "80-81/tcp" */
static void write_run(Buffer *out, const Run *run)
{
	begin_word(out);
	if (*run->first->ip) {
		write_host(out, run->first->ip);
		write_range(out, run->first->private, run->last);
		buffer_add_text(out, "->");
	}
	write_range(out, run->first->private, run->last);
	buffer_printf(out, "/%s", run->first->type);
}

/* "0.0.0.0:8080->80/tcp" */
static void write_other_number(Buffer *out, const Port *port)
{
	begin_word(out);
	write_host(out, port->ip);
	buffer_printf(out, "%lld->%lld/%s", (long long)port->public, (long long)port->private, port->type);
}

static Run *run_of(Run *runs, size_t count, const Port *port)
{
	for (size_t i = 0; i < count; i++)
		if (string_equal(runs[i].first->ip, port->ip) && string_equal(runs[i].first->type, port->type))
			return &runs[i];
	return NULL;
}

/* One run is open for each address and protocol; one that a gap ends is told before those that last. */
static void add_to_runs(Buffer *out, Run *runs, size_t *count, const Port *port)
{
	Run *run = run_of(runs, *count, port);

	if (!run) {
		runs[(*count)++] = (Run){.first = port, .last = port->private};
	} else if (port->private == run->last + 1) {
		run->last = port->private;
	} else {
		write_run(out, run);
		*run = (Run){.first = port, .last = port->private};
	}
}

static bool has_other_number(const Port *port)
{
	return *port->ip && port->public != port->private;
}

void port_list_write(Buffer *out, const Value *ports)
{
	size_t count = value_count(ports), run_count = 0;
	autofree Port *list = sorted(ports, count);
	autofree Run *runs = mem_array(NULL, count + 1, sizeof(Run));
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < count; i++)
		if (!has_other_number(&list[i]))
			add_to_runs(&text, runs, &run_count, &list[i]);
	for (size_t i = 0; i < run_count; i++)
		write_run(&text, &runs[i]);
	for (size_t i = 0; i < count; i++)
		if (has_other_number(&list[i]))
			write_other_number(&text, &list[i]);
	buffer_add_text(out, buffer_text(&text));
}
