// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Opens the way for our packets through others' rules, by the means of whoever manages these: chains of iptables by
 * `iptables-restore` (a chain of our own, KEDGE-FORWARD, jumped to from DOCKER-USER where there is one, behind what its
 * owner has put there, else from FORWARD), firewalld by `firewall-cmd` (our bridges join the zone "trusted"). What is
 * ours is known by its name, goes when nobody needs it, and is put back after its manager's reload. Programs run while
 * the loop goes on, never on the way of a start.
 */
#include "base/loop.h"
#include "network/foreign.h"

typedef struct ForeignOpener ForeignOpener;

/* The report is another one now. */
typedef void ForeignHandler(void *arg, const ForeignReport *report);

/* Our chain has the name of our table in front, in upper case. record: a file that tells the next one which bridges are
 * in firewalld's zone by us, so that none stays there when its network goes meanwhile; it need not outlive a boot, as
 * the zone's entries do not. record and handler may be NULL. */
fallible foreign_opener_new(
	ForeignOpener **ret, Loop *loop, const Firewall *ours, const char *record, ForeignHandler *handler, void *arg);
/* A program that runs is killed; what was put in place stays. */
ForeignOpener *foreign_opener_free(ForeignOpener *opener);
DEFINE_AUTOPTR(ForeignOpener, foreign_opener_free)

/* After networks came or went, and when the watch says that others' rules have changed: looks soon, once for many
 * calls, opens or closes what should be, and looks again. bridges: of networks that are up or may be again, which stay
 * in firewalld's zone. Both are copied. */
void foreign_opener_look(ForeignOpener *opener, const FirewallState *networks, const StringList *bridges);
/* At once, unless something is being opened: whoever asks for the report next has what is so now. */
fallible foreign_opener_look_now(ForeignOpener *opener);
const ForeignReport *foreign_opener_report(const ForeignOpener *opener); /* the last one; never NULL */
/* Takes out again what is ours; done when that has come to an end, however. */
void foreign_opener_withdraw(ForeignOpener *opener, LoopHandler *done, void *arg);
