// SPDX-License-Identifier: Apache-2.0
/*
 * Health checks: the shim runs the check in the container, this file keeps the time and the score. Nothing of it is
 * written to disk (invariant 6): a new kedged starts with "starting" again.
 */
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/container_internal.h"

#define INTERVAL_DEFAULT (30 * NANOS_PER_SECOND)
#define TIMEOUT_DEFAULT (30 * NANOS_PER_SECOND)

enum { RETRIES_DEFAULT = 3 };

struct Health {
	Container *container;
	Source *timer;
	uint64_t probe; /* number of the probe in flight; an answer with another number is an old one */
	int64_t probe_began_wall_ns;
	uint64_t paused_at; /* the probe that a pause came over; 0: none */
	bool in_flight;
};

static int64_t or_default(int64_t value, int64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static bool health_wanted(const HealthCheck *check)
{
	return check->test.count && !string_equal(check->test.items[0], "NONE");
}

static bool health_in_start_period(const Health *health)
{
	const Container *container = health->container;

	return container->health_state == HEALTH_STARTING &&
	       clock_monotonic_ns() - container->started_monotonic_ns < container->record.spec.health.start_period_ns;
}

static int64_t health_interval_ns(const Health *health)
{
	const HealthCheck *check = &health->container->record.spec.health;
	int64_t interval_ns = or_default(check->interval_ns, INTERVAL_DEFAULT);

	return health_in_start_period(health) ? or_default(check->start_interval_ns, interval_ns) : interval_ns;
}

static void health_rearm(Health *health)
{
	source_rearm(health->timer, health_interval_ns(health));
}

static void probe_keep(Container *container, const HealthProbe *probe)
{
	if (container->health_log_count == HEALTH_LOG_KEPT) {
		free(container->health_log[0].output);
		for (size_t i = 1; i < HEALTH_LOG_KEPT; i++)
			container->health_log[i - 1] = container->health_log[i];
		container->health_log_count--;
	}
	container->health_log[container->health_log_count++] = *probe;
}

/* What an unhealthy container gets, as podman's --health-on-failure has it. */
static void health_act(Container *container)
{
	const char *action = container->record.spec.health_on_failure;
	bool already;
	Error *error = NULL;

	if (!action || string_equal(action, "none"))
		return;
	if (string_equal(action, "kill"))
		error = shim_signal(container->shim, 9);
	else if (string_equal(action, "stop"))
		error = container_stop_for(container, "its health check fails", STOP_TIMEOUT_OWN, &already, NULL, NULL);
	else
		error = container_restart(container, STOP_TIMEOUT_OWN, 0, NULL, NULL);
	if (error)
		error_log(error, "container \"%s\" is unhealthy", container->record.name);
}

static void health_become(Container *container, HealthState state)
{
	autofree char *action = NULL;

	if (container->health_state == state)
		return;
	container->health_state = state;
	action = string_printf("health_status: %s", health_state_name(state));
	container_event(container, action, NULL, NULL);
	if (state == HEALTH_UNHEALTHY)
		health_act(container);
}

static void health_score(Health *health, bool passed)
{
	Container *container = health->container;

	if (passed) {
		container->health_streak = 0;
		health_become(container, HEALTH_HEALTHY);
		return;
	}
	if (health_in_start_period(health))
		return;
	container->health_streak++;
	if (container->health_streak >= or_default(container->record.spec.health.retries, RETRIES_DEFAULT))
		health_become(container, HEALTH_UNHEALTHY);
}

static void health_probe_ended(Health *health, int64_t exit_code, char *take_output)
{
	Container *container = health->container;
	HealthProbe probe = {
		.start_wall_ns = health->probe_began_wall_ns,
		.end_wall_ns = clock_wall_ns(),
		.exit_code = exit_code,
		.output = take_output,
	};

	health->in_flight = false;
	container->engine->counters.health_checks++;
	container->engine->counters.health_checks_failed += exit_code != 0;
	probe_keep(container, &probe);
	health_score(health, exit_code == 0);
	if (container->health) /* what an unhealthy one gets may have ended it */
		health_rearm(container->health);
}

void health_exec_exited(Container *container, const ShimExecExit *exit, const char *output, size_t length)
{
	Health *health = container->health;
	const HealthCheck *check = &container->record.spec.health;

	if (!health || !health->in_flight || exit->exec != health->probe)
		return;
	if (health->paused_at == health->probe) { /* it was frozen with the container: it says nothing */
		health->in_flight = false;
		health_rearm(health);
		return;
	}
	if (exit->timed_out) {
		char limit[CLOCK_TEXT_MAX];
		clock_format_duration(limit, or_default(check->timeout_ns, TIMEOUT_DEFAULT));
		health_probe_ended(health, -1, string_printf("Health check exceeded timeout (%s)", limit));
		return;
	}
	health_probe_ended(health, exit->exit_code, mem_strndup(output, length));
}

static void health_due(void *arg)
{
	Health *health = arg;
	Container *container = health->container;
	autofree char *process = path_join(container->bundle, "health.json");
	int64_t timeout_ms = or_default(container->record.spec.health.timeout_ns, TIMEOUT_DEFAULT) / NANOS_PER_MILLI;
	Error *error;

	if (health->in_flight || !container->shim || container->state == CONTAINER_PAUSED) {
		health_rearm(health);
		return;
	}
	health->probe++;
	health->in_flight = true;
	health->probe_began_wall_ns = clock_wall_ns();
	error = shim_exec(container->shim, health->probe, process, timeout_ms ? timeout_ms : 1);
	if (error) {
		health_probe_ended(health, -1, mem_strdup(error_message(error)));
		error_free(error); /* it stands in the health log */
	}
}

void health_pause(Container *container)
{
	if (container->health && container->health->in_flight)
		container->health->paused_at = container->health->probe;
}

void health_begin(Container *container)
{
	const HealthCheck *check = &container->record.spec.health;
	Health *health;
	Error *error;

	if (!health_wanted(check) || container->health)
		return;
	health = mem_new(Health);
	health->container = container;
	container->health_state = HEALTH_STARTING;
	error = loop_timer(&health->timer, container->engine->loop, health_interval_ns(health), health_due, health);
	if (error) {
		error_log(error, "container \"%s\": no health checks", container->record.name);
		free(health);
		return;
	}
	container->health = health;
	container->health_state = HEALTH_STARTING;
	container->health_streak = 0;
}

void health_end(Container *container)
{
	if (!container->health)
		return;
	source_free(container->health->timer);
	free(container->health);
	container->health = NULL;
	if (container->health_state != HEALTH_NONE)
		container->health_state = HEALTH_UNHEALTHY;
}
