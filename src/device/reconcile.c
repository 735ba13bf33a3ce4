// SPDX-License-Identifier: Apache-2.0
#include "device/reconcile.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

const char *const keep_step_names[KEEP_STEPS] = {
	[KEEP_NOTHING] = "nothing",
	[KEEP_PULL] = "pull",
	[KEEP_ADOPT] = "adopt",
	[KEEP_CREATE] = "create",
	[KEEP_CREATE_NEXT] = "create-next",
	[KEEP_RENAME_TO_OLD] = "rename-to-old",
	[KEEP_RENAME_NEXT] = "rename-next",
	[KEEP_STOP_OLD] = "stop-old",
	[KEEP_START] = "start",
	[KEEP_UPDATE] = "update",
	[KEEP_TAKE_BACK] = "take-back",
	[KEEP_START_OLD] = "start-old",
	[KEEP_RENAME_BACK] = "rename-back",
	[KEEP_REMOVE_CURRENT] = "remove-current",
	[KEEP_REMOVE_OLD] = "remove-old",
	[KEEP_REMOVE_NEXT] = "remove-next",
};

static bool is_there(const KeptContainer *container)
{
	return container->state != KEPT_ABSENT;
}

static bool is_up(const KeptContainer *container)
{
	return container->state == KEPT_RUNNING || container->state == KEPT_PAUSED ||
	       container->state == KEPT_RESTARTING;
}

/* ---- answers ---- */

static Decision step(KeepStep step, const char *reason)
{
	Decision decision = {.step = step};

	snprintf(decision.reason, sizeof(decision.reason), "%s", reason);
	return decision;
}

static Decision nothing(const char *format, ...) __attribute__((format(printf, 1, 2)));
static Decision nothing(const char *format, ...)
{
	Decision decision = {.step = KEEP_NOTHING};
	va_list args;

	va_start(args, format);
	vsnprintf(decision.reason, sizeof(decision.reason), format, args);
	va_end(args);
	return decision;
}

/* Nothing more happens by itself. */
static Decision given_up(const char *format, ...) __attribute__((format(printf, 1, 2)));
static Decision given_up(const char *format, ...)
{
	Decision decision = {.step = KEEP_NOTHING, .is_given_up = true};
	va_list args;

	va_start(args, format);
	vsnprintf(decision.reason, sizeof(decision.reason), format, args);
	va_end(args);
	return decision;
}

static Decision as_declared(void)
{
	return (Decision){.step = KEEP_NOTHING, .is_as_declared = true};
}

static Decision waiting(const Situation *situation)
{
	return nothing("it waits for %s", situation->waits_for);
}

/* ---- not wanted ---- */

static Decision not_wanted(const Situation *situation)
{
	if (is_there(&situation->next))
		return step(KEEP_REMOVE_NEXT, "it is being removed");
	if (is_there(&situation->old))
		return step(KEEP_REMOVE_OLD, "it is being removed");
	if (is_there(&situation->current))
		return step(KEEP_REMOVE_CURRENT, "it is being removed");
	return as_declared();
}

/* ---- the image ---- */

static Decision no_image(const Situation *situation)
{
	if (situation->pull == PULL_NEVER)
		return given_up("its image is not there, and is never to be pulled");
	return given_up("%s", situation->pull_failure);
}

/* Whether the registry is to be asked: also while the container runs, when its image is to be the newest one. */
static bool wants_pull(const Situation *situation)
{
	if (situation->pull == PULL_NEVER || situation->pull_is_over)
		return false;
	return !situation->has_image || (situation->pull == PULL_ALWAYS && situation->pull_is_due);
}

static Decision pulling(const Situation *situation)
{
	Decision decision = step(KEEP_PULL, "its image is being pulled");

	if (situation->pull_failure)
		snprintf(decision.reason, sizeof(decision.reason), "its image is pulled again, because: %s",
			situation->pull_failure);
	return decision;
}

/* ---- making one ---- */

static Decision creating(const Situation *situation, KeepStep how, const char *words)
{
	Decision decision = step(how, situation->cannot_create ? situation->cannot_create : words);

	bool is_offline = situation->has_image && situation->pull_failure;

	if (wants_pull(situation) && !is_offline)
		return pulling(situation);
	if (!situation->has_image)
		return no_image(situation);
	if (situation->waits_for)
		return waiting(situation);
	return decision;
}

