// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blobs on their way: a queue of which so many move at a time, tried again with growing delay. What one try does is
 * fetch/registry/download.h and fetch/registry/upload.h; both end it with transfer_ended(). Retries count from the last
 * progress, so that a bad link gets a big blob through piece by piece.
 */
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/loop.h"
#include "fetch/hash.h"
#include "fetch/registry/places.h"
#include "oci/digest.h"

typedef struct Transfers Transfers;
typedef struct Transfer Transfer;

typedef enum TransferKind { TRANSFER_DOWNLOAD, TRANSFER_UPLOAD } TransferKind;

typedef struct TransferHandlers {
	void (*progress)(void *arg, const Digest *blob, int64_t bytes);
	/* The registry has it; mounted_from: since now, out of that other repository. NULL: it had it. */
	void (*skipped)(void *arg, const Digest *blob, const char *mounted_from);
	void (*retrying)(void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason);
	void (*done)(void *arg, const Digest *blob, Error *take_error);
} TransferHandlers;

typedef struct TransferOptions {
	int64_t parallel, retries, retry_interval_ms;
} TransferOptions;

Transfers *transfers_new(
	Loop *loop, const Places *places, const TransferOptions *options, const TransferHandlers *handlers, void *arg);
Transfers *transfers_free(Transfers *transfers);
DEFINE_AUTOPTR(Transfers, transfers_free)

typedef struct TransferSpec {
	TransferKind kind;
	Digest digest;
	int64_t size;
	int take_fd;
	int64_t offset;         /* download: how much is in the file already */
	size_t place;           /* download: where to begin; those behind it are asked when it fails */
	const char *mount_from; /* upload: a repository of the same registry that should have it; may be NULL */
} TransferSpec;

void transfers_add(Transfers *transfers, const TransferSpec *spec);

/* ---- for download.c and upload.c ---- */

struct Transfer {
	List node; /* in Transfers: waiting or running */
	Transfers *owner;
	Loop *loop;
	Registry *registry; /* asked now */
	size_t place;
	TransferKind kind;
	Digest digest;
	int64_t size;
	int fd;
	int64_t offset; /* download: bytes that are written and hashed; upload: bytes sent */
	Call *call;     /* freed when the next try begins, or with the transfer */
	Source *timer;  /* retry, or the next slice of what is hashed first */
	bool is_final;  /* trying again would not help, whatever kind the error has */

	/* download.c */
	Hash *hash;
	int64_t present; /* bytes of an earlier process, to be hashed first */
	char *buffer;
	size_t buffered;
	bool is_receiving; /* the answer's start was checked */
	bool was_resumed;  /* what is there came in more than one piece */
	bool no_range;     /* this registry's ranges cannot be trusted */

	/* upload.c */
	char *mount_from; /* NULL: nowhere, or tried in vain */
	char *where;      /* URL of the upload that is under way; NULL: none */
	int64_t chunk;    /* bytes of a piece; 0: all in one */
	int64_t stored;   /* bytes that the registry has of it */
	bool no_chunks;   /* this registry does not take pieces */

	/* transfer.c */
	int attempt;
	int64_t best_offset; /* the farthest that any try came */
	int64_t told_bytes, told_ns;
};

bool transfer_is_due(const Transfer *transfer); /* progress is to be told: enough bytes, or enough time */
void transfer_tell(Transfer *transfer);         /* tells transfer->offset */
void transfer_skipped(Transfer *transfer, const char *mounted_from);
/* The end of one try: NULL when the blob is where it should be. retry_after: the server's wish (may be NULL).
 * The last thing that a try does: the transfer may be gone afterwards. */
void transfer_ended(Transfer *transfer, Error *take_error, const char *retry_after);
