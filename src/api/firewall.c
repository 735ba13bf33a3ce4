// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/system/firewall, which Docker has no word for: what is in place for networks, and who is in their way. */
#include "engine/firewall.h"
#include "api/internal.h"

static void write_parts(Writer *writer, const FirewallView *view)
{
	write_array(writer, "Sets");
	for (size_t i = 0; i < view->part_count; i++) {
		write_object(writer, NULL);
		write_string(writer, "Name", view->parts[i].name);
		write_string(writer, "Purpose", view->parts[i].purpose);
		write_strings(writer, "Elements", &view->parts[i].elements);
		write_object_end(writer);
	}
	write_array_end(writer);
}

static void write_obstacles(Writer *writer, const FirewallView *view)
{
	write_array(writer, "Drops");
	for (size_t i = 0; i < view->obstacle_count; i++) {
		write_object(writer, NULL);
		write_string(writer, "What", view->obstacles[i].words);
		write_string(writer, "Manager", view->obstacles[i].manager);
		write_strings(writer, "Lines", &view->obstacles[i].lines);
		write_object_end(writer);
	}
	write_array_end(writer);
}

static void write_view(Buffer *out, const FirewallView *view)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_string(&writer, "Table", view->table);
	write_parts(&writer, view);
	write_strings(&writer, "Settings", &view->settings);
	write_strings(&writer, "Opened", &view->opened);
	write_obstacles(&writer, view);
	write_object_end(&writer);
}

static void firewall(HttpRequest *request, void *context)
{
	autoclear(FirewallView) view = {0};
	autoclear(Buffer) out = {0};
	Error *error = engine_firewall(&view, api_engine(context));

	if (error) {
		http_respond_error(request, error);
		return;
	}
	write_view(&out, &view);
	respond_json(request, 200, &out);
}

const HttpRoute firewall_routes[] = {
	{"GET", "/kedge/v1/system/firewall", firewall, 0, 0},
	{0},
};
