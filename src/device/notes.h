// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The little that cannot be seen from what is there: which declarations were taken back since they did not come up, and
 * which containers of somebody else's were taken over as they are. One small file, written when that changes.
 */
#include "base/strings.h"

typedef struct KeptNotes KeptNotes;

KeptNotes *kept_notes_new(const char *path); /* what cannot be read is told in the log, and begun anew */
KeptNotes *kept_notes_free(KeptNotes *notes);

/* Why the variant of a declaration was taken back; NULL: it was not. A variant may be the beginning of a longer one. */
const char *kept_notes_taken_back(const KeptNotes *notes, const char *name, const char *variant);
fallible kept_notes_take_back(KeptNotes *notes, const char *name, const char *variant, const char *why);
bool kept_notes_is_adopted(const KeptNotes *notes, const char *name, const char *id);
fallible kept_notes_adopt(KeptNotes *notes, const char *name, const char *id);
/* Containers that were taken over and whose declaration may be gone. */
const StringMap *kept_notes_adopted(const KeptNotes *notes);
fallible kept_notes_forget(KeptNotes *notes, const char *name); /* all about it; nothing is fine */
fallible kept_notes_forget_taken_back(KeptNotes *notes, const char *name);
