// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * --publish and --expose of run and create, as they are typed, into what the API takes. Source: Docker's
 * go-connections, nat.ParsePortSpec(), and the long form of docker's own program.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/words.h"
#include "json/value.h"

/* As in base/words.h, or "published=HOSTPORT,target=PORT,protocol=PROTOCOL". */
fallible publish_option_parse(PortWord *ret, const char *text);

/* "ExposedPorts" and "PortBindings" of a new container; NULL where there are none. */
typedef struct AskedPorts {
	Value *exposed, *bindings;
} AskedPorts;

fallible asked_ports_read(AskedPorts *ret, const StringList *expose, const StringList *publish);
void asked_ports_clear(AskedPorts *ports);
DEFINE_AUTOCLEAR(AskedPorts, asked_ports_clear)
