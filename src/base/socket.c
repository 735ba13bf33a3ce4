// SPDX-License-Identifier: Apache-2.0
#include "base/socket.h"

#include <string.h>
#include <sys/socket.h>

fallible socket_address(struct sockaddr_un *ret, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return error_new(ERROR_INVALID, "socket path \"%s\" is longer than %zu bytes", path,
			sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	*ret = address;
	return NULL;
}
