// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/session.h"

#include "base/memory.h"
#include "fetch/hash.h"
#include "fetch/registry/places.h"
#include "fetch/registry/resolve.h"
#include "fetch/registry/transfer.h"
#include "fetch/registry/url.h"
#include "fetch/wire.h"
#include "oci/reference.h"

enum { PENDING_PROGRESS_MAX = 64 << 10, SEARCH_MAX = 1 << 20, SEARCH_TIMEOUT_S = 60 };

typedef struct Session {
	Loop *loop;
	Channel *channel;
	Source *watch;
	Trust *trust;
	RegistryAccess access;
	RegistryMirrors mirrors;
	Reference reference;
	Places *places;
	Platform platform; /* of what is resolved */
	bool is_lookup;    /* the index itself is wanted, whatever it is for */
	size_t place;      /* where the image was found, or is looked for */
	Transfers *transfers;
	Resolve *resolve;
	Call *call; /* login, or the manifest that is being put */
	Digest manifest_digest;
	bool is_push;
	Error *error; /* why the session ends */
} Session;

/* ---- answers ---- */

static void end(Session *session, Error *take_error)
{
	if (session->error)
		error_free(take_error); /* the first reason counts */
	else
		session->error = take_error;
	loop_stop(session->loop);
}

static void watch_channel(Session *session)
{
	source_set_events(session->watch, LOOP_READ | (channel_is_pending(session->channel) ? LOOP_WRITE : 0));
}

static void answer_with(Session *session, const WireMessage *message, const char *payload, size_t payload_length)
{
	Error *error = wire_send(session->channel, message, payload, payload_length, -1);

	if (error)
		end(session, error);
	else
		watch_channel(session);
}

static void answer(Session *session, const WireMessage *message)
{
	answer_with(session, message, NULL, 0);
}

/* "could not pull "localhost:5000/a:1": ..." */
static Error *wrap(const Session *session, const char *verb, Error *take_error)
{
	autofree char *name = reference_familiar(&session->reference);

	return error_wrap(take_error, "could not %s \"%s\"", verb, name);
}

static void answer_error(Session *session, WireType type, const Digest *digest, Error *take_error)
{
	WireMessage message = {
		.type = type, .digest = digest ? (char *)digest->text : NULL, .error = wire_error_new(take_error)};

	answer(session, &message);
	message.digest = NULL;
	wire_clear(&message);
	error_free(take_error); /* sent */
}

static void answer_failed(Session *session, const char *verb, Error *take_error)
{
	answer_error(session, WIRE_FAILED, NULL, wrap(session, verb, take_error));
}

/* ---- blobs ---- */

static void on_progress(void *arg, const Digest *blob, int64_t bytes)
{
	Session *session = arg;

	/* The next one says as much, once the other side reads again. */
	if (channel_pending_bytes(session->channel) < PENDING_PROGRESS_MAX)
		answer(session, &(WireMessage){.type = WIRE_PROGRESS, .digest = (char *)blob->text, .bytes = bytes});
}

static void on_skipped(void *arg, const Digest *blob, const char *mounted_from)
{
	answer(arg,
		&(WireMessage){.type = WIRE_BLOB_SKIPPED, .digest = (char *)blob->text, .from = (char *)mounted_from});
}

static void on_retrying(void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason)
{
	answer(arg, &(WireMessage){.type = WIRE_RETRYING,
			    .digest = (char *)blob->text,
			    .attempt = attempt,
			    .delay_ms = delay_ms,
			    .reason = (char *)reason});
}

static void on_blob_done(void *arg, const Digest *blob, Error *take_error)
{
	Session *session = arg;
	char name[13];

	if (!take_error) {
		answer(session, &(WireMessage){.type = WIRE_BLOB_DONE, .digest = (char *)blob->text});
		return;
	}
	const char *verb = session->is_push ? "push" : "pull";
	Error *error = error_wrap(take_error, "blob %s", digest_short(name, blob));
	answer_error(session, WIRE_BLOB_DONE, blob, wrap(session, verb, error));
}

static fallible add_transfer(Session *session, const WireMessage *message, TransferKind kind)
{
	Digest digest;

	TRY(digest_parse(&digest, message->digest ? message->digest : ""));
	int fd = channel_take_fd(session->channel);
	if (fd < 0)
		return error_new(ERROR_INTERNAL, "a request for a blob has no descriptor");
	session->is_push = kind == TRANSFER_UPLOAD;
	if (message->from)
		registry_also_read(places_registry(session->places), message->from);
	transfers_add(session->transfers, &(TransferSpec){.kind = kind,
						  .digest = digest,
						  .size = message->size,
						  .take_fd = fd,
						  .offset = message->bytes,
						  .place = session->place,
						  .mount_from = message->from});
	return NULL;
}

