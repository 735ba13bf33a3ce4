// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What happened, in Docker's words for types and actions ("container" "die" {"exitCode": "0", "name": ..., "image":
 * ...}): they are the field's words by now. The last EVENTS_KEPT are kept in memory for `since`, fewer
 * when their attributes take more than EVENTS_KEPT_BYTES.
 */
#include <stdint.h>

#include "base/strings.h"
#include "engine/engine.h"

enum { EVENTS_KEPT = 256, EVENTS_KEPT_BYTES = 256 << 10 };

typedef struct Event {
	const char *type;   /* "container", "image", "daemon" */
	const char *action; /* "create", "start", "die", "health_status: healthy", "pull", ... */
	const char *id;
	int64_t wall_ns;
	StringMap attributes;
} Event;

typedef struct EventSubscription EventSubscription;

typedef void EventHandler(void *arg, const Event *event);

/* Delivered at once, in order; a handler may unsubscribe itself. */
EventSubscription *events_subscribe(Engine *engine, EventHandler *handler, void *arg);
EventSubscription *events_follow(Engine *engine, EventHandler *handler, void *arg); /* the same, for a client */
EventSubscription *events_unsubscribe(EventSubscription *subscription);
size_t events_listeners(const Engine *engine); /* clients that follow */
/* Kept events in the order in which they happened, from the first on whose time is from_ns or later: what came behind
 * it comes along, whatever the clock was set to meanwhile. */
void events_each_since(Engine *engine, int64_t from_ns, EventHandler *handler, void *arg);
/* A prune is over, whoever went through the list: "container" or "image" "prune" {"reclaimed": bytes}. */
void event_pruned(Engine *engine, const char *type, int64_t bytes);
/* For the engine: emits with pairs of attribute names and values, ends with NULL. */
void event_emit(Engine *engine, const char *type, const char *action, const char *id, ...) __attribute__((sentinel));
