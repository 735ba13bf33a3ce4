// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"
#include "fetch/registry/auth.h"
#include "fetch/registry/url.h"
#include "json/fields.h"

enum {
	REDIRECTS_MAX = 5,
	AUTH_TRIES_MAX = 2,
	DOCUMENT_RETRIES_MAX = 2,
	PROBE_TIMEOUT_S = 3,
	DETAIL_MAX = 200,
};

struct Registry {
	Loop *loop;
	Http *http;
	Auth *auth;
	const RegistryAccess *access;
	const Reference *reference;
	RegistryOptions options;
	bool has_answered;
	char *host;   /* as in URLs */
	char *base;   /* "https://host"; NULL until it is known how the registry speaks */
	char *origin; /* with it */
	char *scopes[RIGHTS];
	HttpRequest probe;
	Exchange *probing;
	List waiting;                 /* calls, for the probe */
	Call *token_fetchers[RIGHTS]; /* the call that is fetching a token of that right */
	List token_waits;             /* calls, for such a token */
};

struct Call {
	CallSpec spec;
	Registry *registry;
	List node;
	char *target;
	HttpRequest request; /* as sent now */
	char *sent_auth;
	HttpRequest token_request;
	Exchange *exchange;
	int redirects, auth_tries, retries;
	Source *timer;
	HttpDone *done;
	void *arg;
};

/* ---- errors ---- */

typedef struct RefusalDetail {
	char *code, *message;
} RefusalDetail;

typedef struct Refusal {
	FieldArray errors;
	char *details; /* the token server's form */
} Refusal;

static const Field detail_fields[] = {
	{.name = "code", .kind = FIELD_STRING, .offset = offsetof(RefusalDetail, code)},
	{.name = "message", .kind = FIELD_STRING, .offset = offsetof(RefusalDetail, message)},
	FIELDS_END,
};

static const Field refusal_fields[] = {
	{.name = "errors",
		.kind = FIELD_ARRAY,
		.offset = offsetof(Refusal, errors),
		.sub = detail_fields,
		.sub_size = sizeof(RefusalDetail)},
	{.name = "details", .kind = FIELD_STRING, .offset = offsetof(Refusal, details)},
	FIELDS_END,
};

/* Text of a stranger, for a terminal: one short line of printable characters. */
static char *tame(const char *text)
{
	char *tamed = mem_strndup(text, DETAIL_MAX);

	for (char *c = tamed; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = *c == '\n' || *c == '\t' ? ' ' : '?';
	return tamed;
}

/* What the body says about the reason; NULL: nothing. */
static char *refusal_text(const Buffer *body)
{
	Refusal refusal = {0};
	char *text = NULL;

	Error *error = fields_read_text(refusal_fields, &refusal, "error", buffer_text(body), body->length, 0);
	const RefusalDetail *first = refusal.errors.items;
	if (error)
		error_free(error); /* a page for people, or nothing: the status alone has to do */
	else if (refusal.errors.count && !string_empty(first->message))
		text = tame(first->message);
	else if (refusal.errors.count && !string_empty(first->code))
		text = tame(first->code);
	else if (!string_empty(refusal.details))
		text = tame(refusal.details);
	fields_clear(refusal_fields, &refusal);
	return text;
}

static const struct {
	int status;
	ErrorKind kind;
	const char *text;
} statuses[] = {
	{400, ERROR_INVALID, "bad request"},
	{401, ERROR_UNAUTHORIZED, "unauthorized"},
	{403, ERROR_FORBIDDEN, "forbidden"},
	{404, ERROR_NOT_FOUND, "not found"},
	{405, ERROR_UNSUPPORTED, "method not allowed"},
	{408, ERROR_UNAVAILABLE, "request timeout"},
	{413, ERROR_TOO_LARGE, "payload too large"},
	{416, ERROR_UNAVAILABLE, "range not satisfiable"},
	{429, ERROR_UNAVAILABLE, "too many requests"},
	{500, ERROR_UNAVAILABLE, "internal server error"},
	{502, ERROR_UNAVAILABLE, "bad gateway"},
	{503, ERROR_UNAVAILABLE, "service unavailable"},
	{504, ERROR_UNAVAILABLE, "gateway timeout"},
};

static fallible status_error(const char *who, const HttpAnswer *answer)
{
	autofree char *detail = refusal_text(&answer->body);
	ErrorKind kind = answer->status >= 500 ? ERROR_UNAVAILABLE : ERROR_INTERNAL;
	const char *reason = "an unexpected status";

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status != answer->status)
			continue;
		kind = statuses[i].kind;
		reason = statuses[i].text;
	}
	/* "401 unauthorized: authentication required": the word for the status first, it is what people look for. */
	if (detail && answer->status == 401)
		return error_new(kind, "%s says 401 unauthorized", who);
	return error_new(kind, "%s says %d %s", who, answer->status, detail ? detail : reason);
}

