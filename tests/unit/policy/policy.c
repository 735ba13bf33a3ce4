// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include "base/memory.h"
#include "check.h"

#define HEX60 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define A "sha256:" HEX60 "aaaa"
#define B "sha256:" HEX60 "bbbb"
#define C "sha256:" HEX60 "cccc"
#define OFF "\"enabled\": false"
#define ON "\"enabled\": true, \"allowlist\": \"" A "\""
#define RULE(name, rest) "{\"rules\": {\"" name "\": {" rest "}}}"

static Policy *policy_of(const char *json, const StringList *pinned)
{
	autoclear(PolicyConfig) config = {0};
	Policy *policy = NULL;

	check_ok(fields_read_text(policy_config_fields, &config, "policy", json, strlen(json), FIELDS_STRICT));
	check_ok(policy_new(&policy, &config, pinned));
	return policy;
}

/* Lists are words with blanks between them. */
static const struct {
	const char *policy;
	const char *image, *digests, *tags, *origins, *capabilities;
	bool is_by_id, is_privileged, has_host_network;
	const char *rule, *reason, *warned;
} table[] = {
	/* the allow-list */
	{"{}", "web", "", .rule = NULL},
	{"{" OFF ", \"allowlist\": \"" A "\"}", "web:1", B, .rule = NULL},
	{"{" ON "}", "web:1", A, .rule = NULL},
	{"{" ON "}", "web:1", B " " A, .rule = NULL},
	{"{" ON "}", "web:1", B " " C, .rule = "allowlist",
		.reason = "image \"web:1\" is not allowed: its digests are " B ", " C
			  ", none of which is among the 1 of the allow-list"},
	{"{" ON "}", "web:1", B, .rule = "allowlist",
		.reason = "image \"web:1\" is not allowed: its digest is " B
			  ", none of which is among the 1 of the allow-list"},
	{"{" ON "}", "web:1", "", .rule = "allowlist",
		.reason = "image \"web:1\" is not allowed: it has no digest, and the allow-list has 1"},
	{"{\"enabled\": true}", "web:1", A, .rule = "allowlist"},
	{"{\"enabled\": true, \"allowlist\": \"\"}", "web:1", A, .rule = "allowlist",
		.reason = "image \"web:1\" is not allowed: its digest is " A
			  ", none of which is among the 0 of the allow-list"},
	/* registries */
	{RULE("registries", "\"allowed\": [\"registry.local:5000\"]"), "registry.local:5000/a:1", "",
		.origins = "registry.local:5000/a@" A},
	{RULE("registries", "\"allowed\": [\"Registry.Local:5000\"]"), "a", "", .origins = "registry.local:5000/a@" A},
	{RULE("registries", "\"allowed\": [\"registry.local:5000\"]"), "a", "",
		.origins = "a@" A " registry.local:5000/a@" A},
	{RULE("registries", "\"allowed\": [\"docker.io\"]"), "a", "", .origins = "a@" A},
	{RULE("registries", "\"allowed\": [\"registry.local\"]"), "registry.local/a:1", "", .origins = "evil.com/a@" A,
		.rule = "registries",
		.reason = "image \"registry.local/a:1\" is refused by the rule \"registries\": it came as "
			  "\"evil.com/a@" A "\"; allowed registries: registry.local"},
	{RULE("registries", "\"allowed\": [\"registry.local\"]"), "registry.local/a:1", "", .rule = "registries",
		.reason = "image \"registry.local/a:1\" is refused by the rule \"registries\": it came from no "
			  "registry; allowed: registry.local"},
	{RULE("registries", "\"allowed\": [\"registry.local\", \"local\"]"), "a:1", ""},
	{RULE("registries", "\"allowed\": [\"local\"]"), "a:1", "", .origins = "a@" A, .rule = "registries"},
	{RULE("registries", ""), "a:1", "", .origins = "a@" A, .rule = "registries"},
	{RULE("registries", "\"allowed\": [], \"mode\": \"off\""), "a:1", "", .origins = "a@" A},
	{RULE("registries", "\"allowed\": [], \"mode\": \"warn\""), "a:1", "", .origins = "a@" A,
		.warned = "registries"},
	/* latest */
	{RULE("latest", ""), "web:1", ""},
	{RULE("latest", ""), "web", "", .rule = "latest",
		.reason = "image \"web\" is refused by the rule \"latest\": it is asked for by the tag \"latest\""},
	{RULE("latest", ""), "host:5000/web", "", .rule = "latest"},
	{RULE("latest", ""), "host:5000/web:latest", "", .rule = "latest"},
	{RULE("latest", ""), "web:latest@" A, ""},
	{RULE("latest", ""), "web@" A, ""},
	{RULE("latest", ""), A, "", .tags = "web:latest", .is_by_id = true, .rule = "latest"},
	{RULE("latest", ""), A, "", .tags = "web:latest web:2", .is_by_id = true},
	{RULE("latest", ""), A, "", .is_by_id = true},
	{RULE("latest", "\"mode\": \"warn\""), "web", "", .warned = "latest",
		.reason = "image \"web\" is against the rule \"latest\": it is asked for by the tag \"latest\""},
	/* what a container may */
	{RULE("privileged", ""), "web", ""},
	{RULE("privileged", ""), "web", "", .is_privileged = true, .rule = "privileged"},
	{RULE("privileged", "\"mode\": \"warn\""), "web", "", .is_privileged = true, .warned = "privileged"},
	{RULE("hostNetwork", ""), "web", ""},
	{RULE("hostNetwork", ""), "web", "", .has_host_network = true, .rule = "hostNetwork"},
	{RULE("capabilities", ""), "web", ""},
	{RULE("capabilities", ""), "web", "", .capabilities = "NET_ADMIN", .rule = "capabilities",
		.reason = "image \"web\" is refused by the rule \"capabilities\": it has the capability \"NET_ADMIN\""},
	{RULE("capabilities", "\"allowed\": [\"net_admin\"]"), "web", "", .capabilities = "CAP_NET_ADMIN"},
	{RULE("capabilities", "\"allowed\": [\"CAP_NET_ADMIN\"]"), "web", "", .capabilities = "net_admin SYS_TIME",
		.rule = "capabilities"},
	{RULE("capabilities", "\"allowed\": [\"NET_ADMIN\"]"), "web", "", .capabilities = "ALL",
		.rule = "capabilities"},
	{RULE("capabilities", "\"allowed\": [\"NET_ADMIN\"]"), "web", "", .is_privileged = true,
		.rule = "capabilities"},
	{RULE("capabilities", "\"allowed\": [\"ALL\"]"), "web", "", .capabilities = "SYS_TIME", .is_privileged = true},
	/* several */
	{"{" ON ", \"rules\": {\"latest\": {\"mode\": \"warn\"}, \"privileged\": {}}}", "web", B, .is_privileged = true,
		.rule = "allowlist", .warned = "latest"},
	{"{" ON ", \"rules\": {\"latest\": {\"mode\": \"warn\"}, \"privileged\": {}}}", "web", A, .is_privileged = true,
		.rule = "privileged", .warned = "latest"},
};

