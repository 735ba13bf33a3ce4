// SPDX-License-Identifier: Apache-2.0
#include "base/env_file.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "json/writer.h"

typedef struct ExecOptions {
	bool help, detach, interactive, tty, privileged;
	StringList env, env_files;
	char *user, *workdir, *detach_keys;
} ExecOptions;

#define AT(member) offsetof(ExecOptions, member)

static const Option options[] = {
	HELP_OPTION(ExecOptions),
	{"detach", 'd', OPTION_SWITCH, AT(detach), .help = "let it run in the background"},
	{"interactive", 'i', OPTION_SWITCH, AT(interactive), .help = "it reads what we read"},
	{"tty", 't', OPTION_SWITCH, AT(tty), .help = "give it a terminal"},
	{"detach-keys", 0, OPTION_STRING, AT(detach_keys), "KEYS",
		"what to type to leave it running (default: ctrl-p,ctrl-q)"},
	{"env", 'e', OPTION_LIST, AT(env), "NAME[=VALUE]", "set a variable; without a value: to that of our own"},
	{"env-file", 0, OPTION_LIST, AT(env_files), "FILE", "set variables from the lines of a file",
		.complete = "file"},
	{"privileged", 0, OPTION_SWITCH, AT(privileged), .help = "give it every capability"},
	{"user", 'u', OPTION_STRING, AT(user), "USER[:GROUP]", "names that the container has, or numbers"},
	{"workdir", 'w', OPTION_STRING, AT(workdir), "DIR", "working directory in the container"},
	OPTION_END,
};

/* ---- what is asked for ---- */

static fallible write_env(Writer *writer, const ExecOptions *given)
{
	autoclear(StringList) words = {0};

	for (size_t i = 0; i < given->env_files.count; i++)
		TRY_WRAP(env_file_read(&words, given->env_files.items[i], true), "option \"--env-file\"");
	for (size_t i = 0; i < given->env.count; i++)
		TRY_WRAP(env_word_add(&words, given->env.items[i]), "option \"--env\"");
	write_strings(writer, "Env", &words);
	return NULL;
}

static void write_size(Writer *writer, bool has_terminal)
{
	int rows, columns;

	if (!has_terminal || !terminal_size(stdout, &rows, &columns))
		return;
	write_array(writer, "ConsoleSize");
	write_int(writer, NULL, rows);
	write_int(writer, NULL, columns);
	write_array_end(writer);
}

static void write_command(Writer *writer, const StringList *arguments)
{
	write_array(writer, "Cmd");
	for (size_t i = 1; i < arguments->count; i++)
		write_string(writer, NULL, arguments->items[i]);
	write_array_end(writer);
}

static fallible write_create(Buffer *out, const ExecOptions *given, const StringList *arguments)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_command(&writer, arguments);
	TRY(write_env(&writer, given));
	write_string(&writer, "User", given->user);
	write_string(&writer, "WorkingDir", given->workdir);
	write_string(&writer, "DetachKeys", given->detach_keys);
	write_bool(&writer, "Tty", given->tty);
	write_bool(&writer, "Privileged", given->privileged);
	write_bool(&writer, "AttachStdin", given->interactive && !given->detach);
	write_bool(&writer, "AttachStdout", !given->detach);
	write_bool(&writer, "AttachStderr", !given->detach);
	write_size(&writer, given->tty);
	write_object_end(&writer);
	return NULL;
}

static fallible create(char **ret_id, Cli *cli, const ExecOptions *given, const StringList *arguments)
{
	autoclear(Buffer) target = {0}, body = {0};
	autoptr(Value) answer = NULL;

	TRY(write_create(&body, given, arguments));
	target_path(&target, "/containers/", arguments->items[0], "/exec");
	TRY(api_post(cli, &answer, buffer_text(&target), buffer_text(&body)));
	const char *id = value_string(value_get(answer, "Id"));
	if (!id)
		return error_new(ERROR_UNAVAILABLE, "kedged has not said which command it made");
	*ret_id = string_printf("%s", id);
	return NULL;
}

/* ---- in the foreground ---- */

static void write_start(Buffer *out, const ExecOptions *given)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_bool(&writer, "Detach", given->detach);
	write_bool(&writer, "Tty", given->tty);
	write_size(&writer, given->tty);
	write_object_end(&writer);
}

typedef struct Foreground {
	Cli *cli;
	const char *id;
} Foreground;

/* WINCH: there is nobody else that it could be told by. */
static void send_size(void *arg, int signal)
{
	const Foreground *foreground = arg;
	autoclear(Buffer) target = {0};
	int rows, columns;

	(void)signal;
	if (!terminal_size(stdout, &rows, &columns))
		return;
	target_path(&target, "/exec/", foreground->id, "/resize");
	target_query_int(&target, "h", rows);
	target_query_int(&target, "w", columns);
	error_free(api_post(foreground->cli, NULL, buffer_text(&target), NULL)); /* it may have just ended */
}

static fallible open_session(Session *session, const Cli *cli, const ExecOptions *given, const char *id)
{
	autoclear(Buffer) target = {0}, body = {0};

	target_path(&target, "/exec/", id, "/start");
	write_start(&body, given);
	HttpCall call = {.method = "POST",
		.target = buffer_text(&target),
		.content_type = "application/json",
		.body = body.data,
		.length = body.length};
	TRY(session_open(session, cli, &call, given->tty));
	if (given->interactive)
		TRY(session_take_input(session, given->detach_keys));
	return session_watch_signals(session, false);
}

static fallible read_status(Cli *cli, const char *id)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	target_path(&target, "/exec/", id, "/json");
	TRY(api_get(cli, &answer, buffer_text(&target)));
	cli->status = (int)value_int(value_get(answer, "ExitCode"), 0); /* null: left by its keys, it goes on */
	return NULL;
}

static fallible run_foreground(Cli *cli, const ExecOptions *given, const char *id)
{
	Foreground foreground = {cli, id};
	Session session;

	session_init(&session, send_size, &foreground);
	Error *error = open_session(&session, cli, given, id);
	if (!error)
		error = session_run(&session);
	session_clear(&session);
	return error ? error : read_status(cli, id);
}

static fallible run_background(Cli *cli, const ExecOptions *given, const char *id)
{
	autoclear(Buffer) target = {0}, body = {0};

	target_path(&target, "/exec/", id, "/start");
	write_start(&body, given);
	return api_post(cli, NULL, buffer_text(&target), buffer_text(&body));
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ExecOptions *given = opts;
	autofree char *id = NULL;

	if (given->interactive && !given->detach)
		TRY(session_check_terminal(given->tty, WITHOUT_TTY));
	TRY(create(&id, cli, given, arguments));
	return given->detach ? run_background(cli, given, id) : run_foreground(cli, given, id);
}

static const char *const aliases[] = {"container exec", NULL};

const Command exec_command = {
	.name = "exec",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.example = "exec -it web sh",
	.options = options,
	.options_size = sizeof(ExecOptions),
	.parse_flags = OPTIONS_STOP_AT_ARGUMENT,
	.arguments_min = 2,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};
