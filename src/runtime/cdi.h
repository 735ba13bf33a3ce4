// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The devices that CDI specifications in some directories describe (runtime/cdi_spec.h). Read at each start of a
 * container that asks for one: what a vendor's tool has written by then counts. A specification that cannot be read
 * keeps its own devices away and no others; what is wrong with it is told to who asks for one that is not there.
 */
#include "runtime/cdi_spec.h"

typedef struct CdiDevices CdiDevices;

/* A later directory's device goes before an earlier one's of the same name. Absent directories are fine. */
CdiDevices *cdi_devices_read(const StringList *directories);
CdiDevices *cdi_devices_free(CdiDevices *devices);
DEFINE_AUTOPTR(CdiDevices, cdi_devices_free)

/* Adds what the devices ("vendor.com/class=name") need, all or none of them. Of one specification's devices its common
 * edits are added once. Not there, or there twice: ERROR_INVALID. */
fallible cdi_devices_add(CdiEdits *edits, CdiDevices *devices, const StringList *names);
/* Names of all devices of a kind, without it, in the order of their numbers. */
void cdi_devices_names(StringList *ret, const CdiDevices *devices, const char *kind);
