// SPDX-License-Identifier: Apache-2.0
/* Restart policies: the decision is a pure function, the waiting a timer. */
#include "base/clock.h"
#include "engine/container_internal.h"

#define DELAY_FIRST (100 * NANOS_PER_MILLI)
#define DELAY_LAST (60 * NANOS_PER_SECOND)
#define LIFE_THAT_RESETS (10 * NANOS_PER_SECOND)

bool restart_wanted(const RestartQuestion *question)
{
	if (question->user_stopped)
		return false;
	if (question->rebooted)
		return true;
	switch (question->policy) {
	case RESTART_ALWAYS:
	case RESTART_UNLESS_STOPPED:
		return true;
	case RESTART_ON_FAILURE:
		return question->exit_code != 0 &&
		       (!question->max_attempts || question->attempts < question->max_attempts);
	default:
		return false;
	}
}

int64_t restart_delay_ns(int64_t last_delay_ns, int64_t lived_ns)
{
	if (last_delay_ns <= 0 || lived_ns >= LIFE_THAT_RESETS)
		return DELAY_FIRST;
	return last_delay_ns >= DELAY_LAST / 2 ? DELAY_LAST : last_delay_ns * 2;
}

static void retry_fired(void *arg)
{
	Container *container = arg;

	container->retry = source_free(container->retry);
	container->record.restart_count++;
	container_launch_later(container);
}

bool container_restart_if_wanted(Container *container, int64_t lived_ns)
{
	const ContainerRecord *record = &container->record;
	RestartQuestion question = {
		.policy = (RestartPolicy)record->spec.restart_policy,
		.max_attempts = record->spec.restart_max,
		.attempts = record->restart_count,
		.exit_code = (int)record->exit_code,
		.user_stopped = record->user_stopped || container->remove_when_dead,
		.rebooted = container->rebooted,
	};

	return restart_wanted(&question) && container_restart_soon(container, lived_ns);
}

bool container_restart_soon(Container *container, int64_t lived_ns)
{
	Error *error;

	container->retry_delay_ns = restart_delay_ns(container->retry_delay_ns, lived_ns);
	container_retry_cancel(container);
	/* The machine goes down: the try is the next boot's. Or it is refused: the next one is another policy's. */
	if (container->engine->closing || container->is_refused) {
		container_move(container, CONTAINER_RESTARTING);
		return true;
	}
	error = loop_timer(
		&container->retry, container->engine->loop, container->retry_delay_ns, retry_fired, container);
	if (error) {
		error_log(error, "container \"%s\": cannot wait for its restart", container->record.name);
		return false;
	}
	container_move(container, CONTAINER_RESTARTING);
	return true;
}

void container_retry_cancel(Container *container)
{
	container->retry = source_free(container->retry);
}
