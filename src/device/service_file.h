// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The service's own options on a device: /etc/kedge/service.yaml, which is the one truth. Who changes them through
 * kedged gets the file replaced; who changes the file is heard. What was read without fault is copied to
 * <root>/declared/service.json: a file that is damaged, empty, being written, not there or cannot be read changes
 * nothing, neither now nor after the next start. Where that copy cannot be read either, the newest snapshot of what is
 * declared (<root>/declared/snapshots) stands in for it, and without one nothing may start until the file is mended.
 * Where there never was a file everything is admitted.
 *
 * From these options, and the digests that declarations pin, comes the policy that the engine asks.
 */
#include "device/service.h"
#include "engine/engine.h"

typedef struct ServiceFile ServiceFile;

/* Reads the file, and gives the engine its policy: between engine_new() and engine_open(). A fault of the file is no
 * error of this call, see service_file_problem(). */
fallible service_file_open(ServiceFile **ret, Engine *engine, const char *path);
ServiceFile *service_file_close(ServiceFile *file);
DEFINE_AUTOPTR(ServiceFile, service_file_close)

/* handler is called when other options are in force; NULL: nobody is told. */
void service_file_on_change(ServiceFile *file, LoopHandler *handler, void *arg);
const Service *service_file_options(const ServiceFile *file);
const char *service_file_revision(const ServiceFile *file); /* of what holds: changes when it does */
const char *service_file_problem(const ServiceFile *file);  /* why the file does not say what holds; NULL: it does */
bool service_file_is_closed(const ServiceFile *file);       /* nobody knows what holds: nothing may start */
const char *service_file_path(const ServiceFile *file);
/* The options that a change in part begins with, after a look at the file. Borrowed. ERROR_CONFLICT while nobody knows
 * what the file says, and with it what such a change would overwrite. */
fallible service_file_begin_change(const Service **ret, ServiceFile *file);
/* Writes the file; durable, and in force on return. revision: that the caller has seen; NULL: whatever it is.
 * ERROR_STALE when it is another one by now. */
fallible service_file_change(ServiceFile *file, const Service *service, const char *revision);
/* The file may have been changed by somebody: looked at, and what it says comes into force. */
void service_file_look(ServiceFile *file);
/* Entries like those of the allow-list, of declarations that are enabled. They replace those before. */
fallible service_file_set_pinned(ServiceFile *file, const StringList *pinned);
const StringList *service_file_pinned(const ServiceFile *file);
size_t service_file_pinned_count(const ServiceFile *file); /* how many digests that are */
