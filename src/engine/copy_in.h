// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive that is unpacked into a container, as it comes: work of a jailed kedge-unpack process whose root is the
 * container's. One that runs is written into as its processes would; into another one at a time, and it starts or goes
 * when that has ended. Freeing a copy that has not ended breaks it off: what was unpacked stays, as with any `cp`.
 */
#include "engine/container.h"

typedef struct CopyIn CopyIn;

typedef struct CopyInRequest {
	const char *path;       /* of a directory in the container */
	const char *name;       /* of the container, as the caller has it: for messages */
	bool keeps_directories; /* no file in place of a directory, and none the other way round */
	bool gives_to_user;     /* all of it belongs to the container's user, if it has one */
} CopyInRequest;

typedef struct CopyInHandlers {
	void (*drained)(void *arg);                  /* more data is welcome again */
	void (*ended)(void *arg, Error *take_error); /* once, from the loop; may free the copy */
} CopyInHandlers;

fallible container_copy_in(
	CopyIn **ret, Container *container, const CopyInRequest *request, const CopyInHandlers *handlers, void *arg);
/* False: no more, please, until drained. */
bool copy_in_data(CopyIn *copy, const void *data, size_t length);
void copy_in_finish(CopyIn *copy); /* that was all */
CopyIn *copy_in_free(CopyIn *copy);
DEFINE_AUTOPTR(CopyIn, copy_in_free)
