// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/places.h"

#include "base/memory.h"

typedef struct Place {
	Reference reference; /* as the place calls it */
	Trust *trust;
	Registry *registry;
} Place;

struct Places {
	Place *items;
	size_t count;
	Trust *last_trust; /* borrowed: the registry's */
};

static void place_name(Place *place, const RegistryAccess *access, const Reference *reference, bool is_mirror)
{
	reference_copy(&place->reference, reference);
	if (!is_mirror)
		return;
	string_replace(&place->reference.registry, access->host);
	if (!access->prefix)
		return;
	free(place->reference.repository);
	place->reference.repository = string_printf("%s/%s", access->prefix, reference->repository);
}

static fallible place_open(Place *place, Loop *loop, const RegistryAccess *access, const RegistryOptions *options)
{
	if (access->ca_pem)
		TRY_WRAP(trust_add(place->trust, access->ca_pem), "registry \"%s\"", place->reference.registry);
	return registry_new(&place->registry, loop, access, &place->reference, place->trust, options);
}

Error *places_open(Places **ret, Loop *loop, const RegistryAccess *access, const RegistryMirrors *mirrors,
	const Reference *reference, Trust *trust, const RegistryOptions *options)
{
	autoptr(Places) places = mem_new(Places);
	const RegistryAccess *each = mirrors->items;

	places->items = mem_array(NULL, mirrors->count + 1, sizeof(Place));
	places->last_trust = trust;
	for (size_t i = 0; i <= mirrors->count; i++) {
		bool is_mirror = i < mirrors->count;
		Place *place = &places->items[places->count++];
		*place = (Place){.trust = is_mirror ? trust_another(trust) : trust};
		place_name(place, is_mirror ? &each[i] : access, reference, is_mirror);
		TRY(place_open(place, loop, is_mirror ? &each[i] : access, options));
	}
	*ret = take(places);
	return NULL;
}

Places *places_free(Places *places)
{
	if (!places)
		return NULL;
	for (size_t i = 0; i < places->count; i++) {
		registry_free(places->items[i].registry);
		reference_clear(&places->items[i].reference);
		if (places->items[i].trust != places->last_trust)
			trust_free(places->items[i].trust);
	}
	free(places->items);
	free(places);
	return NULL;
}

Registry *places_registry(const Places *places)
{
	return places->items[places->count - 1].registry;
}

Registry *places_at(const Places *places, size_t index)
{
	return index < places->count ? places->items[index].registry : NULL;
}

void places_log(const Places *places, size_t index, Error *take_error)
{
	const Reference *mirror = &places->items[index].reference;

	error_log(take_error, "mirror \"%s\" is passed over for \"%s\"", mirror->registry, mirror->repository);
}
