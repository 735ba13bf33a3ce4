// SPDX-License-Identifier: Apache-2.0
/* The managed files of a container's /etc: made anew for each start, in the bundle on tmpfs. */
#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "engine/container_internal.h"

enum { ETC_FILE_MAX = 256 << 10 };

static bool shares_network(const Container *container)
{
	return string_equal(container->record.spec.network_mode, "host");
}

static fallible etc_write(const Container *container, const char *name, const Buffer *text)
{
	autofree char *path = path_join(container->bundle, name);

	return file_replace(AT_FDCWD, path, buffer_text(text), text->length, 0644);
}

static void hosts_extra(const Container *container, Buffer *text)
{
	const StringList *extra = &container->record.spec.extra_hosts;

	for (size_t i = 0; i < extra->count; i++) {
		const char *entry = extra->items[i], *colon = strchr(entry, ':');
		if (colon)
			buffer_printf(text, "%s\t%.*s\n", colon + 1, (int)(colon - entry), entry);
	}
}

static fallible hosts_write(const Container *container, const char *hostname)
{
	autoclear(Buffer) text = {0};
	autofree char *ours = NULL;

	if (shares_network(container) && file_exists(AT_FDCWD, "/etc/hosts")) {
		TRY(file_read(&ours, NULL, AT_FDCWD, "/etc/hosts", ETC_FILE_MAX));
		buffer_add_text(&text, ours);
	} else {
		buffer_add_text(&text, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
				       "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\n"
				       "ff02::2\tip6-allrouters\n");
		buffer_printf(&text, "127.0.1.1\t%s\n", hostname);
	}
	hosts_extra(container, &text);
	return etc_write(container, "hosts", &text);
}

static void resolv_lines(Buffer *text, const char *keyword, const StringList *values)
{
	for (size_t i = 0; i < values->count; i++)
		buffer_printf(text, "%s %s\n", keyword, values->items[i]);
}

static fallible resolv_write(const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	autoclear(Buffer) text = {0};
	autofree char *ours = NULL;

	resolv_lines(&text, "nameserver", &spec->dns);
	resolv_lines(&text, "search", &spec->dns_search);
	resolv_lines(&text, "options", &spec->dns_options);
	if (!text.length && file_exists(AT_FDCWD, "/etc/resolv.conf")) {
		TRY(file_read(&ours, NULL, AT_FDCWD, "/etc/resolv.conf", ETC_FILE_MAX));
		buffer_add_text(&text, ours);
	}
	return etc_write(container, "resolv.conf", &text);
}

fallible etc_files_write(Container *container, const char *hostname)
{
	autoclear(Buffer) name = {0};

	buffer_printf(&name, "%s\n", hostname);
	TRY(etc_write(container, "hostname", &name));
	TRY(hosts_write(container, hostname));
	return resolv_write(container);
}