/* ---- a replacement that is under way: old is there ---- */

static Decision take_back(const char *format, ...) __attribute__((format(printf, 1, 2)));
static Decision take_back(const char *format, ...)
{
	Decision decision = {.step = KEEP_TAKE_BACK};
	va_list args;

	va_start(args, format);
	vsnprintf(decision.reason, sizeof(decision.reason), format, args);
	va_end(args);
	return decision;
}

static bool has_finished(const KeptContainer *container)
{
	return container->exit_code == 0 &&
	       (container->restart_policy == RESTART_NO || container->restart_policy == RESTART_ON_FAILURE);
}

static Decision judge_running(const Situation *situation)
{
	const KeptContainer *current = &situation->current;
	int64_t left = situation->probation_ns - current->up_ns;
	Decision decision = nothing("its replacement is on probation");

	if (current->restarts > 0)
		return take_back("it ended during its probation");
	if (current->health == HEALTH_UNHEALTHY)
		return take_back("it was not healthy during its probation");
	if (left <= 0 && (current->health == HEALTH_NONE || current->health == HEALTH_HEALTHY))
		return step(KEEP_REMOVE_OLD, "what it replaces is being removed");
	decision.ask_again_ns = left > 0 ? left : 0; /* healthy, or not, is an event */
	return decision;
}

static Decision begin_replacement(const Situation *situation)
{
	if (is_up(&situation->old))
		return step(KEEP_STOP_OLD, "it is being replaced");
	if (situation->old.state == KEPT_BUSY)
		return nothing("it is being replaced");
	return step(KEEP_START, "its replacement is being started");
}

/* That the machine went down tells nothing of it, nor that it was to go for a moment. */
static Decision judge_ended(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	if (current->stopped_by_user && current->stopped_for)
		return take_back("it was stopped during its probation: %s", current->stopped_for);
	if (current->stopped_by_user)
		return given_up("it was stopped by a user during its probation");
	if (!current->ran_in_this_boot || current->was_set_aside)
		return situation->waits_for ? waiting(situation) : begin_replacement(situation);
	if (has_finished(current))
		return step(KEEP_REMOVE_OLD, "what it replaces is being removed");
	return take_back("it ended with status %d during its probation", current->exit_code);
}

static Decision judge(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	if (current->failure)
		return take_back("%s", current->failure);
	switch (current->state) {
	case KEPT_RUNNING:
		return judge_running(situation);
	case KEPT_ENDED:
		return judge_ended(situation);
	case KEPT_RESTARTING:
		return take_back("it ended with status %d during its probation", current->exit_code);
	case KEPT_DEAD:
		return take_back("it was lost during its probation");
	case KEPT_PAUSED:
		return given_up("it was paused by a user during its probation");
	default:
		return nothing("its replacement is being started");
	}
}

static Decision bring_back(const Situation *situation)
{
	const KeptContainer *old = &situation->old;

	if (old->state == KEPT_BUSY)
		return nothing("what ran before is being started again");
	if (is_up(old) || old->failure)
		return step(KEEP_RENAME_BACK, "what ran before is being started again");
	return step(KEEP_START_OLD, "what ran before is being started again");
}

static Decision replacing(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	if (!is_there(current))
		return is_there(&situation->next) ? step(KEEP_RENAME_NEXT, "it is being replaced")
						  : bring_back(situation);
	if (!current->matches || situation->taken_back)
		return step(KEEP_REMOVE_CURRENT, "what ran before is being started again");
	if (current->state == KEPT_CREATED && !current->failure)
		return begin_replacement(situation);
	return judge(situation);
}

/* ---- one that is what is declared, or what it stays at ---- */

static Decision starting(const Situation *situation)
{
	if (situation->waits_for)
		return waiting(situation);
	return step(KEEP_START, situation->current.failure ? situation->current.failure : "it is being started");
}

