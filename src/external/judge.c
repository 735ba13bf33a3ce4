// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/memory.h"
#include "external/internal.h"
#include "oci/reference.h"

enum { OWNERS_MAX = 8 };

static const ExternalFacts *facts_of(const ExternalEngine *external, const char *name)
{
	const ExternalContainer *container = table_get(external->by_id, name);

	if (container)
		return container->facts.id ? &container->facts : NULL;
	list_each(&external->containers, ExternalContainer, in_external, other) {
		if (string_equal(other->facts.name, name))
			return &other->facts;
	}
	return NULL;
}

static const char *owner_of(const ExternalFacts *facts)
{
	static const char shared[] = "container:";

	return string_starts(facts->network_mode, shared) ? facts->network_mode + strlen(shared) : NULL;
}

/* One that shares another one's network has what that has: the facts of the last one that is known. */
static const ExternalFacts *network_of(const ExternalEngine *external, const ExternalFacts *facts)
{
	for (int i = 0; i < OWNERS_MAX; i++) {
		const char *name = owner_of(facts);
		const ExternalFacts *owner = name ? facts_of(external, name) : NULL;
		if (!owner)
			break;
		facts = owner;
	}
	return facts;
}

/* "ns:PATH" (podman) may be any, the host's too, and so may one that is not known. */
static bool has_host_network(const ExternalEngine *external, const ExternalFacts *facts)
{
	const ExternalFacts *network = network_of(external, facts);

	return owner_of(network) || string_equal(network->network_mode, "host") ||
	       string_starts(network->network_mode, "ns:");
}

/* No rule lets them pass. */
static const StringList unknown_tags = {(char *[]){(char *)"unknown:latest", NULL}, 1};
static const StringList unknown_origins = {(char *[]){(char *)"", NULL}, 1};

void external_judge(Verdict *ret, const ExternalEngine *external, const ExternalFacts *facts, const Policy *policy)
{
	const Candidate candidate = {
		.image = facts->image,
		.is_by_id = reference_is_id(facts->image, facts->image_id, &facts->tags),
		.digests = &facts->digests,
		.tags = facts->is_image_unknown ? &unknown_tags : &facts->tags,
		.origins = facts->is_image_unknown ? &unknown_origins : &facts->origins,
		.is_privileged = facts->is_privileged,
		.has_host_network = has_host_network(external, facts),
		.capabilities = &facts->capabilities,
	};

	policy_judge(ret, policy, &candidate);
}

const char *external_unknown_owner(const ExternalContainer *container)
{
	const ExternalEngine *external = container->external;
	bool is_known = container->facts.id && !container->unknown_why;
	const char *owner = is_known ? owner_of(network_of(external, &container->facts)) : NULL;

	return owner && !facts_of(external, owner) ? owner : NULL;
}

/* What cannot be judged is refused by whatever refuses anything. */
static void judge_unknown(Verdict *ret, const ExternalContainer *container, const Policy *policy)
{
	const StringList capabilities = {(char *[]){(char *)"ALL", NULL}, 1};
	const char *image = container->listed.image ? container->listed.image : "";
	const Candidate worst = {
		.image = image,
		.is_by_id = true,
		.tags = &unknown_tags,
		.origins = &unknown_origins,
		.is_privileged = true,
		.has_host_network = true,
		.capabilities = &capabilities,
	};

	policy_judge(ret, policy, &worst);
	map_clear(&ret->warnings);
	if (!ret->rule)
		return;
	free(ret->reason);
	ret->reason = string_printf("image \"%.300s\" is not allowed: the container cannot be judged: %s", image,
		container->unknown_why ? container->unknown_why : "it was not looked at yet");
}

void external_judge_container(Verdict *ret, const ExternalContainer *container, const Policy *policy)
{
	if (container->facts.id && !container->unknown_why)
		external_judge(ret, container->external, &container->facts, policy);
	else
		judge_unknown(ret, container, policy);
}
