// SPDX-License-Identifier: Apache-2.0
#include "engine/admission.h"

#include <string.h>

#include "engine/audit.h"
#include "runtime/spec_words.h"
#include "store/images.h"

/* What is known of a container's image: digests, and the names under which registries have it. */
typedef struct Known {
	StringList digests, origins, tags;
} Known;

static void known_clear(Known *known)
{
	strings_clear(&known->digests);
	strings_clear(&known->origins);
	strings_clear(&known->tags);
}
DEFINE_AUTOCLEAR(Known, known_clear)

static void add_once(StringList *list, const char *text)
{
	if (!strings_has(list, text))
		strings_add(list, text);
}

/* "sha256:..." or "name@sha256:...". */
static void know(Known *known, const char *text)
{
	const char *at = strrchr(text, '@');

	add_once(&known->digests, at ? at + 1 : text);
	if (at)
		add_once(&known->origins, text);
}

static void know_image(Known *known, const Image *image)
{
	know(known, image->id.text);
	if (digest_is_set(&image->manifest))
		know(known, image->manifest.text);
	for (size_t i = 0; i < image->digests.count; i++)
		know(known, image->digests.items[i]);
	strings_copy(&known->tags, &image->tags);
}

static void know_record(Known *known, const Container *container)
{
	for (size_t i = 0; i < container->record.image_digests.count; i++)
		know(known, container->record.image_digests.items[i]);
	know(known, container->record.image_id);
}

/* The image may have lost its names since the container was made, and may have got others. */
static fallible know_store(Known *known, const Container *container)
{
	autoptr(Image) image = NULL;

	TRY(image_pinned(&image, container->engine->store, container->id));
	if (image)
		know_image(known, image);
	return NULL;
}

static void note_image(Container *container, const Known *known)
{
	StringList *noted = &container->record.image_digests;

	for (size_t i = 0; i < known->origins.count; i++)
		add_once(noted, known->origins.items[i]);
	for (size_t i = 0; i < known->digests.count; i++)
		add_once(noted, known->digests.items[i]);
}

/* ---- the question ---- */

static bool is_by_id(const Container *container, const Known *known)
{
	const char *image = container->record.spec.image;

	return string_empty(image) || reference_is_id(image, container->record.image_id, &known->tags);
}

static void judge(Verdict *ret, const Container *container, const Known *known, bool is_privileged)
{
	const ContainerSpec *spec = &container->record.spec;
	const Candidate candidate = {
		.image = string_empty(spec->image) ? container->record.image_id : spec->image,
		.is_by_id = is_by_id(container, known),
		.digests = &known->digests,
		.tags = &known->tags,
		.origins = &known->origins,
		.is_privileged = is_privileged,
		.has_host_network = spec_is_host(share_network_owner(container)->record.spec.network_mode),
		.capabilities = &spec->cap_add,
	};

	policy_judge(ret, container->engine->policy, &candidate);
}

/* ---- what is told ---- */

static void write_audit(const Container *container, const char *decision, const char *door, const Known *known,
	const char *rule, const char *reason)
{
	const AuditEntry entry = {
		.decision = (char *)decision,
		.door = (char *)door,
		.container = (char *)container->id,
		.name = container->record.name,
		.image = container->record.spec.image,
		.digests = known->digests,
		.rule = (char *)rule,
		.reason = (char *)reason,
	};

	audit_write(container->engine->audit, &entry, string_equal(decision, "deny"));
}

static void tell(Container *container, const char *decision, const char *door, const Known *known, const char *rule,
	const char *reason)
{
	autoclear(StringMap) attributes = {0};

	write_audit(container, decision, door, known, rule, reason);
	map_set(&attributes, "door", door);
	map_set(&attributes, "rule", rule);
	map_set(&attributes, "reason", reason);
	container_event_with(container, decision, &attributes);
}

static fallible conclude(Container *container, const char *door, const Known *known, const Verdict *verdict)
{
	for (size_t i = 0; i < verdict->warnings.count; i++)
		tell(container, "warn", door, known, verdict->warnings.items[i].key, verdict->warnings.items[i].value);
	if (verdict->rule)
		tell(container, "deny", door, known, verdict->rule, verdict->reason);
	else
		write_audit(container, "admit", door, known, NULL, NULL);
	return verdict_error(verdict);
}

/* What the record knows is enough for who is admitted; the store is asked for the others. */
static fallible ask(Container *container, const char *door, bool is_privileged)
{
	autoclear(Known) known = {0};
	autoclear(Verdict) verdict = {0};

	if (policy_is_idle(container->engine->policy))
		return NULL;
	know_record(&known, container);
	judge(&verdict, container, &known, is_privileged);
	if (verdict.rule || is_by_id(container, &known)) { /* or by a tag that looks like one */
		verdict_clear(&verdict);
		TRY(know_store(&known, container));
		judge(&verdict, container, &known, is_privileged);
	}
	return conclude(container, door, &known, &verdict);
}

/* ---- the doors ---- */

fallible admission_create(Container *container, const Image *image, StringList *ret_warnings)
{
	autoclear(Known) known = {0};
	autoclear(Verdict) verdict = {0};

	know_image(&known, image);
	note_image(container, &known);
	if (policy_is_idle(container->engine->policy))
		return NULL;
	judge(&verdict, container, &known, container->record.spec.privileged);
	for (size_t i = 0; i < verdict.warnings.count; i++)
		strings_add(ret_warnings, verdict.warnings.items[i].value);
	return conclude(container, "create", &known, &verdict);
}

fallible admission_ask(Container *container, const char *door)
{
	return ask(container, door, container->record.spec.privileged);
}

fallible admission_allows(bool *ret, StringList *ret_digests, const Container *container, const Policy *policy)
{
	autoclear(Known) known = {0};

	know_record(&known, container);
	if (!policy_allows(policy, &known.digests))
		TRY(know_store(&known, container));
	*ret = policy_allows(policy, &known.digests);
	if (ret_digests)
		strings_copy(ret_digests, &known.digests);
	return NULL;
}

/* A command has what its container has; only one with more privileges is asked about as a container would be. */
fallible admission_exec(Container *container, bool is_privileged)
{
	bool is_allowed = false;

	TRY(admission_allows(&is_allowed, NULL, container, container->engine->policy));
	if (is_allowed && !is_privileged)
		return NULL;
	return ask(container, "exec", is_privileged || container->record.spec.privileged);
}
