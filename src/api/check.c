// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/system/check, which Docker has no word for: what on the device belongs to nothing, or lacks something. */
#include <stdlib.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/check.h"

#define PAUSE_FIRST (20 * NANOS_PER_MILLI)

enum { PASSES_MAX = 7 }; /* two seconds in all for killed processes to go */

/* A repair's answer waits until a pass finds nothing, or nothing more can be hoped for. */
typedef struct Repair {
	HttpRequest *request;
	Engine *engine;
	Source *again;
	StringList problems;  /* that the first pass found */
	StringList remaining; /* that the last one did */
	int passes;
} Repair;

static void repair_free(void *arg)
{
	Repair *repair = arg;

	source_free(repair->again);
	strings_clear(&repair->problems);
	strings_clear(&repair->remaining);
	free(repair);
}

static void add_problem(void *arg, const char *problem)
{
	strings_add(arg, problem);
}

static void respond_problems(HttpRequest *request, const StringList *problems, const StringList *remaining)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "Problems", problems);
	if (remaining)
		write_strings(&writer, "Remaining", remaining);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void repair_fail(Repair *repair, Error *take_error)
{
	http_request_on_gone(repair->request, NULL, NULL);
	http_respond_error(repair->request, take_error);
	repair_free(repair);
}

static void repair_pass(void *arg)
{
	Repair *repair = arg;
	Error *error;

	strings_clear(&repair->remaining);
	error = engine_check(repair->engine, true, add_problem, &repair->remaining);
	if (error) {
		repair_fail(repair, error);
		return;
	}
	if (repair->remaining.count && repair->passes < PASSES_MAX) {
		source_rearm(repair->again, PAUSE_FIRST << repair->passes++);
		return;
	}
	http_request_on_gone(repair->request, NULL, NULL);
	respond_problems(repair->request, &repair->problems, &repair->remaining);
	repair_free(repair);
}

static fallible repair_begin(Repair *repair)
{
	TRY(engine_check(repair->engine, true, add_problem, &repair->problems));
	return loop_timer(&repair->again, engine_loop(repair->engine), 0, repair_pass, repair);
}

static void repair(HttpRequest *request, Engine *engine)
{
	Repair *repair = mem_new(Repair);
	Error *error;

	repair->request = request;
	repair->engine = engine;
	http_request_on_gone(request, repair_free, repair);
	error = repair_begin(repair);
	if (error)
		repair_fail(repair, error);
}

/* ---- without repair: programs of others are asked as well ---- */

typedef struct Look {
	HttpRequest *request;
	Engine *engine;
	CniCheck *networks;
} Look;

static void look_free(void *arg)
{
	Look *look = arg;

	cni_check_free(look->networks);
	free(look);
}

static void look_end(Look *look, const StringList *problems, Error *take_error)
{
	http_request_on_gone(look->request, NULL, NULL);
	if (take_error)
		http_respond_error(look->request, take_error);
	else
		respond_problems(look->request, problems, NULL);
	look_free(look);
}

static void networks_checked(void *arg, const StringList *problems)
{
	Look *look = arg;
	autoclear(StringList) all = {0};
	Error *error = engine_check(look->engine, false, add_problem, &all);

	for (size_t i = 0; i < problems->count; i++)
		strings_add(&all, problems->items[i]);
	look_end(look, &all, error);
}

static void look(HttpRequest *request, Engine *engine)
{
	Look *look = mem_new(Look);
	Error *error;

	look->request = request;
	look->engine = engine;
	http_request_on_gone(request, look_free, look);
	error = cni_check_begin(&look->networks, engine, networks_checked, look);
	if (error)
		look_end(look, NULL, error);
}

static void check(HttpRequest *request, void *context)
{
	if (http_request_flag(request, "repair"))
		repair(request, api_engine(context));
	else
		look(request, api_engine(context));
}

const HttpRoute check_routes[] = {
	{"POST", "/kedge/v1/system/check", check, 0, 0},
	{0},
};
