// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A client's TCP connection (RFC 7766): questions one behind the other, answers as they come. A client that does not
 * read what it asked for is not read from; one that is silent for ten seconds is closed.
 */
#include "dns/container.h"

void stream_serve(Container *container, int take_fd);
void stream_answer(Stream *stream, const uint8_t *answer, size_t length);
/* After stream_answer(): what waited for room is asked, and the streams that are through are freed. */
void streams_go_on(Container *container);
void streams_close(Container *container);
