// SPDX-License-Identifier: Apache-2.0
#include "engine/image.h"

#include <string.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/registry.h"

/* As Docker says what is not there: with the tag that was meant. */
static fallible not_there(const char *name)
{
	autoclear(Reference) reference = {0};
	autofree char *familiar = NULL;
	Error *error = reference_parse(&reference, name);

	if (!error) {
		reference_default_tag(&reference);
		familiar = reference_familiar(&reference);
	}
	error_free(error); /* no reference: an id, say */
	return error_new(ERROR_NOT_FOUND, "No such image: %.300s", familiar ? familiar : name);
}

fallible image_lookup(Image **ret, Engine *engine, const char *name)
{
	autoptr(Image) image = NULL;

	TRY(image_find(&image, engine->store, name));
	if (!image)
		return not_there(name);
	*ret = take(image);
	return NULL;
}

fallible image_describe(ImageConfig *ret, Engine *engine, const Image *image)
{
	return image_read_config(ret, NULL, engine->store, &image->id);
}

fallible image_check_platform(Engine *engine, const char *name, const Platform *wanted)
{
	autoptr(Image) image = NULL;
	autofree char *wanted_text = platform_text(wanted), *actual_text = NULL;

	TRY(image_lookup(&image, engine, name));
	Platform actual = {.os = image->os, .architecture = image->architecture, .variant = image->variant};
	if (platform_score(wanted, &actual) > 0)
		return NULL;
	actual_text = platform_text(&actual);
	return error_new(ERROR_NOT_FOUND,
		"image with reference %.300s was found but does not match the specified platform: wanted %s, actual: "
		"%s",
		name, wanted_text, actual_text);
}

/* ---- list ---- */

typedef struct ImageList {
	Image **images;
	size_t count;
} ImageList;

static bool list_add(void *arg, Image *take_image)
{
	ImageList *list = arg;

	list->images = mem_array(list->images, list->count + 1, sizeof(Image *));
	list->images[list->count++] = take_image;
	return true;
}

fallible image_list(Image ***ret, size_t *ret_count, Engine *engine)
{
	ImageList list = {0};
	Error *error = image_each(engine->store, list_add, &list);

	if (error) {
		image_list_free(list.images, list.count);
		return error;
	}
	*ret = list.images;
	*ret_count = list.count;
	return NULL;
}

void image_list_free(Image **images, size_t count)
{
	for (size_t i = 0; i < count; i++)
		image_free(images[i]);
	free(images);
}

/* ---- tag ---- */

fallible image_add_tag(Engine *engine, const char *name, const Reference *reference)
{
	autoptr(Image) image = NULL;
	autofree char *familiar = reference_familiar(reference);

	TRY(image_lookup(&image, engine, name));
	TRY(image_tag(engine->store, &image->id, reference));
	event_emit(engine, "image", "tag", image->id.text, "name", familiar, NULL);
	return NULL;
}

/* ---- remove, by Docker's rules ---- */

void image_removal_clear(ImageRemoval *removal)
{
	strings_clear(&removal->untagged);
	strings_clear(&removal->deleted);
}

static const Container *image_user(Engine *engine, const Image *image, bool *ret_live)
{
	const Container *user = NULL;

	*ret_live = false;
	list_each(&engine->container_order, Container, link, container) {
		if (!string_equal(container->record.image_id, image->id.text))
			continue;
		user = container;
		if (container_is_live(container)) {
			*ret_live = true;
			return container;
		}
	}
	return user;
}

typedef struct Untagging {
	Store *store;
	const StringList *names;
} Untagging;

static fallible untag_steps(void *arg)
{
	const Untagging *untagging = arg;

	for (size_t i = 0; i < untagging->names->count; i++) {
		autoclear(Reference) reference = {0};
		bool was_there = false;

		TRY(reference_parse(&reference, untagging->names->items[i]));
		TRY(image_untag(untagging->store, &reference, &was_there));
	}
	return NULL;
}

/* As Docker, the digests that go with the last tag of their repository go without an event. */
static void removal_tell_untagged(ImageRemoval *ret, Engine *engine, const Image *image, const StringList *names)
{
	for (size_t i = 0; i < names->count; i++) {
		bool goes_along = i > 0 && strchr(names->items[i], '@') && !strchr(names->items[0], '@');
		strings_add(&ret->untagged, names->items[i]);
		if (!goes_along)
			event_emit(engine, "image", "untag", image->id.text, "name", image->id.text, NULL);
	}
}

/* All or none: names that go together leave no half behind when kedged dies. */
static fallible removal_untag(ImageRemoval *ret, Engine *engine, const Image *image, const StringList *names)
{
	Untagging untagging = {engine->store, names};

	TRY(store_batch(engine->store, untag_steps, &untagging));
	removal_tell_untagged(ret, engine, image, names);
	return NULL;
}

