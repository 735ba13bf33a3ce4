// SPDX-License-Identifier: Apache-2.0
/* Which image a container stands on. */
#include "base/fault.h"
#include "store/images.h"
#include "store/internal.h"

fallible image_pin(Store *store, const char *container_id, const Digest *id)
{
	int64_t seq = 0;

	TRY(image_seq(&seq, store, id->text));
	if (!seq)
		return image_not_found(id->text);
	TRY(fault("store.image.pin"));
	return database_run(store->database,
		"INSERT INTO pins(container, image) VALUES(?1, ?2) ON CONFLICT(container) DO UPDATE SET image = ?2",
		"ss", container_id, id->text);
}

fallible image_pinned(Image **ret, Store *store, const char *container_id)
{
	int64_t seq = 0;

	TRY(database_number(&seq, store->database,
		"SELECT images.seq FROM pins JOIN images ON images.id = pins.image WHERE pins.container = ?", "s",
		container_id));
	if (seq)
		return image_load(ret, store, seq);
	*ret = NULL;
	return NULL;
}

fallible image_unpin(Store *store, const char *container_id)
{
	TRY(fault("store.image.unpin"));
	return database_run(store->database, "DELETE FROM pins WHERE container = ?", "s", container_id);
}
