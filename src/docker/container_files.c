// SPDX-License-Identifier: Apache-2.0
/* Files of containers: archives out of them and into them. Source: moby api/swagger.yaml, ContainerArchive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/memory.h"
#include "docker/forms.h"
#include "docker/internal.h"
#include "docker/packed.h"
#include "docker/unpacked.h"
#include "engine/copy_in.h"
#include "engine/export.h"

#define STAT_HEADER "X-Docker-Container-Path-Stat"

enum { CHANGES_PENDING_MAX = 256 << 10 };

/* ---- what is at a path ---- */

/* Source: Go, io/fs, FileMode. */
static const struct GoMode {
	unsigned mask, value;
	uint32_t bits;
} go_modes[] = {
	{S_IFMT, S_IFDIR, UINT32_C(1) << 31},
	{S_IFMT, S_IFLNK, UINT32_C(1) << 27},
	{S_IFMT, S_IFBLK, UINT32_C(1) << 26},
	{S_IFMT, S_IFCHR, UINT32_C(1) << 26 | UINT32_C(1) << 21},
	{S_IFMT, S_IFIFO, UINT32_C(1) << 25},
	{S_IFMT, S_IFSOCK, UINT32_C(1) << 24},
	{S_ISUID, S_ISUID, UINT32_C(1) << 23},
	{S_ISGID, S_ISGID, UINT32_C(1) << 22},
	{S_ISVTX, S_ISVTX, UINT32_C(1) << 20},
};

static uint32_t go_mode(unsigned mode)
{
	uint32_t found = mode & 0777;

	for (size_t i = 0; i < sizeof(go_modes) / sizeof(go_modes[0]); i++)
		if ((mode & go_modes[i].mask) == go_modes[i].value)
			found |= go_modes[i].bits;
	return found;
}

/* 1970 is a time here, not the word for never; and what no int64_t holds in nanoseconds is the last that it does. */
static void write_mtime(Writer *writer, long long seconds, long nanos)
{
	const long long most = INT64_MAX / NANOS_PER_SECOND - 1;

	seconds = seconds > most ? most : seconds < -most ? -most : seconds;
	if (!seconds && !nanos)
		write_string(writer, "mtime", "1970-01-01T00:00:00Z");
	else
		write_time(writer, "mtime", seconds * NANOS_PER_SECOND + nanos);
}

typedef struct PathStat {
	unsigned mode;
	long long size, seconds;
	long nanos;
	const char *name, *target; /* name: up to the slash before target */
} PathStat;

static fallible parse_stat(PathStat *ret, const char *line)
{
	int length = 0;

	if (sscanf(line, "%o %lld %lld %ld %n", &ret->mode, &ret->size, &ret->seconds, &ret->nanos, &length) != 4 ||
		!length)
		return error_new(ERROR_INTERNAL, "\"kedge-pack\" said \"%.100s\"", line);
	ret->name = line + length;
	ret->target = strchr(ret->name, '/');
	if (!ret->target++)
		return error_new(ERROR_INTERNAL, "\"kedge-pack\" said \"%.100s\"", line);
	return NULL;
}

static Error *add_stat(HttpRequest *request, const char *line)
{
	autoclear(Buffer) json = {0}, encoded = {0};
	PathStat stat;
	Writer writer;

	TRY(parse_stat(&stat, line));
	writer_init(&writer, &json);
	write_object(&writer, NULL);
	write_stringf(&writer, "name", "%.*s", stat.target == stat.name + 1 ? 1 : (int)(stat.target - stat.name) - 1,
		stat.name);
	write_int(&writer, "size", stat.size);
	write_int(&writer, "mode", go_mode(stat.mode));
	write_mtime(&writer, stat.seconds, stat.nanos);
	write_string(&writer, "linkTarget", stat.target);
	write_object_end(&writer);
	base64_encode(&encoded, json.data, json.length);
	http_response_header(request, STAT_HEADER, buffer_text(&encoded));
	return NULL;
}

/* ---- out ---- */

typedef struct ArchiveOut {
	Container *container;
	CopyRequest request;
} ArchiveOut;

static fallible start_copy(Pack **ret, const PackHandlers *handlers, void *arg, void *start_arg)
{
	const ArchiveOut *out = start_arg;

	return container_copy_out(ret, out->container, &out->request, handlers, arg);
}

/* Docker's words, which are the same for every method. */
static fallible check_path(const HttpRequest *request)
{
	return string_empty(http_request_query(request, "path"))
		       ? error_new(ERROR_INVALID, "bad parameter: path cannot be empty")
		       : NULL;
}

