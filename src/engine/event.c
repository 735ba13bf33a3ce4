// SPDX-License-Identifier: Apache-2.0
#include "engine/event.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/internal.h"

struct EventSubscription {
	List link;
	EventHandler *handler;
	void *arg;
	bool is_client;
};

EventSubscription *events_subscribe(Engine *engine, EventHandler *handler, void *arg)
{
	EventSubscription *subscription = mem_new(EventSubscription);

	subscription->handler = handler;
	subscription->arg = arg;
	list_append(&engine->subscriptions, &subscription->link);
	return subscription;
}

EventSubscription *events_follow(Engine *engine, EventHandler *handler, void *arg)
{
	EventSubscription *subscription = events_subscribe(engine, handler, arg);

	subscription->is_client = true;
	return subscription;
}

EventSubscription *events_unsubscribe(EventSubscription *subscription)
{
	if (subscription) {
		list_remove(&subscription->link);
		free(subscription);
	}
	return NULL;
}

size_t events_listeners(const Engine *engine)
{
	size_t count = 0;

	list_each((List *)&engine->subscriptions, EventSubscription, link, subscription)
		count += subscription->is_client;
	return count;
}

void events_each_since(Engine *engine, int64_t from_ns, EventHandler *handler, void *arg)
{
	size_t first = (engine->kept_next + EVENTS_KEPT - engine->kept_count) % EVENTS_KEPT;
	bool has_begun = false;

	for (size_t i = 0; i < engine->kept_count; i++) {
		const Event *event = &engine->kept[(first + i) % EVENTS_KEPT];
		has_begun |= event->wall_ns >= from_ns;
		if (has_begun)
			handler(arg, event);
	}
}

/* ---- the kept ones ---- */

static Event *event_oldest(Engine *engine)
{
	return &engine->kept[(engine->kept_next + EVENTS_KEPT - engine->kept_count) % EVENTS_KEPT];
}

static size_t event_bytes(const Event *event)
{
	size_t bytes = 0;

	for (size_t i = 0; i < event->attributes.count; i++)
		bytes += strlen(event->attributes.items[i].key) + strlen(event->attributes.items[i].value);
	return bytes;
}

static void event_drop_oldest(Engine *engine)
{
	Event *event = event_oldest(engine);

	engine->kept_bytes -= event_bytes(event);
	engine->kept_count--;
	free((char *)event->action);
	free((char *)event->id);
	map_clear(&event->attributes);
	*event = (Event){0};
}

/* The oldest event gives way to the new one. Type is a literal; action and id are copied. */
static Event *event_keep(Engine *engine, const char *type, const char *action, const char *id)
{
	if (engine->kept_count == EVENTS_KEPT)
		event_drop_oldest(engine);
	Event *event = &engine->kept[engine->kept_next];
	*event = (Event){.type = type, .action = mem_strdup(action), .id = mem_strdup(id), .wall_ns = clock_wall_ns()};
	engine->kept_next = (engine->kept_next + 1) % EVENTS_KEPT;
	engine->kept_count++;
	return event;
}

/* An event carries its object's labels, which may be large. */
static void event_bound_kept(Engine *engine, const Event *event)
{
	engine->kept_bytes += event_bytes(event);
	while (engine->kept_bytes > EVENTS_KEPT_BYTES && engine->kept_count > 1)
		event_drop_oldest(engine);
}

/* ---- emitting ---- */

void event_emit(Engine *engine, const char *type, const char *action, const char *id, ...)
{
	Event *event = event_keep(engine, type, action, id);
	const char *key, *value;
	va_list args;

	va_start(args, id);
	while ((key = va_arg(args, const char *)) && (value = va_arg(args, const char *)))
		map_set(&event->attributes, key, value);
	va_end(args);
	event_bound_kept(engine, event);
	event_deliver(engine, event);
}

void event_pruned(Engine *engine, const char *type, int64_t bytes)
{
	autofree char *reclaimed = string_printf("%lld", (long long)bytes);

	event_emit(engine, type, "prune", "", "reclaimed", reclaimed, NULL);
}

void event_emit_labels(Engine *engine, const char *type, const char *action, const char *id, const StringMap *labels,
	const StringMap *extra)
{
	Event *event = event_keep(engine, type, action, id);

	map_copy(&event->attributes, labels);
	for (size_t i = 0; extra && i < extra->count; i++)
		map_set(&event->attributes, extra->items[i].key, extra->items[i].value);
	event_bound_kept(engine, event);
	event_deliver(engine, event);
}

/* Types are literals; those that find no place are not told apart. */
static void event_count(EngineCounters *counters, const char *type)
{
	size_t i = 0;

	while (i + 1 < EVENT_TYPES_MAX && counters->events[i].type && !string_equal(counters->events[i].type, type))
		i++;
	if (!counters->events[i].type)
		counters->events[i].type = type;
	counters->events[i].count++;
}

void event_deliver(Engine *engine, const Event *event)
{
	event_count(&engine->counters, event->type);
	list_each(&engine->subscriptions, EventSubscription, link, subscription)
		subscription->handler(subscription->arg, event);
}

void events_clear(Engine *engine)
{
	while (engine->kept_count)
		event_drop_oldest(engine);
}
