// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The members of a runtime configuration, each written into the open object by its own file. */
#include "runtime/bundle.h"
#include "runtime/spec_words.h"
#include "json/writer.h"

fallible bundle_write_mounts(Writer *writer, const BundleInput *input);       /* "mounts" */
const char *bundle_root_propagation(const BundleInput *input);                /* NULL: the runtime's default */
fallible bundle_write_devices(Writer *writer, const BundleInput *input);      /* "devices" */
fallible bundle_write_device_rules(Writer *writer, const BundleInput *input); /* "devices" of the resources */
fallible bundle_write_resources(Writer *writer, const BundleInput *input);    /* "resources" */
/* What this process may not set is an ERROR_INVALID that says so. */
fallible bundle_write_rlimits(Writer *writer, const ContainerSpec *spec);   /* "rlimits" */
fallible bundle_write_oom_score(Writer *writer, const ContainerSpec *spec); /* "oomScoreAdj" */
