// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An ordinary container started without a runtime, from <bundle>/plan: steps that kedged made of the bundle's
 * config.json (runtime/plan.h). A process stands for the runtime and leaves what crun would: the container's process as
 * an orphan that is ours, its number in "pid", a reason in "runtime.log", and a record in the runtime's root, by which
 * crun itself goes on to exec in, pause or delete the container.
 *
 * The plan is a sequence of fields, each ended by a NUL: a step's name, then as many fields as native_steps.c says.
 * A command in such a container (--exec) is the same with other steps: it enters what is there, and there is no record.
 *
 * Every step is looked at twice: before there is a process (control groups, limits), then inside, by the process itself
 * in its new namespaces. A path is looked up in the container's root as soon as that is the root ("pivot"), so that no
 * link of an image leads outside.
 */
#include <sys/types.h>

#include "base/error.h"
#include "shim/launch.h"
#include "shim/settings.h"

fallible native_run(pid_t *ret, const ShimSettings *settings, const ProgramStreams *streams);
