// SPDX-License-Identifier: Apache-2.0
#include "dns/servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

enum { RESOLV_CONF_MAX = 64 << 10, DNS_PORT = 53 };

/* A file that changed so shortly before it was read may change again without its times telling. */
#define CLOCK_STEP (50 * NANOS_PER_MILLI)

/* ---- one server ---- */

static bool parse_ipv6(Server *ret, const char *text)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&ret->address;
	const char *zone = strchr(text, '%');
	char host[INET6_ADDRSTRLEN] = "";
	size_t length = zone ? (size_t)(zone - text) : strlen(text);

	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	*address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
	ret->length = sizeof(*address);
	if (zone)
		address->sin6_scope_id = if_nametoindex(zone + 1);
	return inet_pton(AF_INET6, host, &address->sin6_addr) == 1 && (!zone || address->sin6_scope_id);
}

static bool parse_ipv4(Server *ret, const char *text)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&ret->address;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
	ret->length = sizeof(*address);
	/* Where containers ask us: elsewhere nobody listens there, or we. */
	return inet_pton(AF_INET, text, &address->sin_addr) == 1 &&
	       address->sin_addr.s_addr != htonl(INADDR_LOOPBACK + 10);
}

bool server_parse(Server *ret, const char *text)
{
	*ret = (Server){0};
	return strchr(text, ':') ? parse_ipv6(ret, text) : parse_ipv4(ret, text);
}

void server_reverse_name(char ret[REVERSE_NAME_MAX], const Server *server)
{
	if (server->address.ss_family == AF_INET)
		reverse_name_ipv4(ret, ((const struct sockaddr_in *)&server->address)->sin_addr);
	else
		reverse_name_ipv6(ret, &((const struct sockaddr_in6 *)&server->address)->sin6_addr);
}

/* ---- lists ---- */

void servers_add(ServerList *list, const char *address)
{
	if (list->count < SERVERS_MAX && server_parse(&list->items[list->count], address))
		list->count++;
}

static void parse_line(ServerList *list, char *line)
{
	char *rest = NULL;
	const char *key = strtok_r(line, " \t", &rest);
	const char *value = key ? strtok_r(NULL, " \t", &rest) : NULL;

	if (value && string_equal(key, "nameserver"))
		servers_add(list, value);
}

void servers_parse(ServerList *ret, const char *text)
{
	autoclear(StringList) lines = {0};

	ret->count = 0;
	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++)
		parse_line(ret, string_trim(lines.items[i]));
}

/* ---- the host's ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       !memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) &&
	       !memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim));
}

static bool is_settled(const struct stat *status)
{
	int64_t changed = status->st_ctim.tv_sec * NANOS_PER_SECOND + status->st_ctim.tv_nsec;
	int64_t now = clock_wall_ns();

	return now < changed || now - changed > CLOCK_STEP;
}

static fallible read_servers(ServerList *ret, const char *path)
{
	autofree char *text = NULL;

	TRY(file_read(&text, NULL, AT_FDCWD, path, RESOLV_CONF_MAX));
	servers_parse(ret, text);
	return NULL;
}

/* Told once for each time that it stops naming servers. */
static void keep_last(HostServers *host, Error *take_error)
{
	const char *consequence =
		host->list.count ? "the last known name servers stay in use" : "names from outside are not answered";

	if (!host->was_told && take_error)
		log_warning("%s: %s", consequence, error_message(take_error));
	else if (!host->was_told)
		log_warning("%s: \"%s\" names no server", consequence, host->path);
	host->was_told = true;
	error_free(take_error); /* it was told, now or before */
}

static void read_again(HostServers *host)
{
	ServerList list = {0};
	Error *error = read_servers(&list, host->path);

	if (error || !list.count) {
		keep_last(host, error);
		return;
	}
	host->was_told = false;
	host->list = list;
}

const ServerList *host_servers(HostServers *host)
{
	struct stat now = {0};

	if (stat(host->path, &now) < 0)
		now = (struct stat){0};
	if (!host->is_seen || !is_same(&now, &host->seen))
		read_again(host);
	host->seen = now;
	host->is_seen = is_settled(&now);
	return &host->list;
}