static fallible hint_at_login(const Registry *registry, Error *error)
{
	bool is_hub = string_equal(registry->reference->registry, "docker.io");
	const char *host = is_hub ? "" : registry->reference->registry;

	if (auth_has_credentials(registry->auth))
		return error_hint(error,
			"the registry does not accept these credentials: log in again with \"kedge login%s%s\"",
			is_hub ? "" : " ", host);
	return error_hint(error, "log in with \"kedge login%s%s\"", is_hub ? "" : " ", host);
}

static bool is_at_registry(const Call *call)
{
	autofree char *origin = url_origin(call->request.url);

	return string_equal(origin, call->registry->origin);
}

static fallible refusal(const Call *call, const HttpAnswer *answer)
{
	autofree char *host = url_host(call->request.url);
	autofree char *who = is_at_registry(call) ? mem_strdup("the registry")
						  : string_printf("\"%s\", where the registry sends us,", host);

	Error *error = status_error(who, answer);
	return answer->status == 401 ? hint_at_login(call->registry, error) : error;
}

/* ---- one attempt ---- */

static void on_answer(void *arg, Error *take_error, HttpAnswer *answer);

static Error *forward_sink(void *arg, const HttpAnswer *answer, const void *data, size_t length)
{
	Call *call = arg;

	return call->spec.request.sink(call->arg, answer, data, length);
}

static void forward_sent(void *arg, int64_t bytes)
{
	Call *call = arg;

	call->spec.request.sent(call->arg, bytes);
}

static void add_auth(Call *call)
{
	free(take(call->sent_auth));
	if (!is_at_registry(call))
		return;
	call->request.may_identify = true;
	call->sent_auth = auth_value(call->registry->auth, call->registry->scopes[call->spec.right]);
	if (call->sent_auth)
		strings_printf(&call->request.headers, "Authorization: %s", call->sent_auth);
}

/* The URL stays; everything else is taken from the spec afresh. */
static void prepare_request(Call *call)
{
	const HttpRequest *spec = &call->spec.request;
	StringList headers = call->request.headers;
	char *url = call->request.url;

	call->request = *spec;
	call->request.url = url;
	call->request.headers = headers;
	strings_copy(&call->request.headers, &spec->headers);
	call->request.sink = spec->sink ? forward_sink : NULL;
	call->request.sent = spec->sent ? forward_sent : NULL;
	add_auth(call);
}

static void attempt(Call *call)
{
	call->exchange = exchange_free(call->exchange);
	prepare_request(call);
	call->exchange = exchange_start(call->registry->http, &call->request, on_answer, call);
}

static void set_url(Call *call)
{
	const Registry *registry = call->registry;
	const char *target = call->target;

	free(call->request.url);
	if (strstr(target, "://"))
		call->request.url = mem_strdup(target);
	else if (*target == '/')
		call->request.url = string_printf("%s%s", registry->base, target);
	else
		call->request.url =
			string_printf("%s/v2/%s/%s", registry->base, registry->reference->repository, target);
}

static void begin(Call *call)
{
	call->redirects = 0;
	call->auth_tries = 0;
	set_url(call);
	attempt(call);
}

/* ---- the answer ---- */

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool may_follow(const Call *call, int status)
{
	const char *method = call->spec.request.method;

	return string_equal(method, "GET") || string_equal(method, "HEAD") || status == 307 || status == 308;
}

static fallible follow(Call *call, const HttpAnswer *answer)
{
	autofree char *url = NULL;

	if (!answer->location || !may_follow(call, answer->status))
		return error_new(ERROR_INTERNAL, "the registry sends a redirect that cannot be followed (status %d)",
			answer->status);
	if (++call->redirects > REDIRECTS_MAX)
		return error_new(ERROR_INTERNAL, "the registry redirects more than %d times", REDIRECTS_MAX);
	TRY_WRAP(url_resolve(&url, call->request.url, answer->location),
		"the registry redirects to what cannot be followed");
	if (url_is_plain(url) && !url_is_plain(call->request.url))
		return error_new(ERROR_FORBIDDEN, "the registry redirects to \"%.200s\", which is without TLS", url);
	free(call->request.url);
	call->request.url = take(url);
	attempt(call);
	return NULL;
}

static void on_token(void *arg, Error *take_error, HttpAnswer *answer);

