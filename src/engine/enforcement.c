// SPDX-License-Identifier: Apache-2.0
#include "engine/enforcement.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/admission.h"
#include "engine/audit.h"
#include "engine/enforcement_internal.h"
#include "store/records.h"

#define AGAIN_NS (30 * NANOS_PER_SECOND) /* after a removal that failed */

static const char record_kind[] = "removal";
static const char not_allowed[] = "it was not allowed"; /* why a container was stopped */

struct Enforcement {
	Engine *engine;
	bool has_begun;
	Source *pass; /* NULL: none was wanted yet */
	LoopHandler *policy_set;
	void *policy_set_arg;
};

#define TEXT(key, member)                                                                                              \
	{                                                                                                              \
		.name = (key), .kind = FIELD_STRING, .offset = offsetof(Removal, member), .omit_empty = true           \
	}

const Field removal_fields[] = {
	TEXT("engine", engine),
	TEXT("engineUrl", engine_url),
	TEXT("id", id),
	TEXT("name", name),
	TEXT("image", image),
	{.name = "digests", .kind = FIELD_STRINGS, .offset = offsetof(Removal, digests)},
	TEXT("state", state),
	TEXT("reason", reason),
	TEXT("decided", decided),
	TEXT("removed", removed),
	TEXT("error", error),
	FIELDS_END,
};

static Removal *removal_at(const FieldArray *removals, size_t i)
{
	return (Removal *)removals->items + i;
}

void removal_clear(Removal *removal)
{
	fields_clear(removal_fields, removal);
}

void removals_clear(FieldArray *removals)
{
	for (size_t i = 0; i < removals->count; i++)
		removal_clear(removal_at(removals, i));
	free(removals->items);
	*removals = (FieldArray){0};
}

Removal *removals_add(FieldArray *removals)
{
	Removal *removal;

	removals->items = mem_array(removals->items, removals->count + 1, sizeof(Removal));
	removal = removal_at(removals, removals->count++);
	*removal = (Removal){0};
	return removal;
}

static Removal *removals_find(const FieldArray *removals, const char *id)
{
	for (size_t i = 0; i < removals->count; i++)
		if (string_equal(removal_at(removals, i)->id, id))
			return removal_at(removals, i);
	return NULL;
}

/* ---- the record of removals ---- */

static void read_record(void *arg, const char *id, const char *name, const char *json)
{
	FieldArray *removals = arg;
	Removal *removal = removals_add(removals);
	Error *error = fields_read_text(removal_fields, removal, "removal", json, strlen(json), 0);

	(void)name;
	if (!error && string_equal(removal->id, id))
		return;
	if (error)
		error_log(error, "the record of the removal of container %.12s", id);
	fields_clear(removal_fields, removal);
	removals->count--;
}

fallible enforcement_removed(FieldArray *ret, Engine *engine)
{
	return record_each(engine->store, record_kind, read_record, ret);
}

static fallible write_record(Engine *engine, const Removal *removal)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	TRY(fault("engine.enforcement.record"));
	writer_init(&writer, &text);
	fields_write(removal_fields, removal, &writer, NULL);
	return record_put(engine->store, record_kind, removal->id, NULL, buffer_text(&text));
}

void removal_note(Engine *engine, const Removal *removal)
{
	Error *error = write_record(engine, removal);

	if (error)
		error_log(error, "the record of the removal of container \"%s\"", removal->name);
}

void removal_forget(Engine *engine, const char *id)
{
	Error *error = record_delete(engine->store, record_kind, id);

	if (error)
		error_log(error, "container %.12s is still said to be removed", id);
}

void removal_stamp(char **slot)
{
	char now[CLOCK_TEXT_MAX];

	clock_format(now, clock_wall_ns());
	string_replace(slot, now);
}

static void audit(Engine *engine, const char *decision, const Removal *removal)
{
	const AuditEntry entry = {
		.decision = (char *)decision,
		.door = (char *)"pass",
		.container = removal->id,
		.name = removal->name,
		.image = removal->image,
		.digests = removal->digests,
		.rule = (char *)"allowlist",
		.reason = removal->reason,
	};

	audit_write(engine->audit, &entry, true);
}

