// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "fetch/registry/url.h"

enum {
	HEADER_BYTES_MAX = 64 << 10,
	HEADER_VALUE_MAX = 8 << 10,
	CHALLENGES_MAX = 8,
	TRANSFER_BUFFER = 512 << 10,
	CONNECT_TIMEOUT_MAX_S = 30,
};

struct Http {
	Loop *loop;
	CURLM *multi;
	Source *timer;
	const RegistryAccess *access;
	Trust *trust;
	int64_t stall_timeout_s;
};

struct Exchange {
	Http *http;
	CURL *easy;
	struct curl_slist *headers;
	const HttpRequest *request;
	HttpAnswer answer;
	HttpDone *done;
	void *arg;
	Error *error; /* ours or the sink's: why the exchange was broken off */
	bool is_cut;  /* enough of an error page was read */
	size_t header_bytes;
	int64_t body_sent;
	char curl_reason[CURL_ERROR_SIZE];
};

void http_prepare(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void http_request_clear(HttpRequest *request)
{
	free(request->url);
	strings_clear(&request->headers);
	free(request->body);
	*request = (HttpRequest){.body_fd = -1};
}

/* ---- what the server sends ---- */

static const struct {
	const char *name;
	size_t offset;
} kept_headers[] = {
	{"Content-Type", offsetof(HttpAnswer, content_type)},
	{"Location", offsetof(HttpAnswer, location)},
	{"Docker-Content-Digest", offsetof(HttpAnswer, digest)},
	{"Content-Range", offsetof(HttpAnswer, content_range)},
	{"Retry-After", offsetof(HttpAnswer, retry_after)},
	{"Range", offsetof(HttpAnswer, range)},
	{"OCI-Chunk-Min-Length", offsetof(HttpAnswer, chunk_min)},
};

static void answer_clear(HttpAnswer *answer)
{
	for (size_t i = 0; i < sizeof(kept_headers) / sizeof(kept_headers[0]); i++)
		free(*(char **)((char *)answer + kept_headers[i].offset));
	strings_clear(&answer->challenges);
	buffer_clear(&answer->body);
	*answer = (HttpAnswer){.content_length = -1};
}

static void keep_header(HttpAnswer *answer, const char *name, char *value)
{
	if (strlen(value) > HEADER_VALUE_MAX)
		return;
	if (!strcasecmp(name, "WWW-Authenticate") && answer->challenges.count < CHALLENGES_MAX)
		strings_add(&answer->challenges, value);
	for (size_t i = 0; i < sizeof(kept_headers) / sizeof(kept_headers[0]); i++)
		if (!strcasecmp(name, kept_headers[i].name))
			string_replace((char **)((char *)answer + kept_headers[i].offset), value);
}

/* Headers of an earlier answer (100 Continue, a proxy's) do not count. */
static void begin_answer(Exchange *exchange, const char *line)
{
	const char *space = strchr(line, ' ');

	answer_clear(&exchange->answer);
	exchange->answer.status = space ? atoi(space + 1) : 0;
}

static void end_headers(Exchange *exchange)
{
	curl_off_t length = -1;

	curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	exchange->answer.content_length = length;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	autofree char *line = mem_strndup(data, size * count);

	exchange->header_bytes += size * count;
	if (exchange->header_bytes > HEADER_BYTES_MAX) {
		exchange->error = error_new(
			ERROR_TOO_LARGE, "the header of the answer is larger than %d bytes", HEADER_BYTES_MAX);
		return 0;
	}
	char *colon = strchr(line, ':');
	if (string_starts(line, "HTTP/")) {
		begin_answer(exchange, line);
	} else if (line[strspn(line, "\r\n")] == '\0') {
		end_headers(exchange);
	} else if (colon) {
		*colon = '\0';
		keep_header(&exchange->answer, line, string_trim(colon + 1));
	}
	return size * count;
}

static bool is_success(const HttpAnswer *answer)
{
	return answer->status >= 200 && answer->status < 300;
}

static fallible keep_body(Exchange *exchange, const void *data, size_t length)
{
	Buffer *body = &exchange->answer.body;
	size_t max = is_success(&exchange->answer) && exchange->request->answer_max ? exchange->request->answer_max
										    : HTTP_ANSWER_MAX;

	body->limit = max;
	if (buffer_add(body, data, length))
		return NULL;
	exchange->is_cut = !is_success(&exchange->answer);
	return error_new(ERROR_TOO_LARGE, "the answer is larger than %zu bytes", max);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	const HttpAnswer *answer = &exchange->answer;
	size_t length = size * count;

	if (exchange->request->sink && (answer->status == 200 || answer->status == 206))
		exchange->error = exchange->request->sink(exchange->arg, answer, data, length);
	else
		exchange->error = keep_body(exchange, data, length);
	return exchange->error ? 0 : length;
}

/* ---- what we send ---- */

static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	const HttpRequest *request = exchange->request;
	size_t length = request->body_length - exchange->body_sent;

	if (length > size * count)
		length = size * count;
	ssize_t got = pread(request->body_fd, data, length, request->body_offset + exchange->body_sent);
	if (got < 0 || (got == 0 && length > 0)) {
		exchange->error = got < 0 ? error_errno(errno, "could not read the blob")
					  : error_new(ERROR_INTERNAL, "the blob is shorter than it should be");
		return CURL_READFUNC_ABORT;
	}
	exchange->body_sent += got;
	if (request->sent)
		request->sent(exchange->arg, exchange->body_sent);
	return got;
}