static fallible fetch_token(Call *call)
{
	Registry *registry = call->registry;
	Call **fetcher = &registry->token_fetchers[call->spec.right];

	if (*fetcher) {
		list_append(&registry->token_waits, &call->node);
		return NULL;
	}
	http_request_clear(&call->token_request);
	TRY(auth_token_request(registry->auth, registry->scopes[call->spec.right], url_is_plain(registry->base),
		&call->token_request));
	*fetcher = call;
	call->exchange = exchange_free(call->exchange);
	call->exchange = exchange_start(registry->http, &call->token_request, on_token, call);
	return NULL;
}

/* Others of the same right go on: with the token, or by asking for one themselves. */
static void leave_token(Call *call)
{
	Registry *registry = call->registry;

	registry->token_fetchers[call->spec.right] = NULL;
	list_each(&registry->token_waits, Call, node, other) {
		if (other->spec.right != call->spec.right)
			continue;
		list_remove(&other->node);
		attempt(other);
	}
}

static fallible authenticate(Call *call, const HttpAnswer *answer)
{
	Registry *registry = call->registry;

	if (call->auth_tries++ >= AUTH_TRIES_MAX)
		return refusal(call, answer);
	switch (auth_refused(
		registry->auth, registry->scopes[call->spec.right], call->sent_auth, &answer->challenges)) {
	case AUTH_AGAIN:
		attempt(call);
		return NULL;
	case AUTH_TOKEN:
		return fetch_token(call);
	case AUTH_DENIED:
		break;
	}
	return refusal(call, answer);
}

static void on_retry(void *arg)
{
	begin(arg);
}

/* Small documents are worth two more tries when something broke behind the connection; a host that is not there is told
 * at once. */
static bool try_again(Call *call, const Error *error, const HttpAnswer *answer)
{
	const RegistryOptions *options = &call->registry->options;
	int64_t most = options->retries < DOCUMENT_RETRIES_MAX ? options->retries : DOCUMENT_RETRIES_MAX;

	if (!call->spec.is_document || call->retries >= most || !answer->was_sent || !error_may_pass(error_kind(error)))
		return false;
	int64_t delay_ms = options->retry_interval_ms << call->retries++;
	source_free(call->timer);
	call->timer = NULL;
	Error *problem = loop_timer(&call->timer, call->registry->loop, delay_ms * NANOS_PER_MILLI, on_retry, call);
	return !problem || error_free(problem); /* no timer, no retry: the first error is told */
}

static void finish(Call *call, Error *take_error, HttpAnswer *answer)
{
	if (take_error && try_again(call, take_error, answer))
		error_free(take_error); /* the next try's counts */
	else
		call->done(call->arg, take_error, answer);
}

static bool is_accepted(const Call *call, int status)
{
	return (status >= 200 && status < 300) || (status && status == call->spec.accepted_status);
}

static void on_answer(void *arg, Error *take_error, HttpAnswer *answer)
{
	Call *call = arg;
	Error *error = take_error;

	call->registry->has_answered |= answer->status > 0;
	if (!error && is_redirect(answer->status)) {
		error = follow(call, answer);
	} else if (!error && answer->status == 401 && is_at_registry(call)) {
		error = authenticate(call, answer);
	} else {
		if (!error && !is_accepted(call, answer->status))
			error = refusal(call, answer);
		finish(call, error, answer);
		return;
	}
	if (error)
		finish(call, error, answer);
}

static fallible use_token(Call *call, const HttpAnswer *answer)
{
	Registry *registry = call->registry;
	autofree char *host = url_host(call->token_request.url);
	autofree char *who = string_printf("the token server \"%s\"", host);

	if (answer->status == 401 || answer->status == 403)
		return hint_at_login(registry, status_error(who, answer));
	if (answer->status < 200 || answer->status > 299)
		return status_error(who, answer);
	TRY(auth_token_answer(
		registry->auth, registry->scopes[call->spec.right], buffer_text(&answer->body), answer->body.length));
	attempt(call);
	return NULL;
}

static void on_token(void *arg, Error *take_error, HttpAnswer *answer)
{
	Call *call = arg;
	Error *error = take_error ? error_wrap(take_error, "the token server") : use_token(call, answer);

	leave_token(call);
	if (error)
		finish(call, error, answer);
}

/* ---- calls ---- */

Call *call_new(Registry *registry, const char *method, const char *target, HttpDone *done, void *arg)
{
	Call *call = mem_new(Call);

	call->registry = registry;
	call->target = mem_strdup(target);
	call->done = done;
	call->arg = arg;
	call->spec.request.method = method;
	call->spec.request.body_fd = -1;
	call->token_request.body_fd = -1;
	list_init(&call->node);
	return call;
}

