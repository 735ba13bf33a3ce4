// SPDX-License-Identifier: Apache-2.0
#include "engine/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"

struct Audit {
	char *directory, *path, *old_path;
	int fd; /* -1: not open yet */
	int64_t size;
};

#define TEXT(key, member)                                                                                              \
	{                                                                                                              \
		.name = (key), .kind = FIELD_STRING, .offset = offsetof(AuditEntry, member), .omit_empty = true        \
	}

const Field audit_entry_fields[] = {
	TEXT("time", time),
	TEXT("engine", engine),
	TEXT("decision", decision),
	TEXT("door", door),
	TEXT("container", container),
	TEXT("name", name),
	TEXT("image", image),
	{.name = "digests", .kind = FIELD_STRINGS, .offset = offsetof(AuditEntry, digests), .omit_empty = true},
	TEXT("rule", rule),
	TEXT("reason", reason),
	FIELDS_END,
};

/* ---- life ---- */

Audit *audit_new(const char *directory)
{
	Audit *audit = mem_new(Audit);

	audit->directory = mem_strdup(directory);
	audit->path = path_join(directory, "audit.log");
	audit->old_path = path_join(directory, "audit.log.1");
	audit->fd = -1;
	return audit;
}

Audit *audit_free(Audit *audit)
{
	if (!audit)
		return NULL;
	close_fd(&audit->fd);
	free(audit->directory);
	free(audit->path);
	free(audit->old_path);
	free(audit);
	return NULL;
}

/* ---- writing ---- */

/* A line that a power cut has torn is ended, so that the next one is whole. */
static fallible end_torn_line(Audit *audit)
{
	char last = '\n';

	if (pread(audit->fd, &last, 1, audit->size - 1) == 1 && last != '\n') {
		TRY(file_write_all(audit->fd, "\n", 1, audit->path));
		audit->size++;
	}
	return NULL;
}

static fallible open_file(Audit *audit)
{
	struct stat status;

	if (audit->fd >= 0)
		return NULL;
	TRY(file_open(&audit->fd, AT_FDCWD, audit->path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600));
	if (fstat(audit->fd, &status) < 0)
		return error_errno(errno, "\"%s\"", audit->path);
	audit->size = status.st_size;
	return audit->size ? end_torn_line(audit) : file_sync_dir(AT_FDCWD, audit->directory);
}

static fallible rotate(Audit *audit)
{
	close_fd(&audit->fd);
	TRY(file_rename_durable(AT_FDCWD, audit->path, AT_FDCWD, audit->old_path));
	return open_file(audit);
}

static fallible write_line(Audit *audit, const Buffer *line, bool is_durable)
{
	TRY(open_file(audit));
	if (audit->size && audit->size + (int64_t)line->length > AUDIT_FILE_MAX)
		TRY(rotate(audit));
	TRY(fault("engine.audit.write"));
	TRY(file_write_all(audit->fd, line->data, line->length, audit->path));
	audit->size += (int64_t)line->length;
	if (is_durable && fdatasync(audit->fd) < 0)
		return error_errno(errno, "\"%s\"", audit->path);
	return NULL;
}

static void compose(Buffer *line, const AuditEntry *entry)
{
	AuditEntry timed = *entry; /* lends everything */
	char now[CLOCK_TEXT_MAX];
	Writer writer;

	clock_format(now, clock_wall_ns());
	timed.time = now;
	writer_init(&writer, line);
	fields_write(audit_entry_fields, &timed, &writer, NULL);
	buffer_add_char(line, '\n');
}

void audit_write(Audit *audit, const AuditEntry *entry, bool is_durable)
{
	autoclear(Buffer) line = {0};
	Error *error;

	compose(&line, entry);
	if (line.length > AUDIT_LINE_MAX) { /* names and digests are bounded; a reason quotes them once more */
		AuditEntry brief = *entry;
		brief.digests = (StringList){0};
		brief.reason = NULL;
		buffer_clear(&line);
		compose(&line, &brief);
	}
	error = write_line(audit, &line, is_durable);
	if (!error)
		return;
	close_fd(&audit->fd); /* the next line begins afresh */
	error_log(error, "a decision is not in the audit log");
}

/* ---- reading ---- */

static void add_line(FieldArray *entries, const char *line)
{
	AuditEntry entry = {0};
	Error *error = fields_read_text(audit_entry_fields, &entry, "line", line, strlen(line), 0);

	if (error) {
		error_free(error); /* torn */
		fields_clear(audit_entry_fields, &entry);
		return;
	}
	entries->items = mem_array(entries->items, entries->count + 1, sizeof(AuditEntry));
	((AuditEntry *)entries->items)[entries->count++] = entry;
}

static fallible add_file(StringList *lines, const char *path)
{
	autofree char *text = NULL;

	if (!file_exists(AT_FDCWD, path))
		return NULL;
	TRY(file_read(&text, NULL, AT_FDCWD, path, AUDIT_FILE_MAX + AUDIT_LINE_MAX));
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			strings_add(lines, line);
	return NULL;
}

fallible audit_read(FieldArray *ret, const Audit *audit, size_t count)
{
	autoclear(StringList) lines = {0};

	TRY(add_file(&lines, audit->old_path));
	TRY(add_file(&lines, audit->path));
	for (size_t i = lines.count > count ? lines.count - count : 0; i < lines.count; i++)
		add_line(ret, lines.items[i]);
	return NULL;
}

void audit_entries_clear(FieldArray *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		fields_clear(audit_entry_fields, (AuditEntry *)entries->items + i);
	free(entries->items);
	*entries = (FieldArray){0};
}
