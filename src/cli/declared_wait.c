// SPDX-License-Identifier: Apache-2.0
#include "cli/declared_wait.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/progress.h"
#include "cli/terminal.h"

enum { LOOK_EVERY_MS = 100 };

static bool is_so(const Value *item, const char *key)
{
	return value_bool(value_get(item, key), false);
}

static const char *text_at(const Value *item, const char *key)
{
	const char *text = value_string(value_get(item, key));

	return text ? text : "";
}

/* NULL: nobody declares it any more. */
static const Value *item_of(const Value *answer, const char *name)
{
	const Value *items = value_get(answer, "containers");

	for (size_t i = 0; i < value_count(items); i++)
		if (string_equal(text_at(value_at(items, i), "name"), name))
			return value_at(items, i);
	return NULL;
}

static bool is_over(const Value *item)
{
	return !item || is_so(item, "settled");
}

static bool is_fine(const Value *item)
{
	return item && is_so(item, "settled") && is_so(item, "asDeclared");
}

/* One that is as declared may still have something before it. */
static const char *why_not(const Value *item)
{
	const char *reason = text_at(item, "reason");

	if (!item)
		return "it is not declared any more";
	if (*reason)
		return reason;
	if (string_equal(text_at(item, "doing"), "pull"))
		return "its image is being pulled";
	return is_so(item, "asDeclared") ? "its health check has not succeeded yet" : "it is being looked at";
}

static bool show_all(Progress *progress, const Value *answer, const StringList *names)
{
	bool is_all = true;

	for (size_t i = 0; i < names->count; i++) {
		const Value *item = item_of(answer, names->items[i]);
		is_all &= is_over(item);
		progress_item(progress, names->items[i], is_fine(item) ? "as declared" : why_not(item), 0, 0);
	}
	return is_all;
}

static fallible look_until(Value **ret, Cli *cli, const StringList *names, int64_t timeout_ns)
{
	ProgressOptions options = progress_options(stderr, !terminal_is(stderr));
	autoptr(Progress) progress = progress_new(&options);
	int64_t begin_ns = clock_monotonic_ns();
	autoptr(Value) answer = NULL;

	for (;;) {
		value_free(take(answer));
		TRY(api_get(cli, &answer, "/kedge/v1/containers"));
		if (show_all(progress, answer, names) || clock_monotonic_ns() - begin_ns >= timeout_ns)
			break;
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	progress_wipe(progress);
	*ret = take(answer);
	return NULL;
}

static void tell(Cli *cli, const char *name, const Value *item, int64_t timeout_ns)
{
	char limit[CLOCK_TEXT_MAX];

	if (is_fine(item)) {
		printf("%s: as declared\n", name);
		return;
	}
	clock_format_duration(limit, timeout_ns);
	cli_report(error_new(ERROR_CONFLICT, "container \"%s\" is not as declared%s%s: %s", name,
		is_over(item) ? "" : " after ", is_over(item) ? "" : limit, why_not(item)));
	cli->status = EXIT_FAILED;
}

fallible declared_wait(Cli *cli, const StringList *names, int64_t timeout_ns)
{
	autoptr(Value) answer = NULL;

	fflush(stdout); /* what has changed stands above what becomes of it */
	TRY(look_until(&answer, cli, names, timeout_ns));
	for (size_t i = 0; i < names->count; i++)
		tell(cli, names->items[i], item_of(answer, names->items[i]), timeout_ns);
	return NULL;
}
