// SPDX-License-Identifier: Apache-2.0
#include "cli/port_option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/container_options.h"

enum { PORT_NAME_MAX = 16 };

/* ---- words ---- */

/* In docker's words, whose other fields are about a cluster. */
static fallible read_long(PortWord *ret, const char *text)
{
	autoclear(StringList) cells = {0};
	const char *target, *published, *protocol;

	TRY(csv_split(&cells, text));
	for (size_t i = 0; i < cells.count; i++)
		if (!strchr(cells.items[i], '='))
			return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=VALUE", cells.items[i]);
	target = strings_env(&cells, "target");
	published = strings_env(&cells, "published");
	protocol = strings_env(&cells, "protocol");
	autofree char *brief = string_printf(
		"%s:%s/%s", published ? published : "", target ? target : "", protocol ? protocol : "tcp");
	return port_word_parse(ret, brief);
}

fallible publish_option_parse(PortWord *ret, const char *text)
{
	TRY_WRAP(strchr(text, '=') ? read_long(ret, text) : port_word_parse(ret, text), "option \"--publish\": \"%s\"",
		text);
	return NULL;
}

/* ---- the API's form ---- */

static void port_name(char ret[PORT_NAME_MAX], int64_t port, const char *protocol)
{
	snprintf(ret, PORT_NAME_MAX, "%d/%s", (int)port, protocol);
}

static void add_exposed(AskedPorts *ports, const char *name)
{
	if (!ports->exposed)
		ports->exposed = value_object();
	value_set(ports->exposed, name, value_object());
}

static char *host_port(const PortWord *option, int64_t nth)
{
	if (option->host_first < 0)
		return mem_strdup("");
	if (option->first == option->last && option->host_first != option->host_last)
		return string_printf("%lld-%lld", (long long)option->host_first, (long long)option->host_last);
	return string_printf("%lld", (long long)(option->host_first + nth));
}

static void add_binding(AskedPorts *ports, const char *name, const PortWord *option, int64_t nth)
{
	autofree char *port = host_port(option, nth);
	Value *binding = value_object();

	value_set(binding, "HostIp", value_new_string(option->host));
	value_set(binding, "HostPort", value_new_string(port));
	if (!ports->bindings)
		ports->bindings = value_object();
	if (!value_get(ports->bindings, name))
		value_set(ports->bindings, name, value_array());
	value_append(value_get(ports->bindings, name), binding);
}

static fallible read_publish(AskedPorts *ports, const char *word)
{
	autoclear(PortWord) option = {0};
	char name[PORT_NAME_MAX];

	TRY(publish_option_parse(&option, word));
	for (int64_t port = option.first; port <= option.last; port++) {
		port_name(name, port, option.protocol);
		add_exposed(ports, name);
		add_binding(ports, name, &option, port - option.first);
	}
	return NULL;
}

static fallible read_expose(AskedPorts *ports, const char *word)
{
	PortWord option = {0};
	char name[PORT_NAME_MAX];

	TRY_WRAP(port_word_parse_inside(&option, word), "option \"--expose\": \"%s\"", word);
	for (int64_t port = option.first; port <= option.last; port++) {
		port_name(name, port, option.protocol);
		add_exposed(ports, name);
	}
	return NULL;
}

fallible asked_ports_read(AskedPorts *ret, const StringList *expose, const StringList *publish)
{
	for (size_t i = 0; i < expose->count; i++)
		TRY(read_expose(ret, expose->items[i]));
	for (size_t i = 0; i < publish->count; i++)
		TRY(read_publish(ret, publish->items[i]));
	return NULL;
}

void asked_ports_clear(AskedPorts *ports)
{
	value_free(ports->exposed);
	value_free(ports->bindings);
	*ports = (AskedPorts){0};
}
