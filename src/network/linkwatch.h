// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Tells what happens to links, addresses and routes of the namespace in which the watch was opened. */
#include "base/loop.h"
#include "network/address.h"

typedef struct LinkWatch LinkWatch;

typedef struct LinkHandlers {
	void (*gone)(void *arg, const char *name); /* a link is removed, or has left for another namespace */
	void (*came)(void *arg, const char *name); /* a link is new, or has changed, and is up */
	void (*down)(void *arg, const char *name); /* the same, and it is not up */
	void (*addressed)(void *arg);              /* addresses of the host have changed */
	void (*routed)(void *arg);                 /* routes of the host have changed: look for what overlaps */
	void (*lost)(void *arg); /* too much at once: anything may have happened, look at everything */
} LinkHandlers;

/* A handler that is NULL is not called; none may close the watch. Many changes of addresses, or of routes, in a row are
 * one call. */
fallible link_watch_open(LinkWatch **ret, Loop *loop, const LinkHandlers *handlers, void *arg);
LinkWatch *link_watch_close(LinkWatch *watch);
DEFINE_AUTOPTR(LinkWatch, link_watch_close)
