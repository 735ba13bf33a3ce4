// SPDX-License-Identifier: Apache-2.0
#include "cni/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"

enum { RECORD_MAX = 4 << 20 };

static const Field record_fields[] = {
	{.name = "attachment",
		.kind = FIELD_OBJECT,
		.offset = offsetof(CniRecord, attachment),
		.sub = cni_attachment_fields,
		.required = true},
	{.name = "file", .kind = FIELD_STRING, .offset = offsetof(CniRecord, file), .required = true},
	{.name = "list", .kind = FIELD_VALUE, .offset = offsetof(CniRecord, list), .required = true},
	{.name = "begun",
		.kind = FIELD_INT,
		.offset = offsetof(CniRecord, begun),
		.max = CNI_PLUGINS_MAX,
		.required = true},
	{.name = "whole", .kind = FIELD_BOOL, .offset = offsetof(CniRecord, is_whole)},
	{.name = "result", .kind = FIELD_VALUE, .offset = offsetof(CniRecord, result)},
	FIELDS_END,
};

void cni_record_clear(CniRecord *record)
{
	fields_clear(record_fields, record);
}

static char *record_path(const char *directory, const char *container, const char *interface, const char *suffix)
{
	return string_printf("%s/%s-%s.%s", directory, container, interface, suffix);
}

fallible cni_record_write(const CniRecord *record, const char *directory)
{
	const CniAttachment *attachment = &record->attachment;
	autofree char *path = record_path(directory, attachment->container, attachment->interface, "json");
	autoclear(Buffer) text = {0};
	Writer writer;

	TRY(fault("cni.record.write"));
	writer_init(&writer, &text);
	fields_write(record_fields, record, &writer, NULL);
	return file_replace_durable(AT_FDCWD, path, text.data, text.length, 0600);
}

static fallible read_path(CniRecord *ret, const char *path)
{
	autofree char *text = NULL;
	size_t length;
	autoclear(CniRecord) record = {0};

	TRY(file_read(&text, &length, AT_FDCWD, path, RECORD_MAX));
	TRY(fields_read_text(record_fields, &record, "record of a CNI network", text, length, 0));
	*ret = record;
	record = (CniRecord){0};
	return NULL;
}

fallible cni_record_read(CniRecord *ret, const char *directory, const char *container, const char *interface)
{
	autofree char *path = record_path(directory, container, interface, "json");

	return read_path(ret, path);
}

bool cni_record_exists(const char *directory, const char *container, const char *interface)
{
	autofree char *path = record_path(directory, container, interface, "json");

	return file_exists(AT_FDCWD, path);
}

fallible cni_record_remove(const char *directory, const char *container, const char *interface)
{
	autofree char *path = record_path(directory, container, interface, "json");
	autofree char *lock = record_path(directory, container, interface, "lock");

	TRY(fault("cni.record.remove"));
	TRY(file_unlink(AT_FDCWD, lock)); /* first: while there is a record, both are found again */
	return file_unlink(AT_FDCWD, path);
}

void cni_record_unlock(int *fd)
{
	if (*fd >= 0)
		flock(*fd, LOCK_UN);
	close_fd(fd);
}

fallible cni_record_network(CniNetwork **ret, const CniRecord *record)
{
	return cni_network_new(ret, record->file, record->list);
}

fallible cni_record_lock(int *ret_fd, const char *directory, const char *container, const char *interface)
{
	autofree char *path = record_path(directory, container, interface, "lock");
	autofd fd = -1;

	TRY(file_open(&fd, AT_FDCWD, path, O_RDWR | O_CREAT, 0600));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_errno(errno, "could not lock \"%s\"", path);
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* ---- all of them ---- */

static Error *note_record(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir, (void)type;
	if (string_ends(name, ".json"))
		strings_add(arg, name);
	return NULL;
}

fallible cni_records_each(const char *directory, void (*visit)(void *arg, const CniRecord *record), void *arg)
{
	autoclear(StringList) names = {0};

	if (!file_exists(AT_FDCWD, directory))
		return NULL;
	TRY(dir_each(AT_FDCWD, directory, note_record, &names));
	for (size_t i = 0; i < names.count; i++) {
		autofree char *path = path_join(directory, names.items[i]);
		autoclear(CniRecord) record = {0};
		Error *error = read_path(&record, path);
		if (error)
			error_log(error, "\"%s\" stays as it is", path);
		else
			visit(arg, &record);
	}
	return NULL;
}
