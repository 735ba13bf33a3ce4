// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container's output as the API sends it: frames of eight bytes (stream, three zeros, length in network order) and
 * data, or raw bytes for a container with a terminal. Data goes to the descriptors as it comes; nothing is kept but a
 * header in parts. Source: moby's api/swagger.yaml, ContainerAttach.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { DEMUX_HEADER = 8 };

typedef struct Demux {
	int out, err; /* where standard output and error go; -1: dropped */
	bool is_raw;
	unsigned char header[DEMUX_HEADER];
	size_t header_length;
	uint32_t remaining; /* of the current frame */
} Demux;

fallible demux_feed(Demux *demux, const char *data, size_t length);
/* Has the stream ended between two frames? */
fallible demux_end(const Demux *demux);
