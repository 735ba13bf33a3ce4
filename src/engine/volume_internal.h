// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Volumes as the engine's own files see them. Callers see volume.h. */
#include "base/aside.h"
#include "engine/container_internal.h"
#include "engine/volume.h"

/* What is stored, as JSON. */
typedef struct VolumeRecord {
	int64_t created_ns;
	bool options_given, labels_given;
	StringMap options, labels;
} VolumeRecord;

struct Volume {
	List link;
	Engine *engine;
	char *name;
	VolumeRecord record;
	int readers;     /* archives of it that are being written: it stays as it is, and mounted */
	Aside *leaving;  /* its file system is being unmounted */
	bool is_removed; /* and it is in engine->volumes_leaving */
};

bool volume_has_mount(const Volume *volume); /* by its options */

/* ---- volume.c ---- */
void volume_free(Volume *volume);         /* as it is, out of its list */
fallible volumes_restore(Engine *engine); /* before the containers; again: what the store has found since */
void volumes_clear(Engine *engine);
fallible volume_put_record(const Volume *volume); /* of one that was staged */
void volume_gone(Volume *volume);                 /* told, and freed: the store has it no more */
char *volume_data_path(const Engine *engine, const char *name);
char *volume_part(const Engine *engine, const MountSpec *mount); /* "DATA//SUBPATH" */
bool container_uses_volume(const Container *container, const char *name);
/* Unmounts those that no container has at work any more. */
void volumes_release(Engine *engine);
bool volume_is_at_work(const Volume *volume); /* of a container that runs, starts or is being made */
/* The container's mount of that index, if it is of a volume; NULL else. */
const MountSpec *container_volume(const Container *container, size_t index);