/* A reused connection that turns out to be dead makes libcurl send again by itself. Not when something was sent: the
 * other side may have given up what it was for, and the next try begins earlier. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	Exchange *exchange = arg;

	return origin == SEEK_SET && offset == 0 && exchange->body_sent == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static CURLcode on_tls_context(CURL *easy, void *context, void *arg)
{
	Http *http = arg;
	(void)easy;

	SSL_CTX_set1_cert_store(context, trust_store(http->trust));
	return CURLE_OK;
}

/* ---- errors ---- */

static const struct {
	CURLcode code;
	ErrorKind kind;
	const char *text;
} curl_errors[] = {
	{CURLE_COULDNT_RESOLVE_HOST, ERROR_UNAVAILABLE, "the host name cannot be resolved"},
	{CURLE_COULDNT_RESOLVE_PROXY, ERROR_UNAVAILABLE, "the proxy's host name cannot be resolved"},
	{CURLE_PARTIAL_FILE, ERROR_UNAVAILABLE, "the connection broke in the middle of the answer"},
	{CURLE_GOT_NOTHING, ERROR_UNAVAILABLE, "the connection was closed without an answer"},
	{CURLE_RECV_ERROR, ERROR_UNAVAILABLE, "the connection broke"},
	{CURLE_SEND_ERROR, ERROR_UNAVAILABLE, "the connection broke while sending"},
	{CURLE_SEND_FAIL_REWIND, ERROR_UNAVAILABLE, "the connection broke while sending"},
	{CURLE_UNSUPPORTED_PROTOCOL, ERROR_INVALID, "the answer is not HTTP"},
	{CURLE_WEIRD_SERVER_REPLY, ERROR_INVALID, "the answer is not HTTP"},
	{CURLE_URL_MALFORMAT, ERROR_INVALID, "the URL is not valid"},
	{CURLE_BAD_CONTENT_ENCODING, ERROR_INVALID, "the answer has a bad encoding"},
	{CURLE_SSL_CERTPROBLEM, ERROR_INVALID, "the client certificate or its key cannot be used"},
};

static fallible connect_error(const Exchange *exchange)
{
	long problem = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &problem);
	if (!problem)
		return error_new(ERROR_UNAVAILABLE, "could not connect");
	return error_new(ERROR_UNAVAILABLE, "could not connect: %s", strerror(problem));
}

static fallible timeout_error(const Exchange *exchange)
{
	if (!exchange->answer.was_sent)
		return error_new(ERROR_TIMEOUT, "could not connect in time");
	if (exchange->request->limit_s && exchange->answer.body.length)
		return error_new(ERROR_TIMEOUT, "the answer took too long");
	return error_new(ERROR_TIMEOUT, "nothing was received for %lld s",
		(long long)(exchange->http->stall_timeout_s + exchange->request->patience_s));
}

static fallible hint_at_ca(const Exchange *exchange, Error *error)
{
	const char *directory = exchange->http->access->ca_directory;

	if (!directory)
		return error;
	return error_hint(
		error, "if this registry has a CA of its own, put its certificate into \"%s/ca.crt\"", directory);
}

/* After a loss of power, a device without a battery for its clock is the likelier culprit than the registry. */
static fallible time_error(ErrorKind kind, const char *what)
{
	char now[CLOCK_TEXT_MAX];

	clock_format(now, clock_wall_ns());
	return error_hint(error_new(kind, "%s: this device's clock says %.10s", what, now),
		"check this device's clock, and when the registry's certificate is valid");
}

