// SPDX-License-Identifier: Apache-2.0
/* The steps of reconcile(), done by calls of the engine. A step that ends later is answered by an event as well; until
 * then the container is left in peace. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/declaration_check.h"
#include "device/inherit.h"
#include "device/keeper_internal.h"
#include "device/notes.h"

#define DELAY_FIRST NANOS_PER_SECOND
#define DELAY_LAST (60 * NANOS_PER_SECOND)

enum { STARTS_MAX = 16 }; /* at a time: a device of two processors is not made to thrash */

/* ---- failures ---- */

static bool is_making(KeepStep step)
{
	return step == KEEP_CREATE || step == KEEP_CREATE_NEXT;
}

/* Whether it may run at all is asked when it is made. Each refusal is on the disk, and the next one is the same until
 * what is allowed has changed, or what is declared. */
static bool is_refused(KeepStep step, const Error *error)
{
	return is_making(step) && error_kind(error) == ERROR_FORBIDDEN;
}

/* Tried again, ever more seldom. */
static void failed(Kept *kept, char **slot, Error *take_error)
{
	KeptTrouble *trouble = &kept->trouble;
	autofree char *text = error_text(take_error);

	trouble->delay_ns = trouble->delay_ns ? trouble->delay_ns * 2 : DELAY_FIRST;
	if (trouble->delay_ns > DELAY_LAST)
		trouble->delay_ns = DELAY_LAST;
	trouble->not_before_ns =
		is_refused(kept->doing, take_error) ? KEPT_NEVER : clock_monotonic_ns() + trouble->delay_ns;
	if (string_replace(slot, text))
		kept_say(kept, text);
	error_free(take_error); /* it is the reason now */
	kept_dirty(kept);
}

/* Where a step's failure is kept until it works. */
static char **trouble_of(Kept *kept, KeepStep step)
{
	switch (step) {
	case KEEP_CREATE:
	case KEEP_CREATE_NEXT:
		return &kept->trouble.create;
	case KEEP_START:
		return &kept->trouble.start;
	case KEEP_START_OLD:
		return &kept->trouble.start_old;
	default:
		return &kept->trouble.other;
	}
}

static void step_over(Kept *kept, Error *take_error)
{
	char **slot = trouble_of(kept, kept->doing);

	kept->keeper->starting -= kept->counts;
	kept->counts = kept->is_busy = false;
	if (take_error) {
		failed(kept, slot, take_error);
		return;
	}
	string_replace(slot, NULL);
	kept->trouble.delay_ns = kept->trouble.not_before_ns = 0;
	kept_dirty(kept);
}

/* ---- steps that end later ---- */

/* What the engine answers: the one who asked may be gone by then. */
struct Call {
	Kept *kept;
	KeepStep step;
};

void kept_call_forget(Kept *kept)
{
	if (kept->call)
		kept->call->kept = NULL;
	kept->call = NULL;
}

static struct Call *call_begin(Kept *kept, KeepStep step)
{
	struct Call *call = mem_new(struct Call);

	*call = (struct Call){kept, step};
	kept->call = call;
	kept->is_busy = true;
	kept->doing = step;
	return call;
}

static void call_over(void *arg, Error *take_error)
{
	autofree struct Call *call = arg;
	Kept *kept = call->kept;

	if (!kept) {
		error_free(take_error); /* nobody is left to care */
		return;
	}
	kept->call = NULL;
	step_over(kept, take_error);
}

/* The call was refused, or there was nothing to wait for. */
static fallible call_not_needed(struct Call *call, Error *error)
{
	call->kept->call = NULL;
	free(call);
	return error;
}

/* ---- steps ---- */

typedef struct StepCall {
	Kept *kept;
	KeepStep step;
	Container *container; /* that it is about; NULL */
	bool waits;           /* its end is told later */
} StepCall;

/* Its start would fail, after what it replaces was stopped. */
static fallible check_devices(const FieldArray *devices)
{
	const DeclaredDevice *items = devices->items;

	for (size_t i = 0; i < devices->count; i++)
		if (items[i].path[0] == '/' && !items[i].optional && !file_exists(AT_FDCWD, items[i].path))
			return error_new(ERROR_NOT_FOUND, "field \"devices[%zu]\": device \"%.300s\" is not there", i,
				items[i].path);
	return NULL;
}