static void note_removed(Engine *engine, Removal *removal)
{
	removal_stamp(&removal->removed);
	string_replace(&removal->error, NULL);
	removal_note(engine, removal);
	audit(engine, "removed", removal);
}

/* ---- who is not allowed ---- */

static bool is_leaving(const Container *container)
{
	return container->state == CONTAINER_REMOVING || container->removed;
}

/* False: it may stay. An image that cannot be looked up has the digests that the record knows. */
static bool judge(Removal *ret, const Container *container, const Policy *policy)
{
	const ContainerRecord *record = &container->record;
	bool is_allowed = false;
	Error *error = admission_allows(&is_allowed, &ret->digests, container, policy);
	const Candidate candidate = {
		.image = string_empty(record->spec.image) ? record->image_id : record->spec.image,
		.digests = &ret->digests,
	};
	autoclear(Verdict) verdict = {0};

	if (error)
		error_log(error, "container \"%s\": what is known of its image", record->name);
	if (is_allowed)
		return false;
	policy_judge(&verdict, policy, &candidate);
	string_replace(&ret->id, container->id);
	string_replace(&ret->name, record->name);
	string_replace(&ret->image, candidate.image);
	string_replace(&ret->state, container_state_name(container->state));
	string_replace(&ret->reason, verdict.reason);
	return true;
}

fallible enforcement_dry_run(FieldArray *ret, Engine *engine, const Policy *policy)
{
	list_each(&engine->container_order, Container, link, container) {
		Removal removal = {0};
		if (!is_leaving(container) && judge(&removal, container, policy))
			*removals_add(ret) = removal;
		else
			fields_clear(removal_fields, &removal);
	}
	return NULL;
}

/* ---- removing ---- */

static void pass_again(Enforcement *enforcement, int64_t delay_ns);

typedef struct Withdrawal {
	Container *container;
	Removal removal;
} Withdrawal;

static void withdrawal_end(Withdrawal *withdrawal)
{
	fields_clear(removal_fields, &withdrawal->removal);
	container_unref(withdrawal->container);
	free(withdrawal);
}

static void withdrawal_failed(Withdrawal *withdrawal, Error *take_error)
{
	Engine *engine = withdrawal->container->engine;

	withdrawal->container->is_withdrawn = false;
	if (!engine->closing) {
		string_replace(&withdrawal->removal.error, error_message(take_error));
		removal_note(engine, &withdrawal->removal);
		pass_again(engine->enforcement, AGAIN_NS);
	}
	error_log(take_error, "container \"%s\" is not allowed, and could not be removed",
		withdrawal->container->record.name);
	withdrawal_end(withdrawal);
}

static void removed(void *arg, Error *take_error)
{
	Withdrawal *withdrawal = arg;

	if (take_error) {
		withdrawal_failed(withdrawal, take_error);
		return;
	}
	note_removed(withdrawal->container->engine, &withdrawal->removal);
	log_info("container \"%s\" was removed: %s", withdrawal->removal.name, withdrawal->removal.reason);
	withdrawal_end(withdrawal);
}

static fallible remove_container(Withdrawal *withdrawal)
{
	Container *container = withdrawal->container;

	if (container->state == CONTAINER_PAUSED) /* it is dead before it is thawed */
		TRY(cgroup_kill(container->engine->cgroups, container->cgroup));
	return container_remove(container, true, false, removed, withdrawal);
}

static void remove_withdrawn(Withdrawal *withdrawal)
{
	Error *error = NULL;

	if (withdrawal->container->removed) { /* it went with its end */
		removed(withdrawal, NULL);
		return;
	}
	error = remove_container(withdrawal);
	if (error)
		withdrawal_failed(withdrawal, error);
}

/* The policy has changed while it stopped. */
static bool is_reprieved(const Withdrawal *withdrawal)
{
	const Container *container = withdrawal->container;
	bool is_allowed = false;
	Error *error = admission_allows(&is_allowed, NULL, container, container->engine->policy);

	error_free(error); /* then it is not known to be allowed */
	return is_allowed && !container->removed;
}

