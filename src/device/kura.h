// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Declarations with the property ids of Eclipse Kura's container instances ("container.image", ...), by its parsing
 * rules. Source: ContainerInstanceOptions of Kura 5.6 and of 2026. An absent property has the default that Kura's code
 * gives it. Left on purpose (docs/containers.md lists it): a bad value is an error that names the property; ranges of
 * ports are refused, and lists of ports of different lengths; a volume may have a third part.
 */
#include "device/declaration.h"

bool kura_is(const Value *document); /* an object that has a property of a container instance */
/* name: where neither "container.name" nor "kura.service.pid" says one; may be NULL. notes: what was not carried over.
 */
fallible kura_read(Declaration *ret, StringList *ret_notes, const Value *document, const char *name);
