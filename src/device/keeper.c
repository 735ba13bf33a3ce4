// SPDX-License-Identifier: Apache-2.0
/* Which containers there are to be kept, when they are looked at, and what others learn of them. The rest is
 * keeper_situation.c, keeper_order.c, keeper_steps.c and keeper_pull.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/keeper_internal.h"
#include "device/notes.h"

#define TRIED_ENOUGH (4 * NANOS_PER_SECOND) /* the delay after which that is so; keeper_steps.c */

/* ---- one ---- */

static Kept *kept_new(Keeper *keeper, const char *name)
{
	Kept *kept = mem_new(Kept);

	kept->keeper = keeper;
	kept->name = mem_strdup(name);
	table_set(keeper->items, name, kept);
	list_append(&keeper->order, &kept->link);
	return kept;
}

static void kept_free(Kept *kept)
{
	table_remove(kept->keeper->items, kept->name);
	list_remove(&kept->link);
	kept_call_forget(kept);
	kept_pull_forget(kept);
	kept_trouble_forget(kept);
	strings_clear(&kept->notes);
	free(kept->circle);
	free(kept->name);
	free(kept);
}

const DeclaredFile *kept_file(const Kept *kept)
{
	return directory_find(kept->keeper->options.directory, kept->name);
}

const Declaration *kept_declaration(const Kept *kept)
{
	const DeclaredFile *file = kept_file(kept);

	return file ? &file->declaration : NULL;
}

void kept_say(const Kept *kept, const char *text)
{
	log_info("declared container \"%s\": %s", kept->name, text);
}

void kept_trouble_forget(Kept *kept)
{
	KeptTrouble *trouble = &kept->trouble;

	free(trouble->create);
	free(trouble->start);
	free(trouble->start_old);
	free(trouble->other);
	*trouble = (KeptTrouble){0};
}

Kept *keeper_find(const Keeper *keeper, const char *name)
{
	return table_get(keeper->items, name);
}

/* ---- looking ---- */

static void pass_soon(Keeper *keeper)
{
	if (keeper->pass_is_due || !keeper->is_started || keeper->is_stopped)
		return;
	keeper->pass_is_due = true;
	source_rearm(keeper->pass, 0);
}

void kept_dirty(Kept *kept)
{
	kept->is_dirty = true;
	pass_soon(kept->keeper);
}

static void all_dirty(Keeper *keeper)
{
	list_each(&keeper->order, Kept, link, kept)
		kept->is_dirty = true;
	pass_soon(keeper);
}

static bool depends_on(const Kept *kept, const char *name)
{
	const Declaration *declaration = kept_declaration(kept);
	const Dependency *items = declaration ? declaration->depends_on.items : NULL;

	for (size_t i = 0; declaration && i < declaration->depends_on.count; i++)
		if (string_equal(items[i].name, name))
			return true;
	return false;
}

static void dirty_with_dependents(Keeper *keeper, const char *name)
{
	Kept *kept = keeper_find(keeper, name);

	if (kept)
		kept_dirty(kept);
	list_each(&keeper->order, Kept, link, other)
		if (!other->is_dirty && depends_on(other, name))
			kept_dirty(other);
}

static void say_reason(Kept *kept, const Decision *before)
{
	if (!*kept->decision.reason || strcmp(before->reason, kept->decision.reason) == 0)
		return;
	kept_say(kept, kept->decision.reason);
}

static void decide(Kept *kept)
{
	autofree char *waits_for = NULL;
	Decision before = kept->decision;
	Situation situation;

	kept->is_dirty = false;
	kept_situation(&situation, kept, &waits_for);
	kept->decision = reconcile(&situation);
	say_reason(kept, &before);
}

/* What others wait for is looked at before them. */
static void look(Kept *kept)
{
	const Declaration *declaration = kept_declaration(kept);
	const Dependency *items = declaration ? declaration->depends_on.items : NULL;

	if (!kept->is_dirty || kept->is_being_looked_at)
		return;
	kept->is_being_looked_at = true;
	for (size_t i = 0; declaration && i < declaration->depends_on.count; i++) {
		Kept *other = keeper_find(kept->keeper, items[i].name);
		if (other)
			look(other);
	}
	kept->is_being_looked_at = false;
	if (!kept->is_busy && !directory_is_unclear(kept->keeper->options.directory, kept->name))
		decide(kept);
}

static bool is_of_no_concern(const Kept *kept)
{
	return !kept->is_busy && !kept->pull.job && !kept_file(kept) && !kept_container(kept, "") &&
	       !kept_container(kept, KEPT_OLD_SUFFIX) && !kept_container(kept, KEPT_NEXT_SUFFIX);
}

