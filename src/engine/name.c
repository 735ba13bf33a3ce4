// SPDX-License-Identifier: Apache-2.0
/* Names for containers that were given none, and the rule for those that were. */
#include <ctype.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "engine/container_internal.h"

enum { NAME_MAX_LENGTH = 255 };

static const char *const adjectives[] = {"able", "amber", "astern", "brave", "bright", "brisk", "calm", "clear",
	"coastal", "crisp", "deft", "eager", "early", "fair", "fleet", "fresh", "gentle", "golden", "hardy", "hearty",
	"keen", "lively", "lofty", "lucid", "merry", "mild", "modest", "nimble", "noble", "northern", "patient",
	"plucky", "polar", "proud", "quick", "quiet", "ready", "salty", "serene", "sharp", "silver", "sober", "solid",
	"steady", "stout", "sunny", "sure", "swift", "tidal", "trim", "trusty", "upbeat", "vivid", "warm", "western",
	"windward", "wise", "witty", "young", "zesty"};
static const char *const nouns[] = {"anchor", "barge", "beacon", "berth", "bollard", "bosun", "bow", "brig", "buoy",
	"canal", "cape", "capstan", "cleat", "clipper", "compass", "cove", "cutter", "deck", "dinghy", "dock", "ferry",
	"fjord", "fluke", "galley", "gannet", "gull", "harbour", "hawser", "helm", "hull", "jetty", "keel", "ketch",
	"kite", "lagoon", "lantern", "lighter", "lock", "lugger", "mast", "mooring", "oar", "pier", "pilot", "port",
	"quay", "reef", "rigging", "rudder", "sail", "schooner", "sextant", "shoal", "skiff", "sloop", "spar", "tern",
	"tide", "tiller", "wharf"};

static unsigned name_random(void)
{
	unsigned number = 0;

	(void)!getrandom(&number, sizeof(number), 0);
	return number;
}

char *name_invent(Engine *engine)
{
	for (unsigned attempt = 0;; attempt++) {
		const char *adjective = adjectives[name_random() % (sizeof(adjectives) / sizeof(*adjectives))];
		const char *noun = nouns[name_random() % (sizeof(nouns) / sizeof(*nouns))];
		autofree char *name = attempt < 4 ? string_printf("%s_%s", adjective, noun)
						  : string_printf("%s_%s%u", adjective, noun, name_random() % 100000);
		if (!table_get(engine->names, name))
			return take(name);
	}
}

fallible name_check(const char *name)
{
	size_t length = strlen(name);
	bool good = length >= 2 && length <= NAME_MAX_LENGTH && isalnum((unsigned char)name[0]);

	for (size_t i = 1; good && i < length; i++)
		good = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
	if (good)
		return NULL;
	return error_new(ERROR_INVALID,
		"invalid container name \"%.64s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, 2 to %d characters",
		name, NAME_MAX_LENGTH);
}

fallible name_claim(char **ret, Engine *engine, const char *name)
{
	const Container *other;

	if (*name == '/')
		name++;
	TRY(name_check(name));
	other = table_get(engine->names, name);
	if (other)
		return error_new(ERROR_CONFLICT,
			"Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to "
			"remove (or rename) that container to be able to reuse that name.",
			name, other->id);
	*ret = mem_strdup(name);
	return NULL;
}
