// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Name servers that questions are passed on to: those of a list, or those of a resolv.conf(5), which is looked at again
 * with each question that needs them, by stat(2), so that it does not matter how it changes: written anew, renamed
 * over, a link that leads elsewhere, a directory that is made anew. While it names no server (it was emptied, removed,
 * cannot be read), the last ones that it named stay in use.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "dns/message.h"

enum { SERVERS_MAX = 8 };

typedef struct Server {
	struct sockaddr_storage address; /* port 53 */
	socklen_t length;
} Server;

typedef struct ServerList {
	Server items[SERVERS_MAX];
	size_t count;
} ServerList;

/* An address, with "%eth0" where its reach is one link. False: it is none, or one that would ask ourselves. */
bool server_parse(Server *ret, const char *text);
void server_reverse_name(char ret[REVERSE_NAME_MAX], const Server *server);
/* More than there is room for, and what is no server, is left out. */
void servers_add(ServerList *list, const char *address);
/* The text of a resolv.conf. */
void servers_parse(ServerList *ret, const char *text);

typedef struct HostServers {
	const char *path;
	ServerList list;
	struct stat seen;
	bool is_seen; /* false: to be read again */
	bool was_told;
} HostServers;

const ServerList *host_servers(HostServers *host); /* none only as long as it has never named one */
