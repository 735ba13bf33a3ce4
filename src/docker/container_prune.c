// SPDX-License-Identifier: Apache-2.0
/* POST /containers/prune: all that do not run, after what they hold was measured. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/container_sizes.h"
#include "docker/filters.h"
#include "docker/internal.h"
#include "engine/event.h"

typedef struct Prune {
	Engine *engine;
	HttpRequest *request; /* NULL: the client left */
	StringList removed;
	int64_t bytes;
	size_t waiting; /* removals under way, and one for the loop that begins them */
} Prune;

typedef struct PruneStep {
	Prune *prune;
	char id[65];
	int64_t bytes;
} PruneStep;

static void prune_gone(void *arg)
{
	((Prune *)arg)->request = NULL;
}

static void prune_answer(Prune *prune)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "ContainersDeleted", &prune->removed);
	write_int(&writer, "SpaceReclaimed", prune->bytes);
	write_object_end(&writer);
	respond_json(prune->request, 200, &out);
}

static void prune_leave(Prune *prune)
{
	if (--prune->waiting > 0)
		return;
	event_pruned(prune->engine, "container", prune->bytes);
	if (prune->request)
		prune_answer(prune);
	strings_clear(&prune->removed);
	free(prune);
}

static void prune_removed(void *arg, Error *take_error)
{
	PruneStep *step = arg;

	if (take_error) {
		error_log(take_error, "container %.12s was not pruned", step->id);
	} else {
		strings_add(&step->prune->removed, step->id);
		step->prune->bytes += step->bytes;
	}
	prune_leave(step->prune);
	free(step);
}

static void prune_one(Prune *prune, Container *container, const ContainerView *view, const ContainerSizes *sizes)
{
	PruneStep *step = mem_new(PruneStep);
	Error *error;

	step->prune = prune;
	step->bytes = container_size(sizes, container);
	memcpy(step->id, view->id, sizeof(step->id));
	prune->waiting++;
	error = container_remove(container, false, false, prune_removed, step);
	if (error)
		prune_removed(step, error);
}

/* ---- which ---- */

typedef struct PruneQuery {
	Filters filters;
	int64_t until_ns; /* 0: not given */
} PruneQuery;

static void prune_query_clear(PruneQuery *query)
{
	filters_clear(&query->filters);
}
DEFINE_AUTOCLEAR(PruneQuery, prune_query_clear)

static bool is_prunable(const PruneQuery *query, const Container *container, const ContainerView *view)
{
	bool is_idle =
		view->state == CONTAINER_CREATED || view->state == CONTAINER_EXITED || view->state == CONTAINER_DEAD;

	return is_idle && !container_is_live(container) &&
	       (query->until_ns == 0 || view->created_ns < query->until_ns) &&
	       filters_labels(&query->filters, &view->spec->labels);
}

static fallible read_query(PruneQuery *query, const HttpRequest *request)
{
	static const char *const known[] = {"until", "label", "label!", NULL};

	TRY(filters_read(&query->filters, request, known));
	return filters_until(&query->filters, &query->until_ns);
}

/* ---- doing it ---- */

static void prune_all(Prune *prune, Engine *engine, const PruneQuery *query, const ContainerSizes *sizes)
{
	Container **list;
	size_t count = container_list(&list, engine);
	ContainerView view;

	for (size_t i = 0; i < count; i++)
		container_ref(list[i]);
	for (size_t i = 0; i < count; i++) {
		container_view(list[i], &view);
		if (is_prunable(query, list[i], &view))
			prune_one(prune, list[i], &view, sizes);
		container_unref(list[i]);
	}
	free(list);
}

static void prune_measured(HttpRequest *request, void *context, const ContainerSizes *sizes)
{
	autoclear(PruneQuery) query = {0};
	Prune *prune = mem_new(Prune);

	error_free(read_query(&query, request)); /* it was read before */
	prune->engine = docker_engine(context);
	prune->request = request;
	prune->waiting = 1;
	http_request_on_gone(request, prune_gone, prune);
	prune_all(prune, docker_engine(context), &query, sizes);
	prune_leave(prune);
}

static void measure(HttpRequest *request, void *context, const PruneQuery *query)
{
	Container **list;
	size_t count = container_list(&list, docker_engine(context)), chosen = 0;
	ContainerView view;

	for (size_t i = 0; i < count; i++) {
		container_view(list[i], &view);
		if (is_prunable(query, list[i], &view))
			list[chosen++] = list[i];
	}
	container_sizes_measure(request, context, list, chosen, prune_measured);
	free(list);
}

static void prune_containers(HttpRequest *request, void *context)
{
	autoclear(PruneQuery) query = {0};
	Error *error = read_query(&query, request);

	if (error)
		http_respond_error(request, error);
	else
		measure(request, context, &query);
}

const HttpRoute container_prune_routes[] = {
	{"POST", "/containers/prune", prune_containers, 0, 0},
	{0},
};
