// SPDX-License-Identifier: Apache-2.0
#include "oci/change.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "json/value.h"

typedef Error *ChangeStep(ImageConfig *config, const char *text);

/* ---- words ---- */

/* One word: quotes join and vanish, a backslash takes the next character as it is. */
static fallible read_word(Buffer *out, const char **text)
{
	char quote = '\0';

	for (; **text && (quote || !isspace((unsigned char)**text)); ++*text) {
		if (quote ? **text == quote : **text == '"' || **text == '\'')
			quote = quote ? '\0' : **text;
		else if (**text == '\\' && quote != '\'' && (*text)[1])
			buffer_add_char(out, *++*text);
		else
			buffer_add_char(out, **text);
	}
	return quote ? error_new(ERROR_INVALID, "a quote does not end") : NULL;
}

static const char *skip_space(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static fallible read_words(StringList *ret, const char *text)
{
	for (text = skip_space(text); *text; text = skip_space(text)) {
		autoclear(Buffer) word = {0};
		TRY(read_word(&word, &text));
		strings_add(ret, buffer_text(&word));
	}
	return NULL;
}

/* ["a", "b"]; false when it is no array of strings: Docker takes that for a shell's line. */
static bool read_array(StringList *ret, const char *text)
{
	autoptr(Value) value = NULL;
	autoclear(StringList) items = {0};

	if (*text != '[')
		return false;
	error_free(value_parse(&value, text, strlen(text))); /* then it is a line */
	if (!value_is_array(value))
		return false;
	for (size_t i = 0; i < value_count(value); i++) {
		if (!value_is_string(value_at(value, i)))
			return false;
		strings_add(&items, value_string(value_at(value, i)));
	}
	strings_copy(ret, &items);
	return true;
}

/* ---- commands ---- */

static void read_command(StringList *ret, const ImageConfig *config, const char *text)
{
	strings_clear(ret);
	if (read_array(ret, text))
		return;
	if (config->config.shell.count) {
		strings_copy(ret, &config->config.shell);
	} else {
		strings_add(ret, "/bin/sh");
		strings_add(ret, "-c");
	}
	strings_add(ret, text);
}

static fallible change_cmd(ImageConfig *config, const char *text)
{
	read_command(&config->config.command, config, text);
	return NULL;
}

static fallible change_entrypoint(ImageConfig *config, const char *text)
{
	read_command(&config->config.entrypoint, config, text);
	return NULL;
}

/* ---- names with values ---- */

typedef void PairStep(ImageConfig *config, const char *key, const char *value);

static void add_env(ImageConfig *config, const char *key, const char *value)
{
	autofree char *pair = string_printf("%s=%s", key, value);

	strings_env_set(&config->config.env, pair);
}

static void add_label(ImageConfig *config, const char *key, const char *value)
{
	map_set(&config->config.labels, key, value);
}

/* "a=1 b=2", or "a the rest". */
static fallible read_pairs(ImageConfig *config, const char *text, PairStep *add)
{
	autoclear(StringList) words = {0};

	TRY(read_words(&words, text));
	if (words.count > 1 && !strchr(words.items[0], '=')) {
		add(config, words.items[0], skip_space(text + strcspn(text, " \t")));
		return NULL;
	}
	for (size_t i = 0; i < words.count; i++) {
		char *equals = strchr(words.items[i], '=');
		if (!equals || equals == words.items[i])
			return error_new(ERROR_INVALID, "\"%.100s\" is not of the form NAME=VALUE", words.items[i]);
		*equals = '\0';
		add(config, words.items[i], equals + 1);
	}
	return NULL;
}

static fallible change_env(ImageConfig *config, const char *text)
{
	return read_pairs(config, text, add_env);
}

static fallible change_label(ImageConfig *config, const char *text)
{
	return read_pairs(config, text, add_label);
}

/* ---- sets ---- */

static void add_once(StringList *list, const char *item)
{
	if (!strings_has(list, item))
		strings_add(list, item);
}

static fallible add_port(StringList *ports, const char *word)
{
	size_t digits = strspn(word, "0123456789");
	const char *protocol = word[digits] ? word + digits : "/tcp";
	autofree char *number = mem_strndup(word, digits), *port = string_printf("%s%s", number, protocol);
	int64_t value;

	if (!string_equal(protocol, "/tcp") && !string_equal(protocol, "/udp") && !string_equal(protocol, "/sctp"))
		return error_new(ERROR_INVALID, "\"%.100s\" is not of the form PORT[/tcp|udp|sctp]", word);
	TRY_WRAP(string_to_int64(&value, number, 1, 65535), "port \"%.100s\"", word);
	add_once(ports, port);
	return NULL;
}

static fallible change_expose(ImageConfig *config, const char *text)
{
	autoclear(StringList) words = {0};

	TRY(read_words(&words, text));
	for (size_t i = 0; i < words.count; i++)
		TRY(add_port(&config->config.exposed_ports, words.items[i]));
	return NULL;
}

static fallible change_volume(ImageConfig *config, const char *text)
{
	autoclear(StringList) words = {0};

	if (!read_array(&words, text))
		TRY(read_words(&words, text));
	for (size_t i = 0; i < words.count; i++)
		add_once(&config->config.volumes, words.items[i]);
	return NULL;
}

/* ---- single values ---- */

static fallible change_user(ImageConfig *config, const char *text)
{
	string_replace(&config->config.user, text);
	return NULL;
}

static fallible change_stop_signal(ImageConfig *config, const char *text)
{
	string_replace(&config->config.stop_signal, text);
	return NULL;
}

static fallible change_onbuild(ImageConfig *config, const char *text)
{
	strings_add(&config->config.on_build, text);
	return NULL;
}

/* A relative one is below the one before. */
static fallible change_workdir(ImageConfig *config, const char *text)
{
	const char *before = config->config.workdir ? config->config.workdir : "";
	autofree char *joined = string_printf("%s%s%s", *text == '/' ? "" : before, *text == '/' ? "" : "/", text);

	string_replace(&config->config.workdir, joined);
	return NULL;
}

/* ---- HEALTHCHECK [--interval=30s --timeout=3s --start-period=1m --start-interval=5s --retries=3] CMD ... | NONE ----
 */

static const struct {
	const char *name;
	size_t offset;
	bool is_count;
} health_flags[] = {
	{"--interval=", offsetof(HealthCheck, interval_ns), false},
	{"--timeout=", offsetof(HealthCheck, timeout_ns), false},
	{"--start-period=", offsetof(HealthCheck, start_period_ns), false},
	{"--start-interval=", offsetof(HealthCheck, start_interval_ns), false},
	{"--retries=", offsetof(HealthCheck, retries), true},
};

static fallible read_health_flag(HealthCheck *health, const char *flag)
{
	for (size_t i = 0; i < sizeof(health_flags) / sizeof(health_flags[0]); i++) {
		int64_t *value = (int64_t *)((char *)health + health_flags[i].offset);
		const char *text = flag + strlen(health_flags[i].name);
		if (!string_starts(flag, health_flags[i].name))
			continue;
		return health_flags[i].is_count ? string_to_int64(value, text, 1, INT32_MAX)
						: clock_parse_duration(value, text);
	}
	return error_new(ERROR_INVALID, "unknown flag \"%.100s\"", flag);
}

static fallible read_health_test(HealthCheck *health, const char *text)
{
	autoclear(StringList) words = {0};

	if (strcasecmp(text, "NONE") == 0) {
		strings_add(&health->test, "NONE");
		return NULL;
	}
	if (strncasecmp(text, "CMD", 3) != 0 || !isspace((unsigned char)text[3]))
		return error_new(ERROR_INVALID, "\"%.100s\" is neither CMD nor NONE", text);
	text = skip_space(text + 3);
	strings_add(&health->test, *text == '[' && read_array(&words, text) ? "CMD" : "CMD-SHELL");
	for (size_t i = 0; i < words.count; i++)
		strings_add(&health->test, words.items[i]);
	if (!words.count)
		strings_add(&health->test, text);
	return NULL;
}

static fallible read_health(HealthCheck *health, const char *text)
{
	while (string_starts(text, "--")) {
		autofree char *flag = mem_strndup(text, strcspn(text, " \t"));
		TRY(read_health_flag(health, flag));
		text = skip_space(text + strlen(flag));
	}
	return read_health_test(health, text);
}

static fallible change_healthcheck(ImageConfig *config, const char *text)
{
	if (config->config.health)
		fields_clear(health_check_fields, config->config.health);
	else
		config->config.health = mem_new(HealthCheck);
	return read_health(config->config.health, text);
}

/* ---- the table ---- */

static const struct {
	const char *word;
	ChangeStep *step;
} changes[] = {
	{"CMD", change_cmd},
	{"ENTRYPOINT", change_entrypoint},
	{"ENV", change_env},
	{"EXPOSE", change_expose},
	{"HEALTHCHECK", change_healthcheck},
	{"LABEL", change_label},
	{"ONBUILD", change_onbuild},
	{"STOPSIGNAL", change_stop_signal},
	{"USER", change_user},
	{"VOLUME", change_volume},
	{"WORKDIR", change_workdir},
};

fallible image_config_change(ImageConfig *config, const char *instruction)
{
	const char *start = skip_space(instruction);
	autofree char *word = mem_strndup(start, strcspn(start, " \t")), *rest = mem_strdup(start + strlen(word));
	const char *text = string_trim(rest);

	if (strlen(instruction) > CHANGE_MAX)
		return error_new(ERROR_TOO_LARGE, "a change is longer than %d bytes", CHANGE_MAX);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		if (strcasecmp(word, changes[i].word) != 0)
			continue;
		if (!*text)
			return error_new(ERROR_INVALID, "change \"%s\" says nothing", changes[i].word);
		TRY_WRAP(changes[i].step(config, text), "change \"%s\"", changes[i].word);
		return NULL;
	}
	return error_new(ERROR_INVALID, "\"%.100s\" is not a valid change command", word);
}