static void start_again(Container *container)
{
	bool already = false;
	Error *error = container_start(container, &already, NULL, NULL);

	if (error)
		error_log(error, "container \"%s\" is allowed again, and could not be started", container->record.name);
}

static void note_kept(Container *container, const Removal *removal)
{
	log_info("container \"%s\" is allowed again", container->record.name);
	audit(container->engine, "keep", removal);
	error_free(record_delete(container->engine->store, record_kind, container->id)); /* the next pass does it */
}

static void run_again(Withdrawal *withdrawal)
{
	Container *container = withdrawal->container;

	start_again(container);
	container->is_withdrawn = false;
	note_kept(container, &withdrawal->removal);
	withdrawal_end(withdrawal);
}

static void stopped(void *arg, Error *take_error)
{
	Withdrawal *withdrawal = arg;

	if (take_error)
		withdrawal_failed(withdrawal, take_error);
	else if (withdrawal->container->engine->closing) /* the next kedged goes on */
		withdrawal_end(withdrawal);
	else if (is_reprieved(withdrawal))
		run_again(withdrawal);
	else
		remove_withdrawn(withdrawal);
}

/* It has its own time to end, but no more than others have by default. */
static int64_t grace_s(const Container *container)
{
	int64_t usual_s = container->engine->config.stop_timeout_ns / NANOS_PER_SECOND;
	int64_t own_s = container->record.spec.stop_timeout_s;

	return own_s >= 0 && own_s < usual_s ? own_s : usual_s;
}

/* What stands still, or has not begun, does not run for its end's sake. */
static bool is_to_be_stopped(const Container *container)
{
	return container->state == CONTAINER_RUNNING || container->state == CONTAINER_STOPPING;
}

static void withdraw(Container *container, const Removal *removal)
{
	Withdrawal *withdrawal = mem_new(Withdrawal);
	bool is_over = false;
	Error *error;

	container->is_withdrawn = true;
	withdrawal->container = container_ref(container);
	fields_copy(removal_fields, &withdrawal->removal, removal);
	if (!is_to_be_stopped(container)) {
		remove_withdrawn(withdrawal);
		return;
	}
	error = container_stop_for(container, not_allowed, grace_s(container), &is_over, stopped, withdrawal);
	if (error)
		withdrawal_failed(withdrawal, error);
	else if (is_over)
		remove_withdrawn(withdrawal);
}

/* ---- the pass ---- */

static void tell_withdrawn(Container *container, const Removal *removal)
{
	autoclear(StringMap) attributes = {0};

	map_set(&attributes, "door", "pass");
	map_set(&attributes, "rule", "allowlist");
	map_set(&attributes, "reason", removal->reason);
	container_event_with(container, "deny", &attributes);
	audit(container->engine, "remove", removal);
}

/* It was stopped for that, by another kedged or for a removal that failed. After a boot its restart policy counts. */
static bool was_stopped(const Container *container, const Removal *before)
{
	const ContainerRecord *record = &container->record;
	bool is_over = container->state == CONTAINER_EXITED || container->state == CONTAINER_DEAD;
	bool outlasts_boots = record->spec.restart_policy == RESTART_UNLESS_STOPPED;

	return is_over && record->user_stopped && string_equal(record->stopped_for, not_allowed) &&
	       string_equal(before->state, container_state_name(CONTAINER_RUNNING)) &&
	       (outlasts_boots || string_equal(record->boot_id, container->engine->boot_id));
}

/* What was decided, and not done, is taken back. One that is being stopped is waited for, see stopped(). */
static void reprieve(Container *container, const Removal *before)
{
	if (container->state == CONTAINER_STOPPING) {
		withdraw(container, before);
		return;
	}
	if (was_stopped(container, before))
		start_again(container);
	note_kept(container, before);
}

/* It is on record before anything is done: whoever looks later finds why. */
static void pass_one(Container *container, const FieldArray *known)
{
	Engine *engine = container->engine;
	const Removal *before = removals_find(known, container->id);
	Removal removal = {0};

	if (before)
		fields_copy(removal_fields, &removal, before);
	if (judge(&removal, container, engine->policy)) {
		if (!before) {
			removal_stamp(&removal.decided);
			removal_note(engine, &removal);
			tell_withdrawn(container, &removal);
		}
		withdraw(container, &removal);
	} else if (before) {
		reprieve(container, before);
	}
	fields_clear(removal_fields, &removal);
}

