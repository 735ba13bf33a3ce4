// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Container manifests of Eclipse Kanto (container management's files, and the spelling of Leda's kanto-auto-deployer:
 * id, name, mounts, protocol). Keys in any case, unknown ones are noted; what the engine keeps there for itself is
 * ignored.
 */
#include "device/declaration.h"

bool kanto_is(const Value *document);
fallible kanto_read(Declaration *ret, StringList *ret_notes, const Value *document, const char *name);
