// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/transfer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "fetch/registry/download.h"
#include "fetch/registry/upload.h"

enum {
	PROGRESS_BYTES = 512 << 10,
	PROGRESS_MS = 100,
	DELAY_MAX_MS = 30000,
	WISH_MAX_S = 120,
	ADVANCE_BYTES = 1 << 20, /* farther than ever by so much and the count of retries begins again */
};

struct Transfers {
	Loop *loop;
	const Places *places;
	TransferOptions options;
	TransferHandlers handlers;
	void *arg;
	List waiting, running;
	int64_t running_count;
};

Transfers *transfers_new(
	Loop *loop, const Places *places, const TransferOptions *options, const TransferHandlers *handlers, void *arg)
{
	Transfers *transfers = mem_new(Transfers);

	*transfers =
		(Transfers){.loop = loop, .places = places, .options = *options, .handlers = *handlers, .arg = arg};
	list_init(&transfers->waiting);
	list_init(&transfers->running);
	return transfers;
}

static void end_try(Transfer *transfer)
{
	transfer->call = call_free(transfer->call);
	transfer->timer = source_free(transfer->timer);
}

static void transfer_free(Transfer *transfer)
{
	list_remove(&transfer->node);
	end_try(transfer);
	hash_free(transfer->hash);
	free(transfer->buffer);
	free(transfer->mount_from);
	free(transfer->where);
	close_fd(&transfer->fd);
	free(transfer);
}

Transfers *transfers_free(Transfers *transfers)
{
	if (!transfers)
		return NULL;
	list_each(&transfers->waiting, Transfer, node, waiting)
		transfer_free(waiting);
	list_each(&transfers->running, Transfer, node, running)
		transfer_free(running);
	free(transfers);
	return NULL;
}

/* ---- the queue ---- */

static void begin(Transfer *transfer)
{
	transfer->told_ns = clock_monotonic_ns();
	if (transfer->kind == TRANSFER_DOWNLOAD)
		download_begin(transfer);
	else
		upload_begin(transfer);
}

static void start_next(Transfers *transfers)
{
	while (transfers->running_count < transfers->options.parallel && !list_empty(&transfers->waiting)) {
		Transfer *transfer = list_entry(transfers->waiting.next, Transfer, node);
		list_remove(&transfer->node);
		list_append(&transfers->running, &transfer->node);
		transfers->running_count++;
		begin(transfer);
	}
}

void transfers_add(Transfers *transfers, const TransferSpec *spec)
{
	Transfer *transfer = mem_new(Transfer);
	bool is_download = spec->kind == TRANSFER_DOWNLOAD;

	transfer->owner = transfers;
	transfer->loop = transfers->loop;
	transfer->place = spec->place;
	transfer->registry =
		is_download ? places_at(transfers->places, spec->place) : places_registry(transfers->places);
	transfer->kind = spec->kind;
	transfer->digest = spec->digest;
	transfer->size = spec->size;
	transfer->fd = spec->take_fd;
	transfer->present = spec->offset;
	transfer->mount_from = mem_strdup(spec->mount_from);
	list_append(&transfers->waiting, &transfer->node);
	start_next(transfers);
}

/* ---- what is told ---- */

bool transfer_is_due(const Transfer *transfer)
{
	int64_t moved = transfer->offset - transfer->told_bytes;

	if (moved < 0 || moved >= PROGRESS_BYTES)
		return true;
	return moved > 0 && clock_monotonic_ns() - transfer->told_ns >= PROGRESS_MS * NANOS_PER_MILLI;
}

void transfer_tell(Transfer *transfer)
{
	transfer->told_bytes = transfer->offset;
	transfer->told_ns = clock_monotonic_ns();
	transfer->owner->handlers.progress(transfer->owner->arg, &transfer->digest, transfer->offset);
}

void transfer_skipped(Transfer *transfer, const char *mounted_from)
{
	transfer->owner->handlers.skipped(transfer->owner->arg, &transfer->digest, mounted_from);
}

/* ---- the end of a try ---- */

static int64_t wish_ms(const char *retry_after)
{
	int64_t seconds;

	if (!retry_after)
		return 0;
	Error *error = string_to_int64(&seconds, retry_after, 0, WISH_MAX_S);
	if (!error)
		return seconds * 1000;
	error_free(error); /* a date, or more patience than we have */
	return 0;
}

static int64_t delay_ms(const Transfer *transfer, const char *retry_after)
{
	int64_t delay = transfer->owner->options.retry_interval_ms, wish = wish_ms(retry_after);

	for (int i = 1; i < transfer->attempt && delay < DELAY_MAX_MS; i++)
		delay *= 2;
	delay = delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
	return delay > wish ? delay : wish;
}

static void on_retry(void *arg)
{
	Transfer *transfer = arg;

	end_try(transfer);
	begin(transfer);
}

static bool again_in(Transfer *transfer, int64_t delay)
{
	transfer->timer = source_free(transfer->timer);
	Error *problem = loop_timer(&transfer->timer, transfer->loop, delay * NANOS_PER_MILLI, on_retry, transfer);
	return !problem || error_free(problem); /* no timer, no retry: the first error is told */
}

/* From a mirror that fails at once to the next place. What came is kept where the connection is to blame. */
static bool move_on(Transfer *transfer, Error *error)
{
	Registry *next = places_at(transfer->owner->places, transfer->place + 1);

	if (transfer->kind != TRANSFER_DOWNLOAD || transfer->is_final || !next)
		return false;
	if (!error_may_pass(error_kind(error)))
		download_forget(transfer);
	transfer->no_range = false;
	transfer->registry = next;
	if (!again_in(transfer, 0))
		return false;
	places_log(transfer->owner->places, transfer->place++, error);
	return true;
}

/* A registry that has not answered once, whatever the reason, is told at once. */
static bool try_again(Transfer *transfer, const Error *error, const char *wish)
{
	const Transfers *owner = transfer->owner;

	if (transfer->offset - transfer->best_offset >= ADVANCE_BYTES) {
		transfer->attempt = 0;
		transfer->best_offset = transfer->offset;
	}
	if (transfer->is_final || !error_may_pass(error_kind(error)) || transfer->attempt >= owner->options.retries ||
		!registry_has_answered(transfer->registry))
		return false;
	transfer->attempt++;
	int64_t delay = delay_ms(transfer, wish);
	owner->handlers.retrying(owner->arg, &transfer->digest, transfer->attempt, delay, error_message(error));
	return again_in(transfer, delay);
}

void transfer_ended(Transfer *transfer, Error *take_error, const char *wish)
{
	Transfers *owner = transfer->owner;

	if (take_error && move_on(transfer, take_error))
		return;
	if (take_error && try_again(transfer, take_error, wish)) {
		error_free(take_error); /* told as the reason of the retry */
		return;
	}
	owner->running_count--;
	owner->handlers.done(owner->arg, &transfer->digest, take_error);
	transfer_free(transfer);
	start_next(owner);
}
