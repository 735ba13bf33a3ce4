// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Declarations from where the user has them: a file, the files of a directory, standard input. What is in them is the
 * daemon's to judge. */
#include "base/error.h"
#include "base/strings.h"
#include "json/value.h"

/* What /kedge/v1/containers takes: {"containers": [{"name", "text"}]}. The name is the file's without its ending;
 * "-" has none. */
fallible declared_documents_read(Value **ret, const StringList *paths);