static fallible certificate_error(const Exchange *exchange)
{
	long verdict = X509_V_OK;

	curl_easy_getinfo(exchange->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
	switch (verdict) {
	case X509_V_OK:
	case X509_V_ERR_UNSPECIFIED: /* libcurl compares names itself, and leaves its initial value here */
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return error_new(ERROR_FORBIDDEN, "the TLS certificate is for another host");
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return time_error(ERROR_UNAVAILABLE, "the TLS certificate is not yet valid");
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return time_error(ERROR_FORBIDDEN, "the TLS certificate has expired");
	}
	return hint_at_ca(exchange, error_new(ERROR_FORBIDDEN, "the TLS certificate is not trusted: %s",
					    X509_verify_cert_error_string(verdict)));
}

/* OpenSSL's texts look like "error:0A00010B:SSL routines::wrong version number": the part behind the last colon is for
 * people. */
static fallible tls_error(const Exchange *exchange)
{
	if (strstr(exchange->curl_reason, "SSL_ERROR_SYSCALL"))
		return error_new(ERROR_UNAVAILABLE, "no TLS connection: the handshake was broken off");
	const char *colon = strrchr(exchange->curl_reason, ':');
	const char *reason = colon ? colon + 1 : exchange->curl_reason;

	return error_new(ERROR_UNAVAILABLE, "no TLS connection: %s", *reason ? reason : "the handshake failed");
}

/* What a proxy said to CONNECT; 0: it was not asked. */
static long tunnel_status(const Exchange *exchange)
{
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return status;
}

static fallible curl_error(const Exchange *exchange, CURLcode code)
{
	if (tunnel_status(exchange) >= 300)
		return error_new(
			ERROR_UNAVAILABLE, "the proxy refuses the connection with status %ld", tunnel_status(exchange));
	for (size_t i = 0; i < sizeof(curl_errors) / sizeof(curl_errors[0]); i++)
		if (curl_errors[i].code == code)
			return error_new(curl_errors[i].kind, "%s", curl_errors[i].text);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return connect_error(exchange);
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_error(exchange);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(exchange);
	case CURLE_SSL_CONNECT_ERROR:
		return tls_error(exchange);
	default:
		return error_new(ERROR_UNAVAILABLE, "%s",
			*exchange->curl_reason ? exchange->curl_reason : curl_easy_strerror(code));
	}
}

static fallible error_of(Exchange *exchange, CURLcode code)
{
	autofree char *host = url_host(exchange->request->url);

	if (exchange->error)
		return take(exchange->error);
	return error_wrap(curl_error(exchange, code), "\"%s\"", host);
}

/* ---- the end of an exchange ---- */

static bool is_connect_failure(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_OPERATION_TIMEDOUT ||
	       code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* A new tunnel in which TLS was never up: what was sent went to the proxy. */
static bool is_tunnel_empty(const Exchange *exchange)
{
	curl_off_t handshake_us = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
	return tunnel_status(exchange) && !handshake_us;
}

static void note_circumstances(Exchange *exchange, CURLcode code)
{
	long request_bytes = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	exchange->answer.was_sent = request_bytes > 0 && !is_tunnel_empty(exchange);
	exchange->answer.has_no_tls = !exchange->answer.was_sent && is_connect_failure(code);
}

static void finish(Exchange *exchange, CURLcode code)
{
	Error *error = NULL;

	note_circumstances(exchange, code);
	if (exchange->is_cut)
		exchange->error = error_free(exchange->error);
	else if (code != CURLE_OK)
		error = error_of(exchange, code);
	curl_multi_remove_handle(exchange->http->multi, exchange->easy);
	exchange->done(exchange->arg, error, &exchange->answer);
}

static void finish_all(Http *http)
{
	int left;

	for (CURLMsg *message = curl_multi_info_read(http->multi, &left); message;
		message = curl_multi_info_read(http->multi, &left)) {
		Exchange *exchange = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
		finish(exchange, message->data.result);
	}
}

/* ---- libcurl on our loop ---- */

static void on_ready(void *arg, int fd, unsigned events)
{
	Http *http = arg;
	int running;
	int mask = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(http->multi, fd, mask, &running);
	finish_all(http);
}

static void on_timer(void *arg)
{
	Http *http = arg;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(http);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *slot)
{
	Http *http = arg;
	Source *source = slot;
	unsigned events = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
	(void)easy;

	if (what == CURL_POLL_REMOVE) {
		source_free(source);
		return 0;
	}
	if (source) {
		source_set_events(source, events);
		return 0;
	}
	Error *error = loop_watch(&source, http->loop, fd, events, on_ready, http);
	if (error) {
		error_log(error, "could not watch a connection");
		return -1;
	}
	curl_multi_assign(http->multi, fd, source);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	Http *http = arg;
	(void)multi;

	source_rearm(http->timer, timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000000));
	return 0;
}