/* ---- resolve ---- */

static void answer_resolved(Session *session, const Resolved *resolved)
{
	autoclear(Buffer) payload = {0};
	WireMessage message = {
		.type = WIRE_RESOLVED,
		.digest = (char *)resolved->digest.text,
		.top_digest = (char *)resolved->top_digest.text,
		.media_type = resolved->media_type,
		.size = resolved->manifest.length,
		.index_size = resolved->index.length,
	};

	buffer_add(&payload, buffer_text(&resolved->manifest), resolved->manifest.length);
	buffer_add(&payload, buffer_text(&resolved->index), resolved->index.length);
	buffer_add(&payload, buffer_text(&resolved->config), resolved->config.length);
	answer_with(session, &message, buffer_text(&payload), payload.length);
}

static void resolve_here(Session *session);

static void on_resolved(void *arg, Error *take_error, const Resolved *resolved)
{
	Session *session = arg;
	bool is_last = !places_at(session->places, session->place + 1);

	if (take_error && !is_last) {
		places_log(session->places, session->place++, take_error);
		resolve_here(session);
		return;
	}
	if (take_error)
		answer_failed(session, session->is_lookup ? "look up" : "pull", take_error);
	else
		answer_resolved(session, resolved);
	session->resolve = resolve_free(session->resolve);
}

static void resolve_here(Session *session)
{
	resolve_free(session->resolve);
	session->resolve = resolve_start(places_at(session->places, session->place),
		session->is_lookup ? NULL : &session->platform, on_resolved, session);
}

static fallible begin_resolve(Session *session, const WireMessage *message)
{
	platform_clear(&session->platform);
	session->is_lookup = !message->platform;
	if (message->platform)
		TRY(platform_parse(&session->platform, message->platform));
	session->place = 0;
	resolve_here(session);
	return NULL;
}

/* ---- manifest, login ---- */

static void on_manifest_put(void *arg, Error *take_error, HttpAnswer *http_answer)
{
	Session *session = arg;
	(void)http_answer;

	if (take_error)
		answer_failed(session, "push", error_wrap(take_error, "manifest"));
	else
		answer(session, &(WireMessage){.type = WIRE_MANIFEST_DONE, .digest = session->manifest_digest.text});
}

static void hash_manifest(Session *session, const Frame *frame)
{
	autoptr(Hash) hash = hash_new();

	hash_add(hash, frame->payload, frame->payload_length);
	hash_end(hash, &session->manifest_digest);
}

static fallible put_manifest(Session *session, const WireMessage *message, Frame *frame)
{
	const char *tag = session->reference.tag;

	if (!frame->payload || !message->media_type)
		return error_new(ERROR_INTERNAL, "a request to put a manifest has none");
	hash_manifest(session, frame);
	autofree char *target = string_printf("manifests/%s", tag ? tag : session->manifest_digest.text);
	call_free(session->call);
	session->call = call_new(places_registry(session->places), "PUT", target, on_manifest_put, session);
	CallSpec *spec = call_spec(session->call);
	spec->right = RIGHT_PUSH;
	spec->is_document = true;
	spec->request.body_length = frame->payload_length;
	spec->request.body = take(frame->payload);
	strings_printf(&spec->request.headers, "Content-Type: %s", message->media_type);
	call_start(session->call);
	return NULL;
}

static void on_login(void *arg, Error *take_error, HttpAnswer *http_answer)
{
	Session *session = arg;
	(void)http_answer;

	if (take_error)
		answer_error(session, WIRE_FAILED, NULL,
			error_wrap(take_error, "could not log in to \"%s\"", session->reference.registry));
	else
		answer(session,
			&(WireMessage){.type = WIRE_LOGGED_IN,
				.identity_token = (char *)registry_identity_token(places_registry(session->places))});
}

static fallible login(Session *session)
{
	call_free(session->call);
	registry_ask_identity(places_registry(session->places));
	session->call = call_new(places_registry(session->places), "GET", "/v2/", on_login, session);
	call_spec(session->call)->is_document = true;
	call_start(session->call);
	return NULL;
}

/* ---- search ---- */

static void on_found(void *arg, Error *take_error, HttpAnswer *http_answer)
{
	Session *session = arg;
	const char *registry = session->reference.registry;

	if (take_error && http_answer->status == 404) {
		error_free(take_error); /* said better */
		take_error = error_new(ERROR_UNSUPPORTED, "it has no search (GET /v1/search)");
	}
	if (take_error)
		answer_error(session, WIRE_FAILED, NULL, error_wrap(take_error, "could not search \"%s\"", registry));
	else
		answer_with(session, &(WireMessage){.type = WIRE_FOUND}, buffer_text(&http_answer->body),
			http_answer->body.length);
}

