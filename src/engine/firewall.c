// SPDX-License-Identifier: Apache-2.0
#include "engine/firewall.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/internal.h"
#include "engine/rules.h"
#include "network/host.h"

/* Elements come set by set. */
static void add_element(void *arg, const char *set, const char *purpose, const char *element)
{
	FirewallView *view = arg;
	FirewallPart *last = view->part_count ? &view->parts[view->part_count - 1] : NULL;

	if (!last || strcmp(last->name, set) != 0) {
		view->parts = mem_array(view->parts, view->part_count + 1, sizeof(*view->parts));
		last = &view->parts[view->part_count++];
		*last = (FirewallPart){.name = mem_strdup(set), .purpose = mem_strdup(purpose)};
	}
	strings_add(&last->elements, element);
}

static void add_obstacle(FirewallView *view, const ForeignDrop *drop)
{
	FirewallObstacle *obstacle;

	view->obstacles = mem_array(view->obstacles, view->obstacle_count + 1, sizeof(*view->obstacles));
	obstacle = &view->obstacles[view->obstacle_count++];
	*obstacle =
		(FirewallObstacle){.words = foreign_drop_words(drop), .manager = foreign_manager_names[drop->manager]};
	strings_copy(&obstacle->lines, &drop->lines);
}

static void list_bridges(Engine *engine, StringList *ret)
{
	list_each(&engine->network_order, Network, link, network) {
		if (network->is_up && network->record.spec.driver == NETWORK_DRIVER_BRIDGE)
			strings_add(ret, network->bridge);
	}
}

fallible engine_firewall(FirewallView *ret, Engine *engine)
{
	autoclear(FirewallView) view = {.table = engine->config.firewall_table};
	autoclear(StringList) bridges = {0};
	const ForeignReport *report;

	TRY(rules_look_at_others(engine));
	report = rules_report(engine);
	if (report)
		TRY(firewall_list(rules_firewall(engine), add_element, &view));
	list_bridges(engine, &bridges);
	host_settings(&view.settings, &bridges);
	for (size_t i = 0; report && i < report->count; i++)
		add_obstacle(&view, &report->drops[i]);
	if (report)
		strings_copy(&view.opened, &report->opened);
	*ret = view;
	view = (FirewallView){0};
	return NULL;
}

void firewall_view_clear(FirewallView *view)
{
	for (size_t i = 0; i < view->part_count; i++) {
		free(view->parts[i].name);
		free(view->parts[i].purpose);
		strings_clear(&view->parts[i].elements);
	}
	for (size_t i = 0; i < view->obstacle_count; i++) {
		free(view->obstacles[i].words);
		strings_clear(&view->obstacles[i].lines);
	}
	free(view->parts);
	free(view->obstacles);
	strings_clear(&view->settings);
	strings_clear(&view->opened);
	*view = (FirewallView){0};
}

void engine_firewall_warnings(Engine *engine, StringList *ret)
{
	rules_warnings(engine, NULL, ret);
}