static void forget_those_that_went(Keeper *keeper)
{
	list_each(&keeper->order, Kept, link, kept) {
		if (!is_of_no_concern(kept))
			continue;
		Error *error = kept_notes_forget(keeper->noted, kept->name);
		if (error)
			error_log(error, "declared container \"%s\"", kept->name);
		kept_free(kept);
	}
}

/* The earliest time at which one that waits for time alone is to be looked at. */
static void set_alarm(Keeper *keeper)
{
	int64_t now = clock_monotonic_ns(), next = INT64_MAX;

	list_each(&keeper->order, Kept, link, kept) {
		int64_t due = kept->trouble.not_before_ns;
		if (kept->decision.ask_again_ns && (!due || now + kept->decision.ask_again_ns < due))
			due = now + kept->decision.ask_again_ns;
		if (due && !kept->is_busy && due < next)
			next = due;
	}
	source_rearm(keeper->alarm, next == INT64_MAX ? -1 : next > now ? next - now : 0);
}

static void alarm_rings(void *arg)
{
	Keeper *keeper = arg;
	int64_t now = clock_monotonic_ns();

	list_each(&keeper->order, Kept, link, kept) {
		bool is_due = kept->trouble.not_before_ns && kept->trouble.not_before_ns <= now;
		if (!is_due && !kept->decision.ask_again_ns)
			continue;
		kept->trouble.not_before_ns = is_due ? 0 : kept->trouble.not_before_ns;
		kept_dirty(kept);
	}
}

static void run_pass(void *arg)
{
	Keeper *keeper = arg;

	keeper->pass_is_due = false;
	if (keeper->is_stopped)
		return;
	list_each(&keeper->order, Kept, link, kept)
		look(kept);
	list_each(&keeper->order, Kept, link, kept)
		kept_do(kept);
	forget_those_that_went(keeper);
	set_alarm(keeper);
}

/* ---- what there is ---- */

static void meet(Keeper *keeper, const char *name)
{
	if (!keeper_find(keeper, name))
		kept_new(keeper, name)->is_dirty = true;
}

static void begin_anew(Kept *kept, const char *etag)
{
	const Declaration *declaration = kept_declaration(kept);

	snprintf(kept->etag, sizeof(kept->etag), "%s", etag);
	kept_trouble_forget(kept);
	kept_pull_forget(kept);
	kept->pull.is_due = declaration && declaration->pull == PULL_ALWAYS;
	kept->has_limits_as_can_be = false;
	kept->is_dirty = true;
}

static void meet_declared(Keeper *keeper)
{
	const Directory *directory = keeper->options.directory;

	for (size_t i = 0; i < directory_count(directory); i++) {
		const DeclaredFile *file = directory_at(directory, i);
		if (file->is_declared)
			meet(keeper, file->declaration.name);
	}
	list_each(&keeper->order, Kept, link, kept) {
		const DeclaredFile *file = kept_file(kept);
		const char *etag = file ? (*file->etag ? file->etag : "recalled") : "";
		if (strcmp(kept->etag, etag) != 0)
			begin_anew(kept, etag);
	}
}

static void meet_container(Keeper *keeper, const char *name, const StringMap *labels)
{
	autofree char *base = kept_base_name(name, labels);

	if (base)
		meet(keeper, base);
}

static void meet_containers(Keeper *keeper)
{
	const StringMap *adopted = kept_notes_adopted(keeper->noted);
	autofree Container **list = NULL;
	size_t count = container_list(&list, keeper->engine);

	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(list[i], &view);
		meet_container(keeper, view.name, &view.spec->labels);
	}
	for (size_t i = 0; i < adopted->count; i++)
		meet(keeper, adopted->items[i].key);
}

/* What has changed may be what something failed for: nothing waits for the time of its next try. */
static void look_at_all(Keeper *keeper)
{
	list_each(&keeper->order, Kept, link, kept)
		kept->trouble.delay_ns = kept->trouble.not_before_ns = 0;
	all_dirty(keeper);
}

void keeper_look(Keeper *keeper)
{
	meet_declared(keeper);
	order_find_circles(keeper);
	look_at_all(keeper);
}

/* ---- events ---- */

static bool is_about_life(const char *action)
{
	static const char *const actions[] = {"create", "start", "die", "stop", "destroy", "rename", "pause", "unpause",
		"update", "restart", "health_status: healthy", "health_status: unhealthy"};

	return names_find(actions, COUNT(actions), action) >= 0;
}

static void on_container(Keeper *keeper, const Event *event)
{
	const char *name = map_get(&event->attributes, "name"), *before = map_get(&event->attributes, "oldName");
	autofree char *base = kept_base_name(name ? name : "", &event->attributes);

	if (!name || !is_about_life(event->action))
		return;
	if (base)
		meet(keeper, base);
	dirty_with_dependents(keeper, base ? base : name);
	if (before)
		dirty_with_dependents(keeper, before + (*before == '/'));
}

