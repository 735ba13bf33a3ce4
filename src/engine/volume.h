// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Volumes, of the one driver "local". A volume belongs to the containers whose specs name it, running or not, and is
 * removed when nobody's. One with options is a file system that is mounted on its directory from the first start that
 * uses it to the last end. A Volume pointer is valid until the next call that removes volumes.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "engine/engine.h"

#define VOLUME_DRIVER "local"
/* A label that says that nobody gave the volume a name; Docker's, since API 1.42. */
#define VOLUME_ANONYMOUS "com.docker.volume.anonymous"

typedef struct Volume Volume;

typedef struct VolumeSpec {
	const char *name;         /* NULL or "": one is made up */
	const char *driver;       /* NULL or "": local */
	const StringMap *options; /* type, device, o; NULL: not given, which is shown as such */
	const StringMap *labels;  /* the same */
	bool is_staged;           /* its record is put in the same transaction as its container's */
} VolumeSpec;

typedef struct VolumeView {
	const char *name;
	char *path; /* what is mounted into containers; the caller's */
	int64_t created_ns;
	const StringMap *options, *labels; /* NULL: not given */
	bool is_anonymous;
} VolumeView;

/* One that is there already is given as it is, as Docker does. Durable on return unless it is_staged. */
fallible volume_create(Volume **ret, Engine *engine, const VolumeSpec *spec);
fallible volume_find(Volume **ret, Engine *engine, const char *name); /* ERROR_NOT_FOUND "get x: no such volume" */
/* All, newest first; the array is the caller's. */
size_t volume_list(Volume ***ret, Engine *engine);
void volume_view(const Volume *volume, VolumeView *ret);
void volume_view_clear(VolumeView *view);
DEFINE_AUTOCLEAR(VolumeView, volume_view_clear)
/* How many containers each volume belongs to: name -> count, as a pointer. The caller's. */
Table *volume_users(Engine *engine);
/* ERROR_CONFLICT names the containers that use it. force: one that is not there is fine. */
fallible volume_remove(Engine *engine, const char *name, bool force);
