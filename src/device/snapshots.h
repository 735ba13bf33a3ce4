// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Configuration snapshots: what was declared, whole, under a number, each a durable file of its own
 * (<directory>/N.json). The newest SNAPSHOTS_KEPT are kept, fewer where they
 * are more than SNAPSHOTS_BYTES_MAX together. What is in them is as in the files of the device: secrets
 * are sealed.
 *
 *     {"number": 7, "time": "...", "why": "...", "digest": "sha256:...", "content": {"files": {NAME: {...}}, ...}}
 */
#include "base/strings.h"
#include "json/value.h"

enum { SNAPSHOTS_KEPT = 100, SNAPSHOT_SIZE_MAX = 32 << 20, SNAPSHOTS_BYTES_MAX = 64 << 20 };

typedef struct Snapshots Snapshots;

/* Makes the directory where it is not there. Damaged files in it are told in the log, and left alone. */
fallible snapshots_new(Snapshots **ret, const char *directory);
Snapshots *snapshots_free(Snapshots *snapshots);
DEFINE_AUTOPTR(Snapshots, snapshots_free)

/* Durable on return; the same content as the newest one's makes none. why: one line. */
fallible snapshots_add(Snapshots *snapshots, const Value *content, const char *why);
int64_t snapshots_newest(const Snapshots *snapshots);                 /* its number; 0: there is none */
int64_t snapshots_before(const Snapshots *snapshots, int64_t number); /* the next older one; 0: there is none */
/* The whole document. number 0: the newest. ERROR_NOT_FOUND `there is no snapshot 7`. */
fallible snapshots_get(Value **ret, const Snapshots *snapshots, int64_t number);
/* Oldest first; one that cannot be read is left out. */
void snapshots_each(const Snapshots *snapshots, void (*visit)(void *arg, const Value *snapshot), void *arg);
