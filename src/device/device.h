// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What this device is to run: the directory of declared containers, its snapshots, and the keeper that makes it so. All
 * ways of changing it (a person's editor, our API) end in files of the directory; each change is a snapshot.
 */
#include "device/config.h"
#include "device/directory.h"
#include "device/keeper.h"
#include "device/service_file.h"
#include "device/snapshots.h"

typedef struct Device Device;

/* Before engine_open(): what is declared is read, and what it pins is in force. service is lent. */
fallible device_new(Device **ret, Engine *engine, const DeviceConfig *config, ServiceFile *service);
void device_start(Device *device); /* after engine_open() */
void device_stop(Device *device);  /* the machine goes down: nothing is begun any more */
Device *device_free(Device *device);
DEFINE_AUTOPTR(Device, device_free)

const Directory *device_directory(const Device *device);
const Snapshots *device_snapshots(const Device *device);
const Keeper *device_keeper(const Device *device);

/* What a document declares, in any of the forms that files may have; a secret in it is sealed. name: as for
 * declaration_read(). */
fallible device_read(Device *device, Declaration *ret, StringList *ret_notes, const Value *document, const char *name);
/* Files are read as they are now, whether or not it was heard that they have changed: before anything is changed. */
void device_look(Device *device);
/* Nothing is written where one of them may not be declared. Then file follows file, each replaced as a whole; the first
 * that cannot be written ends it, and the error names what is written and what is not: the same again goes on from
 * there. why: for the snapshot. */
fallible device_apply(Device *device, const Declaration *declarations, size_t count, const char *why);
fallible device_delete(Device *device, const char *name);
/* Files are as that snapshot has them; goes on after a crash. */
fallible device_roll_back(Device *device, int64_t number);
/* Begins anew what was given up. */
void device_try_again(Device *device, const char *name);
