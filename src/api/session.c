// SPDX-License-Identifier: Apache-2.0
/*
 * Who may do what on the sockets behind the TLS door. With a client's certificate, everything; without one, whoever has
 * logged in: /kedge/v1/login gives a cookie and a guard, and whatever changes something needs both. Before that the
 * dashboard's files and the login are all there is. On both, what a page of another site has a browser ask is refused
 * (it would come with the certificate, too).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "login/check.h"
#include "json/fields.h"

#define COOKIE "__Host-kedge"
#define SCHEME "https://" /* of the door */

enum { LOGIN_BODY_MAX = 4096 };

/* ---- what a request carries ---- */

/* *ret: owned; NULL without the cookie. */
static char *find_cookie(const HttpRequest *request)
{
	const char *header = http_request_header(request, "Cookie");
	autoclear(StringList) cookies = {0};

	strings_split(&cookies, header ? header : "", ';');
	for (size_t i = 0; i < cookies.count; i++) {
		const char *cookie = string_trim(cookies.items[i]);
		if (string_starts(cookie, COOKIE "="))
			return mem_strdup(cookie + strlen(COOKIE "="));
	}
	return NULL;
}

static const Session *find_session(Api *api, const HttpRequest *request)
{
	autofree char *token = find_cookie(request);

	if (!api->login || !token)
		return NULL;
	const PasswordFile file = login_check_file(api->login);
	return session_find(&api->sessions, token, &file, clock_monotonic_ns());
}

/*
 * Browsers say where a request comes from; other clients do not, and are no way around a login. For a login a page
 * without TLS is another site, too: who is on the way may have written it. With a certificate a client that is no
 * browser may come, and some say "http" of themselves whatever they use.
 */
static bool is_foreign(const HttpRequest *request, DockerProfile profile)
{
	const char *site = http_request_header(request, "Sec-Fetch-Site");
	const char *origin = http_request_header(request, "Origin");
	const char *host = http_request_header(request, "Host");
	const char *authority = origin ? strstr(origin, "://") : NULL;

	if (site && !string_equal(site, "same-origin") && !string_equal(site, "none"))
		return true;
	if (profile == DOCKER_GUARDED && origin && !string_starts(origin, SCHEME))
		return true;
	return origin && (!authority || !host || strcasecmp(authority + 3, host) != 0);
}

/* ---- at the door ---- */

static bool only_reads(const HttpRequest *request)
{
	const char *method = http_request_method(request);

	return string_equal(method, "GET") || string_equal(method, "HEAD");
}

static fallible admit_session(Api *api, const HttpRequest *request, const HttpRoute *route)
{
	if (route && route->flags & DOCKER_OPEN)
		return NULL;
	const Session *session = find_session(api, request);
	if (!session)
		return error_new(ERROR_UNAUTHORIZED, "log in first");
	if (!only_reads(request) && !session_text_equal(http_request_header(request, "Kedge-Guard"), session->guard))
		return error_new(ERROR_FORBIDDEN, "the header \"Kedge-Guard\" is not that of the login");
	return NULL;
}

fallible api_admit(void *context, DockerProfile profile, const HttpRequest *request, const HttpRoute *route)
{
	if (is_foreign(request, profile) && !(only_reads(request) && route && route->flags & DOCKER_OPEN))
		return error_new(ERROR_FORBIDDEN, "a page of another site has asked for this");
	return profile == DOCKER_GUARDED ? admit_session(context, request, route) : NULL;
}

/* ---- answers ---- */

static void respond_session(HttpRequest *request, const Session *session)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "User", session ? session->user : "");
	write_string(&writer, "Guard", session ? session->guard : "");
	write_bool(&writer, "Needed", session);
	write_object_end(&writer);
	http_response_header(request, "Cache-Control", "no-store");
	respond_json(request, 200, &out);
}