/* Of the one that it is to stand in for. */
static fallible inherit(ContainerSpec *spec, const Kept *kept)
{
	Container *before = kept_container(kept, "");
	autoptr(Image) image = NULL;
	autoclear(ImageConfig) config = {0};
	ContainerView view;

	if (!before)
		return NULL;
	TRY(image_lookup(&image, kept->keeper->engine, spec->image));
	TRY(image_describe(&config, kept->keeper->engine, image));
	container_view(before, &view);
	inherit_volumes(spec, view.spec, &config);
	return NULL;
}

static fallible create_as(StepCall *step, const char *suffix)
{
	Kept *kept = step->kept;
	autofree char *name = string_printf("%s%s", kept->name, suffix);
	autoclear(ContainerSpec) spec;
	autoclear(StringList) warnings = {0}, notes = {0};
	Container *container;

	container_spec_init(&spec);
	TRY(declaration_spec(&spec, kept_declaration(kept), &notes));
	TRY(check_devices(&kept_declaration(kept)->devices));
	TRY(inherit(&spec, kept));
	TRY(fault("device.create"));
	TRY(declaration_error(container_create(&container, kept->keeper->engine, name, &spec, &warnings)));
	for (size_t i = 0; i < warnings.count; i++)
		kept_say(kept, warnings.items[i]);
	return NULL;
}

static fallible do_create(StepCall *step)
{
	return create_as(step, "");
}

static fallible do_create_next(StepCall *step)
{
	return create_as(step, KEPT_NEXT_SUFFIX);
}

static fallible rename_to(StepCall *step, const char *suffix)
{
	autofree char *name = string_printf("%s%s", step->kept->name, suffix);

	TRY(fault("device.rename"));
	return container_rename(step->container, name);
}

static fallible do_adopt(StepCall *step)
{
	ContainerView view;

	container_view(step->container, &view);
	return kept_notes_adopt(step->kept->keeper->noted, step->kept->name, view.id);
}

/* Nothing else tells that somebody else's container of that name is ours to remove. */
static fallible do_rename_to_old(StepCall *step)
{
	ContainerView view;

	container_view(step->container, &view);
	if (!keeper_knows(step->kept->keeper, step->kept->name, &view))
		TRY(do_adopt(step));
	return rename_to(step, KEPT_OLD_SUFFIX);
}

static fallible do_rename(StepCall *step)
{
	return rename_to(step, "");
}

static fallible do_start(StepCall *step)
{
	struct Call *call = call_begin(step->kept, step->step);
	Error *error = fault("device.start");
	bool is_already;

	if (!error)
		error = container_start(step->container, &is_already, call_over, call);
	if (error || is_already)
		return call_not_needed(call, error);
	step->kept->counts = step->waits = true;
	step->kept->keeper->starting++;
	return NULL;
}

static fallible do_stop(StepCall *step)
{
	struct Call *call = call_begin(step->kept, step->step);
	Error *error = fault("device.stop");
	bool is_already;

	if (!error)
		error = container_set_aside(step->container, &is_already, call_over, call);
	if (error || is_already)
		return call_not_needed(call, error);
	step->waits = true;
	return NULL;
}

/* Stopped as it wants to be, then removed: that is the next look's. */
static fallible do_remove(StepCall *step)
{
	struct Call *call;
	Error *error;

	if (container_is_live(step->container))
		return do_stop(step);
	call = call_begin(step->kept, step->step);
	error = fault("device.remove-container");
	if (!error)
		error = container_remove(step->container, true, true, call_over, call);
	step->waits = !error;
	return error ? call_not_needed(call, error) : NULL;
}

static fallible do_take_back(StepCall *step)
{
	Kept *kept = step->kept;
	autofree char *variant = kept_variant(kept);

	TRY(kept_notes_take_back(kept->keeper->noted, kept->name, variant, kept->decision.reason));
	string_replace(&kept->trouble.start, NULL);
	event_emit(kept->keeper->engine, "declaration", "take-back", kept->name, "name", kept->name, "reason",
		kept->decision.reason, NULL);
	return NULL;
}

/* ---- limits ---- */