static fallible removal_untag_all(ImageRemoval *ret, Engine *engine, const Image *image)
{
	autoclear(StringList) names = {0};

	for (size_t i = 0; i < image->tags.count; i++)
		strings_add(&names, image->tags.items[i]);
	for (size_t i = 0; i < image->digests.count; i++)
		strings_add(&names, image->digests.items[i]);
	return removal_untag(ret, engine, image, &names);
}

static bool is_gone(Engine *engine, const Digest *diff_id)
{
	bool is_used = false;
	Error *error = layer_is_used(engine->store, diff_id, &is_used);

	if (error)
		error_log(error, "whether other images have layer \"%s\" is not known", diff_id->text);
	return !error && !is_used;
}

/* What is gone with it: layers that other images have stay. */
static void removal_tell_deleted(ImageRemoval *ret, Engine *engine, const Image *image)
{
	strings_add(&ret->deleted, image->id.text);
	for (size_t i = image->layer_count; i-- > 0;) {
		const Digest *diff_id = &image->layers[i].diff_id;
		if (!strings_has(&ret->deleted, diff_id->text) && is_gone(engine, diff_id))
			strings_add(&ret->deleted, diff_id->text);
	}
}

static fallible removal_delete(ImageRemoval *ret, Engine *engine, const Image *image)
{
	TRY(image_delete(engine->store, &image->id)); /* its names go with it */
	removal_tell_untagged(ret, engine, image, &image->tags);
	removal_tell_untagged(ret, engine, image, &image->digests);
	event_emit(engine, "image", "delete", image->id.text, "name", image->id.text, NULL);
	engine_sweep_soon(engine);
	removal_tell_deleted(ret, engine, image);
	return NULL;
}

/* As the image's lists have it; NULL: it is said by its id. */
static const char *removal_name(const Image *image, const char *name)
{
	const char *tag = NULL;

	if (reference_is_id(name, image->id.text, &image->tags))
		return NULL;
	tag = reference_among(name, &image->tags);
	return tag ? tag : reference_among(name, &image->digests);
}

static fallible remove_by_id(ImageRemoval *ret, Engine *engine, const Image *image, const char *name, bool force)
{
	bool live;
	const Container *user = image_user(engine, image, &live);

	if (user && (live || !force))
		return error_new(ERROR_CONFLICT,
			"conflict: unable to delete %.12s (%s) - image is being used by %s container %.12s",
			digest_hex(&image->id), live ? "cannot be forced" : "must be forced",
			live ? "running" : "stopped", user->id);
	if (image->tags.count > 1 && !force)
		return error_new(ERROR_CONFLICT,
			"conflict: unable to delete %.12s (must be forced) - image is referenced in multiple "
			"repositories",
			name);
	return removal_delete(ret, engine, image);
}

/* Of "host:5000/a/b:tag" and "host:5000/a/b@sha256:...": how much is the repository. */
static size_t repository_length(const char *name)
{
	const char *at = strchr(name, '@');

	return (size_t)((at ? at : strrchr(name, ':')) - name);
}

static bool same_repository(const char *a, const char *b)
{
	size_t length = repository_length(a);

	return length == repository_length(b) && strncmp(a, b, length) == 0;
}

/* A repository's digests are names of their own, but go with its last tag. */
static void names_going(StringList *ret, const Image *image, const char *name)
{
	strings_add(ret, name);
	if (strchr(name, '@'))
		return;
	for (size_t i = 0; i < image->tags.count; i++)
		if (!string_equal(image->tags.items[i], name) && same_repository(image->tags.items[i], name))
			return;
	for (size_t i = 0; i < image->digests.count; i++)
		if (same_repository(image->digests.items[i], name))
			strings_add(ret, image->digests.items[i]);
}

static fallible remove_by_name(ImageRemoval *ret, Engine *engine, const Image *image, const char *name, bool force)
{
	autoclear(StringList) going = {0};
	bool live;
	const Container *user = image_user(engine, image, &live);

	names_going(&going, image, name);
	if (going.count < image->tags.count + image->digests.count)
		return removal_untag(ret, engine, image, &going);
	if (user && !force)
		return error_new(ERROR_CONFLICT,
			"conflict: unable to remove repository reference \"%s\" (must force) - container %.12s is "
			"using its referenced image %.12s",
			name, user->id, digest_hex(&image->id));
	if (user) /* Docker untags what is in use and keeps the layers */
		return removal_untag_all(ret, engine, image);
	return removal_delete(ret, engine, image);
}

fallible image_remove(ImageRemoval *ret, Engine *engine, const char *name, bool force)
{
	autoptr(Image) image = NULL;
	autoclear(ImageRemoval) removal = {0};
	const char *own_name = NULL;

	TRY(image_lookup(&image, engine, name));
	own_name = removal_name(image, name);
	if (own_name)
		TRY(remove_by_name(&removal, engine, image, own_name, force));
	else
		TRY(remove_by_id(&removal, engine, image, name, force));
	*ret = removal;
	removal = (ImageRemoval){0}; /* handed on */
	return NULL;
}
