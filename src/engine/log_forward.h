// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedge-log is told of containers whose log driver has their log sent (journald, syslog, gelf, fluentd). The shim
 * writes the log as for any other; kedge-log reads it through the container's directory. How far it came is beside the
 * log, so that nobody has to be asked.
 */
#include "engine/container_internal.h"
#include "shim/logplace.h"

fallible log_forward_open(Engine *engine); /* the containers are restored: what is not among them is let go */
void log_forward_close(Engine *engine);    /* kedge-log goes on */

/* At create: the daemon's driver and, where they are for the same one, its options. */
void log_forward_resolve(ContainerSpec *spec, const Engine *engine);
fallible log_forward_begin(Container *container); /* it starts, and its directory is there */
void log_forward_tell(Container *container);      /* its name has changed */
void log_forward_remove(Container *container);    /* its files go: what is not sent yet is handed over */

const char *container_log_driver(const Container *container);
bool container_gathers_log(const Container *container); /* driver "local", and it runs: some of it is in the bundle */
/* Of the container, else of the daemon where it has the same driver; NULL: neither names it. */
const char *container_log_option(const Container *container, const char *key);
