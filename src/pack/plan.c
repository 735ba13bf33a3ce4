// SPDX-License-Identifier: Apache-2.0
#include "pack/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/strings.h"
#include "pack/content.h"

typedef struct Plan {
	TarOut *out;
	int directory;
	char *at, *end;
} Plan;

typedef Error *PlanStep(Plan *plan, const char *path, const char *argument);

static fallible add_directory(Plan *plan, const char *path, const char *argument)
{
	autofree char *name = string_printf("%s/", path);
	const TarHead head = {.type = TAR_TYPE_DIRECTORY, .path = name, .mode = 0755};

	(void)argument;
	return tar_out_head(plan->out, &head, NULL);
}

static fallible add_file(Plan *plan, const char *path, const char *argument)
{
	TarHead head = {.type = TAR_TYPE_FILE, .path = path, .mode = 0644};
	struct stat status;
	int file;

	TRY(file_open(&file, plan->directory, argument, O_RDONLY | O_NOFOLLOW, 0));
	autofd fd = file;
	if (fstat(fd, &status) < 0)
		return error_errno(errno, "could not look at \"%s\"", argument);
	head.size = status.st_size;
	TRY(tar_out_head(plan->out, &head, NULL));
	TRY(content_copy(plan->out, fd, 0, head.size, argument));
	return tar_out_entry_end(plan->out);
}

static fallible add_text(Plan *plan, const char *path, const char *argument)
{
	TarHead head = {.type = TAR_TYPE_FILE, .path = path, .mode = 0644};

	TRY(string_to_int64(&head.size, argument, 0, plan->end - plan->at - 1));
	TRY(tar_out_head(plan->out, &head, NULL));
	TRY(tar_out_data(plan->out, plan->at, (size_t)head.size));
	plan->at += head.size + 1;
	return tar_out_entry_end(plan->out);
}

static const struct {
	const char *word;
	PlanStep *step;
} steps[] = {{"directory", add_directory}, {"file", add_file}, {"text", add_text}};

static fallible run_line(Plan *plan, char *line)
{
	const char *word = strsep(&line, " "), *path = strsep(&line, " ");

	for (size_t i = 0; path && i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(word, steps[i].word) == 0)
			return steps[i].step(plan, path, line ? line : "");
	}
	return error_new(ERROR_INVALID, "the plan has a line \"%.100s\"", word);
}

Error *pack_plan(TarOut *out, int directory, char *text, size_t length)
{
	Plan plan = {.out = out, .directory = directory, .at = text, .end = text + length};

	while (plan.at < plan.end) {
		char *line = plan.at, *end = memchr(line, '\n', (size_t)(plan.end - line));
		if (!end)
			return error_new(ERROR_INVALID, "the plan's last line does not end");
		*end = '\0';
		plan.at = end + 1;
		TRY(run_line(&plan, line));
	}
	return NULL;
}
