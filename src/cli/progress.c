// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/table.h"
#include "cli/api.h"
#include "cli/grid.h"
#include "cli/terminal.h"
#include "cli/units.h"

enum { BAR_MAX = 50, BAR_LEAST = 8, DRAW_EVERY_NS = 50 * NANOS_PER_MILLI, RATE_EVERY_NS = 400 * NANOS_PER_MILLI };

/* One layer. */
typedef struct Item {
	char *id, *status;
	int64_t current, total;           /* 0, 0: nothing to measure */
	int64_t rate_since_ns, rate_from; /* when and at which byte the rate was taken last */
	double rate;                      /* bytes a second; 0: not known yet */
} Item;

struct Progress {
	ProgressOptions options;
	Item **items; /* in the order of their appearance */
	size_t count;
	Table *by_id;
	size_t drawn; /* lines of the last drawing, above the cursor */
	int64_t drawn_ns;
};

ProgressOptions progress_options(FILE *out, bool is_quiet)
{
	return (ProgressOptions){
		.out = out,
		.width = terminal_width(out),
		.height = terminal_height(out),
		.may_resize = terminal_is(out),
		.has_colours = terminal_has_colours(out),
		.is_quiet = is_quiet,
		.now_ns = clock_monotonic_ns,
	};
}

Progress *progress_new(const ProgressOptions *options)
{
	Progress *progress = mem_new(Progress);

	progress->options = *options;
	progress->by_id = table_new();
	return progress;
}

/* The lines stay on the screen; further ones begin below them. */
static void forget_items(Progress *progress)
{
	for (size_t i = 0; i < progress->count; i++) {
		free(progress->items[i]->id);
		free(progress->items[i]->status);
		free(progress->items[i]);
	}
	free(take(progress->items));
	progress->count = 0;
	progress->drawn = 0;
	table_free(progress->by_id);
	progress->by_id = table_new();
}

Progress *progress_free(Progress *progress)
{
	if (!progress)
		return NULL;
	forget_items(progress);
	table_free(progress->by_id);
	free(progress);
	return NULL;
}

static bool is_on_terminal(const Progress *progress)
{
	return progress->options.width > 0;
}

/* ---- one line ---- */

static bool has_bar(const Item *item)
{
	return item->current > 0 || item->total > 0;
}

static int head_width(const Item *item)
{
	return text_width(item->id) + 2 + text_width(item->status);
}

/* "12.3MB/45.6MB  10.2MB/s" */
static void write_figures(Buffer *out, const Item *item)
{
	char current[UNITS_TEXT_MAX], total[UNITS_TEXT_MAX], rate[UNITS_TEXT_MAX];

	units_decimal(current, (double)item->current, 4);
	units_decimal(total, (double)item->total, 4);
	units_decimal(rate, item->rate, 3);
	buffer_printf(out, "%8s", current);
	if (item->total > 0)
		buffer_printf(out, "/%s", total);
	if (item->rate > 0)
		buffer_printf(out, "  %s/s", rate);
}

static void write_bar(const Progress *progress, Buffer *out, const Item *item, int width)
{
	int64_t current = item->current < item->total ? item->current : item->total;
	int filled = (int)((double)current / (double)item->total * width);

	buffer_printf(out, "  [%s", progress->options.has_colours ? "\033[36m" : "");
	for (int i = 0; i < width; i++)
		buffer_add_char(out, i < filled ? '=' : i == filled ? '>' : ' ');
	buffer_printf(out, "%s]", progress->options.has_colours ? "\033[0m" : "");
}

static void write_head(Buffer *out, const Item *item, int width)
{
	buffer_printf(out, "%s: %s", item->id, item->status);
	if (width > head_width(item))
		buffer_printf(out, "%*s", width - head_width(item), "");
}

