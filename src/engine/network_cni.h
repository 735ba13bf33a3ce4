// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Networks that are CNI configurations (cni/network.h), and what containers have on them. Their plugins are programs,
 * so that a start waits for them as it does for a volume, and an end is followed by DEL, while the namespace is still
 * held. What a kedged that died has left undone is undone at the next one's start. The networks are those of the
 * directory whenever somebody asks; nothing of them is in the store.
 */
#include "cni/run.h"
#include "engine/check.h"
#include "engine/network_internal.h"

#define CNI_FILE_OPTION "kedge.cni.file" /* of a network: where its configuration is */

/* ---- network_cni.c: the networks ---- */
void cni_look(Engine *engine); /* reads the directory again */
/* What cannot be read of it, one line each; borrowed. */
const StringList *cni_problems(const Engine *engine);
/* The place where its plugins run; ret_link: owned, the path at which they see the namespace. */
CniPlace cni_place(Engine *engine);
char *cni_link(const Engine *engine, const char *container, const char *interface);
void cni_sweep(Engine *engine);                               /* at kedged's start: records of what does not run */
bool cni_sweeps(const Engine *engine, const char *container); /* its remains are being undone */
void cni_clear(Engine *engine);

/* ---- endpoint_cni.c: what a container has ---- */
typedef struct CniWork CniWork; /* of one run of a container */

bool endpoint_is_cni(const Container *container, const Endpoint *endpoint);
bool endpoint_publishes(const Container *container, const Endpoint *endpoint); /* its plugins do */
/* Its ports are its first network's plugins' to publish: from its start on, before they have said what its way out is,
 * until it leaves that network. Those of networks that it is connected to while it runs publish nothing. */
bool endpoints_publish_by_cni(const Container *container);
/* At a start, when the namespace is there: *ret_waits, and the start goes on by itself when the plugins have ended. */
fallible endpoints_await_cni(Container *container, bool *ret_waits);
bool endpoints_have_cni(const Container *container);
/* Of a run that goes on. */
fallible endpoints_restore_cni(Container *container);
/* Its run is over: DEL, in the background; a new start waits for it. */
void endpoints_release_cni(Container *container);
CniWork *cni_work_free(CniWork *work);
void endpoints_clear_cni(Engine *engine); /* kedged ends: what is left is the next one's */
/* While it runs. done: when the plugins have ended; the endpoint has its addresses then. */
fallible endpoint_plug_cni(Container *container, const char *network_id, ContainerDone *done, void *arg);
void endpoint_unplug_cni(Container *container, const Endpoint *endpoint, ContainerDone *done, void *arg);
bool endpoints_are_at_work(const Container *container); /* plugins are */
int endpoints_namespace(const Container *container);    /* of one with such an endpoint; -1: it has none, or they are */
