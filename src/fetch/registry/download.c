// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/download.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"

enum {
	WRITE_LENGTH = 512 << 10, /* libcurl hands out 16 kB at a time: too little for a write(2) */
	HASH_SLICE = 8 << 20,     /* of what is there, between two looks at the other blobs */
};

/* ---- the file ---- */

static fallible write_at(Transfer *transfer, const char *data, size_t length, int64_t offset)
{
	while (length) {
		ssize_t written = pwrite(transfer->fd, data, length, offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			transfer->is_final = true;
			return error_errno(errno, "could not write the blob");
		}
		data += written;
		length -= written;
		offset += written;
	}
	return NULL;
}

/* transfer->offset counts what is hashed; the tail of it may still be in the buffer. */
static fallible flush_buffer(Transfer *transfer)
{
	size_t length = transfer->buffered;

	transfer->buffered = 0;
	return length ? write_at(transfer, transfer->buffer, length, transfer->offset - length) : NULL;
}

static fallible keep(Transfer *transfer, const char *data, size_t length)
{
	hash_add(transfer->hash, data, length);
	while (length) {
		size_t room = WRITE_LENGTH - transfer->buffered;
		size_t part = length < room ? length : room;
		memcpy(transfer->buffer + transfer->buffered, data, part);
		transfer->buffered += part;
		transfer->offset += part;
		data += part;
		length -= part;
		if (transfer->buffered == WRITE_LENGTH)
			TRY(flush_buffer(transfer));
	}
	return NULL;
}

void download_forget(Transfer *transfer)
{
	transfer->hash = hash_free(transfer->hash);
	transfer->offset = transfer->present = 0;
	transfer->buffered = 0;
	transfer->was_resumed = false;
}

static fallible start_afresh(Transfer *transfer)
{
	download_forget(transfer);
	return hash_new_for(&transfer->hash, &transfer->digest);
}

/* ---- the end ---- */

static fallible check_digest(Transfer *transfer)
{
	Digest digest;

	hash_end(transfer->hash, &digest);
	if (digest_equal(&digest, &transfer->digest))
		return NULL;
	if (!transfer->was_resumed)
		return error_new(ERROR_INTERNAL, "what the registry sent has the digest %s", digest.text);
	/* One of the pieces was bad, and nobody knows which: once more, in one piece. */
	TRY(start_afresh(transfer));
	transfer->no_range = true;
	return error_new(ERROR_UNAVAILABLE, "the pieces of the blob do not fit together");
}

/* An earlier process may have been told another size. */
static fallible cut_file(Transfer *transfer)
{
	if (ftruncate(transfer->fd, transfer->size) == 0)
		return NULL;
	transfer->is_final = true;
	return error_errno(errno, "could not set the size of the blob");
}

static fallible complete(Transfer *transfer)
{
	TRY(flush_buffer(transfer));
	if (transfer->offset < transfer->size)
		return error_new(ERROR_UNAVAILABLE, "the registry sent %lld bytes of %lld", (long long)transfer->offset,
			(long long)transfer->size);
	TRY(check_digest(transfer));
	TRY(cut_file(transfer));
	if (transfer->told_bytes != transfer->offset)
		transfer_tell(transfer);
	return NULL;
}

/* ---- what comes ---- */

static fallible no_such_range(Transfer *transfer, const char *said)
{
	transfer->no_range = true;
	return error_new(ERROR_UNAVAILABLE,
		"the registry was asked for the rest of the blob and answered with range \"%.80s\"", said ? said : "");
}

static fallible check_range(Transfer *transfer, const HttpAnswer *answer)
{
	long long first, last, total;
	int end = 0;
	const char *said = answer->content_range;

	if (!said || sscanf(said, "bytes %lld-%lld/%n", &first, &last, &end) != 2 || !end)
		return no_such_range(transfer, said);
	bool has_total = sscanf(said + end, "%lld", &total) == 1;
	if (first != transfer->offset || last != transfer->size - 1 || (has_total && total != transfer->size))
		return no_such_range(transfer, said);
	return NULL;
}

static fallible check_length(const Transfer *transfer, const HttpAnswer *answer)
{
	int64_t expected = transfer->size - transfer->offset;

	if (answer->content_length < 0 || answer->content_length == expected)
		return NULL;
	return error_new(ERROR_INTERNAL, "the registry offers %lld bytes, the manifest says %lld",
		(long long)answer->content_length, (long long)expected);
}

