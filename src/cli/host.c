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
static char *find_program(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	autofree char *beside = NULL;

	path[length < 0 ? 0 : length] = '\0';
	if (strrchr(path, '/'))
		*strrchr(path, '/') = '\0';
	beside = path_join(path, "kedge-tls");
	return file_exists(AT_FDCWD, beside) ? take(beside) : mem_strdup(KEDGE_LIBEXECDIR "/kedge-tls");
}

/* ---- places ---- */

static bool has_port(const char *place)
{
	const char *colon = strrchr(place, ':'), *bracket = strrchr(place, ']');

	return colon && colon > bracket;
}

static fallible take_tcp(Host *ret, const char *place, const char *source)
{
	size_t length = strcspn(place, "/");

	if (length == 0 || (place[length] && place[length + 1]))
		return error_new(ERROR_INVALID, "%s: \"" TCP "%s\" is not of the form " TCP "HOST:PORT", source, place);
	autofree char *host = mem_strndup(place, length);
	ret->tls.place = has_port(host) ? take(host) : string_printf("%s:" TLS_PORT, host);
	ret->tls.program = find_program();
	return NULL;
}

static fallible take_host(Host *ret, const char *host, const char *source)
{
	if (string_starts(host, TCP))
		return take_tcp(ret, host + strlen(TCP), source);
	if (string_starts(host, "unix://"))
		host += strlen("unix://");
	if (host[0] != '/')
		return error_new(ERROR_INVALID,
			"%s: \"%s\" is neither a unix socket (unix:///PATH) nor a host with TLS (" TCP "HOST:PORT)",
			source, host);
	ret->socket = mem_strdup(host);
	return NULL;
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
		return take_host(ret, kedge_host, "KEDGE_HOST");
	if (docker_host_counts(docker_host, options))
		return take_host(ret, docker_host, "DOCKER_HOST");
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
	tls_place_clear(&host->tls);
	free(host);
	return NULL;
}

/* ---- connections ---- */

static Error *dial(const void *arg, int *ret_fd, int *ret_status_fd)
{
	return tls_connect(ret_fd, ret_status_fd, arg);
}

static Error *explain(const void *arg, int take_status_fd)
{
	return tls_connect_reason(take_status_fd, arg);
}

HttpClient *host_client(const Host *host)
{
	const HttpDial by_tls = {.connect = dial, .explain = explain, .arg = &host->tls};

	return host->socket ? http_client_new(host->socket) : http_client_new_by(&by_tls);
}