/* head: how wide the names are made, so that the bars stand below each other. */
static void write_item(const Progress *progress, Buffer *out, const Item *item, int head)
{
	autoclear(Buffer) figures = {0}, plain = {0};
	int width = progress->options.width - 1; /* a full last column would wrap on some terminals */

	if (!has_bar(item)) {
		write_head(&plain, item, 0);
		text_cut(out, buffer_text(&plain), width);
		return;
	}
	write_figures(&figures, item);
	int bar = width - head - 4 - 1 - (int)figures.length;
	if (bar < BAR_LEAST || item->total <= 0) {
		write_head(&plain, item, 0);
		buffer_printf(&plain, " %s", buffer_text(&figures));
		text_cut(out, buffer_text(&plain), width);
		return;
	}
	write_head(out, item, head);
	write_bar(progress, out, item, bar < BAR_MAX ? bar : BAR_MAX);
	buffer_printf(out, " %s", buffer_text(&figures));
}

/* ---- the whole picture ---- */

static int widest_head(const Progress *progress)
{
	int width = 0;

	for (size_t i = 0; i < progress->count; i++)
		if (has_bar(progress->items[i]) && head_width(progress->items[i]) > width)
			width = head_width(progress->items[i]);
	return width;
}

static void draw_line(const Progress *progress, Buffer *out, const Item *item, int head)
{
	write_item(progress, out, item, head);
	buffer_add_text(out, "\033[K\n");
}

/* More layers than lines: those that move are shown, the others counted. */
static size_t draw_active(const Progress *progress, Buffer *out, int head)
{
	size_t room = (size_t)progress->options.height - 2, shown = 0;

	for (size_t i = 0; i < progress->count && shown < room; i++) {
		if (!has_bar(progress->items[i]))
			continue;
		draw_line(progress, out, progress->items[i], head);
		shown++;
	}
	autofree char *rest = string_printf("%zu of %zu not shown", progress->count - shown, progress->count);
	text_cut(out, rest, progress->options.width - 1);
	buffer_add_text(out, "\033[K\n");
	return shown + 1;
}

static size_t draw_all(const Progress *progress, Buffer *out, int head)
{
	for (size_t i = 0; i < progress->count; i++)
		draw_line(progress, out, progress->items[i], head);
	return progress->count;
}

/*
 * What was drawn on a terminal that has become narrower may take more lines than it did, or as many: terminals differ.
 * It stays, and so does what has left the screen at the top; what comes is drawn below.
 */
static void measure_terminal(Progress *progress)
{
	ProgressOptions *options = &progress->options;
	int width = terminal_width(options->out), height = terminal_height(options->out);

	if (width < options->width || (size_t)height <= progress->drawn)
		progress->drawn = 0;
	options->width = width;
	options->height = height;
}

/* is_last: everything is left on the screen, however long it is. */
static void draw(Progress *progress, bool is_last)
{
	autoclear(Buffer) out = {0};
	int head = widest_head(progress);

	if (progress->options.may_resize)
		measure_terminal(progress);
	bool fits = progress->options.height < 3 || progress->count < (size_t)progress->options.height;

	if (progress->drawn > 0)
		buffer_printf(&out, "\033[%zuA\r", progress->drawn);
	size_t lines = fits || is_last ? draw_all(progress, &out, head) : draw_active(progress, &out, head);
	if (lines < progress->drawn)
		buffer_add_text(&out, "\033[J");
	progress->drawn = lines;
	progress->drawn_ns = progress->options.now_ns();
	fwrite(buffer_text(&out), 1, out.length, progress->options.out);
	fflush(progress->options.out);
}

void progress_finish(Progress *progress)
{
	if (is_on_terminal(progress) && progress->count > 0)
		draw(progress, true);
	forget_items(progress);
	fflush(progress->options.out);
}

void progress_wipe(Progress *progress)
{
	if (progress->drawn > 0)
		fprintf(progress->options.out, "\033[%zuA\r\033[J", progress->drawn);
	forget_items(progress);
	fflush(progress->options.out);
}

/* ---- items ---- */

