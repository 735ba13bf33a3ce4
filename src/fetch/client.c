// SPDX-License-Identifier: Apache-2.0
#include "fetch/client.h"

#include "base/memory.h"
#include "fetch/helper.h"
#include "fetch/wire.h"
#include "oci/manifest.h"

struct Fetcher {
	Helper *helper;
	FetcherHandlers handlers;
	void *arg;
};

/* ---- answers: each handler may free the fetcher, so nothing follows its call ---- */

/* What a name stands for decides what may run: that it has the digest is not left to a process that talks with
 * strangers. */
static fallible check_digest(const Digest *claimed, const char *text, size_t length)
{
	Digest actual;

	if (!string_starts(claimed->text, "sha256:")) /* of others, kedge-fetch's word */
		return NULL;
	digest_of(&actual, text, length);
	if (digest_equal(claimed, &actual))
		return NULL;
	return error_new(ERROR_INTERNAL, "what kedge-fetch resolved does not have the digest \"%s\"", claimed->text);
}

static bool lists(const Index *index, const Digest *manifest)
{
	for (size_t i = 0; i < index->count; i++)
		if (digest_equal(&index->entries[i].descriptor.digest, manifest))
			return true;
	return false;
}

static fallible check_index(const FetchedImage *image, const char *text, size_t length)
{
	autoclear(Index) index = {0};

	TRY(check_digest(&image->top_digest, text, length));
	TRY(index_parse(&index, text, length));
	if (lists(&index, &image->manifest_digest))
		return NULL;
	return error_new(ERROR_INTERNAL, "the index \"%s\" does not list the manifest \"%s\"", image->top_digest.text,
		image->manifest_digest.text);
}

static fallible check_resolved(const FetchedImage *image, const char *index, size_t index_length)
{
	TRY(check_digest(&image->manifest_digest, image->manifest, image->manifest_length));
	if (index_length)
		return check_index(image, index, index_length);
	if (digest_equal(&image->top_digest, &image->manifest_digest))
		return NULL;
	return error_new(ERROR_INTERNAL, "what kedge-fetch resolved lacks the index \"%s\"", image->top_digest.text);
}

static bool is_whole(const WireMessage *message, const Frame *frame)
{
	return message->digest && message->top_digest && message->size <= MANIFEST_MAX &&
	       message->index_size <= MANIFEST_MAX &&
	       message->size + message->index_size <= (int64_t)frame->payload_length;
}

static fallible on_resolved(Fetcher *fetcher, const WireMessage *message, const Frame *frame)
{
	FetchedImage image = {.manifest = frame->payload, .media_type = message->media_type ? message->media_type : ""};

	if (!is_whole(message, frame))
		return error_new(ERROR_INTERNAL, "a resolved image is not whole");
	TRY(digest_parse(&image.manifest_digest, message->digest));
	TRY(digest_parse(&image.top_digest, message->top_digest));
	image.manifest_length = message->size;
	image.config = frame->payload ? frame->payload + message->size + message->index_size : "";
	image.config_length = frame->payload_length - message->size - message->index_size;
	TRY(check_resolved(&image, frame->payload ? frame->payload + message->size : "", message->index_size));
	fetcher->handlers.resolved(fetcher->arg, &image);
	return NULL;
}

static fallible on_blob_done(Fetcher *fetcher, const WireMessage *message, const Digest *digest)
{
	fetcher->handlers.blob_done(fetcher->arg, digest, message->error ? wire_error_take(message->error) : NULL);
	return NULL;
}

static fallible on_failed(Fetcher *fetcher, const WireMessage *message)
{
	if (!message->error)
		return error_new(ERROR_INTERNAL, "a failure has no reason");
	fetcher->handlers.failed(fetcher->arg, wire_error_take(message->error));
	return NULL;
}

static fallible on_retrying(Fetcher *fetcher, const WireMessage *message, const Digest *digest)
{
	if (fetcher->handlers.retrying)
		fetcher->handlers.retrying(fetcher->arg, digest, message->attempt, message->delay_ms,
			message->reason ? message->reason : "");
	return NULL;
}

/* What nobody has asked for comes from a kedge-fetch that has been taken over. */
static bool is_expected(const FetcherHandlers *handlers, int type)
{
	switch (type) {
	case WIRE_RESOLVED:
		return handlers->resolved;
	case WIRE_PROGRESS:
		return handlers->progress;
	case WIRE_BLOB_DONE:
		return handlers->blob_done;
	case WIRE_BLOB_SKIPPED:
		return handlers->blob_skipped;
	case WIRE_MANIFEST_DONE:
		return handlers->manifest_done;
	case WIRE_LOGGED_IN:
		return handlers->logged_in;
	case WIRE_FOUND:
		return handlers->found;
	default:
		return true;
	}
}

