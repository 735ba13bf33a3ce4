// SPDX-License-Identifier: Apache-2.0
/*
 * What the policy does not allow is stopped and removed. One that was allowed until now has ten seconds for its end;
 * one that never was is killed. Whatever fails is tried again, at longer and longer intervals, for as long as the
 * container is there and is not allowed. It is on record before anything is done.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "external/internal.h"

#define STOP_TARGET "/containers/%s/stop?t=10"
#define KILL_TARGET "/containers/%s/kill"
#define START_TARGET "/containers/%s/start"
#define DELETE_TARGET "/containers/%s?force=true"
#define STEP_NS (60 * NANOS_PER_SECOND)
#define AGAIN_FIRST_NS NANOS_PER_SECOND
#define AGAIN_MAX_NS (30 * NANOS_PER_SECOND)

/* ---- the record ---- */

static const char *kind_of(const ExternalEngine *external)
{
	return external->kind ? external->kind : "external";
}

static void audit(ExternalEngine *external, const char *decision, const Removal *removal, const char *rule)
{
	const AuditEntry entry = {
		.engine = removal->engine,
		.decision = (char *)decision,
		.door = (char *)"pass",
		.container = removal->id,
		.name = removal->name,
		.image = removal->image,
		.digests = removal->digests,
		.rule = (char *)rule,
		.reason = removal->reason,
	};

	engine_audit_note(external->engine, &entry, !string_equal(decision, "admit"));
}

static void describe(Removal *ret, const ExternalContainer *container, const char *reason)
{
	const ExternalListed *listed = &container->listed;

	string_replace(&ret->engine, kind_of(container->external));
	string_replace(&ret->id, listed->id);
	string_replace(&ret->name, listed->name ? listed->name : "");
	string_replace(&ret->image, listed->image ? listed->image : "");
	string_replace(&ret->state, listed->state ? listed->state : "");
	string_replace(&ret->reason, reason);
	strings_copy(&ret->digests, &container->facts.digests);
}

static void drop_pending(ExternalEngine *external, const char *id)
{
	Removal *removal = table_remove(external->pending, id);

	if (!removal)
		return;
	removal_clear(removal);
	free(removal);
}

void external_recall(ExternalEngine *external)
{
	FieldArray known = {0};
	Error *error = enforcement_removed(&known, external->engine);

	if (error)
		error_log(error, "what is to be removed from the other engine is not known");
	for (size_t i = 0; i < known.count; i++) {
		const Removal *removal = (const Removal *)known.items + i;
		if (!removal->engine || removal->removed)
			continue;
		Removal *pending = mem_new(Removal);
		fields_copy(removal_fields, pending, removal);
		table_set(external->pending, pending->id, pending);
	}
	removals_clear(&known);
}

void external_gone(ExternalEngine *external, const char *id)
{
	Removal *removal = table_get(external->pending, id);

	if (!removal)
		return;
	removal_stamp(&removal->removed);
	string_replace(&removal->error, NULL);
	removal_note(external->engine, removal);
	audit(external, "removed", removal, NULL);
	log_info("container \"%s\" was removed from %s: %s", removal->name, removal->engine, removal->reason);
	drop_pending(external, id);
	removals_tidy(external->engine);
}

/* The whole list has been through: what was to be removed and is not in it is gone. */
void external_tidy(ExternalEngine *external)
{
	const char *id;
	void *removal;

	for (size_t cursor = 0; table_next(external->pending, &cursor, &id, &removal);)
		if (!table_get(external->by_id, id)) {
			autofree char *copy = mem_strdup(id);
			external_gone(external, copy);
		}
}

/* ---- removing ---- */

static void failed(ExternalContainer *container, Error *take_error);
static void remove_by_force(ExternalContainer *container);

static void failed(ExternalContainer *container, Error *take_error)
{
	ExternalEngine *external = container->external;
	Removal *removal = table_get(external->pending, container->listed.id);
	int64_t delay_ns = container->again_ns ? container->again_ns : AGAIN_FIRST_NS;

	if (removal && string_replace(&removal->error, error_message(take_error)))
		removal_note(external->engine, removal);
	error_log(take_error, "container \"%s\" of %s is not allowed, and could not be removed",
		container->listed.name ? container->listed.name : container->listed.id, kind_of(external));
	container->again_ns = delay_ns * 2 < AGAIN_MAX_NS ? delay_ns * 2 : AGAIN_MAX_NS;
	external_container_look_in(container, delay_ns);
}

typedef void Answered(void *arg, Error *take_error, int status, const Buffer *body);

static void step(ExternalContainer *container, const char *method, const char *target, Answered *done)
{
	const ExternalRequest request = {
		.method = method,
		.target = target,
		.body_max = WORDS_BODY_MAX,
		.timeout_ns = STEP_NS,
		.done = done,
		.arg = container,
	};

	container->removal = external_call_new(container->external->loop, &container->external->address, &request);
}

/* NULL where the engine has done it; 304: it was so already. */
static fallible refusal(int status, const Buffer *body)
{
	autofree char *words = NULL;

	if (status < 300 || status == 304)
		return NULL;
	words = external_call_words(status, body);
	return error_new(ERROR_UNAVAILABLE, "%s", words);
}

