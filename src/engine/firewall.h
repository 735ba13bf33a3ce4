// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedge has put in place on the host for its networks, and what the rules of others do to them, for people to
 * read: behind `kedge system firewall`, and warnings.
 */
#include "engine/engine.h"

/* A set or map of kedge's table, with what is in it, in words. */
typedef struct FirewallPart {
	char *name, *purpose;
	StringList elements;
} FirewallPart;

/* A chain of somebody else that drops our packets. */
typedef struct FirewallObstacle {
	char *words;
	const char *manager; /* "nft", "iptables", "firewalld" */
	StringList lines;    /* commands that open the way */
} FirewallObstacle;

typedef struct FirewallView {
	const char *table; /* of family inet; borrowed */
	FirewallPart *parts;
	size_t part_count;   /* 0: nothing has needed the table yet */
	StringList settings; /* switches of the kernel: "net.ipv4.ip_forward = 1 (was 0)" */
	StringList opened;   /* put into others' chains */
	FirewallObstacle *obstacles;
	size_t obstacle_count;
} FirewallView;

fallible engine_firewall(FirewallView *ret, Engine *engine);
void firewall_view_clear(FirewallView *view);
DEFINE_AUTOCLEAR(FirewallView, firewall_view_clear)

/* What others' rules drop of our networks' packets. */
void engine_firewall_warnings(Engine *engine, StringList *ret);
