// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/terminal.h"
#include "json/writer.h"

enum { PASSWORD_MAX = 64 << 10 };

typedef struct LoginOptions {
	bool help, password_stdin;
	char *username, *password;
} LoginOptions;

static const Option options[] = {
	HELP_OPTION(LoginOptions),
	{"username", 'u', OPTION_STRING, offsetof(LoginOptions, username), "NAME", "user name"},
	{"password", 'p', OPTION_STRING, offsetof(LoginOptions, password), "PASSWORD",
		"password or token; others on this machine can see it"},
	{"password-stdin", 0, OPTION_SWITCH, offsetof(LoginOptions, password_stdin),
		.help = "read it from standard input"},
	OPTION_END,
};

/* ---- asking ---- */

#define HINT "kedge login --username NAME --password-stdin < FILE"

static fallible find_password(char **ret, const LoginOptions *given)
{
	if (given->password && given->password_stdin)
		return error_new(ERROR_INVALID, "options \"--password\" and \"--password-stdin\" exclude each other");
	if (given->password) {
		terminal_tell(stderr, "WARNING", NULL,
			"a password on the command line can be seen by others; use --password-stdin");
		*ret = mem_strdup(given->password);
		return NULL;
	}
	if (!given->password_stdin)
		return ask_hidden(ret, "Password", HINT);
	if (!given->username)
		return error_new(ERROR_INVALID, "option \"--password-stdin\" needs \"--username\"");
	return ask_input(ret, PASSWORD_MAX);
}

static fallible find_credentials(Credentials *ret, const LoginOptions *given)
{
	if (given->username)
		ret->username = mem_strdup(given->username);
	else if (!given->password_stdin)
		TRY(ask_line(&ret->username, "Username", HINT));
	TRY(find_password(&ret->password, given));
	if (string_empty(ret->username) || string_empty(ret->password))
		return error_new(ERROR_INVALID, "user name and password must not be empty");
	return NULL;
}

/* ---- checking and storing ---- */

/* The registry may hand a token out, which is kept instead of the password. */
static fallible check(Cli *cli, Credentials *credentials, const char *registry)
{
	autoclear(Buffer) body = {0};
	autoptr(Value) answer = NULL;
	Writer writer;

	writer_init(&writer, &body);
	write_object(&writer, NULL);
	write_string(&writer, "username", credentials->username);
	write_string(&writer, "password", credentials->password);
	write_string(&writer, "serveraddress", config_server_name(registry));
	write_object_end(&writer);
	TRY(api_post(cli, &answer, "/auth", buffer_text(&body)));
	const char *token = value_string(value_get(answer, "IdentityToken"));
	if (!string_empty(token))
		credentials->identity_token = mem_strdup(token);
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autofree char *registry = config_registry_of(arguments->count > 0 ? arguments->items[0] : NULL);
	autoclear(Credentials) credentials = {0};
	autoclear(Config) config = {0};

	TRY(config_load(&config, cli->config_dir));
	TRY(find_credentials(&credentials, opts));
	TRY(check(cli, &credentials, registry));
	TRY(config_store(&config, registry, &credentials));
	printf("Login Succeeded\n");
	if (config_helper(&config, registry))
		fprintf(stderr, "The credentials are kept by docker-credential-%s.\n",
			config_helper(&config, registry));
	else
		fprintf(stderr, "The credentials are in \"%s\", readable by you alone.\n", config.path);
	return NULL;
}

const Command login_command = {
	.name = "login",
	.usage = "[OPTIONS] [SERVER]",
	.summary = "Check and keep credentials for a registry or Docker Hub",
	.options = options,
	.options_size = sizeof(LoginOptions),
	.arguments_max = 1,
	.run = run,
};
