// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive that is unpacked into a container: work of a jailed kedge-unpack process whose root is the container's.
 * One that runs is written into as its processes would; into another one at a time, and it starts or goes when that has
 * ended. What was unpacked before an error, or before it was broken off, stays, as with any `cp`.
 */
#include "engine/container.h"
#include "engine/intake.h"

typedef struct CopyInRequest {
	const char *path;       /* of a directory in the container */
	const char *name;       /* of the container, as the caller has it: for messages */
	bool keeps_directories; /* no file in place of a directory, and none the other way round */
	bool gives_to_user;     /* all of it belongs to the container's user, if it has one */
} CopyInRequest;

fallible container_copy_in(
	Intake **ret, Container *container, const CopyInRequest *request, const IntakeHandlers *handlers, void *arg);