static void set_cookie(HttpRequest *request, const char *token, int64_t seconds)
{
	autofree char *cookie = string_printf(
		COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=%lld", token, (long long)seconds);

	http_response_header(request, "Set-Cookie", cookie);
}

static void show_session(HttpRequest *request, void *context)
{
	respond_session(request, find_session(context, request));
}

/* ---- login ---- */

typedef struct Login {
	Api *api;
	HttpRequest *request;
	char *user, *password;
} Login;

static const Field login_fields[] = {
	{.name = "User", .kind = FIELD_STRING, .offset = offsetof(Login, user), .required = true},
	{.name = "Password", .kind = FIELD_STRING, .offset = offsetof(Login, password), .required = true},
	FIELDS_END,
};

static void login_free(Login *login)
{
	if (login->password)
		explicit_bzero(login->password, strlen(login->password));
	free(login->password);
	free(login->user);
	free(login);
}

static void login_gone(void *arg)
{
	Login *login = arg;

	login_check_forget(login->api->login);
	login_free(login);
}

static void login_end(Login *login, Error *take_error)
{
	HttpRequest *request = login->request;

	http_request_on_gone(request, NULL, NULL);
	if (take_error) {
		http_respond_error(request, take_error);
	} else {
		const PasswordFile file = login_check_asked(login->api->login);
		const Session *session = session_begin(&login->api->sessions, login->user, &file, clock_monotonic_ns());
		set_cookie(request, session->token, SESSION_WHOLE / NANOS_PER_SECOND);
		respond_session(request, session);
	}
	login_free(login);
}

static void login_checked(void *arg, Error *take_error)
{
	login_end(arg, take_error);
}

static fallible login_begin(Login *login)
{
	autoptr(Value) body = NULL;

	if (!login->api->login)
		return error_hint(error_new(ERROR_NOT_FOUND, "nobody can log in here"),
			"\"tcp.passwords\" in kedged.yaml names a file of passwords");
	TRY(request_object(&body, login->request));
	TRY(fields_read(login_fields, login, body, FIELDS_STRICT));
	return login_check_begin(login->api->login, login->user, login->password, login_checked, login);
}

static void log_in(HttpRequest *request, void *context)
{
	Login *login = mem_new(Login);

	login->api = context;
	login->request = request;
	http_request_on_gone(request, login_gone, login);
	Error *error = login_begin(login);
	if (error)
		login_end(login, error);
}

static void log_out(HttpRequest *request, void *context)
{
	Api *api = context;
	autofree char *token = find_cookie(request);

	session_end(&api->sessions, token);
	set_cookie(request, "", 0);
	respond_status(request, 204);
}

/* ---- over an upgrade ---- */

static fallible write_sessions(int *ret, const Buffer *text)
{
	autofd fd = memfd_create("kedge-sessions", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "could not make a file in memory");
	TRY(file_write_all(fd, text->data, text->length, "a file in memory"));
	*ret = take_fd(&fd);
	return NULL;
}

int api_hand_over_sessions(const Api *api)
{
	autoclear(Buffer) text = {0};
	Error *error = NULL;
	int fd = -1;

	sessions_write(&api->sessions, &text);
	if (text.length)
		error = write_sessions(&fd, &text);
	if (error)
		error_log(error, "who has logged in has to do so again");
	if (text.length)
		explicit_bzero(text.data, text.length);
	return fd;
}

void api_take_over_sessions(Api *api, int take_fd)
{
	autofd fd = take_fd;
	autofree char *text = NULL;
	Error *error = NULL;

	if (fd < 0)
		return;
	if (lseek(fd, 0, SEEK_SET) == 0)
		error = file_read_fd(&text, NULL, fd, "sessions", SESSIONS_TEXT_MAX);
	if (!error && text)
		error = sessions_read(&api->sessions, text);
	if (error)
		error_log(error, "who has logged in has to do so again");
	if (text)
		explicit_bzero(text, strlen(text));
}

const HttpRoute session_routes[] = {
	{"GET", "/kedge/v1/session", show_session, 0, 0},
	{"POST", "/kedge/v1/login", log_in, DOCKER_OPEN, LOGIN_BODY_MAX},
	{"POST", "/kedge/v1/logout", log_out, 0, 0},
	{0},
};
