// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and kedge-log say to each other, in packets (base/packet.h).
 *
 *   kedge-log  hello VERSION, ready          base/companion.h
 *   kedged     begin, end                    what was not named in between is let go
 *              log CONTAINER KEY VALUE...    its log is to be sent; again and again is fine. KEYs are those of
 *                                            telemetry/target.c. With it its directory, the open LOG_PLACE_NAME there,
 *                                            and the files that the key "files" names, in its order
 *              last CONTAINER                it is removed; with it its log's files, the oldest first: what was not
 * sent is sent from these, for as long as LAST_SECONDS retire                        end, now
 *
 * kedge-log serves one connection, the newest: that of the kedged that lives.
 */
#include "base/companion.h"

#define LOG_VERSION "kedge-log 1 " KEDGE_VERSION

enum { LAST_SECONDS = 60, LAST_FILES_MAX = PACKET_FDS_MAX - 1 };
