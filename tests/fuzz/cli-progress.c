// SPDX-License-Identifier: Apache-2.0
/* JSON lines of a pull, on a small terminal and on none; nothing but known escape sequences comes out. */
#include "cli/progress.h"

#include <string.h>

#include "fuzz.h"

static int64_t now;

static int64_t read_now(void)
{
	return now += 30000000;
}

static void feed(Progress *progress, const char *data, size_t size)
{
	while (size > 0) {
		const char *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		autoptr(Value) line = NULL;
		if (!error_free(value_parse(&line, data, length)) && line)
			error_free(progress_line(progress, line));
		data += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
}

/* "\033[K", "\033[J", "\033[<digits>A" are ours; another one would come from the daemon. */
static void check_escapes(const char *text)
{
	while ((text = strchr(text, '\033'))) {
		must_hold(text[1] == '[');
		text += 2 + strspn(text + 2, "0123456789");
		must_hold(strchr("KJAm", *text));
	}
}

static void run(int width, int height, const char *data, size_t size)
{
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);
	ProgressOptions options = {.out = file, .width = width, .height = height, .now_ns = read_now};
	Progress *progress = progress_new(&options);

	feed(progress, data, size);
	progress_finish(progress);
	progress_free(progress);
	fclose(file);
	check_escapes(text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(0, 0, (const char *)data, size);
	run(60, 5, (const char *)data, size);
	return 0;
}
