// SPDX-License-Identifier: Apache-2.0
#include "cli/global.h"

#include <string.h>

const Option global_options[] = {
	{"host", 'H', OPTION_STRING, offsetof(GlobalOptions, host), "unix:///PATH",
		"socket of the daemon, or tcp://HOST:PORT for TLS (default: $KEDGE_HOST, $DOCKER_HOST, or " CLI_SOCKET
		")"},
	{"config", 0, OPTION_STRING, offsetof(GlobalOptions, config), "DIR",
		"directory of config.json with registry credentials (default: $DOCKER_CONFIG or ~/.docker)",
		.complete = "directory"},
	{"debug", 'D', OPTION_SWITCH, offsetof(GlobalOptions, debug), .help = "say more on standard error"},
	{"version", 'v', OPTION_SWITCH, offsetof(GlobalOptions, version), .help = "print the version and quit"},
	{"tlscacert", 0, OPTION_STRING, offsetof(GlobalOptions, tls_ca), "FILE",
		"who vouches for the daemon (default: ca.pem in $DOCKER_CERT_PATH or ~/.docker)", .complete = "file"},
	{"tlscert", 0, OPTION_STRING, offsetof(GlobalOptions, tls_cert), "FILE",
		"own certificate (default: cert.pem there)", .complete = "file"},
	{"tlskey", 0, OPTION_STRING, offsetof(GlobalOptions, tls_key), "FILE", "its key (default: key.pem there)",
		.complete = "file"},
	{"tlsverify", 0, OPTION_SWITCH, offsetof(GlobalOptions, tls_verify),
		.help = "take a tcp:// $DOCKER_HOST for one with TLS, as $DOCKER_TLS_VERIFY does"},
	HELP_OPTION(GlobalOptions),
	{"context", 'c', OPTION_REFUSED, .argument = "NAME", .help = "there are no contexts; use --host"},
	{"log-level", 'l', OPTION_REFUSED, .argument = "LEVEL", .help = "use --debug"},
	{"tls", 0, OPTION_REFUSED,
		.help = "there is no TCP without TLS, and the daemon's certificate is always verified"},
	OPTION_END,
};

/* Docker's words that people will type; each with the reason why they get nothing. */
static const struct {
	const char *name, *reason;
} refused[] = {
	{"volume update", "there are no volumes of a cluster"},
	{"build", "kedge does not build images yet"},
	{"builder", "kedge does not build images yet"},
	{"buildx", "kedge does not build images yet"},
	{"compose", "kedge has no compose files"},
	{"context", "there are no contexts; use --host"},
	{"swarm", "kedge is no cluster"},
	{"node", "kedge is no cluster"},
	{"service create", "kedge is no cluster"},
	{"service inspect", "kedge is no cluster"},
	{"service logs", "kedge is no cluster"},
	{"service ls", "kedge is no cluster"},
	{"service ps", "kedge is no cluster"},
	{"service rm", "kedge is no cluster"},
	{"service rollback", "kedge is no cluster"},
	{"service scale", "kedge is no cluster"},
	{"service update", "kedge is no cluster"},
	{"stack", "kedge is no cluster"},
	{"secret", "kedge is no cluster"},
	{"config", "kedge is no cluster"},
	{"plugin", "kedge has no plugins"},
	{"manifest", "kedge does not have it yet"},
	{"trust", "kedge does not have it yet"},
	{"checkpoint", "kedge does not have it yet"},
};

static size_t longest_name(void)
{
	size_t longest = 0;

	for (const Command *const *command = commands; *command; command++)
		if (strlen((*command)->name) > longest)
			longest = strlen((*command)->name);
	return longest;
}

void global_help(Buffer *out)
{
	autoclear(Buffer) options = {0};
	int width = (int)longest_name();

	buffer_add_text(out,
		"Usage:  kedge [OPTIONS] COMMAND\n\nRuns containers on this device, in Docker's words\n\nCommands:\n");
	for (const Command *const *command = commands; *command; command++)
		buffer_printf(out, "  %-*s   %s\n", width, (*command)->name, (*command)->summary);
	options_help(global_options, &options, 80);
	buffer_printf(out, "\nOptions:\n%s\nMore: kedge COMMAND --help, man kedge\n", buffer_text(&options));
}

