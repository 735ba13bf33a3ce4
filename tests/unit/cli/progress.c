// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "check.h"

/* A clock that stands still unless a test moves it. */
static int64_t now;

static int64_t read_now(void)
{
	return now;
}

typedef struct Screen {
	char *text;
	size_t length, looked_at;
	FILE *file;
	Progress *progress;
} Screen;

static void open_screen(Screen *screen, int width, int height, bool is_quiet)
{
	*screen = (Screen){0};
	now = 1000000000;
	screen->file = open_memstream(&screen->text, &screen->length);
	ProgressOptions options = {
		.out = screen->file, .width = width, .height = height, .is_quiet = is_quiet, .now_ns = read_now};
	screen->progress = progress_new(&options);
}

static void close_screen(Screen *screen)
{
	progress_free(screen->progress);
	fclose(screen->file);
	free(screen->text);
}

static Error *feed(Screen *screen, const char *line)
{
	autoptr(Value) value = NULL;

	TRY(value_parse(&value, line, strlen(line)));
	return progress_line(screen->progress, value);
}

static void feed_layer(Screen *screen, const char *id, const char *status, int64_t current, int64_t total)
{
	autofree char *line =
		string_printf("{\"id\":\"%s\",\"status\":\"%s\",\"progressDetail\":{\"current\":%lld,\"total\":%lld}}",
			id, status, (long long)current, (long long)total);
	check_ok(feed(screen, line));
}

/* What has come since the last look. */
static const char *seen(Screen *screen)
{
	const char *text;

	fflush(screen->file);
	text = screen->text + screen->looked_at;
	screen->looked_at = screen->length;
	return text;
}

static void plain_lines(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 0, 0, false);
	check_ok(feed(&screen, "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}"));
	check_ok(feed(&screen, "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aa\"}"));
	feed_layer(&screen, "aa", "Downloading", 1, 10);
	feed_layer(&screen, "aa", "Downloading", 10, 10);
	check_ok(feed(&screen, "{\"status\":\"Pull complete\",\"id\":\"aa\"}"));
	check_ok(feed(&screen, "{\"status\":\"Pull complete\",\"id\":\"aa\"}"));
	check_ok(feed(&screen, "{\"status\":\"Digest: sha256:0\"}"));
	check_ok(feed(&screen, "{\"stream\":\"Loaded image: x\\n\"}"));
	check_ok(feed(&screen, "{\"aux\":{\"Tag\":\"x\"}}"));
	progress_finish(screen.progress);
	assert_string_equal(seen(&screen), "latest: Pulling from library/busybox\naa: Pulling fs layer\naa: Pull "
					   "complete\nDigest: sha256:0\nLoaded image: x\n");
	close_screen(&screen);
}

static void bars(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 80, 24, false);
	feed_layer(&screen, "0123456789ab", "Downloading", 5000000, 10000000);
	assert_string_equal(seen(&screen),
		"0123456789ab: Downloading  [==================>                 ]      5MB/10MB\033[K\n");
	now += 500000000;
	feed_layer(&screen, "0123456789ab", "Downloading", 7500000, 10000000);
	assert_string_equal(seen(&screen),
		"\033[1A\r0123456789ab: Downloading  [=====================>       ]    7.5MB/10MB  5MB/s\033[K\n");
	check_ok(feed(&screen, "{\"status\":\"Pull complete\",\"id\":\"0123456789ab\"}"));
	assert_string_equal(seen(&screen), "\033[1A\r0123456789ab: Pull complete\033[K\n");
	close_screen(&screen);
}

/* What is wiped leaves room for what comes next. */
static void wiped(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 80, 24, false);
	progress_item(screen.progress, "web:/srv", "Copying", 500, 0);
	assert_string_equal(seen(&screen), "web:/srv: Copying     500B\033[K\n");
	progress_wipe(screen.progress);
	assert_string_equal(seen(&screen), "\033[1A\r\033[J");
	progress_wipe(screen.progress);
	assert_string_equal(seen(&screen), "");
	close_screen(&screen);
}

/* More often than every 50 ms nothing is drawn, unless a state changes. */
static void drawn_seldom(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 80, 24, false);
	feed_layer(&screen, "aa", "Downloading", 1, 10);
	seen(&screen);
	feed_layer(&screen, "aa", "Downloading", 2, 10);
	assert_string_equal(seen(&screen), "");
	now += 60000000;
	feed_layer(&screen, "aa", "Downloading", 3, 10);
	assert_non_null(strstr(seen(&screen), "3B/10B"));
	close_screen(&screen);
}

static int longest_line(const char *text)
{
	int longest = 0, length = 0;

	for (; *text; text++) {
		length = *text == '\n' ? 0 : length + 1;
		longest = length > longest ? length : longest;
	}
	return longest;
}

static void narrow(void **state)
{
	(void)state;
	for (int width = 10; width < 120; width++) {
		Screen screen;
		open_screen(&screen, width, 24, false);
		feed_layer(&screen, "0123456789ab", "Downloading", 5000000, 10000000);
		assert_true(longest_line(seen(&screen)) - 3 < width + 3 /* the ellipsis has three bytes */);
		close_screen(&screen);
	}
}

/* 30 layers on 6 lines: never more lines than the terminal has, until the end, when all are shown. */
static void many_layers(void **state)
{
	Screen screen;
	int lines = 0;

	(void)state;
	open_screen(&screen, 80, 6, false);
	for (int i = 0; i < 30; i++) {
		autofree char *id = string_printf("layer%02d", i);
		feed_layer(&screen, id, i < 3 ? "Downloading" : "Waiting", i < 3 ? 1 : 0, i < 3 ? 2 : 0);
	}
	seen(&screen);
	feed_layer(&screen, "layer29", "Verifying", 0, 0);
	const char *text = seen(&screen);
	assert_non_null(strstr(text, "27 of 30 not shown"));
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 4);
	progress_finish(screen.progress);
	text = seen(&screen);
	lines = 0;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 30);
	close_screen(&screen);
}

static void errors(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 0, 0, true);
	check_ok(feed(&screen, "{\"status\":\"not shown\"}"));
	check_error(
		feed(&screen, "{\"errorDetail\":{\"message\":\"no such manifest\"},\"error\":\"no such manifest\"}"),
		ERROR_UNAVAILABLE, "no such manifest");
	check_error(feed(&screen, "{\"errorDetail\":{\"code\":404,\"message\":\"gone\"}}"), ERROR_NOT_FOUND, "gone");
	check_error(feed(&screen, "{\"error\":\"old form\"}"), ERROR_UNAVAILABLE, "old form");
	assert_string_equal(seen(&screen), "");
	close_screen(&screen);
}

static void control_characters(void **state)
{
	Screen screen;

	(void)state;
	open_screen(&screen, 0, 0, false);
	check_ok(feed(&screen, "{\"status\":\"a\\u001b[2Jb\",\"id\":\"x\\u0007\"}"));
	check_ok(feed(&screen, "{\"status\":\"c\\u001b]0;d\"}"));
	assert_string_equal(seen(&screen), "x?: a?[2Jb\nc?]0;d\n");
	close_screen(&screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_lines),
		cmocka_unit_test(bars),
		cmocka_unit_test(drawn_seldom),
		cmocka_unit_test(wiped),
		cmocka_unit_test(narrow),
		cmocka_unit_test(many_layers),
		cmocka_unit_test(errors),
		cmocka_unit_test(control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
