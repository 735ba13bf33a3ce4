// SPDX-License-Identifier: Apache-2.0
/* What reconcile() is asked about, read off the engine. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "device/keeper_internal.h"
#include "device/notes.h"

static const KeptState states[CONTAINER_STATES] = {
	[CONTAINER_CREATED] = KEPT_CREATED,
	[CONTAINER_STARTING] = KEPT_BUSY,
	[CONTAINER_RUNNING] = KEPT_RUNNING,
	[CONTAINER_PAUSED] = KEPT_PAUSED,
	[CONTAINER_STOPPING] = KEPT_BUSY,
	[CONTAINER_RESTARTING] = KEPT_RESTARTING,
	[CONTAINER_EXITED] = KEPT_ENDED,
	[CONTAINER_REMOVING] = KEPT_BUSY,
	[CONTAINER_DEAD] = KEPT_DEAD,
};

/* ---- names ---- */

/* The label alone would also be that of a container whose image was committed from one of ours. */
char *kept_base_name(const char *name, const StringMap *labels)
{
	static const char *const suffixes[] = {KEPT_OLD_SUFFIX, KEPT_NEXT_SUFFIX};

	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (string_ends(name, suffixes[i]))
			return mem_strndup(name, strlen(name) - strlen(suffixes[i]));
	return string_equal(map_get(labels, DECLARED_LABEL), name) ? mem_strdup(name) : NULL;
}

bool keeper_knows(const Keeper *keeper, const char *name, const ContainerView *view)
{
	return string_equal(map_get(&view->spec->labels, DECLARED_LABEL), name) ||
	       kept_notes_is_adopted(keeper->noted, name, view->id);
}

static bool is_stranger(const Kept *kept, const ContainerView *view)
{
	return !keeper_knows(kept->keeper, kept->name, view);
}

/* Whose name is declared is ours, whoever made it; whose name was declared is ours only if we know of it. */
Container *kept_container(const Kept *kept, const char *suffix)
{
	autofree char *name = string_printf("%s%s", kept->name, suffix);
	Container *container = NULL;
	ContainerView view;
	Error *error = container_find(&container, kept->keeper->engine, name);

	if (error) {
		error_free(error); /* not there: that is the answer */
		return NULL;
	}
	container_view(container, &view);
	if (!string_equal(view.name, name)) /* it is the beginning of another one's id */
		return NULL;
	return kept_file(kept) || !is_stranger(kept, &view) ? container : NULL;
}

/* ---- what is declared, and means ---- */

static Image *image_of(const Kept *kept, const Declaration *declaration)
{
	Image *image = NULL;
	Error *error = image_lookup(&image, kept->keeper->engine, declaration->spec.image);

	error_free(error); /* it is not there */
	return image;
}

char *kept_variant(const Kept *kept)
{
	const Declaration *declaration = kept_declaration(kept);
	autoptr(Image) image = image_of(kept, declaration);
	Digest digest;

	declaration_digest(&digest, declaration);
	return string_printf("%s%s%s", digest.text, image ? " " : "", image ? image->id.text : "");
}

/* ---- one container ---- */

/* What is asked of its registry all the time is to be of the newest image; others stay with the one they have. */
static bool has_other_image(const Declaration *declaration, const ContainerView *view, const Image *image)
{
	return declaration->pull == PULL_ALWAYS && image && !string_equal(view->image_id, image->id.text);
}

static DeclaredChange compare(const Kept *kept, const Declaration *declaration, const ContainerView *view,
	const ContainerSpec *want, const Image *image)
{
	bool is_ours = string_equal(map_get(&view->spec->labels, DECLARED_LABEL), kept->name);
	autoclear(ImageConfig) config = {0};
	autoclear(StringList) names = {0};
	Error *error;

	if (has_other_image(declaration, view, image))
		return DECLARED_RECREATE;
	if (is_ours)
		return declaration_compare_container(&names, declaration, want, view->spec, NULL);
	if (!image || !string_equal(view->image_id, image->id.text))
		return DECLARED_RECREATE;
	error = image_describe(&config, kept->keeper->engine, image);
	if (error) {
		error_log(error, "declared container \"%s\"", kept->name);
		return DECLARED_RECREATE;
	}
	return declaration_compare_container(&names, declaration, want, view->spec, &config);
}