/* ---- groups of commands ---- */

bool global_is_group(const char *word)
{
	const char *const *group = command_groups;

	while (*group && !string_equal(*group, word))
		group++;
	return *group != NULL;
}

/* What follows "container " in that command's name or one of its aliases; NULL: nothing. */
static const char *word_in_group(const Command *command, const char *group)
{
	size_t length = strlen(group);

	if (string_starts(command->name, group) && command->name[length] == ' ')
		return command->name + length + 1;
	for (const char *const *alias = command->aliases; alias && *alias; alias++)
		if (string_starts(*alias, group) && (*alias)[length] == ' ')
			return *alias + length + 1;
	return NULL;
}

void global_group_help(Buffer *out, const char *group)
{
	buffer_printf(out, "Usage:  kedge %s COMMAND\n\nCommands:\n", group);
	for (const Command *const *command = commands; *command; command++) {
		const char *word = word_in_group(*command, group);
		if (word)
			buffer_printf(out, "  %-10s   %s\n", word, (*command)->summary);
	}
	buffer_printf(out, "\nMore: kedge %s COMMAND --help, man kedge\n", group);
}

/* ---- words that are no command ---- */

static const char *refusal_of(const char *word)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (string_equal(refused[i].name, word))
			return refused[i].reason;
	return NULL;
}

/* How many letters must change in place, plus what one is longer: enough to tell "imges" from "ps". */
static size_t difference(const char *a, const char *b)
{
	size_t count = 0;

	for (; *a && *b; a++, b++) {
		if (*a == *b)
			continue;
		count++;
		if (a[1] == *b && b[1] != a[1])
			a++;
		else if (*a == b[1])
			b++;
	}
	return count + strlen(a) + strlen(b);
}

/* What a word was meant to be, as far as one can tell. */
typedef struct Nearest {
	const char *word, *name;
	size_t least;
} Nearest;

static Nearest nearest_to(const char *word)
{
	size_t length = strlen(word);

	return (Nearest){
		.word = word, .least = (length < 6 ? 1 : length / 3) + 1}; /* further away it is another word */
}

static void consider(Nearest *nearest, const char *name)
{
	size_t distance = difference(nearest->word, name);

	if (distance >= nearest->least)
		return;
	nearest->least = distance;
	nearest->name = name;
}

static fallible hint_at_nearest(Error *error, const char *group, const char *name)
{
	const char *space = *group ? " " : "";

	if (!name)
		return error_hint(error, "see \"kedge %s%s--help\"", group, space);
	return error_hint(
		error, "did you mean \"%s%s%s\"? all commands: kedge %s%s--help", group, space, name, group, space);
}

static fallible unknown_in_group(const char *group, const char *word)
{
	autofree char *both = string_printf("%s %s", group, word);
	const char *reason = refusal_of(both);
	Nearest nearest = nearest_to(word);

	if (!reason)
		reason = refusal_of(word);
	if (reason)
		return error_new(ERROR_UNSUPPORTED, "command \"%s %s\" is not available: %s", group, word, reason);
	for (const Command *const *command = commands; *command; command++)
		if (word_in_group(*command, group))
			consider(&nearest, word_in_group(*command, group));
	return hint_at_nearest(error_new(ERROR_INVALID, "unknown command \"%s %s\"", group, word), group, nearest.name);
}

static fallible unknown_word(const char *word)
{
	const char *reason = refusal_of(word);
	Nearest nearest = nearest_to(word);

	if (reason)
		return error_new(ERROR_UNSUPPORTED, "command \"%s\" is not available: %s", word, reason);
	for (const Command *const *command = commands; *command; command++)
		consider(&nearest, (*command)->name);
	for (const char *const *group = command_groups; *group; group++)
		consider(&nearest, *group);
	return hint_at_nearest(error_new(ERROR_INVALID, "unknown command \"%s\"", word), "", nearest.name);
}

fallible global_unknown_command(const StringList *words)
{
	const char *first = words->items[0];

	if (!global_is_group(first))
		return unknown_word(first);
	if (words->count > 1)
		return unknown_in_group(first, words->items[1]);
	return error_hint(
		error_new(ERROR_INVALID, "\"kedge %s\" needs a command", first), "see \"kedge %s --help\"", first);
}
