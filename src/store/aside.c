// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

/* Named in the log where it happens, so that nothing leaves silently. */
fallible aside_put(
	Store *store, const char *kind, const char *id, const char *name, const char *json, const char *reason)
{
	char boot[37] = "";

	error_free(clock_boot_id(boot)); /* without it the record counts as one of an earlier boot */
	log_error("%s \"%s\"%s%s%s is set aside: %s", kind, id, name ? " (\"" : "", name ? name : "", name ? "\")" : "",
		reason);
	return database_run(store->database,
		"INSERT INTO set_aside(kind, id, name, json, reason, boot) VALUES(?, ?, ?, ?, ?, ?)", "ssssss", kind,
		id, name, json, reason, boot);
}

fallible aside_has(Store *store, const char *kind, const char *id, bool *ret)
{
	int64_t count = 0;

	TRY(database_number(
		&count, store->database, "SELECT count(*) FROM set_aside WHERE kind = ? AND id = ?", "ss", kind, id));
	*ret = count > 0;
	return NULL;
}