static void on_deleted(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;

	container->removal = external_call_free(container->removal);
	if (!take_error && status != 404)
		take_error = refusal(status, body);
	if (take_error)
		failed(container, take_error);
	else
		external_container_look_in(container, 0); /* which finds that it is gone, or is not */
}

static void remove_by_force(ExternalContainer *container)
{
	autofree char *target = string_printf(DELETE_TARGET, container->listed.id);

	step(container, "DELETE", target, on_deleted);
}

static void on_started(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;

	container->removal = external_call_free(container->removal);
	if (!take_error)
		take_error = refusal(status, body);
	if (take_error)
		error_log(take_error, "container \"%s\" is allowed again, and could not be started",
			container->listed.name);
	external_container_look_in(container, 0);
}

/* The policy has changed while it stopped. */
static bool is_reprieved(const ExternalContainer *container)
{
	autoclear(Verdict) verdict = {0};

	external_judge_container(&verdict, container, engine_policy(container->external->engine));
	return !verdict.rule;
}

/* Whether it has stopped or not, and whatever was said to that: what remains is removed by force. */
static void on_stopped(void *arg, Error *take_error, int status, const Buffer *body)
{
	ExternalContainer *container = arg;
	autofree char *target = NULL;

	(void)status;
	(void)body;
	error_free(take_error);
	container->removal = external_call_free(container->removal);
	if (!is_reprieved(container)) {
		remove_by_force(container);
		return;
	}
	target = string_printf(START_TARGET, container->listed.id);
	step(container, "POST", target, on_started);
}

static bool is_alive(const ExternalContainer *container)
{
	static const char *const states[] = {"running", "paused", "restarting", "stopping"};
	const char *state = container->listed.state;

	return state && names_find(states, COUNT(states), state) >= 0;
}

static void withdraw(ExternalContainer *container)
{
	bool has_time = container->was_allowed && string_equal(container->listed.state, "running");
	autofree char *target = string_printf(has_time ? STOP_TARGET : KILL_TARGET, container->listed.id);

	container->was_allowed = container->was_admitted = false;
	if (is_alive(container))
		step(container, "POST", target, on_stopped);
	else
		remove_by_force(container);
}

void external_leave(ExternalContainer *container)
{
	container->removal = external_call_free(container->removal);
	container->again = source_free(container->again);
}

/* ---- the verdict ---- */

static void deny(ExternalContainer *container, const Verdict *verdict)
{
	ExternalEngine *external = container->external;
	Removal *removal = table_get(external->pending, container->listed.id);

	if (!removal) {
		removal = mem_new(Removal);
		describe(removal, container, verdict->reason);
		removal_stamp(&removal->decided);
		table_set(external->pending, removal->id, removal);
		removal_note(external->engine, removal);
		audit(external, "remove", removal, verdict->rule);
	}
	withdraw(container);
}

static void tell(const ExternalContainer *container, const char *decision, const char *rule, const char *reason)
{
	autoclear(Removal) removal = {0};

	describe(&removal, container, reason);
	audit(container->external, decision, &removal, rule);
}

static void allow(ExternalContainer *container)
{
	ExternalEngine *external = container->external;
	const Removal *pending = table_get(external->pending, container->listed.id);
	bool is_asked = !policy_is_idle(engine_policy(external->engine));

	if (pending) {
		log_info("container \"%s\" of %s is allowed again", container->listed.name, kind_of(external));
		audit(external, "keep", pending, NULL);
		removal_forget(external->engine, container->listed.id);
		drop_pending(external, container->listed.id);
	} else if (is_asked && !container->was_admitted) {
		tell(container, "admit", NULL, NULL);
	}
	container->was_admitted = is_asked;
	container->was_allowed = true;
	container->again_ns = 0;
}

/* Once each, not with every look. */
static void warn(ExternalContainer *container, const StringMap *warnings)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < warnings->count; i++)
		buffer_printf(&text, "%s: %s\n", warnings->items[i].key, warnings->items[i].value);
	if (!string_replace(&container->warned, buffer_text(&text)))
		return;
	for (size_t i = 0; i < warnings->count; i++)
		tell(container, "warn", warnings->items[i].key, warnings->items[i].value);
}

static void conclude(ExternalContainer *container)
{
	autoclear(Verdict) verdict = {0};

	external_judge_container(&verdict, container, engine_policy(container->external->engine));
	warn(container, &verdict.warnings);
	if (verdict.rule)
		deny(container, &verdict);
	else
		allow(container);
}

void external_enforce(ExternalContainer *container)
{
	container->is_put_off = external_depends_on_unknown(container);
	if (!container->removal && !container->is_put_off) /* each step's end looks again */
		conclude(container);
}

void external_enforce_put_off(ExternalEngine *external)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		if (container->is_put_off && !container->removal)
			conclude(container);
		container->is_put_off = false;
	}
}

void external_engine_dry_run(FieldArray *removals, const ExternalEngine *external, const Policy *policy)
{
	list_each(&external->containers, ExternalContainer, in_external, container) {
		autoclear(Verdict) verdict = {0};
		external_judge_container(&verdict, container, policy);
		if (verdict.rule)
			describe(removals_add(removals), container, verdict.reason);
	}
}
