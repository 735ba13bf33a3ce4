// SPDX-License-Identifier: Apache-2.0
#include "dns/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- what it consists of ---- */

void view_add_network(View *view, const char *id, const char *name)
{
	view->networks = mem_array(view->networks, view->network_count + 1, sizeof(ViewNetwork));
	view->networks[view->network_count++] = (ViewNetwork){.id = mem_strdup(id), .name = string_lower(name)};
}

void view_add_link(View *view, const char *name, const char *network, const char *container)
{
	view->links = mem_array(view->links, view->link_count + 1, sizeof(ViewLink));
	view->links[view->link_count++] = (ViewLink){
		.name = string_lower(name), .network = mem_strdup(network), .container = mem_strdup(container)};
}

void view_clear(View *view)
{
	for (size_t i = 0; i < view->network_count; i++) {
		free(view->networks[i].id);
		free(view->networks[i].name);
	}
	for (size_t i = 0; i < view->link_count; i++) {
		free(view->links[i].name);
		free(view->links[i].network);
		free(view->links[i].container);
	}
	free(view->networks);
	free(view->links);
	free(view->container);
	*view = (View){0};
}

/* ---- looking ---- */

typedef struct Search {
	const View *view;
	Names *names;
	const char *name;
	const char *network; /* NULL: any */
} Search;

static bool is_in(const Search *search, const ViewNetwork *network)
{
	return !search->network || string_equal(network->name, search->network);
}

/* The endpoint that a link stands for, if its container runs on a network that the view has. */
static const Endpoint *follow(const Search *search, const ViewLink *link)
{
	const Endpoint *endpoint = NULL;

	for (size_t i = 0; i < search->view->network_count && !endpoint; i++) {
		const ViewNetwork *network = &search->view->networks[i];
		if (is_in(search, network) && (!*link->network || string_equal(network->id, link->network)))
			endpoint = names_endpoint(search->names, network->id, link->container);
	}
	return endpoint;
}

static const Endpoint *find_link(const Search *search)
{
	const Endpoint *endpoint = NULL;

	for (size_t i = 0; i < search->view->link_count && !endpoint; i++)
		if (string_equal(search->view->links[i].name, search->name))
			endpoint = follow(search, &search->view->links[i]);
	return endpoint;
}

static bool find_name(Found *ret, const Search *search)
{
	for (size_t i = 0; i < search->view->network_count; i++) {
		const ViewNetwork *network = &search->view->networks[i];
		if (is_in(search, network) && names_look_up(search->names, ret, network->id, search->name))
			return true;
	}
	return false;
}

/* ---- answers ---- */

static void add_address(Reply *reply, const Question *question, const Endpoint *endpoint)
{
	if (question->type == QUESTION_A && endpoint->has_ipv4)
		reply_add_ipv4(reply, endpoint->ipv4);
	else if (question->type == QUESTION_AAAA && endpoint->has_ipv6)
		reply_add_ipv6(reply, &endpoint->ipv6);
}

/* Whoever has the name answers for it, if only with nothing. */
static Reply *answer_search(const Search *search, const Question *question)
{
	const Endpoint *linked = find_link(search);
	Found found = {0};
	Reply *reply;

	if (!linked && !find_name(&found, search))
		return NULL;
	reply = reply_new(question, MESSAGE_OK);
	if (linked)
		add_address(reply, question, linked);
	for (size_t i = 0; i < found.count; i++)
		add_address(reply, question, found.endpoints[(found.first + i) % found.count]);
	return reply;
}

static Reply *answer_name(const View *view, Names *names, const Question *question)
{
	autofree char *name = mem_strdup(question->name);
	Search search = {.view = view, .names = names, .name = name};
	Reply *reply = answer_search(&search, question);

	for (char *dot = strrchr(name, '.'); dot && !reply; dot = strrchr(name, '.')) {
		*dot = '\0';
		search.network = question->name + (dot + 1 - name);
		reply = answer_search(&search, question);
	}
	return reply;
}

static Reply *answer_address(const View *view, const Names *names, const Question *question)
{
	for (size_t i = 0; i < view->network_count; i++) {
		const ViewNetwork *network = &view->networks[i];
		const Endpoint *endpoint = names_of_address(names, network->id, question->name);
		if (!endpoint || !endpoint->names.count)
			continue;
		autofree char *name = string_printf("%s.%s", endpoint->names.items[0], network->name);
		Reply *reply = reply_new(question, MESSAGE_OK);
		reply_add_name(reply, name);
		return reply;
	}
	return NULL;
}

Reply *view_answer(const View *view, Names *names, const Question *question)
{
	Reply *reply = NULL;

	if (!question->is_internet)
		return NULL;
	if (question->type == QUESTION_PTR)
		reply = answer_address(view, names, question);
	return reply ? reply : answer_name(view, names, question);
}

bool view_is_own_address(const View *view, const Names *names, const Server *server)
{
	char reverse[REVERSE_NAME_MAX];

	server_reverse_name(reverse, server);
	for (size_t i = 0; i < view->network_count; i++) {
		const Endpoint *endpoint = names_of_address(names, view->networks[i].id, reverse);
		if (endpoint && string_equal(endpoint->container, view->container))
			return true;
	}
	return false;
}
