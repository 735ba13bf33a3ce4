// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The device's packet filter rules: the table, which containers and networks have elements in it, and what others'
 * rules drop. What should be there follows from the networks that are up and the containers that run: it is sent when a
 * container comes or goes, and compared with what is there after a restart and after somebody else's change.
 */
#include "engine/network_internal.h"
#include "network/elements.h"
#include "network/foreign.h"

typedef struct Rules Rules;

Rules *rules_free(Rules *rules); /* what is in the kernel stays: containers go on */
/* Whether a start has to wait for the table; it goes on, or fails, when that is there: as one that has
 * launch_when_gone. */
bool rules_are_awaited(const Container *container);
/* A container that runs, and needs rules, was found. */
fallible rules_adopt(Engine *engine);
/* All containers are restored: the table is compared with what they need, or made where it is not there. Until then
 * nothing of it is touched. */
void rules_restore(Engine *engine);
/* A container's published ports. */
fallible rules_publish(Container *container);
void rules_withdraw(Container *container); /* nothing, when it is not published */
/* What others' rules drop of the container's packets, or, spec NULL, of any: warnings. What kedge opens by their
 * managers' means is none. */
void rules_warnings(Engine *engine, const ContainerSpec *spec, StringList *ret);
Firewall *rules_firewall(const Engine *engine);          /* NULL: nothing needed it yet */
fallible rules_look_at_others(Engine *engine);           /* now, for rules_report(); else a moment after each change */
const ForeignReport *rules_report(const Engine *engine); /* the same */
/* Compares what is there with what should be: how many elements had to be changed; 1 for the whole table. */
size_t rules_differences(Engine *engine); /* how many would have to be; changes nothing */
size_t rules_mend(Engine *engine);
/* A network's bridge is up, or is about to go. */
fallible rules_add_network(const Network *network);
void rules_remove_network(const Network *network);
