// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/upload.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/strings.h"
#include "fetch/registry/url.h"

enum {
	STEP_TIMEOUT_S = 120,
	VERIFY_BYTES_PER_S = 10 << 20,
	CHUNK_BYTES = 8 << 20,
	CHUNKED_FROM = 32 << 20,    /* smaller blobs are cheaper to send again than in pieces */
	CHUNK_WISH_MAX = 512 << 20, /* of a registry */
};

static CallSpec *next_call(Transfer *transfer, const char *method, const char *target, HttpDone *done)
{
	call_free(transfer->call);
	transfer->call = call_new(transfer->registry, method, target, done, transfer);
	CallSpec *spec = call_spec(transfer->call);
	spec->right = RIGHT_PUSH;
	spec->request.limit_s = STEP_TIMEOUT_S;
	return spec;
}

/* ---- where the bytes go: a URL that each answer may change ---- */

static void forget_place(Transfer *transfer)
{
	free(take(transfer->where));
	transfer->stored = 0;
}

static fallible check_place(const Transfer *transfer, const char *url)
{
	if (url_is_plain(url) && !url_is_plain(call_url(transfer->call)))
		return error_new(
			ERROR_FORBIDDEN, "the registry wants the blob at \"%.200s\", which is without TLS", url);
	return NULL;
}

static fallible use_place(Transfer *transfer, const HttpAnswer *answer)
{
	autofree char *url = NULL;

	if (!answer->location)
		return transfer->where
			       ? NULL
			       : error_new(ERROR_INTERNAL, "the registry does not say where the blob should go");
	TRY_WRAP(url_resolve(&url, call_url(transfer->call), answer->location), "the place for the blob");
	TRY(check_place(transfer, url));
	free(transfer->where);
	transfer->where = take(url);
	return NULL;
}

/* The place was good a moment ago: registries forget an upload whose connection broke. */
static fallible forgotten(Transfer *transfer, Error *take_error)
{
	error_free(take_error); /* this says more */
	forget_place(transfer);
	return error_new(ERROR_UNAVAILABLE, "the registry has forgotten the upload");
}

/* ---- the bytes ---- */

static void on_sent(void *arg, int64_t bytes)
{
	Transfer *transfer = arg;

	transfer->offset = transfer->stored + bytes;
	if (transfer_is_due(transfer))
		transfer_tell(transfer);
}

static CallSpec *send_bytes(Transfer *transfer, const char *method, const char *url, int64_t length, HttpDone *done)
{
	CallSpec *spec = next_call(transfer, method, url, done);

	spec->request.limit_s = 0;
	if (length) {
		spec->request.body_fd = transfer->fd;
		spec->request.body_offset = transfer->stored;
		spec->request.body_length = length;
		spec->request.sent = on_sent;
	}
	/* The registry may read all of it once more before it answers. */
	spec->request.patience_s = transfer->size / VERIFY_BYTES_PER_S;
	strings_add(&spec->request.headers, "Content-Type: application/octet-stream");
	return spec;
}

/* ---- PUT: the blob, or the end of its pieces ---- */

static void on_stored(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	Error *error = take_error;

	if (error && answer->status == 404)
		error = forgotten(transfer, error);
	else if (error && !transfer->chunk)
		forget_place(transfer); /* what came of it is of no use */
	transfer_ended(transfer, error, answer->retry_after);
}

static fallible put_rest(Transfer *transfer)
{
	autofree char *url = mem_strdup(transfer->where);

	TRY(url_add_query(&url, "digest", transfer->digest.text));
	send_bytes(transfer, "PUT", url, transfer->size - transfer->stored, on_stored);
	call_start(transfer->call);
	return NULL;
}

/* ---- PATCH: a piece. Source: OCI distribution spec, "Pushing a blob in chunks" ---- */

static fallible go_on(Transfer *transfer);

/* "Range: 0-1023" tells what arrived. "0-0" is what registries say that have nothing; no piece is a single byte. */
static fallible read_range(int64_t *ret, const char *said)
{
	long long last;

	if (sscanf(said + (string_starts(said, "bytes=") ? 6 : 0), "0-%lld", &last) != 1)
		return error_new(ERROR_INTERNAL, "the registry says that it has range \"%.80s\" of the blob", said);
	*ret = last > 0 && last < INT64_MAX ? last + 1 : last;
	return NULL;
}

/* least and most: what it can have; without a word of its own it has otherwise. */
static fallible note_range(Transfer *transfer, const HttpAnswer *answer, int64_t least, int64_t most, int64_t otherwise)
{
	int64_t stored = otherwise;

	if (answer->range)
		TRY(read_range(&stored, answer->range));
	if (stored < least || stored > most)
		return error_new(ERROR_INTERNAL, "the registry has %lld bytes of the blob, %lld were sent",
			(long long)stored, (long long)most);
	transfer->stored = stored;
	return NULL;
}

static int64_t chunk_length(const Transfer *transfer)
{
	int64_t left = transfer->size - transfer->stored;

	return left < transfer->chunk ? left : transfer->chunk;
}

/* Somebody counts wrong: the next try asks the registry where it stands, or begins anew where it did not even begin. */
static fallible out_of_step(Transfer *transfer, Error *take_error)
{
	error_free(take_error); /* told as what it means */
	if (!transfer->stored)
		forget_place(transfer);
	return error_new(ERROR_UNAVAILABLE, "the registry expects another part of the blob");
}

