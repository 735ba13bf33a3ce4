// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/upload.h"

#include "base/memory.h"
#include "base/strings.h"
#include "fetch/registry/url.h"

enum { STEP_TIMEOUT_S = 120, VERIFY_BYTES_PER_S = 10 << 20 };

static CallSpec *next_call(Transfer *transfer, const char *method, const char *target, HttpDone *done)
{
	call_free(transfer->call);
	transfer->call = call_new(transfer->registry, method, target, done, transfer);
	CallSpec *spec = call_spec(transfer->call);
	spec->right = RIGHT_PUSH;
	return spec;
}

/* ---- PUT: the blob ---- */

static void on_sent(void *arg, int64_t bytes)
{
	Transfer *transfer = arg;

	transfer->offset = bytes;
	if (transfer_is_due(transfer))
		transfer_tell(transfer);
}

static void on_stored(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	Error *error = take_error;

	/* The place was good a moment ago: registries forget an upload whose connection broke. */
	if (error && answer->status == 404) {
		error_free(error);
		error = error_new(ERROR_UNAVAILABLE, "the registry has forgotten the upload");
	}
	transfer_ended(transfer, error, answer->retry_after);
}

static fallible check_place(const Transfer *transfer, const char *url)
{
	if (url_is_plain(url) && !url_is_plain(call_url(transfer->call)))
		return error_new(
			ERROR_FORBIDDEN, "the registry wants the blob at \"%.200s\", which is without TLS", url);
	return NULL;
}

static fallible put_blob(Transfer *transfer, const HttpAnswer *answer)
{
	autofree char *url = NULL;

	if (!answer->location)
		return error_new(ERROR_INTERNAL, "the registry does not say where the blob should go");
	TRY_WRAP(url_resolve(&url, call_url(transfer->call), answer->location), "the place for the blob");
	TRY(check_place(transfer, url));
	TRY(url_add_query(&url, "digest", transfer->digest.text));
	CallSpec *spec = next_call(transfer, "PUT", url, on_stored);
	spec->request.body_fd = transfer->fd;
	spec->request.body_length = transfer->size;
	spec->request.sent = on_sent;
	/* The registry may read all of it once more before it answers. */
	spec->request.patience_s = transfer->size / VERIFY_BYTES_PER_S;
	strings_add(&spec->request.headers, "Content-Type: application/octet-stream");
	call_start(transfer->call);
	return NULL;
}

/* ---- POST: where to ---- */

static void on_started(void *arg, Error *take_error, HttpAnswer *answer)
{
	Transfer *transfer = arg;
	Error *error = take_error ? take_error : put_blob(transfer, answer);

	if (error)
		transfer_ended(transfer, error, take_error ? answer->retry_after : NULL);
}

static void post(Transfer *transfer)
{
	CallSpec *spec = next_call(transfer, "POST", "blobs/uploads/", on_started);

	spec->request.limit_s = STEP_TIMEOUT_S;
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
		transfer_skipped(transfer);
		transfer_ended(transfer, NULL, NULL);
	}
}

void upload_begin(Transfer *transfer)
{
	autofree char *target = string_printf("blobs/%s", transfer->digest.text);
	CallSpec *spec = next_call(transfer, "HEAD", target, on_looked);

	transfer->offset = 0;
	spec->accepted_status = 404;
	spec->request.limit_s = STEP_TIMEOUT_S;
	call_start(transfer->call);
}