static void on_event(void *arg, const Event *event)
{
	Keeper *keeper = arg;

	if (strcmp(event->type, "container") == 0)
		on_container(keeper, event);
	else if (strcmp(event->type, "image") == 0)
		look_at_all(keeper);
}

/* ---- after a boot ---- */

/* Everything that is declared waits for its turn; what nobody knows how to keep follows its policy. */
static bool holds(void *arg, const Container *container)
{
	const Keeper *keeper = arg;
	ContainerView view;

	container_view(container, &view);
	autofree char *base = kept_base_name(view.name, &view.spec->labels);
	const char *name = base ? base : view.name;
	return (directory_find(keeper->options.directory, name) || keeper_knows(keeper, name, &view)) &&
	       !directory_is_unclear(keeper->options.directory, name);
}

/* ---- for others ---- */

void keeper_set_on(Keeper *keeper, bool is_on)
{
	if (keeper->is_on == is_on)
		return;
	keeper->is_on = is_on;
	list_each(&keeper->order, Kept, link, kept)
		begin_anew(kept, kept->etag);
	pass_soon(keeper);
}

void keeper_try_again(Keeper *keeper, const char *name)
{
	Kept *kept = keeper_find(keeper, name);
	Error *error;

	if (!kept)
		return;
	error = kept_notes_forget_taken_back(keeper->noted, name);
	if (error)
		error_log(error, "declared container \"%s\"", name);
	begin_anew(kept, kept->etag);
	pass_soon(keeper);
}

/* A step that has failed three times is tried again, but nobody waits for it. A registry that could not be asked is
 * asked again; meanwhile it is what it is. */
static bool is_settled(const Kept *kept, HealthState health)
{
	const Decision *decision = &kept->decision;

	if (kept->is_dirty || kept->is_busy)
		return false;
	if (decision->is_given_up || kept_is_refused(kept) || kept->trouble.delay_ns >= TRIED_ENOUGH)
		return true;
	if (decision->step == KEEP_PULL && !kept->pull.failure)
		return false;
	return decision->is_as_declared && health != HEALTH_STARTING;
}

bool keeper_view(KeptView *ret, const Keeper *keeper, const char *name)
{
	const Kept *kept = keeper_find(keeper, name);
	ContainerView view = {0};
	Container *container;

	if (!kept)
		return false;
	container = kept_container(kept, "");
	if (container)
		container_view(container, &view);
	*ret = (KeptView){
		.container_id = view.id,
		.step = kept->is_busy ? kept->doing : kept->decision.step,
		.is_as_declared = kept->decision.is_as_declared && !kept->is_dirty,
		.is_settled = is_settled(kept, view.health),
		.reason = kept->decision.reason,
		.notes = &kept->notes,
	};
	return true;
}

void keeper_each_undeclared(const Keeper *keeper, void (*visit)(void *arg, const char *name), void *arg)
{
	list_each(&keeper->order, Kept, link, kept)
		if (!kept_file(kept))
			visit(arg, kept->name);
}

/* ---- life ---- */

void keeper_start(Keeper *keeper)
{
	keeper->is_started = true;
	meet_containers(keeper);
	keeper_look(keeper);
}

void keeper_stop(Keeper *keeper)
{
	keeper->is_stopped = true;
	list_each(&keeper->order, Kept, link, kept)
		kept_pull_forget(kept);
}

fallible keeper_new(Keeper **ret, const KeeperOptions *options)
{
	autoptr(Keeper) keeper = mem_new(Keeper);

	list_init(&keeper->order);
	keeper->items = table_new();
	keeper->engine = options->engine;
	keeper->options = *options;
	keeper->is_on = true;
	keeper->noted = kept_notes_new(options->state);
	TRY(loop_timer(&keeper->pass, engine_loop(keeper->engine), -1, run_pass, keeper));
	TRY(loop_timer(&keeper->alarm, engine_loop(keeper->engine), -1, alarm_rings, keeper));
	keeper->events = events_subscribe(keeper->engine, on_event, keeper);
	containers_hold(keeper->engine, holds, keeper);
	*ret = take(keeper);
	return NULL;
}

Keeper *keeper_free(Keeper *keeper)
{
	if (!keeper)
		return NULL;
	containers_hold(keeper->engine, NULL, NULL);
	events_unsubscribe(keeper->events);
	list_each(&keeper->order, Kept, link, kept)
		kept_free(kept);
	source_free(keeper->pass);
	source_free(keeper->alarm);
	kept_notes_free(keeper->noted);
	table_free(keeper->items);
	free(keeper);
	return NULL;
}