static fallible chunk_refused(Transfer *transfer, Error *take_error, const HttpAnswer *answer)
{
	if (answer->status == 416)
		return out_of_step(transfer, take_error);
	if (answer->status == 404)
		return forgotten(transfer, take_error);
	if (answer->status != 400 && answer->status != 405 && answer->status != 411 && answer->status != 415 &&
		answer->status != 501)
		return take_error;
	error_free(take_error); /* told as what it means */
	forget_place(transfer);
	transfer->no_chunks = true;
	return error_new(ERROR_UNAVAILABLE, "the registry does not take the blob in pieces");
}

/* From the place that an answer names, unless something was wrong with it. */
static void go_on_from(Transfer *transfer, Error *take_error, const HttpAnswer *answer)
{
	Error *error = take_error ? take_error : use_place(transfer, answer);

	if (!error)
		error = go_on(transfer);
	if (error)
		transfer_ended(transfer, error, answer->retry_after);
}

static void on_chunk(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	int64_t sent = transfer->stored + chunk_length(transfer);
	Error *error = take_error;

	if (error)
		error = chunk_refused(transfer, error, answer);
	if (!error)
		error = note_range(transfer, answer, transfer->stored + 1, sent, sent);
	go_on_from(transfer, error, answer);
}

static void patch(Transfer *transfer)
{
	int64_t length = chunk_length(transfer);
	CallSpec *spec = send_bytes(transfer, "PATCH", transfer->where, length, on_chunk);

	strings_printf(&spec->request.headers, "Content-Range: %lld-%lld", (long long)transfer->stored,
		(long long)(transfer->stored + length - 1));
	call_start(transfer->call);
}

static fallible go_on(Transfer *transfer)
{
	if (!transfer->chunk || transfer->stored == transfer->size)
		return put_rest(transfer);
	patch(transfer);
	return NULL;
}

/* ---- GET: how much of a broken upload arrived ---- */

static void on_state(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	Error *error = take_error;

	if (error && answer->status >= 400 && answer->status < 500)
		error = forgotten(transfer, error);
	if (!error)
		error = note_range(transfer, answer, 0, transfer->size, 0);
	go_on_from(transfer, error, answer);
}

static void ask_state(Transfer *transfer)
{
	autofree char *where = mem_strdup(transfer->where);

	next_call(transfer, "GET", where, on_state);
	call_start(transfer->call);
}

/* ---- POST: mounted from another repository, or where to ---- */

static int64_t choose_chunk(const Transfer *transfer, const HttpAnswer *answer)
{
	int64_t least = 0;
	Error *error = answer->chunk_min ? string_to_int64(&least, answer->chunk_min, 1, CHUNK_WISH_MAX) : NULL;

	error_free(error); /* nonsense is no wish */
	if (transfer->no_chunks || (!least && transfer->size < CHUNKED_FROM))
		return 0;
	int64_t chunk = least > CHUNK_BYTES ? least : CHUNK_BYTES;
	return chunk < transfer->size ? chunk : 0;
}

static fallible begin_sending(Transfer *transfer, const HttpAnswer *answer)
{
	transfer->chunk = choose_chunk(transfer, answer);
	transfer->stored = 0;
	TRY(use_place(transfer, answer));
	return go_on(transfer);
}

static void post(Transfer *transfer);

static void on_started(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	autofree char *mounted_from = take(transfer->mount_from);
	Error *error = take_error;

	if (error && mounted_from && answer->status >= 400 && answer->status < 500) {
		error_free(error); /* we may not read there: it goes the long way */
		post(transfer);
		return;
	}
	if (!error && mounted_from && answer->status == 201) {
		transfer_skipped(transfer, mounted_from);
		transfer_ended(transfer, NULL, NULL);
		return;
	}
	if (!error)
		error = begin_sending(transfer, answer);
	if (error)
		transfer_ended(transfer, error, answer->retry_after);
}

static void post(Transfer *transfer)
{
	autofree char *digest = NULL, *from = NULL, *target = NULL;

	if (transfer->mount_from) {
		url_escape(&digest, transfer->digest.text);
		url_escape(&from, transfer->mount_from);
		target = string_printf("blobs/uploads/?mount=%s&from=%s", digest, from);
	}
	CallSpec *spec = next_call(transfer, "POST", target ? target : "blobs/uploads/", on_started);
	if (target)
		spec->right = RIGHT_MOUNT;
	call_start(transfer->call);
}

/* ---- HEAD: is it there ---- */

static void on_looked(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;

	if (take_error) {
		transfer_ended(transfer, take_error, answer->retry_after);
	} else if (answer->status == 404) {
		post(transfer);
	} else {
		transfer_skipped(transfer, NULL);
		transfer_ended(transfer, NULL, NULL);
	}
}

static void look(Transfer *transfer)
{
	autofree char *target = string_printf("blobs/%s", transfer->digest.text);
	CallSpec *spec = next_call(transfer, "HEAD", target, on_looked);

	spec->accepted_status = 404;
	call_start(transfer->call);
}

void upload_begin(Transfer *transfer)
{
	transfer->offset = 0;
	if (transfer->where)
		ask_state(transfer);
	else
		look(transfer);
}