static void words(StringList *ret, const char *text)
{
	if (text)
		strings_split(ret, text, ' ');
}

static void judge_row(size_t i)
{
	autoclear(StringList) digests = {0}, tags = {0}, origins = {0}, capabilities = {0};
	autoptr(Policy) policy = policy_of(table[i].policy, NULL);
	autoclear(Verdict) verdict = {0};
	Candidate candidate = {.image = table[i].image,
		.is_by_id = table[i].is_by_id,
		.digests = &digests,
		.tags = &tags,
		.origins = &origins,
		.capabilities = &capabilities,
		.is_privileged = table[i].is_privileged,
		.has_host_network = table[i].has_host_network};

	words(&digests, table[i].digests);
	words(&tags, table[i].tags);
	words(&origins, table[i].origins);
	words(&capabilities, table[i].capabilities);
	policy_judge(&verdict, policy, &candidate);
	if (!string_equal(verdict.rule, table[i].rule) || verdict.warnings.count != (table[i].warned ? 1 : 0)) {
		print_error("row %zu: refused by %s: %s\n", i, verdict.rule, verdict.reason);
		fail();
	}
	if (table[i].warned)
		assert_non_null(map_get(&verdict.warnings, table[i].warned));
	if (!table[i].rule)
		check_ok(verdict_error(&verdict));
	if (!table[i].reason)
		return;
	assert_string_equal(
		table[i].rule ? verdict.reason : map_get(&verdict.warnings, table[i].warned), table[i].reason);
	if (table[i].rule)
		check_error(verdict_error(&verdict), ERROR_FORBIDDEN, table[i].reason);
}

