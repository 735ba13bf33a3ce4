// SPDX-License-Identifier: Apache-2.0
/* Which registries have what is here: the names by digest that images got when they were pulled or pushed. */
#include "base/memory.h"
#include "store/images.h"
#include "store/internal.h"

fallible image_add_digest(Store *store, const Digest *id, const Reference *reference, const Digest *repo_digest)
{
	autofree char *name = image_digest_name(reference, repo_digest);
	int64_t seq = 0;

	TRY(image_seq(&seq, store, id->text));
	if (!seq)
		return image_not_found(id->text);
	return image_name_put(store, name, seq, true);
}

/* Takes the repository when it is another one of the target's registry. */
static fallible use_name(char **ret, const char *name, const Reference *target)
{
	autoclear(Reference) reference = {0};

	TRY(reference_parse(&reference, name));
	if (string_equal(reference.registry, target->registry) &&
		!string_equal(reference.repository, target->repository))
		*ret = take(reference.repository);
	return NULL;
}

fallible blob_origin(char **ret, Store *store, const Digest *blob, const Reference *target)
{
	autoclear(Query) query = {0};
	bool has_row = false;
	char *found = NULL;

	TRY(database_query(&query, store->database,
		"SELECT names.name FROM image_blobs JOIN names ON names.image = image_blobs.image"
		" WHERE image_blobs.blob = ? AND names.is_digest ORDER BY names.seq DESC",
		"s", blob->text));
	do {
		TRY(query_next(&query, &has_row));
		if (has_row)
			TRY(use_name(&found, query_text(&query, 0), target));
	} while (has_row && !found);
	*ret = found;
	return NULL;
}
