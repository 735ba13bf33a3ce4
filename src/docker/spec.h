// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Docker's two objects that describe a container, Config and HostConfig, onto ContainerSpec and back. What is plain is
 * one field table for both directions; what has another shape on either side is converted here. A new field of the API
 * goes into one of the tables.
 */
#include "engine/container.h"
#include "json/writer.h"

/* The body of POST /containers/create. Errors name the field; what Docker knows and kedge does not do yet is refused by
 * name. */
fallible spec_read(ContainerSpec *ret, const Value *body);
/* What a client of that version of the API means where it says nothing, or says what did not exist then. */
void spec_as_version(ContainerSpec *spec, int version);
/* Whether a member that kedge cannot do is not used: null, empty, zero, or the text that is harmless (may be NULL). */
bool spec_asks_for_nothing(const Value *value, const char *harmless);
fallible spec_read_restart(ContainerSpec *ret, const char *name, int64_t max); /* name NULL or "": "no" */
void write_config(Writer *writer, const ContainerView *view);
void write_host_config(Writer *writer, const ContainerView *view, int version);
void write_mounts(Writer *writer,
	const ContainerView *view); /* "Mounts" of a container: what is mounted, not what was asked for */
void write_old_mounts(Writer *writer, const ContainerView *view); /* "Volumes" and "VolumesRW", until 1.19 */