static void get_archive(HttpRequest *request, void *context)
{
	Error *error = check_path(request);
	Container *container;

	if (error) {
		http_respond_error(request, error);
		return;
	}
	container = find_container(request, context);
	if (!container)
		return;
	ArchiveOut out = {container, {http_request_query(request, "path"), http_request_param(request, "id"),
					     string_equal(http_request_method(request), "HEAD")}};
	packed_respond_behind(request, start_copy, &out, add_stat);
}

/* ---- in ---- */

typedef struct ArchiveIn {
	const HttpRequest *request;
	Container *container;
} ArchiveIn;

static fallible start_copy_in(Intake **ret, const IntakeHandlers *handlers, void *arg, void *start_arg)
{
	const ArchiveIn *in = start_arg;
	const CopyInRequest wanted = {
		.path = http_request_query(in->request, "path"),
		.name = http_request_param(in->request, "id"),
		.keeps_directories = http_request_flag(in->request, "noOverwriteDirNonDir"),
		.gives_to_user = http_request_flag(in->request, "copyUIDGID"),
	};

	return container_copy_in(ret, in->container, &wanted, handlers, arg);
}

static void put_archive(HttpRequest *request, void *context)
{
	Error *error = check_path(request);
	ArchiveIn in = {request, error ? NULL : find_container(request, context)};

	if (error)
		http_respond_error(request, error);
	else if (in.container)
		unpacked_take(request, start_copy_in, &in);
}

/* ---- changes ---- */

/* From kedge-pack's lines to Docker's array as they come, of which there may be as many as there are files. */
typedef struct ChangeList {
	HttpRequest *request;
	Pack *pack;
	Buffer line;
	HttpStream *stream; /* NULL before the first */
} ChangeList;

static void change_list_free(ChangeList *list)
{
	pack_free(list->pack);
	buffer_clear(&list->line);
	free(list);
}

static void changes_gone(void *arg)
{
	change_list_free(arg);
}

static void changes_drained(void *arg)
{
	ChangeList *list = arg;

	pack_pause(list->pack, false);
}

static void begin_list(ChangeList *list)
{
	list->stream = http_respond_stream(list->request, 200, "application/json");
	http_stream_on_drain(list->stream, changes_drained, list);
}

static void write_change(ChangeList *list)
{
	static const char kinds[] = "CAD"; /* Docker's numbers */
	autoclear(Buffer) out = {0};
	const char *line = buffer_text(&list->line), *kind = strchr(kinds, *line);
	Writer writer;

	buffer_add_char(&out, list->stream ? ',' : '[');
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_string(&writer, "Path", *line ? line + 1 : "");
	write_int(&writer, "Kind", kind && *kind ? kind - kinds : 0);
	write_object_end(&writer);
	if (!list->stream)
		begin_list(list);
	http_stream_write(list->stream, out.data, out.length);
	buffer_truncate(&list->line, 0);
}

static void on_changes(void *arg, const char *data, size_t length)
{
	ChangeList *list = arg;

	while (length) {
		size_t part = strnlen(data, length);
		buffer_add(&list->line, data, part);
		if (part == length)
			break;
		write_change(list);
		data += part + 1;
		length -= part + 1;
	}
	if (list->stream && http_stream_pending(list->stream) > CHANGES_PENDING_MAX)
		pack_pause(list->pack, true);
}

static void on_changes_ended(void *arg, Error *take_error)
{
	ChangeList *list = arg;

	if (!list->stream && take_error) {
		http_respond_error(list->request, take_error);
	} else if (!list->stream) {
		http_respond(list->request, 200, "application/json", "null\n", strlen("null\n"));
	} else if (take_error) {
		error_log(take_error, "a list of changes was broken off");
		http_stream_break(list->stream);
	} else {
		http_stream_write(list->stream, "]\n", 2);
		http_stream_end(list->stream);
	}
	change_list_free(list);
}

static void get_changes(HttpRequest *request, void *context)
{
	static const PackHandlers handlers = {.data = on_changes, .ended = on_changes_ended};
	Container *container = find_container(request, context);
	ChangeList *list;
	Error *error;

	if (!container)
		return;
	list = mem_new(ChangeList);
	list->request = request;
	error = container_changes(&list->pack, container, false, &handlers, list);
	if (error) {
		free(list);
		http_respond_error(request, error);
		return;
	}
	http_request_on_gone(request, changes_gone, list);
}

const HttpRoute container_file_routes[] = {
	{"GET", "/containers/{id}/changes", get_changes, 0, 0},
	{"GET", "/containers/{id}/archive", get_archive, 0, 0},
	{"PUT", "/containers/{id}/archive", put_archive, HTTP_BODY_STREAM, 0},
	{0},
};