static void judges(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		judge_row(i);
}

static void lists_may_be_absent(void **state)
{
	autoptr(Policy) policy =
		policy_of("{" ON ", \"rules\": {\"registries\": {}, \"latest\": {}, \"capabilities\": {}}}", NULL);
	autoclear(Verdict) verdict = {0};
	const Candidate candidate = {.image = "a", .is_by_id = true};

	(void)state;
	policy_judge(&verdict, policy, &candidate);
	assert_string_equal(verdict.rule, "allowlist");
}

static void no_policy_admits(void **state)
{
	autoclear(Verdict) verdict = {0};
	const Candidate candidate = {.image = "a", .is_privileged = true};

	(void)state;
	policy_judge(&verdict, NULL, &candidate);
	assert_null(verdict.rule);
	assert_true(policy_is_idle(NULL));
	assert_false(policy_is_enforcing(NULL));
}

static void pinned_digests_are_allowed(void **state)
{
	autoclear(StringList) pinned = {0}, digest = {0};
	autoptr(Policy) policy = NULL;

	(void)state;
	words(&pinned, "web@" B " " A);
	words(&digest, B);
	policy = policy_of("{" ON "}", &pinned);
	assert_int_equal(policy_size(policy), 2);
	assert_true(policy_allows(policy, &digest));
}

static void is_compared(void **state)
{
	autoclear(StringList) pinned = {0};
	autoptr(Policy) a = policy_of("{" ON "}", NULL);
	autoptr(Policy) same = policy_of("{\"enabled\": true, \"allowlist\": [\"\", \"web@" A "\"]}", NULL);
	autoptr(Policy) rules = policy_of("{" ON ", \"rules\": {\"latest\": {}}}", NULL);
	autoptr(Policy) more = NULL;
	autoptr(Policy) off = NULL;

	(void)state;
	words(&pinned, B);
	more = policy_of("{" ON "}", &pinned);
	off = policy_of("{" OFF "}", &pinned);
	assert_true(policy_equal(a, same));
	assert_true(policy_equal(off, NULL));
	assert_true(policy_equal(NULL, NULL));
	assert_false(policy_equal(a, more));
	assert_false(policy_equal(a, off));
	assert_false(policy_equal(NULL, a));
	assert_false(policy_equal(a, rules));
	assert_false(policy_is_idle(rules));
}

static const struct {
	const char *json, *message;
} bad[] = {
	{"{\"allowlist\": \"x\"}", "allow-list: entry \"x\": "},
	{RULE("registries", "\"allowed\": [\"registry.local/team\"]"),
		"field \"rules.registries.allowed\": \"registry.local/team\" is no registry"},
	{RULE("registries", "\"allowed\": [\"\"]"), "field \"rules.registries.allowed\": \"\" is no registry"},
	{RULE("capabilities", "\"allowed\": [\"net admin\"]"),
		"field \"rules.capabilities.allowed\": \"net admin\" is no capability"},
};

static void names_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		autoclear(PolicyConfig) config = {0};
		Policy *policy = NULL;
		Error *error;
		check_ok(fields_read_text(
			policy_config_fields, &config, "policy", bad[i].json, strlen(bad[i].json), FIELDS_STRICT));
		error = policy_new(&policy, &config, NULL);
		assert_non_null(error);
		assert_null(policy);
		if (strncmp(error_message(error), bad[i].message, strlen(bad[i].message)) != 0)
			assert_string_equal(error_message(error), bad[i].message);
		error_free(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges),
		cmocka_unit_test(lists_may_be_absent),
		cmocka_unit_test(no_policy_admits),
		cmocka_unit_test(pinned_digests_are_allowed),
		cmocka_unit_test(is_compared),
		cmocka_unit_test(names_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