static void update_over(void *arg, Error *take_error, const StringList *warnings)
{
	struct Call *call = arg;

	for (size_t i = 0; call->kept && i < warnings->count; i++)
		kept_say(call->kept, warnings->items[i]);
	if (call->kept)
		call->kept->has_limits_as_can_be = !take_error;
	call_over(call, take_error);
}

/* Memory grows together with the swap that the engine has given to it. */
static void let_swap_follow(ContainerSpec *limits, const ContainerSpec *have)
{
	if (limits->memory > 0 && !limits->memory_swap && have->memory_swap > 0)
		limits->memory_swap = limits->memory * 2;
}

static fallible do_update(StepCall *step)
{
	autoclear(ContainerSpec) spec;
	autoclear(StringList) notes = {0};
	ContainerUpdate update = {.has_pids_limit = true, .has_restart_policy = true};
	ContainerView view;
	struct Call *call;
	Error *error;

	container_spec_init(&spec);
	TRY(declaration_spec(&spec, kept_declaration(step->kept), &notes));
	container_view(step->container, &view);
	let_swap_follow(&spec, view.spec);
	update.limits = spec; /* lent */
	call = call_begin(step->kept, step->step);
	error = fault("device.update");
	if (!error)
		error = container_update(step->container, &update, update_over, call);
	step->waits = !error;
	return error ? call_not_needed(call, error) : NULL;
}

/* ---- the table ---- */

static const struct {
	Error *(*run)(StepCall *step);
	const char *suffix; /* of the container that it is about; NULL: none */
} steps[KEEP_STEPS] = {
	[KEEP_ADOPT] = {do_adopt, ""},
	[KEEP_CREATE] = {do_create, NULL},
	[KEEP_CREATE_NEXT] = {do_create_next, NULL},
	[KEEP_RENAME_TO_OLD] = {do_rename_to_old, ""},
	[KEEP_RENAME_NEXT] = {do_rename, KEPT_NEXT_SUFFIX},
	[KEEP_STOP_OLD] = {do_stop, KEPT_OLD_SUFFIX},
	[KEEP_START] = {do_start, ""},
	[KEEP_UPDATE] = {do_update, ""},
	[KEEP_TAKE_BACK] = {do_take_back, NULL},
	[KEEP_START_OLD] = {do_start, KEPT_OLD_SUFFIX},
	[KEEP_RENAME_BACK] = {do_rename, KEPT_OLD_SUFFIX},
	[KEEP_REMOVE_CURRENT] = {do_remove, ""},
	[KEEP_REMOVE_OLD] = {do_remove, KEPT_OLD_SUFFIX},
	[KEEP_REMOVE_NEXT] = {do_remove, KEPT_NEXT_SUFFIX},
};

static bool is_start(KeepStep step)
{
	return step == KEEP_START || step == KEEP_START_OLD;
}

static void run(Kept *kept, KeepStep step)
{
	StepCall call = {.kept = kept, .step = step};
	Error *error;

	call.container = steps[step].suffix ? kept_container(kept, steps[step].suffix) : NULL;
	if (steps[step].suffix && !call.container) {
		kept_dirty(kept); /* it went meanwhile */
		return;
	}
	kept->doing = step;
	error = steps[step].run(&call);
	if (!call.waits)
		step_over(kept, error);
}

/* One that may not be made may still be started, or removed. */
bool kept_is_refused(const Kept *kept)
{
	return kept->trouble.not_before_ns == KEPT_NEVER && is_making(kept->decision.step);
}

static bool is_to_wait(const Kept *kept)
{
	int64_t not_before_ns = kept->trouble.not_before_ns;

	return not_before_ns == KEPT_NEVER ? kept_is_refused(kept) : not_before_ns > clock_monotonic_ns();
}

void kept_do(Kept *kept)
{
	KeepStep step = kept->decision.step;

	if (kept->is_busy || kept->is_dirty || step == KEEP_NOTHING)
		return;
	if (step == KEEP_PULL) {
		kept_pull(kept);
		return;
	}
	if (is_to_wait(kept))
		return;
	if (is_start(step) && kept->keeper->starting >= STARTS_MAX)
		return; /* the end of another one is an event */
	run(kept, step);
}
