// SPDX-License-Identifier: Apache-2.0
#include "telemetry/lookup.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"

struct Lookup {
	List in_abandoned;
	char *host, *port;
	struct addrinfo hints;
	struct gaicb request;
	bool was_an_address; /* ar_result is there, and nothing was asked */
};

/* Those that nobody waits for any more, and that cannot be cancelled: their thread still writes into them. */
static List abandoned = {&abandoned, &abandoned};

static Lookup *destroy(Lookup *lookup)
{
	if (lookup->request.ar_result)
		freeaddrinfo(lookup->request.ar_result);
	list_remove(&lookup->in_abandoned);
	free(lookup->host);
	free(lookup->port);
	free(lookup);
	return NULL;
}

static void sweep(void)
{
	list_each(&abandoned, Lookup, in_abandoned, lookup) {
		if (lookup_is_done(lookup))
			destroy(lookup);
	}
}

/* An address waits for nobody: names that nothing answers for keep all threads busy for minutes. */
static bool is_found_at_once(Lookup *lookup)
{
	struct addrinfo hints = lookup->hints;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	return getaddrinfo(lookup->host, lookup->port, &hints, &lookup->request.ar_result) == 0;
}

fallible lookup_start(Lookup **ret, const char *host, const char *port, int socket_type)
{
	Lookup *lookup = mem_new(Lookup);
	struct gaicb *requests[] = {&lookup->request};

	sweep();
	list_init(&lookup->in_abandoned);
	lookup->host = mem_strdup(host);
	lookup->port = mem_strdup(port);
	lookup->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = socket_type};
	lookup->request =
		(struct gaicb){.ar_name = lookup->host, .ar_service = lookup->port, .ar_request = &lookup->hints};
	lookup->was_an_address = is_found_at_once(lookup);
	int problem = lookup->was_an_address ? 0 : getaddrinfo_a(GAI_NOWAIT, requests, 1, NULL);
	if (problem) {
		destroy(lookup);
		return error_new(ERROR_UNAVAILABLE, "could not look up \"%s\": %s", host, gai_strerror(problem));
	}
	*ret = lookup;
	return NULL;
}

bool lookup_is_done(const Lookup *lookup)
{
	return lookup->was_an_address || gai_error((struct gaicb *)&lookup->request) != EAI_INPROGRESS;
}

fallible lookup_result(const struct addrinfo **ret, const Lookup *lookup)
{
	int problem = lookup->was_an_address ? 0 : gai_error((struct gaicb *)&lookup->request);

	if (problem)
		return error_new(
			ERROR_UNAVAILABLE, "could not look up \"%s\": %s", lookup->host, gai_strerror(problem));
	*ret = lookup->request.ar_result;
	return NULL;
}

Lookup *lookup_free(Lookup *lookup)
{
	if (!lookup)
		return NULL;
	if (lookup_is_done(lookup) || gai_cancel(&lookup->request) == EAI_CANCELED)
		return destroy(lookup);
	list_append(&abandoned, &lookup->in_abandoned);
	return NULL;
}