static fallible dispatch(Fetcher *fetcher, const WireMessage *message, const Frame *frame)
{
	Digest digest = {0};

	if (!is_expected(&fetcher->handlers, message->type))
		return error_new(ERROR_INTERNAL, "an answer is to no question");
	if (message->digest)
		TRY(digest_parse(&digest, message->digest));
	switch (message->type) {
	case WIRE_RESOLVED:
		return on_resolved(fetcher, message, frame);
	case WIRE_PROGRESS:
		fetcher->handlers.progress(fetcher->arg, &digest, message->bytes);
		return NULL;
	case WIRE_BLOB_DONE:
		return on_blob_done(fetcher, message, &digest);
	case WIRE_BLOB_SKIPPED:
		fetcher->handlers.blob_skipped(fetcher->arg, &digest, message->from);
		return NULL;
	case WIRE_MANIFEST_DONE:
		fetcher->handlers.manifest_done(fetcher->arg, &digest);
		return NULL;
	case WIRE_LOGGED_IN:
		fetcher->handlers.logged_in(fetcher->arg, message->identity_token);
		return NULL;
	case WIRE_FOUND:
		fetcher->handlers.found(fetcher->arg, frame->payload ? frame->payload : "", frame->payload_length);
		return NULL;
	case WIRE_FAILED:
		return on_failed(fetcher, message);
	case WIRE_RETRYING:
		return on_retrying(fetcher, message, &digest);
	}
	return error_new(ERROR_INTERNAL, "an answer is none");
}

static Error *on_frame(void *arg, const Frame *frame)
{
	autoclear(WireMessage) message = {0};

	TRY(wire_parse(&message, frame->text, frame->text_length));
	return dispatch(arg, &message, frame);
}

static void on_ended(void *arg, Error *take_error)
{
	Fetcher *fetcher = arg;

	fetcher->handlers.failed(fetcher->arg, take_error);
}

/* ---- requests ---- */

static fallible send_message(
	Fetcher *fetcher, const WireMessage *message, const char *payload, size_t payload_length, int fd)
{
	Channel *channel = helper_channel(fetcher->helper);

	return helper_sent(fetcher->helper, wire_send(channel, message, payload, payload_length, fd));
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static fallible send_start(
	Fetcher *fetcher, const FetcherOptions *options, const RegistryAccess *access, const Reference *reference)
{
	autofree char *name = reference_full(reference);
	WireMessage start = {
		.type = WIRE_START,
		.access = (RegistryAccess *)access,
		.mirrors = options->mirrors,
		.reference = name,
		.retries = options->retries < 0 ? 0 : or_default(options->retries, 5),
		.retry_interval_ms = or_default(options->retry_interval_ms, 1000),
		.parallel = or_default(options->parallel, 3),
		.stall_timeout_s = or_default(options->stall_timeout_s, 30),
	};

	return send_message(fetcher, &start, NULL, 0, -1);
}

Error *fetcher_start(Fetcher **ret, Loop *loop, const FetcherOptions *options, const RegistryAccess *access,
	const Reference *reference, const FetcherHandlers *handlers, void *arg)
{
	const char *argv[] = {options->program, "--user", options->user ? options->user : "nobody", NULL};
	static const HelperHandlers helper_handlers = {.frame = on_frame, .ended = on_ended};
	autoptr(Fetcher) fetcher = mem_new(Fetcher);

	fetcher->handlers = *handlers;
	fetcher->arg = arg;
	TRY(helper_start(&fetcher->helper, loop, argv, &helper_handlers, fetcher));
	TRY(send_start(fetcher, options, access, reference));
	*ret = take(fetcher);
	return NULL;
}

Fetcher *fetcher_free(Fetcher *fetcher)
{
	if (!fetcher)
		return NULL;
	helper_free(fetcher->helper);
	free(fetcher);
	return NULL;
}

Error *fetcher_resolve(Fetcher *fetcher, const Platform *platform)
{
	autofree char *text = platform ? platform_text(platform) : NULL;

	return send_message(fetcher, &(WireMessage){.type = WIRE_RESOLVE, .platform = text}, NULL, 0, -1);
}

Error *fetcher_get(Fetcher *fetcher, const Digest *blob, int64_t size, int fd, int64_t offset)
{
	WireMessage message = {.type = WIRE_GET, .digest = (char *)blob->text, .size = size, .bytes = offset};

	return send_message(fetcher, &message, NULL, 0, fd);
}

Error *fetcher_put(Fetcher *fetcher, const Digest *blob, int64_t size, int fd, const char *mount_from)
{
	WireMessage message = {
		.type = WIRE_PUT, .digest = (char *)blob->text, .size = size, .from = (char *)mount_from};

	return send_message(fetcher, &message, NULL, 0, fd);
}

Error *fetcher_put_manifest(Fetcher *fetcher, const char *media_type, const char *text, size_t length)
{
	WireMessage message = {.type = WIRE_PUT_MANIFEST, .media_type = (char *)media_type};

	return send_message(fetcher, &message, text, length, -1);
}

Error *fetcher_login(Fetcher *fetcher)
{
	return send_message(fetcher, &(WireMessage){.type = WIRE_LOGIN}, NULL, 0, -1);
}

Error *fetcher_search(Fetcher *fetcher, const char *term, int64_t limit)
{
	WireMessage message = {.type = WIRE_SEARCH, .term = (char *)term, .limit = limit};

	return send_message(fetcher, &message, NULL, 0, -1);
}
