// SPDX-License-Identifier: Apache-2.0
#include "device/notes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "json/fields.h"

enum { NOTES_SIZE_MAX = 4 << 20 };

struct KeptNotes {
	char *path;
	StringMap variants, reasons; /* of what was taken back, by name */
	StringMap adopted;           /* name -> id */
};

static const Field notes_fields[] = {
	{.name = "takenBack", .kind = FIELD_MAP, .offset = offsetof(KeptNotes, variants)},
	{.name = "reasons", .kind = FIELD_MAP, .offset = offsetof(KeptNotes, reasons)},
	{.name = "adopted", .kind = FIELD_MAP, .offset = offsetof(KeptNotes, adopted)},
	FIELDS_END,
};

static fallible notes_read(KeptNotes *notes)
{
	autofree char *text = NULL;
	size_t length;

	if (!file_exists(AT_FDCWD, notes->path))
		return NULL;
	TRY(file_read(&text, &length, AT_FDCWD, notes->path, NOTES_SIZE_MAX));
	return fields_read_text(notes_fields, notes, "notes about declared containers", text, length, 0);
}

static fallible notes_write(const KeptNotes *notes)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(notes_fields, notes, &writer, NULL);
	TRY(fault("device.notes"));
	return file_replace_durable(AT_FDCWD, notes->path, buffer_text(&text), text.length, 0600);
}

KeptNotes *kept_notes_new(const char *path)
{
	KeptNotes *notes = mem_new(KeptNotes);
	Error *error;

	notes->path = mem_strdup(path);
	error = notes_read(notes);
	if (!error)
		return notes;
	error_log(error, "what is known of declared containers is lost");
	fields_clear(notes_fields, notes);
	return notes;
}

KeptNotes *kept_notes_free(KeptNotes *notes)
{
	if (!notes)
		return NULL;
	fields_clear(notes_fields, notes);
	free(notes->path);
	free(notes);
	return NULL;
}

const char *kept_notes_taken_back(const KeptNotes *notes, const char *name, const char *variant)
{
	const char *known = map_get(&notes->variants, name);

	return known && string_starts(known, variant) ? map_get(&notes->reasons, name) : NULL;
}

fallible kept_notes_take_back(KeptNotes *notes, const char *name, const char *variant, const char *why)
{
	map_set(&notes->variants, name, variant);
	map_set(&notes->reasons, name, why);
	return notes_write(notes);
}

bool kept_notes_is_adopted(const KeptNotes *notes, const char *name, const char *id)
{
	return string_equal(map_get(&notes->adopted, name), id);
}

fallible kept_notes_adopt(KeptNotes *notes, const char *name, const char *id)
{
	map_set(&notes->adopted, name, id);
	return notes_write(notes);
}

const StringMap *kept_notes_adopted(const KeptNotes *notes)
{
	return &notes->adopted;
}

fallible kept_notes_forget_taken_back(KeptNotes *notes, const char *name)
{
	if (!map_remove(&notes->variants, name))
		return NULL;
	map_remove(&notes->reasons, name);
	return notes_write(notes);
}

fallible kept_notes_forget(KeptNotes *notes, const char *name)
{
	bool was_adopted = map_remove(&notes->adopted, name);

	if (map_get(&notes->variants, name))
		return kept_notes_forget_taken_back(notes, name);
	return was_adopted ? notes_write(notes) : NULL;
}
