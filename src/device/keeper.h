// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Keeps declared containers as they are declared: asks reconcile() what comes next for each that something has happened
 * to, and does it by calls of the engine. It is driven by events of the engine, changes of the directory, and timers
 * for what is to be tried again; what it remembers beside that is why something failed, for people to read, and, on the
 * disk, which declarations were taken back (see `state`), since that cannot be seen from what is there.
 */
#include "device/directory.h"
#include "device/reconcile.h"
#include "engine/engine.h"

typedef struct Keeper Keeper;

typedef struct KeeperOptions {
	Engine *engine;
	const Directory *directory; /* lent, and read already */
	const char *state;          /* file: what was taken back, what was taken over */
	/* Gives the password of a declaration's registry in the clear; the caller wipes and frees it. */
	Error *(*unseal)(void *arg, char **ret, const DeclaredRegistry *registry);
	void *arg;
} KeeperOptions;

/* Before engine_open(): what is declared waits for its turn after a boot. */
fallible keeper_new(Keeper **ret, const KeeperOptions *options);
Keeper *keeper_free(Keeper *keeper); /* leaves containers as they are */
DEFINE_AUTOPTR(Keeper, keeper_free)

void keeper_start(Keeper *keeper);              /* after engine_open() */
void keeper_stop(Keeper *keeper);               /* the machine goes down: nothing is begun any more */
void keeper_set_on(Keeper *keeper, bool is_on); /* off: everything that is managed is removed */
void keeper_look(Keeper *keeper);               /* the directory has changed, or the service's options */
/* Begins anew with one that was given up: its pulls, its delays, what was taken back. */
void keeper_try_again(Keeper *keeper, const char *name);

typedef struct KeptView {
	const char *container_id; /* of the current one; NULL: there is none */
	KeepStep step;            /* what is being done */
	bool is_as_declared;
	bool is_settled;         /* nothing more happens by itself, whether it is as declared or not */
	const char *reason;      /* one sentence, why it is not as declared; "" */
	const StringList *notes; /* what of it could not be had, and is optional */
} KeptView;
bool keeper_view(KeptView *ret, const Keeper *keeper, const char *name); /* false: nothing is known of that name */
/* Those that are there, and no file declares: they are being removed. */
void keeper_each_undeclared(const Keeper *keeper, void (*visit)(void *arg, const char *name), void *arg);
