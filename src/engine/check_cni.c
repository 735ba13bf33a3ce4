// SPDX-License-Identifier: Apache-2.0
/* What plugins say of what they have made: CHECK of each interface of a container that runs, one after another, and
 * VERSION of each network, since a plugin that is not there is found out otherwise when a container is to start. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/network_cni.h"

struct CniCheck {
	Engine *engine;
	CniNetworks networks;
	size_t network;                    /* the next one */
	StringList containers, interfaces; /* to be checked */
	size_t interface;                  /* the next one */
	StringList problems;
	CniRun *run;
	Source *next; /* nothing is told inside the call that begins it */
	void (*done)(void *arg, const StringList *problems);
	void *arg;
};

static void check_next(void *arg);

static void note(CniCheck *check, Error *take_error)
{
	if (!take_error)
		return;
	if (check->interface > 0)
		strings_printf(&check->problems, "container %.12s: interface \"%s\": %s",
			check->containers.items[check->interface - 1], check->interfaces.items[check->interface - 1],
			error_message(take_error));
	else
		strings_printf(&check->problems, "network \"%s\": %s", check->networks.items[check->network - 1]->name,
			error_message(take_error));
	error_free(take_error); /* noted */
}

static void on_checked(void *arg, Error *take_error, const CniResult *result)
{
	CniCheck *check = arg;

	(void)result;
	check->run = cni_run_free(check->run);
	note(check, take_error);
	check_next(check);
}

static const Container *next_container(const CniCheck *check)
{
	return table_get(check->engine->containers, check->containers.items[check->interface]);
}

static fallible begin_interface(CniCheck *check)
{
	const CniPlace place = cni_place(check->engine);
	const Container *container = next_container(check);
	const char *interface = check->interfaces.items[check->interface++];
	int namespace_fd = container ? endpoints_namespace(container) : -1;

	if (namespace_fd < 0)
		return NULL; /* it has ended meanwhile */
	return cni_check(&check->run, &place, container->id, interface, namespace_fd, on_checked, check);
}

static fallible begin_network(CniCheck *check)
{
	const CniPlace place = cni_place(check->engine);

	return cni_verify(&check->run, &place, check->networks.items[check->network++], on_checked, check);
}

static void check_next(void *arg)
{
	CniCheck *check = arg;

	check->next = source_free(check->next);
	while (!check->run && check->network < check->networks.count)
		note(check, begin_network(check));
	while (!check->run && check->interface < check->interfaces.count)
		note(check, begin_interface(check));
	if (!check->run)
		check->done(check->arg, &check->problems);
}

static void add_container(CniCheck *check, const Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		if (endpoints[i].is_leaving || !endpoint_is_cni(container, &endpoints[i]))
			continue;
		strings_add(&check->containers, container->id);
		strings_add(&check->interfaces, endpoints[i].interface);
	}
}

fallible cni_check_begin(CniCheck **ret, Engine *engine, void (*done)(void *arg, const StringList *problems), void *arg)
{
	autoptr(CniCheck) check = mem_new(CniCheck);

	check->engine = engine;
	check->done = done;
	check->arg = arg;
	cni_look(engine);
	strings_copy(&check->problems, cni_problems(engine));
	TRY(cni_networks_read(&check->networks, engine->config.cni_config_dir));
	list_each(&engine->container_order, Container, link, container)
		if (container_is_live(container))
			add_container(check, container);
	TRY(loop_defer(&check->next, engine->loop, check_next, check));
	*ret = take(check);
	return NULL;
}

CniCheck *cni_check_free(CniCheck *check)
{
	if (!check)
		return NULL;
	cni_run_free(check->run);
	source_free(check->next);
	cni_networks_clear(&check->networks);
	strings_clear(&check->containers);
	strings_clear(&check->interfaces);
	strings_clear(&check->problems);
	free(check);
	return NULL;
}
