// SPDX-License-Identifier: Apache-2.0
#include "engine/network_cni.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"

/* What is known of the directory, and the remains that are being undone, one at a time. */
typedef struct CniEngine {
	StringList problems;
	char *records, *links;
	StringList containers, interfaces; /* of remains */
	size_t next;
	CniRun *run; /* NULL: nothing is being undone */
	Source *beginning;
} CniEngine;

static CniEngine *cni_of(Engine *engine)
{
	CniEngine *cni = engine->cni;

	if (cni)
		return cni;
	engine->cni = cni = mem_new(CniEngine);
	cni->records = string_printf("%s/networks/cni", engine->config.root);
	cni->links = string_printf("%s/cni", engine->config.run_dir);
	return cni;
}

CniPlace cni_place(Engine *engine)
{
	return (CniPlace){
		.loop = engine->loop,
		.records = cni_of(engine)->records,
		.directories = &engine->config.cni_plugin_dirs,
		.timeout_ns = engine->config.start_timeout_ns,
	};
}

char *cni_link(const Engine *engine, const char *container, const char *interface)
{
	return string_printf("%s/cni/%s-%s", engine->config.run_dir, container, interface);
}

/* ---- the directory ---- */

static void keep_problem(CniEngine *cni, const StringList *before, const char *problem)
{
	if (!strings_has(before, problem))
		log_warning("%s", problem);
	strings_add(&cni->problems, problem);
}

static void note_networks(Engine *engine, const CniNetworks *networks, const StringList *before)
{
	CniEngine *cni = engine->cni;

	for (size_t i = 0; i < networks->count; i++) {
		const CniNetwork *network = networks->items[i];
		if (network_note_cni(engine, network->name, network->file))
			continue;
		autofree char *problem = string_printf(
			"CNI configuration \"%s\": there is another network \"%s\"", network->file, network->name);
		keep_problem(cni, before, problem);
	}
	for (size_t i = 0; i < networks->problems.count; i++)
		keep_problem(cni, before, networks->problems.items[i]);
}

void cni_look(Engine *engine)
{
	autoclear(CniNetworks) networks = {0};
	CniEngine *cni = cni_of(engine);
	StringList before = cni->problems;
	Error *error = cni_networks_read(&networks, engine->config.cni_config_dir);

	cni->problems = (StringList){0};
	if (error) {
		keep_problem(cni, &before, error_message(error));
		error_free(error); /* kept */
	} else {
		networks_begin_cni(engine);
		note_networks(engine, &networks, &before);
		networks_end_cni(engine);
	}
	strings_clear(&before);
}

const StringList *cni_problems(const Engine *engine)
{
	return &((const CniEngine *)engine->cni)->problems;
}

/* ---- remains ---- */

bool cni_sweeps(const Engine *engine, const char *container)
{
	const CniEngine *cni = engine->cni;

	return cni && cni->run && string_equal(cni->containers.items[cni->next], container);
}

/* A start undoes them itself. */
static bool is_somebodys(const Engine *engine, const char *id)
{
	const Container *container = table_get(engine->containers, id);

	return container && (container_is_live(container) || container->cni);
}

static void sweep_next(Engine *engine);

static void swept(void *arg, Error *take_error, const CniResult *result)
{
	Engine *engine = arg;
	CniEngine *cni = engine->cni;
	const char *id = cni->containers.items[cni->next];
	Container *container = table_get(engine->containers, id);

	(void)result;
	if (take_error)
		error_log(take_error, "what container \"%.12s\" had of a CNI network", id);
	cni->run = cni_run_free(cni->run);
	cni->next++;
	if (container && container->launch_when_gone && !container->shim && !container->cleaning) {
		container->launch_when_gone = false;
		container_launch_later(container);
	}
	sweep_next(engine);
}

static void sweep_next(Engine *engine)
{
	CniEngine *cni = engine->cni;
	const CniPlace place = cni_place(engine);

	for (; cni->next < cni->containers.count; cni->next++) {
		const char *id = cni->containers.items[cni->next];
		if (is_somebodys(engine, id))
			continue;
		Error *error = cni_del(&cni->run, &place, id, cni->interfaces.items[cni->next], -1, swept, engine);
		if (!error)
			return;
		error_log(error, "what container \"%.12s\" had of a CNI network", id);
	}
}

static void sweep(void *arg)
{
	Engine *engine = arg;
	CniEngine *cni = engine->cni;

	cni->beginning = source_free(cni->beginning);
	sweep_next(engine);
}

static void note_remains(void *arg, const CniRecord *record)
{
	CniEngine *cni = arg;

	strings_add(&cni->containers, record->attachment.container);
	strings_add(&cni->interfaces, record->attachment.interface);
}

static fallible sweep_begin(Engine *engine)
{
	CniEngine *cni = cni_of(engine);

	TRY(dir_make_all(AT_FDCWD, cni->links, 0700));
	TRY(cni_records_each(cni->records, note_remains, cni));
	return cni->containers.count ? loop_defer(&cni->beginning, engine->loop, sweep, engine) : NULL;
}

void cni_sweep(Engine *engine)
{
	Error *error = sweep_begin(engine);

	if (error)
		error_log(error, "what is left of CNI networks");
}

void cni_clear(Engine *engine)
{
	CniEngine *cni = engine->cni;

	if (!cni)
		return;
	cni_run_free(cni->run);
	source_free(cni->beginning);
	strings_clear(&cni->problems);
	strings_clear(&cni->containers);
	strings_clear(&cni->interfaces);
	free(cni->records);
	free(cni->links);
	free(cni);
	engine->cni = NULL;
}