Error *http_new(Http **ret, Loop *loop, const RegistryAccess *access, Trust *trust, int64_t stall_timeout_s)
{
	autoptr(Http) http = mem_new(Http);

	http->loop = loop;
	http->access = access;
	http->trust = trust;
	http->stall_timeout_s = stall_timeout_s;
	TRY(loop_timer(&http->timer, loop, -1, on_timer, http));
	http->multi = curl_multi_init();
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	*ret = take(http);
	return NULL;
}

Http *http_free(Http *http)
{
	if (!http)
		return NULL;
	if (http->multi)
		curl_multi_cleanup(http->multi);
	source_free(http->timer);
	free(http);
	return NULL;
}

/* ---- setting up ---- */

static void set_blob(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob blob = {.data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};

	curl_easy_setopt(easy, option, &blob);
}

static void set_client_certificate(CURL *easy, const RegistryAccess *access)
{
	if (!access->client_cert_pem || !access->client_key_pem)
		return;
	set_blob(easy, CURLOPT_SSLCERT_BLOB, access->client_cert_pem);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, access->client_key_pem);
	curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
	curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
}

static void set_tls(CURL *easy, Http *http, bool may_identify)
{
	long verify = !http->access->skip_verify;

	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Our own store takes the place of the files that libcurl would look for. */
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, http);
	if (may_identify)
		set_client_certificate(easy, http->access);
}

static void set_limits(CURL *easy, const Http *http, const HttpRequest *request)
{
	long connect_s = http->stall_timeout_s < CONNECT_TIMEOUT_MAX_S ? http->stall_timeout_s : CONNECT_TIMEOUT_MAX_S;

	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, connect_s);
	/* Counts bytes of bodies: a header that trickles is silence too. */
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(http->stall_timeout_s + request->patience_s));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->limit_s);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)TRANSFER_BUFFER);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)TRANSFER_BUFFER);
}

static void set_method(Exchange *exchange)
{
	CURL *easy = exchange->easy;
	const HttpRequest *request = exchange->request;

	if (string_equal(request->method, "HEAD")) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (request->body_fd >= 0) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_length);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	} else if (!string_equal(request->method, "GET")) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
}

static void set_headers(Exchange *exchange)
{
	const StringList *headers = &exchange->request->headers;

	/* Waiting for "100 Continue" costs a second with servers that do not know it. */
	exchange->headers = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; i < headers->count; i++)
		exchange->headers = curl_slist_append(exchange->headers, headers->items[i]);
	curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
	curl_easy_setopt(exchange->easy, CURLOPT_USERAGENT, "kedge/" KEDGE_VERSION);
}

static void set_handlers(Exchange *exchange)
{
	CURL *easy = exchange->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->curl_reason);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
}

/* "" stands for none: libcurl does not look at its environment then. */
static void set_proxy(CURL *easy, const RegistryAccess *access, const char *url)
{
	const char *by_scheme = url_is_plain(url) ? access->http_proxy : access->https_proxy;
	const char *proxy = access->proxy ? access->proxy : by_scheme;
	const char *direct = access->proxy ? NULL : access->no_proxy;

	curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, direct ? direct : "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

Exchange *exchange_start(Http *http, const HttpRequest *request, HttpDone *done, void *arg)
{
	Exchange *exchange = mem_new(Exchange);
	CURL *easy = curl_easy_init();

	*exchange = (Exchange){
		.http = http, .easy = easy, .request = request, .done = done, .arg = arg, .answer.content_length = -1};
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set_proxy(easy, http->access, request->url);
	set_handlers(exchange);
	set_headers(exchange);
	set_method(exchange);
	set_limits(easy, http, request);
	set_tls(easy, http, request->may_identify);
	curl_multi_add_handle(http->multi, easy);
	return exchange;
}

Exchange *exchange_free(Exchange *exchange)
{
	if (!exchange)
		return NULL;
	curl_multi_remove_handle(exchange->http->multi, exchange->easy);
	curl_easy_cleanup(exchange->easy);
	curl_slist_free_all(exchange->headers);
	answer_clear(&exchange->answer);
	error_free(exchange->error);
	free(exchange);
	return NULL;
}