static Decision ended(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	if (current->stopped_by_user && current->stopped_for)
		return given_up("it was stopped: %s", current->stopped_for);
	if (current->stopped_by_user)
		return given_up("it was stopped by a user");
	if (!current->ran_in_this_boot || current->was_set_aside)
		return starting(situation);
	if (has_finished(current))
		return as_declared();
	if (current->restart_policy == RESTART_NO)
		return given_up("it ended with status %d, and is not to be started again", current->exit_code);
	if (current->restart_policy == RESTART_ON_FAILURE && current->restarts > 0)
		return given_up("it ended with status %d after %lld restarts", current->exit_code,
			(long long)current->restarts);
	return starting(situation);
}

static Decision keep_by_state(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	switch (current->state) {
	case KEPT_CREATED:
		return starting(situation);
	case KEPT_BUSY:
		return nothing("it is being started or stopped");
	case KEPT_PAUSED:
		return given_up("it was paused by a user");
	case KEPT_RESTARTING:
		return nothing("it ended with status %d, and is to be started again", current->exit_code);
	case KEPT_ENDED:
		return ended(situation);
	default:
		if (current->health == HEALTH_UNHEALTHY)
			return given_up("it runs, and its health check fails");
		return as_declared();
	}
}

static Decision keep(const Situation *situation)
{
	const KeptContainer *current = &situation->current;
	Decision decision = keep_by_state(situation);

	if (decision.step != KEEP_NOTHING || current->state == KEPT_BUSY)
		return decision;
	if (current->matches && current->is_stranger)
		return step(KEEP_ADOPT, "it is being taken over");
	if (current->matches && current->limits_differ)
		return step(KEEP_UPDATE, "its limits are being changed");
	if (current->matches && wants_pull(situation) && situation->pull == PULL_ALWAYS) {
		decision.step = KEEP_PULL; /* meanwhile it is what it is */
		return decision;
	}
	if (situation->taken_back && decision.is_as_declared)
		return given_up("what is declared now did not come up, so that what ran before was started again: %s",
			situation->taken_back);
	return decision;
}

/* What went down with the machine is missed until its replacement can be made, for which it may need a registry. */
static bool is_missed(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	return current->state == KEPT_ENDED && !current->ran_in_this_boot && !current->stopped_by_user &&
	       !current->is_stranger && !current->failure && !situation->waits_for;
}

static Decision replace(const Situation *situation)
{
	const KeptContainer *current = &situation->current;
	Situation without_order = *situation;
	Decision decision;

	if (current->state == KEPT_BUSY)
		return nothing("it is being started or stopped");
	if (is_there(&situation->next))
		return step(KEEP_RENAME_TO_OLD, "it is being replaced");
	if (is_up(current)) /* the order is that of starts, and it has started */
		without_order.waits_for = NULL;
	decision = creating(&without_order, KEEP_CREATE_NEXT, "it is being replaced");
	if (decision.step != KEEP_CREATE_NEXT && is_missed(situation))
		return step(KEEP_START, "what ran before is being started again");
	return decision;
}

/* What comes in its place is there before it goes: it inherits its volumes. */
static Decision remake(const Situation *situation)
{
	static const char words[] = "it was lost, and is being made again";

	if (is_there(&situation->next) || situation->taken_back)
		return step(KEEP_REMOVE_CURRENT, words);
	return creating(situation, KEEP_CREATE_NEXT, words);
}

static Decision settle(const Situation *situation)
{
	const KeptContainer *current = &situation->current;

	if (!is_there(current))
		return is_there(&situation->next) ? step(KEEP_RENAME_NEXT, "it is being made")
						  : creating(situation, KEEP_CREATE, "it is being made");
	if (current->state == KEPT_DEAD)
		return remake(situation);
	if (current->matches || situation->taken_back)
		return keep(situation);
	return replace(situation);
}

Decision reconcile(const Situation *situation)
{
	if (!situation->is_wanted)
		return not_wanted(situation);
	if (is_there(&situation->next) && (!situation->next.matches || situation->taken_back || situation->refused))
		return step(KEEP_REMOVE_NEXT, "it is being replaced");
	if (situation->refused)
		return given_up("%s", situation->refused);
	return is_there(&situation->old) ? replacing(situation) : settle(situation);
}
