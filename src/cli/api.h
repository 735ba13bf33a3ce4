// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Calls to the daemon: targets with their parts encoded, JSON answers, and the daemon's errors as Errors of ours. Paths
 * carry no version: kedge and kedged come together, and the newest form of an answer is the one that is wanted.
 */
#include "base/buffer.h"
#include "cli/cli.h"
#include "json/value.h"

enum { API_ANSWER_MAX = 64 << 20, API_ERROR_MAX = 1 << 20 };

/* "/containers/" + id + "/start": the formatted text as it is, then one part encoded, then the rest. */
void target_path(Buffer *target, const char *before, const char *part, const char *after);
/* The same for an image's name, whose slashes are part of the path. */
void target_image(Buffer *target, const char *name, const char *after);
/* "?key=value" or "&key=value"; NULL value: nothing. */
void target_query(Buffer *target, const char *key, const char *value);
void target_query_int(Buffer *target, const char *key, int64_t value);
void target_query_flag(Buffer *target, const char *key, bool value); /* "1" or nothing */
/* filters={"key":{"value":true}} of "key=value" words; an ill-formed one is an error. */
fallible target_query_filters(Buffer *target, const StringList *filters);

/* One call with its whole JSON answer (NULL where there is none). Any status from 400 on is an Error with the daemon's
 * message; 304 is success. */
fallible api_get(Cli *cli, Value **ret, const char *target);
fallible api_post(
	Cli *cli, Value **ret, const char *target, const char *json); /* json NULL: no body; ret NULL: not wanted */
/* The same with a method of its own: PUT, PATCH. */
fallible api_send(Cli *cli, Value **ret, const char *method, const char *target, const char *json);
fallible api_delete(Cli *cli, Value **ret, const char *target);
/* GET of a text: the body as it is, for those that show it. */
fallible api_get_text(Cli *cli, char **ret, const char *target);

/* The answer's "Warnings", on standard error. */
void api_print_warnings(const Value *answer);

/* A call whose body the caller reads from the client; its own connection when client is not cli->client. Statuses from
 * 400 on are Errors. */
fallible api_open(HttpClient *client, const HttpCall *call);
HttpClient *api_connect(const Cli *cli);
/* The same for "GET target". */
fallible api_stream(HttpClient **ret, const Cli *cli, const char *target);
/* The daemon puts a hint behind the message, for clients that know no hints, and beside it; ours is shown on a line of
 * its own. */
Error *api_failure(ErrorKind kind, const char *message, const char *hint); /* hint: NULL without one */
/* What api_open() does with a status from 400 on. */
fallible api_error(HttpClient *client);

/* Reads a stream of JSON documents, one a line (events, statistics, progress); each bounded. Ends with the stream or
 * with each's first error. */
typedef Error *ApiLine(void *arg, const Value *line);
fallible api_each_line(HttpClient *client, ApiLine *each, void *arg);