/* At the first byte of an answer. */
static fallible check_start(Transfer *transfer, const HttpAnswer *answer)
{
	if (answer->status == 206)
		TRY(check_range(transfer, answer));
	else if (transfer->offset > 0)
		TRY(start_afresh(transfer)); /* the whole blob, though the rest was asked for */
	return check_length(transfer, answer);
}

static Error *on_data(void *arg, const HttpAnswer *answer, const void *data, size_t length)
{
	Transfer *transfer = arg;

	if (!transfer->is_receiving)
		TRY(check_start(transfer, answer));
	transfer->is_receiving = true;
	if ((int64_t)length > transfer->size - transfer->offset)
		return error_new(ERROR_INTERNAL, "the registry sends more than the %lld bytes that the manifest says",
			(long long)transfer->size);
	TRY(keep(transfer, data, length));
	if (!transfer_is_due(transfer))
		return NULL;
	TRY(flush_buffer(transfer)); /* what is told must be readable */
	transfer_tell(transfer);
	return NULL;
}

static fallible conclude(Transfer *transfer, Error *take_error, const HttpAnswer *answer)
{
	if (take_error) {
		Error *error = flush_buffer(transfer); /* what came counts for the next try */
		error_free(error ? take_error : NULL); /* a full disk is the better reason */
		return error ? error : take_error;
	}
	if (answer->status == 416)
		return no_such_range(transfer, "none");
	return complete(transfer);
}

static void on_done(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;

	transfer_ended(transfer, conclude(transfer, take_error, answer), answer->retry_after);
}

/* ---- the request ---- */

static void ask(Transfer *transfer)
{
	autofree char *target = string_printf("blobs/%s", transfer->digest.text);

	transfer->is_receiving = false;
	transfer->call = call_new(transfer->registry, "GET", target, on_done, transfer);
	CallSpec *spec = call_spec(transfer->call);
	spec->right = RIGHT_PULL;
	spec->request.sink = on_data;
	if (transfer->offset > 0) {
		transfer->was_resumed = true;
		spec->accepted_status = 416;
		strings_printf(&spec->request.headers, "Range: bytes=%lld-", (long long)transfer->offset);
	}
	call_start(transfer->call);
}

static void proceed(Transfer *transfer)
{
	Error *error = transfer->no_range && transfer->offset > 0 ? start_afresh(transfer) : NULL;

	if (error)
		transfer_ended(transfer, error, NULL);
	else if (transfer->offset == transfer->size)
		transfer_ended(transfer, complete(transfer), NULL);
	else
		ask(transfer);
}

/* ---- what is there already ---- */

static fallible hash_slice(Transfer *transfer)
{
	int64_t left = transfer->present - transfer->offset;

	for (int64_t slice = left < HASH_SLICE ? left : HASH_SLICE; slice > 0;) {
		size_t part = slice < WRITE_LENGTH ? slice : WRITE_LENGTH;
		ssize_t got = pread(transfer->fd, transfer->buffer, part, transfer->offset);
		if (got < 0)
			return error_errno(errno, "could not read what is there of the blob");
		if (got == 0)
			transfer->present = transfer->offset; /* shorter than was said */
		if (got == 0)
			return NULL;
		hash_add(transfer->hash, transfer->buffer, got);
		transfer->offset += got;
		slice -= got;
	}
	return NULL;
}

static void on_slice(void *arg)
{
	Transfer *transfer = arg;
	Error *error = hash_slice(transfer);

	transfer->timer = source_free(transfer->timer);
	if (!error && transfer->offset < transfer->present)
		error = loop_defer(&transfer->timer, transfer->loop, on_slice, transfer);
	if (error) {
		transfer_ended(transfer, error, NULL);
	} else if (!transfer->timer) {
		transfer->best_offset = transfer->offset;
		transfer->was_resumed = transfer->offset > 0;
		proceed(transfer);
	}
}

static fallible hash_first(Transfer *transfer)
{
	if (transfer->present > transfer->size)
		transfer->present = 0;
	if (!transfer->buffer)
		transfer->buffer = mem_realloc(NULL, WRITE_LENGTH);
	TRY(hash_new_for(&transfer->hash, &transfer->digest));
	return loop_defer(&transfer->timer, transfer->loop, on_slice, transfer);
}

void download_begin(Transfer *transfer)
{
	Error *error = NULL;

	if (transfer->hash)
		proceed(transfer);
	else
		error = hash_first(transfer);
	if (error)
		transfer_ended(transfer, error, NULL);
}