static void describe(KeptContainer *ret, const Kept *kept, const char *suffix, ContainerView *view)
{
	Container *container = kept_container(kept, suffix);

	*ret = (KeptContainer){.state = KEPT_ABSENT};
	if (!container)
		return;
	container_view(container, view);
	*ret = (KeptContainer){
		.state = states[view->state],
		.is_stranger = is_stranger(kept, view),
		.stopped_by_user = view->stopped_by_user && !view->was_set_aside,
		.stopped_for = view->stopped_for,
		.was_set_aside = view->was_set_aside,
		.ran_in_this_boot = view->ran_in_this_boot,
		.exit_code = view->exit_code,
		.restart_policy = view->spec->restart_policy,
		.restarts = view->restart_count,
		.health = view->health,
		.up_ns = view->up_ns,
	};
}

/* Somebody else's that does not run is made anew, as one that differs. */
static void judge_match(
	KeptContainer *ret, const Kept *kept, const ContainerView *view, const ContainerSpec *want, const Image *image)
{
	DeclaredChange change;

	if (ret->state == KEPT_ABSENT)
		return;
	change = compare(kept, kept_declaration(kept), view, want, image);
	ret->matches = change != DECLARED_RECREATE &&
		       !(ret->is_stranger && (ret->state == KEPT_ENDED || ret->state == KEPT_CREATED));
	ret->limits_differ = change == DECLARED_UPDATE && !kept->has_limits_as_can_be;
}

/* ---- all ---- */

static fallible describe_declared(Situation *ret, Kept *kept, const ContainerView *current, const ContainerView *next)
{
	const Declaration *declaration = kept_declaration(kept);
	autoptr(Image) image = image_of(kept, declaration);
	autoclear(ContainerSpec) want;

	container_spec_init(&want);
	ret->has_image = image != NULL;
	strings_clear(&kept->notes);
	TRY(declaration_spec(&want, declaration, &kept->notes));
	judge_match(&ret->current, kept, current, &want, image);
	judge_match(&ret->next, kept, next, &want, image);
	return NULL;
}

static void describe_tries(Situation *ret, const Kept *kept)
{
	const Declaration *declaration = kept_declaration(kept);
	autofree char *variant = kept_variant(kept);

	ret->taken_back = kept_notes_taken_back(kept->keeper->noted, kept->name, variant);
	ret->cannot_create = kept->trouble.create;
	if (ret->current.state == KEPT_CREATED || ret->current.state == KEPT_ENDED)
		ret->current.failure = kept->trouble.start;
	if (ret->old.state == KEPT_CREATED || ret->old.state == KEPT_ENDED)
		ret->old.failure = kept->trouble.start_old;
	ret->pull = (PullWhen)declaration->pull;
	ret->pull_is_due = kept->pull.is_due;
	ret->pull_is_over = kept->pull.is_over;
	ret->pull_failure = kept->pull.failure;
	ret->probation_ns = declaration->probation_ns;
}

/* ret_waits_for owns what ret->waits_for points at. A declaration that cannot be had is no reason to touch what runs.
 */
void kept_situation(Situation *ret, Kept *kept, char **ret_waits_for)
{
	const Declaration *declaration = kept_declaration(kept);
	ContainerView current, old, next;
	Error *error;

	*ret = (Situation){.is_wanted = kept->keeper->is_on && declaration && declaration->enabled};
	describe(&ret->current, kept, "", &current);
	describe(&ret->old, kept, KEPT_OLD_SUFFIX, &old);
	describe(&ret->next, kept, KEPT_NEXT_SUFFIX, &next);
	if (!ret->is_wanted)
		return;
	describe_tries(ret, kept);
	error = describe_declared(ret, kept, &current, &next);
	if (error) {
		autofree char *text = error_text(error);
		string_replace(&kept->trouble.other, text);
		ret->refused = kept->trouble.other;
		error_free(error); /* it is the reason now */
	}
	if (kept->circle)
		ret->refused = kept->circle;
	*ret_waits_for = order_waits_for(kept);
	ret->waits_for = *ret_waits_for;
}
