// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One plugin at work: a program with its configuration on standard input, whose answer on standard output and words on
 * standard error are kept, within bounds. It has so much time; then it, and what it has started, is killed.
 */
#include "base/loop.h"
#include "base/strings.h"

typedef struct CniPlugin CniPlugin;

typedef struct CniCall {
	const char *type;              /* the program's name */
	const StringList *directories; /* where it is looked for */
	const char *input;
	const StringList *environment;
	int lock; /* a descriptor that it keeps open until its end; -1: none */
	int64_t timeout_ns;
} CniCall;

/* Once, from the loop: what it wrote, when it ended well; else why not, as the plugin said it
 * (`plugin "bridge": <msg>: <details>`). May free the plugin. */
typedef void CniPluginDone(void *arg, Error *take_error, const char *output, size_t length);

fallible cni_plugin_start(CniPlugin **ret, Loop *loop, const CniCall *call, CniPluginDone *done, void *arg);
CniPlugin *cni_plugin_free(CniPlugin *plugin); /* kills one that is at work; NULL is fine; returns NULL */
DEFINE_AUTOPTR(CniPlugin, cni_plugin_free)
