// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The template of a tag: text with {{.ID}}, {{.Name}}, {{.ImageName}}, ...; {{lower .Name}}, {{upper .Name}},
 * {{json .Name}} and {{truncate .ID 6}} too. Source: moby daemon/logger/loggerutils/log_tag.go, loginfo.go.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/strings.h"

enum { LOG_TAG_MAX = 1024 };

fallible log_tag_check(const char *text);
/* fields: "ID", "Name", ...: those of log_tag_fields. text NULL or "": {{.ID}}. At most LOG_TAG_MAX bytes. */
fallible log_tag_expand(char **ret, const char *text, const StringMap *fields);
extern const char *const log_tag_fields[]; /* ends with NULL */