/* Docker Hub's is at another host than its images. */
static char *search_target(const Session *session, const WireMessage *message)
{
	bool is_hub = string_equal(session->reference.registry, "docker.io");
	autofree char *escaped = NULL;

	url_escape(&escaped, message->term);
	return string_printf("%s/v1/search?q=%s&n=%lld", is_hub ? "https://index.docker.io" : "", escaped,
		(long long)message->limit);
}

static fallible search(Session *session, const WireMessage *message)
{
	CallSpec *spec;

	if (!message->term)
		return error_new(ERROR_INTERNAL, "a search is for nothing");
	autofree char *target = search_target(session, message);
	call_free(session->call);
	session->call = call_new(places_registry(session->places), "GET", target, on_found, session);
	spec = call_spec(session->call);
	spec->is_document = true;
	spec->request.answer_max = SEARCH_MAX;
	spec->request.limit_s = SEARCH_TIMEOUT_S;
	call_start(session->call);
	return NULL;
}

/* ---- requests ---- */

static fallible start(Session *session, WireMessage *message)
{
	static const TransferHandlers handlers = {
		.progress = on_progress, .skipped = on_skipped, .retrying = on_retrying, .done = on_blob_done};
	RegistryOptions registry = {message->retries, message->retry_interval_ms, message->stall_timeout_s};
	TransferOptions transfer = {message->parallel, message->retries, message->retry_interval_ms};

	if (session->places || !message->access || !message->reference)
		return error_new(ERROR_INTERNAL, "a session cannot start so");
	TRY(reference_parse(&session->reference, message->reference));
	session->access = *message->access;
	*message->access = (RegistryAccess){0};
	session->mirrors = message->mirrors;
	message->mirrors = (RegistryMirrors){0};
	TRY(places_open(&session->places, session->loop, &session->access, &session->mirrors, &session->reference,
		session->trust, &registry));
	session->transfers = transfers_new(session->loop, session->places, &transfer, &handlers, session);
	return NULL;
}

static fallible handle(Session *session, WireMessage *message, Frame *frame)
{
	if (message->type == WIRE_START)
		return start(session, message);
	if (!session->places)
		return error_new(ERROR_INTERNAL, "a request came before the start");
	switch (message->type) {
	case WIRE_RESOLVE:
		return begin_resolve(session, message);
	case WIRE_GET:
		return add_transfer(session, message, TRANSFER_DOWNLOAD);
	case WIRE_PUT:
		return add_transfer(session, message, TRANSFER_UPLOAD);
	case WIRE_PUT_MANIFEST:
		return put_manifest(session, message, frame);
	case WIRE_LOGIN:
		return login(session);
	case WIRE_SEARCH:
		return search(session, message);
	}
	return error_new(ERROR_INTERNAL, "a request is none");
}

/* What a request leads to is told; a message that is none ends the session. */
static fallible handle_one(Session *session, ChannelState *ret_state)
{
	autoclear(Frame) frame = {0};
	autoclear(WireMessage) message = {0};

	TRY(channel_receive(session->channel, &frame, ret_state));
	if (*ret_state != CHANNEL_FRAME)
		return NULL;
	TRY(wire_parse(&message, frame.text, frame.text_length));
	Error *error = handle(session, &message, &frame);
	if (error)
		answer_error(session, WIRE_FAILED, NULL, error);
	return NULL;
}

static void handle_all(Session *session)
{
	ChannelState state = CHANNEL_FRAME;

	while (state == CHANNEL_FRAME && !session->error) {
		Error *error = handle_one(session, &state);
		if (error)
			end(session, error);
	}
	if (state == CHANNEL_ENDED)
		loop_stop(session->loop);
}

static void on_channel(void *arg, int fd, unsigned events)
{
	Session *session = arg;
	Error *error = NULL;
	(void)fd;

	if (events & LOOP_WRITE) {
		error = channel_flush(session->channel);
		watch_channel(session);
	}
	if (error)
		end(session, error);
	else if (events & LOOP_READ)
		handle_all(session);
}

static void session_clear(Session *session)
{
	transfers_free(session->transfers);
	resolve_free(session->resolve);
	call_free(session->call);
	places_free(session->places);
	registry_access_clear(&session->access);
	registry_mirrors_clear(&session->mirrors);
	platform_clear(&session->platform);
	reference_clear(&session->reference);
	source_free(session->watch);
	channel_free(session->channel);
	error_free(session->error);
}
DEFINE_AUTOCLEAR(Session, session_clear)

Error *session_run(Loop *loop, int take_socket, Trust *trust)
{
	autoclear(Session) session = {.loop = loop, .trust = trust};

	session.channel = channel_new(take_socket);
	TRY(loop_watch(&session.watch, loop, take_socket, LOOP_READ, on_channel, &session));
	TRY(loop_run(loop));
	return take(session.error);
}
