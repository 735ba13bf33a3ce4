// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where an image may come from: the mirrors of its registry in order, then the registry itself. Each place has
 * credentials, certificates and connections of its own; nothing of one is ever shown to another.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "fetch/access.h"
#include "fetch/registry/registry.h"
#include "fetch/registry/trust.h"
#include "oci/reference.h"

typedef struct Places Places;

/* access, mirrors, reference and trust are borrowed. */
fallible places_open(Places **ret, Loop *loop, const RegistryAccess *access, const RegistryMirrors *mirrors,
	const Reference *reference, Trust *trust, const RegistryOptions *options);
Places *places_free(Places *places); /* after their calls */
DEFINE_AUTOPTR(Places, places_free)

Registry *places_registry(const Places *places); /* the registry itself, the last place */
/* NULL behind the last place. */
Registry *places_at(const Places *places, size_t index);
/* Logs why a place other than the last was of no use. */
void places_log(const Places *places, size_t index, Error *take_error);
