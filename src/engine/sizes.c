// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/export.h"

struct Sizes {
	Pack *pack;
	Buffer answer; /* a number a line */
	size_t count;
	SizesDone *done;
	void *arg;
};

static void on_data(void *arg, const char *data, size_t length)
{
	Sizes *sizes = arg;

	buffer_add(&sizes->answer, data, length);
}

static void on_ended(void *arg, Error *take_error)
{
	Sizes *sizes = arg;
	autofree int64_t *bytes = mem_array(NULL, sizes->count + 1, sizeof(int64_t));
	const char *at = buffer_text(&sizes->answer);

	for (size_t i = 0; i < sizes->count; i++) {
		char *end;
		bytes[i] = strtoll(at, &end, 10);
		bytes[i] = end == at ? -1 : bytes[i];
		at = end;
	}
	sizes->done(sizes->arg, take_error, take_error ? NULL : bytes);
}

fallible sizes_measure(Sizes **ret, Engine *engine, const StringList *paths, SizesDone *done, void *arg)
{
	static const PackHandlers handlers = {.data = on_data, .ended = on_ended};
	autoptr(Sizes) sizes = mem_new(Sizes);
	autoclear(Buffer) input = {0};
	const PackOptions options = {.arguments = {"--sizes"}, .input = &input};

	*sizes = (Sizes){.count = paths->count, .done = done, .arg = arg};
	for (size_t i = 0; i < paths->count; i++)
		buffer_add(&input, paths->items[i], strlen(paths->items[i]) + 1);
	TRY(pack_start(&sizes->pack, engine, &options, &handlers, sizes));
	*ret = take(sizes);
	return NULL;
}

Sizes *sizes_free(Sizes *sizes)
{
	if (!sizes)
		return NULL;
	pack_free(sizes->pack);
	buffer_clear(&sizes->answer);
	free(sizes);
	return NULL;
}

int64_t container_image_bytes(const Container *container)
{
	autoptr(Image) image = NULL;

	error_free(image_pinned(&image, container->engine->store, container->id)); /* shown as nothing */
	return image ? image->bytes : 0;
}