/* A start that the former policy has refused is tried again. */
static void retry_refused(Container *container)
{
	if (!container->is_refused || container->state != CONTAINER_RESTARTING || container->is_withdrawn)
		return;
	container->is_refused = false;
	container_restart_soon(container, 0);
}

/* Those that went while nobody could write it down, and more than are kept. */
static void tidy_records(Engine *engine, const FieldArray *known)
{
	for (size_t i = 0; i < known->count; i++) {
		Removal *removal = removal_at(known, i);
		if (i + REMOVALS_KEPT < known->count)
			error_free(record_delete(engine->store, record_kind, removal->id)); /* the next pass does it */
		else if (!removal->engine && !removal->removed && !table_get(engine->containers, removal->id))
			note_removed(engine, removal);
	}
}

void removals_tidy(Engine *engine)
{
	FieldArray known = {0};
	Error *error = enforcement_removed(&known, engine);

	if (error)
		error_log(error, "what was removed before is not known");
	tidy_records(engine, &known);
	removals_clear(&known);
}

/* Those that are there now: a pass removes some of them. */
static size_t containers_now(Container ***ret, Engine *engine)
{
	size_t count = container_list(ret, engine);

	for (size_t i = 0; i < count; i++)
		container_ref((*ret)[i]);
	return count;
}

static void pass(void *arg)
{
	Enforcement *enforcement = arg;
	Engine *engine = enforcement->engine;
	FieldArray known = {0};
	Container **containers;
	size_t count;
	Error *error = enforcement_removed(&known, engine);

	if (error)
		error_log(error, "what was removed before is not known");
	tidy_records(engine, &known);
	count = containers_now(&containers, engine);
	for (size_t i = 0; i < count; i++) {
		if (!is_leaving(containers[i]) && !containers[i]->is_withdrawn)
			pass_one(containers[i], &known);
		retry_refused(containers[i]);
		container_unref(containers[i]);
	}
	free(containers);
	removals_clear(&known);
}

static void pass_again(Enforcement *enforcement, int64_t delay_ns)
{
	Engine *engine = enforcement->engine;
	Error *error = NULL;

	if (!enforcement->has_begun || engine->closing)
		return;
	if (enforcement->pass)
		source_rearm_sooner(enforcement->pass, delay_ns);
	else
		error = loop_timer(&enforcement->pass, engine->loop, delay_ns, pass, enforcement);
	if (error)
		error_log(error, "what is not allowed any more is not removed before the next start");
}

/* ---- life ---- */

Enforcement *enforcement_new(Engine *engine)
{
	Enforcement *enforcement = mem_new(Enforcement);

	enforcement->engine = engine;
	return enforcement;
}

Enforcement *enforcement_free(Enforcement *enforcement)
{
	if (!enforcement)
		return NULL;
	source_free(enforcement->pass);
	free(enforcement);
	return NULL;
}

void enforcement_begin(Enforcement *enforcement)
{
	enforcement->has_begun = true;
	pass_again(enforcement, 0); /* nothing may be enforced by now: then what was decided is taken back */
}

void engine_set_policy(Engine *engine, Policy *take_policy)
{
	bool is_same = policy_equal(engine->policy, take_policy);

	policy_free(engine->policy);
	engine->policy = take_policy;
	if (!is_same)
		pass_again(engine->enforcement, 0);
	if (engine->enforcement->policy_set)
		engine->enforcement->policy_set(engine->enforcement->policy_set_arg);
}

void engine_on_policy(Engine *engine, LoopHandler *handler, void *arg)
{
	engine->enforcement->policy_set = handler;
	engine->enforcement->policy_set_arg = arg;
}

const Policy *engine_policy(const Engine *engine)
{
	return engine->policy;
}

fallible engine_audit(FieldArray *ret, const Engine *engine, size_t count)
{
	return audit_read(ret, engine->audit, count);
}

void engine_audit_note(Engine *engine, const AuditEntry *entry, bool is_durable)
{
	audit_write(engine->audit, entry, is_durable);
}
