// SPDX-License-Identifier: Apache-2.0
#include "cli/host.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"

#define TCP "tcp://"
#define UNIX "unix://"
#define TLS_PORT "2376"

/* ---- certificates ---- */

/* One that is named must be there; one of Docker's directory may be missing: the daemon says what it lacks. */
static char *find_file(const char *named, const char *directory, const char *name)
{
	autofree char *path = NULL;

	if (named)
		return mem_strdup(named);
	path = path_join(directory, name);
	return file_exists(AT_FDCWD, path) ? take(path) : NULL;
}

static void find_certificates(TlsPlace *place, const GlobalOptions *options, const char *config_dir)
{
	const char *directory = getenv("DOCKER_CERT_PATH");

	if (string_empty(directory))
		directory = config_dir;
	place->ca = find_file(options->tls_ca, directory, "ca.pem");
	place->cert = find_file(options->tls_cert, directory, "cert.pem");
	place->key = find_file(options->tls_key, directory, "key.pem");
}

/* Beside this program in a build's directory, where it was installed otherwise. */
char *host_program(const char *name)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	autofree char *beside = NULL;

	path[length < 0 ? 0 : length] = '\0';
	if (strrchr(path, '/'))
		*strrchr(path, '/') = '\0';
	beside = path_join(path, name);
	return file_exists(AT_FDCWD, beside) ? take(beside) : path_join(KEDGE_LIBEXECDIR, name);
}

/* ---- places ---- */

static fallible not_a_place(const char *place, const char *source)
{
	return error_new(ERROR_INVALID, "%s: \"" TCP "%s\" is not of the form " TCP "HOST:PORT", source, place);
}

/* "HOST" or "HOST:PORT"; an address of IPv6 stands in brackets. */
static fallible check_host_and_port(const char *host, const char *place, const char *source)
{
	const char *bracket = strchr(host, ']'), *colon = strrchr(bracket ? bracket : host, ':');
	int64_t port;

	if (*host == ':' || (*host == '[') != (bracket != NULL) || (bracket && bracket[1] && colon != bracket + 1))
		return not_a_place(place, source);
	if (!colon)
		return NULL;
	TRY_WRAP(string_to_int64(&port, colon + 1, 1, UINT16_MAX), "%s: port of \"" TCP "%s\"", source, place);
	return NULL;
}

static fallible take_tcp(Host *ret, const char *place, const char *source)
{
	size_t length = strcspn(place, "/");
	autofree char *host = mem_strndup(place, length);
	const char *bracket = strchr(host, ']');

	if (length == 0 || (place[length] && place[length + 1]))
		return not_a_place(place, source);
	TRY(check_host_and_port(host, place, source));
	ret->tls.place = strchr(bracket ? bracket : host, ':') ? take(host) : string_printf("%s:" TLS_PORT, host);
	ret->tls.program = host_program("kedge-tls");
	return NULL;
}

static fallible take_socket(Host *ret, const char *path, const char *source)
{
	if (*path != '/')
		return error_hint(error_new(ERROR_INVALID, "%s: \"" UNIX "%s\" has no absolute path", source, path),
			"write " UNIX "/PATH, with a slash at the beginning of the path");
	ret->socket = mem_strdup(path);
	return NULL;
}

static fallible take_host(Host *ret, const char *host, const char *source)
{
	if (string_starts(host, TCP))
		return take_tcp(ret, host + strlen(TCP), source);
	if (string_starts(host, UNIX))
		return take_socket(ret, host + strlen(UNIX), source);
	if (*host == '/')
		return take_socket(ret, host, source);
	return error_new(ERROR_INVALID,
		"%s: \"%s\" is neither a unix socket (" UNIX "/PATH) nor a host with TLS (" TCP "HOST:PORT)", source,
		host);
}

/* Easily forgotten: it is named where nobody answers. */
static fallible take_variable(Host *ret, const char *host, const char *name)
{
	ret->hint = string_printf("%s says so; without it, \"" CLI_SOCKET "\" is asked", name);
	return take_host(ret, host, name);
}

/* DOCKER_HOST may well name something that is not for us (TCP without TLS, ssh): then it does not count. */
static bool docker_host_counts(const char *host, const GlobalOptions *options)
{
	bool has_tls = options->tls_verify || !string_empty(getenv("DOCKER_TLS_VERIFY"));

	return host && (string_starts(host, "unix:///") || (has_tls && string_starts(host, TCP)));
}

static fallible find_place(Host *ret, const GlobalOptions *options)
{
	const char *kedge_host = getenv("KEDGE_HOST"), *docker_host = getenv("DOCKER_HOST");

	if (options->host)
		return take_host(ret, options->host, "option \"--host\"");
	if (!string_empty(kedge_host))
		return take_variable(ret, kedge_host, "KEDGE_HOST");
	if (docker_host_counts(docker_host, options))
		return take_variable(ret, docker_host, "DOCKER_HOST");
	ret->socket = mem_strdup(CLI_SOCKET);
	return NULL;
}

fallible host_find(Host *ret, const GlobalOptions *options, const char *config_dir)
{
	TRY(find_place(ret, options));
	if (!ret->socket)
		find_certificates(&ret->tls, options, config_dir);
	return NULL;
}

Host *host_free(Host *host)
{
	if (!host)
		return NULL;
	free(host->socket);
	free(host->hint);
	tls_place_clear(&host->tls);
	free(host);
	return NULL;
}

/* ---- connections ---- */

static Error *dial(const void *arg, int *ret_fd, int *ret_status_fd)
{
	return tls_connect(ret_fd, ret_status_fd, arg);
}

/* OpenSSL's words, and what the user can do. */
static const struct {
	const char *reason, *hint;
} tls_hints[] = {
	{"self-signed certificate", "name the CA that vouches for kedged: --tlscacert FILE"},
	{"unable to get local issuer", "name the CA that vouches for kedged: --tlscacert FILE"},
	{"certificate required", "kedged wants to know who asks: --tlscert FILE and --tlskey FILE"},
	{"unknown ca", "kedged does not know the CA of the certificate that --tlscert names"},
	{"mismatch", "the daemon's certificate is for other names: use one of them"},
	{"wrong version number", "no TLS is spoken at that port"},
};

static fallible hint_at_tls(Error *error)
{
	for (size_t i = 0; error && i < sizeof(tls_hints) / sizeof(tls_hints[0]); i++)
		if (strcasestr(error_message(error), tls_hints[i].reason))
			return error_hint(error, "%s", tls_hints[i].hint);
	return error;
}

static Error *explain(const void *arg, int take_status_fd)
{
	return hint_at_tls(tls_connect_reason(take_status_fd, arg));
}

/* systemd knows of the kedged at the usual place alone. */
static HttpHints hints_for(const Host *host)
{
	if (string_equal(host->socket, CLI_SOCKET))
		return (HttpHints){"is kedged running? start it with \"systemctl start kedged\"",
			"has kedged ended? look with \"journalctl -u kedged\""};
	return (HttpHints){.unreachable = host->hint};
}

HttpClient *host_client(const Host *host)
{
	const HttpDial by_tls = {.connect = dial, .explain = explain, .arg = &host->tls};
	const HttpHints hints = hints_for(host);
	HttpClient *client = host->socket ? http_client_new(host->socket) : http_client_new_by(&by_tls);

	http_client_set_hints(client, &hints);
	return client;
}