static Item *find_item(Progress *progress, const char *id)
{
	Item *item = table_get(progress->by_id, id);

	if (item || progress->count == PROGRESS_LINES_MAX)
		return item;
	item = mem_new(Item);
	item->id = text_harmless(id);
	item->status = mem_strdup("");
	table_set(progress->by_id, id, item);
	progress->items = mem_array(progress->items, progress->count + 1, sizeof(*progress->items));
	return progress->items[progress->count++] = item;
}

static void measure(Item *item, int64_t now_ns, int64_t current)
{
	int64_t elapsed = now_ns - item->rate_since_ns;

	if (item->rate_since_ns == 0 || current < item->rate_from) {
		item->rate_since_ns = now_ns;
		item->rate_from = current;
	} else if (elapsed >= RATE_EVERY_NS) {
		double rate = (double)(current - item->rate_from) * NANOS_PER_SECOND / (double)elapsed;
		item->rate = item->rate > 0 ? 0.6 * item->rate + 0.4 * rate : rate;
		item->rate_since_ns = now_ns;
		item->rate_from = current;
	}
	item->current = current;
}

/* True when the status changed, which is always worth a drawing. */
static bool update_item(Item *item, int64_t now_ns, const char *status, int64_t current, int64_t total)
{
	autofree char *text = text_harmless(status);
	bool changed = string_replace(&item->status, text);

	if (changed) {
		item->rate = 0;
		item->rate_since_ns = 0;
	}
	item->total = total;
	measure(item, now_ns, current);
	return changed;
}

void progress_item(Progress *progress, const char *id, const char *status, int64_t current, int64_t total)
{
	Item *item = progress->options.is_quiet ? NULL : find_item(progress, id);
	int64_t now = progress->options.now_ns();

	if (!item)
		return;
	bool changed = update_item(item, now, status, current, total);
	if (!is_on_terminal(progress)) {
		if (changed && !has_bar(item))
			fprintf(progress->options.out, "%s: %s\n", item->id, item->status);
		return;
	}
	if (changed || now - progress->drawn_ns >= DRAW_EVERY_NS)
		draw(progress, false);
}

/* ---- taking lines ---- */

static void show_text(Progress *progress, const char *text)
{
	size_t length = strlen(text);

	progress_finish(progress);
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	autofree char *line = mem_strndup(text, length);
	autofree char *safe = text_harmless(line);
	fprintf(progress->options.out, "%s\n", safe);
	fflush(progress->options.out);
}

static fallible stream_error(const Value *line)
{
	const char *message = value_string(value_path(line, "errorDetail.message"));
	int64_t code = value_int(value_path(line, "errorDetail.code"), 0);

	if (!message)
		message = value_string(value_get(line, "error"));
	if (!message)
		return NULL;
	return api_failure(code >= 400 && code < 600 ? error_kind_of_http((int)code) : ERROR_UNAVAILABLE, message,
		value_string(value_path(line, "errorDetail.hint")));
}

fallible progress_line(void *arg, const Value *line)
{
	Progress *progress = arg;
	const char *id = value_string(value_get(line, "id")), *status = value_string(value_get(line, "status"));
	const char *stream = value_string(value_get(line, "stream"));
	const Value *detail = value_get(line, "progressDetail");
	Error *error = stream_error(line);

	if (error) {
		progress_finish(progress);
		return error;
	}
	if (progress->options.is_quiet)
		return NULL;
	if (!string_empty(stream))
		show_text(progress, stream);
	else if (!string_empty(id) && status)
		progress_item(progress, id, status, value_int(value_get(detail, "current"), 0),
			value_int(value_get(detail, "total"), 0));
	else if (!string_empty(status))
		show_text(progress, status);
	return NULL;
}

fallible progress_show(HttpClient *client, FILE *out, bool is_quiet)
{
	ProgressOptions options = progress_options(out, is_quiet);
	autoptr(Progress) progress = progress_new(&options);

	TRY(api_each_line(client, progress_line, progress));
	progress_finish(progress);
	return NULL;
}
