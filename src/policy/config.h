// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a device's owner writes about who may run: the allow-list with its switch, and rules. `enabled` is the
 * allow-list's switch alone; a rule holds where it is written, and denies unless its mode says otherwise.
 */
#include <stdbool.h>

#include "json/fields.h"

enum { ALLOWLIST_MAX = 65536, ALLOWLIST_TEXT_MAX = 8 << 20, RULE_ALLOWED_MAX = 1024 };

typedef enum RuleMode { RULE_DENY, RULE_WARN, RULE_OFF, RULE_MODES } RuleMode;

extern const char *const rule_mode_names[RULE_MODES]; /* "deny", "warn", "off" */

typedef struct PolicyRule {
	int mode; /* RuleMode */
	StringList allowed;
} PolicyRule;

typedef struct PolicyRules {      /* NULL: there is no such rule */
	PolicyRule *registries;   /* allowed: hosts as in images' names, and "local": what came from no registry */
	PolicyRule *capabilities; /* allowed: beyond Docker's default set, with or without CAP_ */
	PolicyRule *latest, *privileged, *host_network;
} PolicyRules;

typedef struct PolicyConfig {
	bool is_enabled;
	StringList allowlist; /* as it was written: each text has any number of entries, see allowlist_read() */
	PolicyRules rules;
} PolicyConfig;

extern const Field policy_config_fields[];
void policy_config_clear(PolicyConfig *config);
DEFINE_AUTOCLEAR(PolicyConfig, policy_config_clear)

/*
 * The digests that texts name, each once, in their order: entries are separated by newlines or commas, blanks anywhere
 * do not count, empty entries neither. An entry is "sha256:<64 hex>" (sha512 too) or "repository@sha256:...". An error
 * names the entry.
 */
fallible allowlist_read(StringList *ret, const StringList *texts);
/* One entry each afterwards. *ret_changed: it was not there, or was. */
fallible allowlist_add(StringList *texts, const char *entry, bool *ret_changed);
fallible allowlist_remove(StringList *texts, const char *entry, bool *ret_changed);