CallSpec *call_spec(Call *call)
{
	return &call->spec;
}

const char *call_url(const Call *call)
{
	return call->request.url;
}

Call *call_free(Call *call)
{
	if (!call)
		return NULL;
	list_remove(&call->node);
	if (call->registry->token_fetchers[call->spec.right] == call)
		leave_token(call);
	source_free(call->timer);
	exchange_free(call->exchange);
	/* The body is the spec's; the request only lends it. */
	call->request.body = NULL;
	http_request_clear(&call->request);
	http_request_clear(&call->spec.request);
	http_request_clear(&call->token_request);
	free(call->sent_auth);
	free(call->target);
	free(call);
	return NULL;
}

/* ---- which protocol ---- */

static void set_base(Registry *registry, bool is_plain)
{
	registry->base = string_printf("%s://%s", is_plain ? "http" : "https", registry->host);
	registry->origin = url_origin(registry->base);
}

static void on_probe(void *arg, Error *take_error, HttpAnswer *answer)
{
	Registry *registry = arg;

	registry->has_answered = answer->status > 0;
	/* Any answer is HTTPS, also one with a bad certificate: only silence on TLS is a reason for HTTP. */
	set_base(registry, take_error && answer->has_no_tls);
	error_free(take_error);
	while (!list_empty(&registry->waiting)) {
		Call *call = list_entry(registry->waiting.next, Call, node);
		list_remove(&call->node);
		begin(call);
	}
}

/* Without credentials: who answers is not known yet. */
static void probe(Registry *registry)
{
	registry->probe = (HttpRequest){.method = "GET", .body_fd = -1, .limit_s = PROBE_TIMEOUT_S};
	registry->probe.url = string_printf("https://%s/v2/", registry->host);
	registry->probing = exchange_start(registry->http, &registry->probe, on_probe, registry);
}

void call_start(Call *call)
{
	Registry *registry = call->registry;

	if (registry->base) {
		begin(call);
		return;
	}
	list_append(&registry->waiting, &call->node);
	if (!registry->probing)
		probe(registry);
}

/* ---- life ---- */

static void set_scopes(Registry *registry)
{
	const char *repository = registry->reference->repository;

	registry->scopes[RIGHT_NONE] = mem_strdup("");
	registry->scopes[RIGHT_PULL] = string_printf("repository:%s:pull", repository);
	registry->scopes[RIGHT_PUSH] = string_printf("repository:%s:pull,push", repository);
	registry->scopes[RIGHT_MOUNT] = mem_strdup(registry->scopes[RIGHT_PUSH]);
}

Error *registry_new(Registry **ret, Loop *loop, const RegistryAccess *access, const Reference *reference, Trust *trust,
	const RegistryOptions *options)
{
	autoptr(Registry) registry = mem_new(Registry);
	const char *host = access->host ? access->host : reference->registry;

	registry->loop = loop;
	registry->access = access;
	registry->reference = reference;
	registry->options = *options;
	registry->host = mem_strdup(string_equal(host, "docker.io") ? "registry-1.docker.io" : host);
	registry->auth = auth_new(access);
	list_init(&registry->waiting);
	list_init(&registry->token_waits);
	set_scopes(registry);
	TRY(http_new(&registry->http, loop, access, trust, options->stall_timeout_s));
	if (!access->plain_http)
		set_base(registry, false);
	*ret = take(registry);
	return NULL;
}

Registry *registry_free(Registry *registry)
{
	if (!registry)
		return NULL;
	exchange_free(registry->probing);
	http_request_clear(&registry->probe);
	http_free(registry->http);
	auth_free(registry->auth);
	for (size_t i = 0; i < RIGHTS; i++)
		free(registry->scopes[i]);
	free(registry->host);
	free(registry->base);
	free(registry->origin);
	free(registry);
	return NULL;
}

bool registry_has_answered(const Registry *registry)
{
	return registry->has_answered;
}

void registry_also_read(Registry *registry, const char *repository)
{
	autofree char *scope = string_printf("repository:%s:pull", repository);
	autoclear(StringList) scopes = {0};

	strings_split(&scopes, registry->scopes[RIGHT_MOUNT], ' ');
	if (strings_has(&scopes, scope))
		return;
	strings_add(&scopes, scope);
	free(registry->scopes[RIGHT_MOUNT]);
	registry->scopes[RIGHT_MOUNT] = strings_join(&scopes, " ");
}

const Reference *registry_reference(const Registry *registry)
{
	return registry->reference;
}

void registry_ask_identity(Registry *registry)
{
	auth_ask_identity(registry->auth);
}

const char *registry_identity_token(const Registry *registry)
{
	return auth_identity_token(registry->auth);
}
