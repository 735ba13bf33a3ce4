// SPDX-License-Identifier: Apache-2.0
#include "engine/event.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/internal.h"

struct EventSubscription {
	List link;
	EventHandler *handler;
	void *arg;
};

EventSubscription *events_subscribe(Engine *engine, EventHandler *handler, void *arg)
{
	EventSubscription *subscription = mem_new(EventSubscription);

	subscription->handler = handler;
	subscription->arg = arg;
	list_append(&engine->subscriptions, &subscription->link);
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

void events_each_since(Engine *engine, int64_t from_ns, EventHandler *handler, void *arg)
{
	size_t first = (engine->kept_next + EVENTS_KEPT - engine->kept_count) % EVENTS_KEPT;

	for (size_t i = 0; i < engine->kept_count; i++) {
		const Event *event = &engine->kept[(first + i) % EVENTS_KEPT];
		if (event->wall_ns >= from_ns)
			handler(arg, event);
	}
}

/* The oldest event gives way to the new one. Type is a literal; action and id are copied. */
static Event *event_keep(Engine *engine, const char *type, const char *action, const char *id)
{
	Event *event = &engine->kept[engine->kept_next];

	free((char *)event->action);
	free((char *)event->id);
	map_clear(&event->attributes);
	event->type = type;
	event->action = mem_strdup(action);
	event->id = mem_strdup(id);
	event->wall_ns = clock_wall_ns();
	engine->kept_next = (engine->kept_next + 1) % EVENTS_KEPT;
	if (engine->kept_count < EVENTS_KEPT)
		engine->kept_count++;
	return event;
}

void event_emit(Engine *engine, const char *type, const char *action, const char *id, ...)
{
	Event *event = event_keep(engine, type, action, id);
	const char *key, *value;
	va_list args;

	va_start(args, id);
	while ((key = va_arg(args, const char *)) && (value = va_arg(args, const char *)))
		map_set(&event->attributes, key, value);
	va_end(args);
	event_deliver(engine, event);
}

void event_emit_labels(Engine *engine, const char *type, const char *action, const char *id, const StringMap *labels,
	const StringMap *extra)
{
	Event *event = event_keep(engine, type, action, id);

	map_copy(&event->attributes, labels);
	for (size_t i = 0; extra && i < extra->count; i++)
		map_set(&event->attributes, extra->items[i].key, extra->items[i].value);
	event_deliver(engine, event);
}

void event_deliver(Engine *engine, const Event *event)
{
	list_each(&engine->subscriptions, EventSubscription, link, subscription)
		subscription->handler(subscription->arg, event);
}

void events_clear(Engine *engine)
{
	for (size_t i = 0; i < EVENTS_KEPT; i++) {
		free((char *)engine->kept[i].action);
		free((char *)engine->kept[i].id);
		map_clear(&engine->kept[i].attributes);
	}
}
