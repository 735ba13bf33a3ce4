// SPDX-License-Identifier: Apache-2.0
/* The order of starts: what a container depends on, and whether that is so by now. */
#include <string.h>

#include "base/memory.h"
#include "device/keeper_internal.h"

/* ---- one dependency ---- */

static bool has_begun(const ContainerView *view)
{
	switch (view->state) {
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
	case CONTAINER_RESTARTING:
		return true;
	case CONTAINER_EXITED:
		return view->ran_in_this_boot && !view->stopped_by_user;
	default:
		return false;
	}
}

static const char *lacks_health(const ContainerView *view)
{
	if (view->state != CONTAINER_RUNNING || view->health == HEALTH_STARTING || view->health == HEALTH_UNHEALTHY)
		return "which is not healthy yet";
	return view->health == HEALTH_NONE ? "which has no health check" : NULL;
}

static const char *lacks_end(const ContainerView *view)
{
	bool is_over = view->state == CONTAINER_EXITED && view->ran_in_this_boot && !view->stopped_by_user;

	if (is_over && view->exit_code)
		return "which has failed";
	return is_over ? NULL : "which has not completed";
}

static const char *lacks(const Container *container, int condition)
{
	ContainerView view;

	container_view(container, &view);
	if (condition == DEPENDS_HEALTHY)
		return lacks_health(&view);
	if (condition == DEPENDS_COMPLETED)
		return lacks_end(&view);
	return has_begun(&view) ? NULL : "which has not started";
}

static bool is_being_changed(const Kept *kept)
{
	return kept->is_busy || (kept->decision.step != KEEP_NOTHING && kept->decision.step != KEEP_PULL);
}

/* Any container may be depended on, whoever made it. */
static Container *find(const Keeper *keeper, const char *name)
{
	Container *container = NULL;
	ContainerView view;
	Error *error = container_find(&container, keeper->engine, name);

	if (error) {
		error_free(error); /* not there: that is the answer */
		return NULL;
	}
	container_view(container, &view);
	return string_equal(view.name, name) ? container : NULL;
}

static const char *missing(const Kept *kept, const Dependency *dependency)
{
	const Kept *other = keeper_find(kept->keeper, dependency->name);
	const Container *container = find(kept->keeper, dependency->name);
	const Declaration *declaration = other ? kept_declaration(other) : NULL;

	if (declaration && !declaration->enabled)
		return "which is not enabled";
	if (!container)
		return declaration ? "which is not there yet" : "which is neither declared nor there";
	if (declaration && is_being_changed(other))
		return "which is being changed";
	return lacks(container, dependency->condition);
}

char *order_waits_for(const Kept *kept)
{
	const Declaration *declaration = kept_declaration(kept);
	const Dependency *items = declaration ? declaration->depends_on.items : NULL;

	for (size_t i = 0; declaration && i < declaration->depends_on.count; i++) {
		const char *what = missing(kept, &items[i]);
		if (what)
			return string_printf("\"%s\", %s", items[i].name, what);
	}
	return NULL;
}

/* ---- circles ---- */

typedef struct Walk {
	const Kept *path[DECLARED_FILES_MAX];
	size_t length;
} Walk;

static void note_circle(const Walk *walk, size_t from)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, "its dependencies go in a circle: ");
	for (size_t i = from; i < walk->length; i++)
		buffer_printf(&text, "\"%s\" needs ", walk->path[i]->name);
	buffer_printf(&text, "\"%s\"", walk->path[from]->name);
	for (size_t i = from; i < walk->length; i++)
		string_replace(&((Kept *)walk->path[i])->circle, buffer_text(&text));
}

static void walk_on(Walk *walk, Kept *kept);

static void walk_from(Walk *walk, const Kept *kept)
{
	const Declaration *declaration = kept_declaration(kept);
	const Dependency *items = declaration ? declaration->depends_on.items : NULL;

	for (size_t i = 0; declaration && i < declaration->depends_on.count; i++) {
		Kept *other = keeper_find(kept->keeper, items[i].name);
		if (other)
			walk_on(walk, other);
	}
}

/* is_being_looked_at: it was walked through already. */
static void walk_on(Walk *walk, Kept *kept)
{
	for (size_t i = 0; i < walk->length; i++) {
		if (walk->path[i] == kept) {
			note_circle(walk, i);
			return;
		}
	}
	if (kept->is_being_looked_at || walk->length == DECLARED_FILES_MAX)
		return;
	walk->path[walk->length++] = kept;
	walk_from(walk, kept);
	walk->length--;
	kept->is_being_looked_at = true;
}

void order_find_circles(Keeper *keeper)
{
	Walk *walk = mem_new(Walk);

	list_each(&keeper->order, Kept, link, kept)
		string_replace(&kept->circle, NULL);
	list_each(&keeper->order, Kept, link, kept)
		walk_on(walk, kept);
	list_each(&keeper->order, Kept, link, kept)
		kept->is_being_looked_at = false;
	free(walk);
}
