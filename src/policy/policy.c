// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/table.h"
#include "oci/reference.h"

enum { SHOWN_MAX = 300 };

#define LOCAL_ORIGIN "local"

struct Policy {
	PolicyConfig config;
	Table *allowed; /* digests -> the Policy itself */
};

/* ---- making one ---- */

static fallible add_entries(Policy *policy, const StringList *texts)
{
	autoclear(StringList) digests = {0};

	TRY(allowlist_read(&digests, texts));
	for (size_t i = 0; i < digests.count; i++)
		table_set(policy->allowed, digests.items[i], policy);
	return NULL;
}

static fallible check_registry(const char *host)
{
	if (*host && strcspn(host, "/@ \t\r\n") == strlen(host))
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "field \"rules.registries.allowed\": \"%s\" is no registry", host),
		"it has a host's name and perhaps a port, as at the beginning of an image's name; \"" LOCAL_ORIGIN
		"\" stands for images that came from no registry");
}

static fallible check_capability(const char *name)
{
	if (*name && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") == strlen(name))
		return NULL;
	return error_new(ERROR_INVALID, "field \"rules.capabilities.allowed\": \"%s\" is no capability", name);
}

static fallible check_rule(const PolicyRule *rule, fallible (*check)(const char *text))
{
	for (size_t i = 0; rule && i < rule->allowed.count; i++)
		TRY(check(rule->allowed.items[i]));
	return NULL;
}

fallible policy_new(Policy **ret, const PolicyConfig *config, const StringList *pinned)
{
	autoptr(Policy) policy = mem_new(Policy);
	PolicyConfig lean = *config; /* lends its rules */

	policy->allowed = table_new();
	TRY(check_rule(config->rules.registries, check_registry));
	TRY(check_rule(config->rules.capabilities, check_capability));
	TRY(add_entries(policy, &config->allowlist));
	if (pinned)
		TRY(add_entries(policy, pinned));
	lean.allowlist = (StringList){0}; /* the digests are in the table */
	fields_copy(policy_config_fields, &policy->config, &lean);
	*ret = take(policy);
	return NULL;
}

Policy *policy_free(Policy *policy)
{
	if (!policy)
		return NULL;
	policy_config_clear(&policy->config);
	table_free(policy->allowed);
	free(policy);
	return NULL;
}

/* ---- what it says ---- */

static bool holds(const PolicyRule *rule)
{
	return rule && rule->mode != RULE_OFF;
}

bool policy_is_enforcing(const Policy *policy)
{
	return policy && policy->config.is_enabled;
}

bool policy_is_idle(const Policy *policy)
{
	const PolicyRules *rules = policy ? &policy->config.rules : NULL;

	return !rules || (!policy->config.is_enabled && !holds(rules->registries) && !holds(rules->capabilities) &&
				 !holds(rules->latest) && !holds(rules->privileged) && !holds(rules->host_network));
}

size_t policy_size(const Policy *policy)
{
	return policy ? table_count(policy->allowed) : 0;
}

static bool same_digests(const Policy *a, const Policy *b)
{
	const char *digest = NULL;
	void *value = NULL;
	size_t cursor = 0;

	if (policy_size(a) != policy_size(b))
		return false;
	while (a && table_next(a->allowed, &cursor, &digest, &value))
		if (!table_get(b->allowed, digest))
			return false;
	return true;
}

bool policy_equal(const Policy *a, const Policy *b)
{
	if (policy_is_idle(a) && policy_is_idle(b))
		return true;
	if (!a || !b || a->config.is_enabled != b->config.is_enabled || !same_digests(a, b))
		return false;
	return fields_equal(policy_config_fields, &a->config, &b->config);
}

bool policy_allows(const Policy *policy, const StringList *digests)
{
	if (!policy_is_enforcing(policy))
		return true;
	for (size_t i = 0; digests && i < digests->count; i++)
		if (table_get(policy->allowed, digests->items[i]))
			return true;
	return false;
}

/* ---- what each rule finds: owned, why it would refuse; NULL: nothing ---- */

static char *find_allowlist(const Policy *policy, const Candidate *candidate)
{
	size_t size = policy_size(policy);
	autofree char *digests = NULL;

	if (policy_allows(policy, candidate->digests))
		return NULL;
	digests = candidate->digests ? strings_join(candidate->digests, ", ") : NULL;
	if (string_empty(digests))
		return string_printf("it has no digest, and the allow-list has %zu", size);
	return string_printf("its %s %s, none of which is among the %zu of the allow-list",
		candidate->digests->count == 1 ? "digest is" : "digests are", digests, size);
}

static bool allows_registry(const PolicyRule *rule, const char *registry)
{
	if (string_equal(registry, "index.docker.io"))
		registry = "docker.io";
	for (size_t i = 0; i < rule->allowed.count; i++)
		if (strcasecmp(rule->allowed.items[i], registry) == 0)
			return true;
	return false;
}

static bool is_from_allowed(const PolicyRule *rule, const char *origin)
{
	autoclear(Reference) reference = {0};
	Error *error = reference_parse(&reference, origin);
	bool is_allowed = !error && allows_registry(rule, reference.registry);

	error_free(error); /* what is no name is no allowed one */
	return is_allowed;
}

/* Tags are given by whoever likes; only what a registry has served or taken has a digest under its name. */
static char *find_registries(const Policy *policy, const Candidate *candidate)
{
	const PolicyRule *rule = policy->config.rules.registries;
	const StringList *origins = candidate->origins;
	autofree char *allowed = strings_join(&rule->allowed, ", ");

	if ((!origins || !origins->count) && strings_has(&rule->allowed, LOCAL_ORIGIN))
		return NULL;
	for (size_t i = 0; origins && i < origins->count; i++)
		if (is_from_allowed(rule, origins->items[i]))
			return NULL;
	if (!origins || !origins->count)
		return string_printf("it came from no registry; allowed: %s", allowed);
	return string_printf("it came as \"%s\"; allowed registries: %s", origins->items[0], allowed);
}

static bool is_latest(const char *name)
{
	autoclear(Reference) reference = {0};
	Error *error = reference_parse(&reference, name);

	error_free(error); /* what is no reference has no tag */
	if (error || digest_is_set(&reference.digest))
		return false;
	return !reference.tag || string_equal(reference.tag, "latest");
}

static char *find_latest(const Policy *policy, const Candidate *candidate)
{
	const StringList *tags = candidate->tags;

	(void)policy;
	if (!candidate->is_by_id)
		return is_latest(candidate->image) ? mem_strdup("it is asked for by the tag \"latest\"") : NULL;
	for (size_t i = 0; tags && i < tags->count; i++)
		if (!is_latest(tags->items[i]))
			return NULL;
	return tags && tags->count ? mem_strdup("its only tag is \"latest\"") : NULL;
}

static char *find_privileged(const Policy *policy, const Candidate *candidate)
{
	(void)policy;
	return candidate->is_privileged ? mem_strdup("it is privileged") : NULL;
}

static char *find_host_network(const Policy *policy, const Candidate *candidate)
{
	(void)policy;
	return candidate->has_host_network ? mem_strdup("it has the host's network") : NULL;
}

static const char *bare_capability(const char *name)
{
	return strncasecmp(name, "CAP_", 4) == 0 ? name + 4 : name;
}

static bool allows_capability(const PolicyRule *rule, const char *name)
{
	for (size_t i = 0; i < rule->allowed.count; i++) {
		const char *allowed = bare_capability(rule->allowed.items[i]);
		if (strcasecmp(allowed, "ALL") == 0 || strcasecmp(allowed, bare_capability(name)) == 0)
			return true;
	}
	return false;
}

static char *find_capabilities(const Policy *policy, const Candidate *candidate)
{
	const PolicyRule *rule = policy->config.rules.capabilities;
	const StringList *added = candidate->capabilities;

	if (candidate->is_privileged && !allows_capability(rule, "ALL"))
		return mem_strdup("it is privileged, which gives it all capabilities");
	for (size_t i = 0; added && i < added->count; i++)
		if (!allows_capability(rule, added->items[i]))
			return string_printf("it has the capability \"%s\"", added->items[i]);
	return NULL;
}

/* ---- the verdict ---- */

static int mode_of(const PolicyRule *rule)
{
	return rule ? rule->mode : RULE_OFF;
}

static char *describe(const char *rule, int mode, const Candidate *candidate, const char *found)
{
	if (string_equal(rule, "allowlist"))
		return string_printf("image \"%.*s\" is not allowed: %s", SHOWN_MAX, candidate->image, found);
	return string_printf("image \"%.*s\" is %s the rule \"%s\": %s", SHOWN_MAX, candidate->image,
		mode == RULE_WARN ? "against" : "refused by", rule, found);
}

static void conclude(Verdict *verdict, const char *rule, int mode, const Candidate *candidate, const char *found)
{
	autofree char *text = describe(rule, mode, candidate, found);

	if (mode == RULE_WARN) {
		map_set(&verdict->warnings, rule, text);
	} else if (!verdict->rule) {
		verdict->rule = rule;
		verdict->reason = take(text);
	}
}

void policy_judge(Verdict *ret, const Policy *policy, const Candidate *candidate)
{
	if (policy_is_idle(policy))
		return;
	const PolicyRules *rules = &policy->config.rules;
	const struct {
		const char *name;
		int mode;
		char *(*find)(const Policy *policy, const Candidate *candidate);
	} all[] = {
		{"allowlist", policy->config.is_enabled ? RULE_DENY : RULE_OFF, find_allowlist},
		{"registries", mode_of(rules->registries), find_registries},
		{"latest", mode_of(rules->latest), find_latest},
		{"privileged", mode_of(rules->privileged), find_privileged},
		{"hostNetwork", mode_of(rules->host_network), find_host_network},
		{"capabilities", mode_of(rules->capabilities), find_capabilities},
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		autofree char *found = all[i].mode == RULE_OFF ? NULL : all[i].find(policy, candidate);
		if (found)
			conclude(ret, all[i].name, all[i].mode, candidate, found);
	}
}

void verdict_clear(Verdict *verdict)
{
	free(verdict->reason);
	map_clear(&verdict->warnings);
	*verdict = (Verdict){0};
}

fallible verdict_error(const Verdict *verdict)
{
	return verdict->rule ? error_new(ERROR_FORBIDDEN, "%s", verdict->reason) : NULL;
}
