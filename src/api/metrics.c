// SPDX-License-Identifier: Apache-2.0
/*
 * GET /metrics for Prometheus. Containers are looked at in slices, between which the loop serves others; what was found
 * is then written family by family, as fast as the client reads. Nothing is sampled in between scrapes (invariant 6).
 */
#include <stdlib.h>

#include "api/engine_metrics.h"
#include "api/internal.h"
#include "base/clock.h"
#include "base/memory.h"
#include "docker/api.h"

#define SLICE_NS (2 * NANOS_PER_MILLI)
#define READ_TIMEOUT_NS (30 * NANOS_PER_SECOND) /* a client that takes longer is cut off: it holds what was found */

enum { SCRAPES_MAX = 8 };

typedef struct Scrape {
	HttpRequest *request;
	HttpStream *stream; /* NULL: still looking */
	Api *api;
	Source *timer; /* the next slice; then, what the client has for reading */
	Container **containers;
	ContainerSample *samples;
	size_t count, sampled;
	size_t family; /* the next to be written */
} Scrape;

static void scrape_free(void *arg)
{
	Scrape *scrape = arg;

	scrape->api->scrapes--;
	source_free(scrape->timer);
	for (size_t i = scrape->sampled; i < scrape->count; i++)
		container_unref(scrape->containers[i]);
	for (size_t i = 0; i < scrape->sampled; i++)
		container_sample_clear(&scrape->samples[i]);
	free(scrape->containers);
	free(scrape->samples);
	free(scrape);
}

static void scrape_fail(Scrape *scrape, Error *take_error)
{
	http_request_on_gone(scrape->request, NULL, NULL);
	http_respond_error(scrape->request, take_error);
	scrape_free(scrape);
}

/* ---- writing ---- */

static void scrape_end(Scrape *scrape, void (*end)(HttpStream *stream))
{
	http_stream_on_drain(scrape->stream, NULL, NULL);
	http_request_on_gone(scrape->request, NULL, NULL);
	end(scrape->stream);
	scrape_free(scrape);
}

/* The client has taken all so far. */
static void write_next(void *arg)
{
	Scrape *scrape = arg;
	autoclear(Buffer) out = {0};
	bool more = true;

	while (more && out.length == 0)
		more = container_metrics_write(&out, scrape->family++, scrape->samples, scrape->count);
	if (out.length)
		http_stream_write(scrape->stream, out.data, out.length);
	if (!more)
		scrape_end(scrape, http_stream_end);
}

static void write_first(Scrape *scrape)
{
	autoclear(Buffer) out = {0};
	Error *error = engine_metrics_write(&out, scrape->api->engine, scrape->samples, scrape->count,
		clock_monotonic_ns() - scrape->api->began_ns);

	if (error) {
		scrape_fail(scrape, error);
		return;
	}
	source_rearm(scrape->timer, READ_TIMEOUT_NS);
	scrape->stream = http_respond_stream(scrape->request, 200, EXPOSITION_TYPE);
	http_stream_on_drain(scrape->stream, write_next, scrape);
	http_stream_write(scrape->stream, out.data, out.length);
}

/* ---- looking ---- */

static void sample_slice(Scrape *scrape)
{
	int64_t end_ns = clock_monotonic_ns() + SLICE_NS;

	while (scrape->sampled < scrape->count && clock_monotonic_ns() < end_ns) {
		Container *container = scrape->containers[scrape->sampled];
		container_sample(&scrape->samples[scrape->sampled++], container);
		container_unref(container);
	}
}

static void scrape_step(void *arg)
{
	Scrape *scrape = arg;

	if (scrape->stream) {
		scrape_end(scrape, http_stream_break);
		return;
	}
	sample_slice(scrape);
	if (scrape->sampled < scrape->count)
		source_rearm(scrape->timer, 0);
	else
		write_first(scrape);
}

static fallible scrape_begin(Scrape *scrape)
{
	scrape->count = container_list(&scrape->containers, scrape->api->engine);
	for (size_t i = 0; i < scrape->count; i++)
		container_ref(scrape->containers[i]);
	scrape->samples = mem_array(NULL, scrape->count + 1, sizeof(ContainerSample));
	return loop_timer(&scrape->timer, engine_loop(scrape->api->engine), 0, scrape_step, scrape);
}

static void scrape(HttpRequest *request, Api *api)
{
	Scrape *scrape = mem_new(Scrape);
	Error *error;

	scrape->request = request;
	scrape->api = api;
	api->scrapes++;
	http_request_on_gone(request, scrape_free, scrape);
	error = scrape_begin(scrape);
	if (error)
		scrape_fail(scrape, error);
}

static void metrics(HttpRequest *request, void *context)
{
	Api *api = context;

	if (string_equal(http_request_method(request), "HEAD"))
		http_respond(request, 200, EXPOSITION_TYPE, NULL, 0);
	else if (api->scrapes == SCRAPES_MAX)
		http_respond_error(request,
			error_new(ERROR_UNAVAILABLE, "%d others are reading metrics at this moment", SCRAPES_MAX));
	else
		scrape(request, api);
}

const HttpRoute metrics_routes[] = {
	{"GET", "/metrics", metrics, DOCKER_MONITOR, 0},
	{0},
};
