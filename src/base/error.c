// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

struct Error {
	ErrorKind kind;
	int number;
	char *message;
	char *hint;
};

static const struct {
	const char *name;
	int http_status;
	int exit_code;
	bool may_pass; /* the same request may succeed later */
} kinds[ERROR_KINDS] = {
	[ERROR_INTERNAL] = {"internal", 500, 1, false},
	[ERROR_INVALID] = {"invalid", 400, 2, false},
	[ERROR_UNAUTHORIZED] = {"unauthorized", 401, 3, false},
	[ERROR_FORBIDDEN] = {"forbidden", 403, 4, false},
	[ERROR_NOT_FOUND] = {"not found", 404, 5, false},
	[ERROR_CONFLICT] = {"conflict", 409, 6, false},
	[ERROR_TOO_LARGE] = {"too large", 413, 7, false},
	[ERROR_UNSUPPORTED] = {"unsupported", 501, 8, false},
	[ERROR_UNAVAILABLE] = {"unavailable", 503, 9, true},
	[ERROR_TIMEOUT] = {"timeout", 504, 10, true},
	[ERROR_CANCELLED] = {"cancelled", 499, 11, false},
	[ERROR_STALE] = {"stale", 412, 12, false},
};

static const struct {
	int number;
	ErrorKind kind;
} errno_kinds[] = {
	{ENOENT, ERROR_NOT_FOUND},
	{ESRCH, ERROR_NOT_FOUND},
	{ENXIO, ERROR_NOT_FOUND},
	{ENODEV, ERROR_NOT_FOUND},
	{EEXIST, ERROR_CONFLICT},
	{EBUSY, ERROR_CONFLICT},
	{ENOTEMPTY, ERROR_CONFLICT},
	{EADDRINUSE, ERROR_CONFLICT},
	{ETXTBSY, ERROR_CONFLICT},
	{EACCES, ERROR_FORBIDDEN},
	{EPERM, ERROR_FORBIDDEN},
	{EROFS, ERROR_UNAVAILABLE},
	{ENAMETOOLONG, ERROR_INVALID},
	{ELOOP, ERROR_INVALID},
	{ENOTDIR, ERROR_INVALID},
	{EISDIR, ERROR_INVALID},
	{EFBIG, ERROR_TOO_LARGE},
	{E2BIG, ERROR_TOO_LARGE},
	{ENOSYS, ERROR_UNSUPPORTED},
	{EOPNOTSUPP, ERROR_UNSUPPORTED},
	{ENOSPC, ERROR_UNAVAILABLE},
	{EDQUOT, ERROR_UNAVAILABLE},
	{EAGAIN, ERROR_UNAVAILABLE},
	{ENOMEM, ERROR_UNAVAILABLE},
	{EMFILE, ERROR_UNAVAILABLE},
	{ENFILE, ERROR_UNAVAILABLE},
	{ECONNREFUSED, ERROR_UNAVAILABLE},
	{ECONNRESET, ERROR_UNAVAILABLE},
	{ENETUNREACH, ERROR_UNAVAILABLE},
	{EHOSTUNREACH, ERROR_UNAVAILABLE},
	{EPIPE, ERROR_UNAVAILABLE},
	{ENETDOWN, ERROR_UNAVAILABLE},
	{ETIMEDOUT, ERROR_TIMEOUT},
	{ECANCELED, ERROR_CANCELLED},
};

static ErrorKind kind_of_errno(int number)
{
	for (size_t i = 0; i < sizeof(errno_kinds) / sizeof(*errno_kinds); i++)
		if (errno_kinds[i].number == number)
			return errno_kinds[i].kind;
	return ERROR_INTERNAL;
}

static Error *error_make(ErrorKind kind, int number, char *message)
{
	Error *error = mem_new(Error);

	*error = (Error){.kind = kind, .number = number, .message = message};
	return error;
}

/* Gives "<a>: <b>" and frees both. */
static char *joined(char *a, char *b)
{
	char *text = string_printf("%s: %s", a, b);

	free(a);
	free(b);
	return text;
}

Error *error_new(ErrorKind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *message = string_vprintf(format, args);
	va_end(args);
	return error_make(kind, 0, message);
}

Error *error_errno(int errno_value, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *message = string_vprintf(format, args);
	va_end(args);
	return error_make(kind_of_errno(errno_value), errno_value, joined(message, mem_strdup(strerror(errno_value))));
}

Error *error_wrap(Error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *message = string_vprintf(format, args);
	va_end(args);
	error->message = joined(message, error->message);
	return error;
}

Error *error_hint(Error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	free(error->hint);
	error->hint = string_vprintf(format, args);
	va_end(args);
	return error;
}

Error *error_copy(const Error *error)
{
	Error *copy = error_make(error->kind, error->number, mem_strdup(error->message));

	copy->hint = error->hint ? mem_strdup(error->hint) : NULL;
	return copy;
}

Error *error_free(Error *error)
{
	if (error) {
		free(error->message);
		free(error->hint);
		free(error);
	}
	return NULL;
}

ErrorKind error_kind(const Error *error)
{
	return error->kind;
}

int error_number(const Error *error)
{
	return error->number;
}

const char *error_message(const Error *error)
{
	return error->message;
}

const char *error_hint_text(const Error *error)
{
	return error->hint;
}

char *error_text(const Error *error)
{
	return string_printf("%s%s%s", error->message, error->hint ? ": " : "", error->hint ? error->hint : "");
}

int error_http_status(ErrorKind kind)
{
	return kinds[kind].http_status;
}

ErrorKind error_kind_of_http(int status)
{
	for (ErrorKind kind = 0; kind < ERROR_KINDS; kind++)
		if (kinds[kind].http_status == status)
			return kind;
	if (status == 429 || status == 502) /* slow down; a gateway without its server */
		return ERROR_UNAVAILABLE;
	return status >= 400 && status < 500 ? ERROR_INVALID : ERROR_INTERNAL;
}

const char *error_kind_name(ErrorKind kind)
{
	return kinds[kind].name;
}

int error_exit_code(ErrorKind kind)
{
	return kinds[kind].exit_code;
}

ErrorKind error_kind_of_exit_code(int exit_code)
{
	for (int kind = 0; kind < ERROR_KINDS; kind++)
		if (kinds[kind].exit_code == exit_code)
			return kind;
	return ERROR_INTERNAL;
}

bool error_may_pass(ErrorKind kind)
{
	return kinds[kind].may_pass;
}

void error_log(Error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *what = string_vprintf(format, args);
	va_end(args);
	log_warning("%s: %s%s%s", what, error->message, error->hint ? "; " : "", error->hint ? error->hint : "");
	error_free(error);
}
