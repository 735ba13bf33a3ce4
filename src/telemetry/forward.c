// SPDX-License-Identifier: Apache-2.0
#include "telemetry/forward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "telemetry/channel.h"
#include "telemetry/driver.h"
#include "telemetry/marks.h"
#include "telemetry/options.h"
#include "telemetry/protocol.h"

#define DELAY_MIN (100 * NANOS_PER_MILLI)
#define DELAY_MAX (5 * NANOS_PER_SECOND)
#define SETTLE_EVERY (250 * NANOS_PER_MILLI)
/* How long a receiver may have had lines and lose them when it dies: the kernel tells what it has not read of a socket
 * with a path, of others time has to. */
#define SETTLE_LOCAL (200 * NANOS_PER_MILLI)
#define SETTLE_REMOTE (3 * NANOS_PER_SECOND)
#define ANSWER_LIMIT (30 * NANOS_PER_SECOND)
#define TELL_EVERY (10 * NANOS_PER_SECOND)

/* What a kernel keeps for a program that does not read: the usual end of tcp_rmem, of which half are bytes. */
enum { UNREAD_MAX = 3 << 20, HEARD_MAX = 4096, DROP_MAX = 4 << 20, NOTHING = -1 };

typedef struct PieceState {
	char id[33]; /* "": not within a long line */
	unsigned ordinal;
} PieceState;

struct Forward {
	Loop *loop;
	LogTarget target;
	const LogDriverKind *kind;
	LogDriver *driver;
	LogAddress address;
	int64_t buffer_max; /* non-blocking: what waits at most; 0: as much as the log keeps */
	Tail *tail;
	int place_fd;
	LogForwarded place;
	bool place_is_old; /* what is stored differs */
	PieceState pieces[LOG_STDERR + 1];

	Channel *channel;
	Batch batch;
	LogSpot batch_end;
	size_t sent;    /* bytes of the batch */
	size_t message; /* the next one, of datagrams */
	size_t refused; /* so many of them were too large to be sent */
	bool has_batch;
	bool awaits_answer;
	Marks marks;
	LogSpot skipped; /* behind lines that were dropped while there was this connection; file 0: none were */

	int64_t drops_to; /* bytes that are to be left; NOTHING: no more than now is to be dropped */

	Source *turn, *retry, *settle, *deadline;
	bool waits_to_retry;
	int64_t failures;
	int64_t answer_ns; /* until when the answer is waited for */
	int64_t told_dropped, told_ns;
	bool is_last;
	LoopHandler *done;
	void *done_arg;
};

static void go_on(Forward *f);

static const char *name_of(const Forward *f)
{
	return f->target.name ? f->target.name : "";
}

/* ---- what is noted ---- */

static void store_place(Forward *f)
{
	f->place.changed_ns = clock_wall_ns();
	f->place_is_old = false;
	/* A disk that takes nothing: the old place stays, from which lines would be sent again. */
	if (f->place_fd >= 0)
		(void)logplace_write(f->place_fd, &f->place);
}

static void set_error(Forward *f, const char *text)
{
	if (string_equal(f->place.error, text))
		return;
	if (*text && !*f->place.error)
		log_warning("log of container \"%s\" waits for its receiver: %s", name_of(f), text);
	else if (!*text)
		log_info("log of container \"%s\" is sent again", name_of(f));
	snprintf(f->place.error, sizeof(f->place.error), "%s", text);
	store_place(f);
}

static void tell_dropped(Forward *f)
{
	int64_t now_ns = clock_monotonic_ns();

	if (f->place.dropped == f->told_dropped || (f->told_ns && now_ns - f->told_ns < TELL_EVERY))
		return;
	log_warning("log of container \"%s\": %" PRId64 " lines were dropped unsent, %" PRId64 " since it was made",
		name_of(f), f->place.dropped - f->told_dropped, f->place.dropped);
	f->told_dropped = f->place.dropped;
	f->told_ns = now_ns;
}

static void count_lost(Forward *f)
{
	int64_t lost = tail_take_lost(f->tail);

	if (!lost)
		return;
	f->place.dropped += lost;
	f->place_is_old = true;
	tell_dropped(f);
}

/* Lines that wait beyond what the options allow are dropped, the oldest first: so many at a time that other logs are
 * not held up. False: there are more. */
static bool drop_some(Forward *f, int64_t bytes)
{
	int64_t excess = tail_backlog(f->tail) - bytes, from = 0, gone = 0;
	LogSpot spot = tail_spot(f->tail);
	TailLine line;
	uint64_t file = spot.file;

	if (excess <= 0)
		return true;
	from = spot.offset;
	while (gone < excess && gone < DROP_MAX && tail_next(f->tail, &line)) {
		spot = tail_spot(f->tail);
		gone += spot.file == file ? spot.offset - from : spot.offset;
		from = spot.offset;
		file = spot.file;
		f->place.dropped++;
	}
	count_lost(f);
	if (!f->has_batch)
		f->place.sent = f->place.sure = spot;
	f->skipped = spot;
	tell_dropped(f);
	store_place(f);
	return gone >= excess || gone < DROP_MAX;
}

static void drop_down_to(Forward *f, int64_t bytes)
{
	f->drops_to = drop_some(f, bytes) ? NOTHING : bytes;
	if (f->drops_to != NOTHING)
		go_on(f);
}

static void bound_backlog(Forward *f)
{
	if (f->buffer_max)
		drop_down_to(f, f->buffer_max);
}

/* ---- the connection ---- */

static void hang_up(Forward *f)
{
	f->channel = channel_free(f->channel);
	source_rearm(f->settle, -1);
	f->has_batch = f->awaits_answer = false;
	batch_clear(&f->batch);
}

static void rewind_to(Forward *f, LogSpot spot)
{
	tail_seek(f->tail, &spot);
	count_lost(f);
	f->place.sent = f->place.sure = tail_spot(f->tail);
	memset(f->pieces, 0, sizeof(f->pieces));
}

static int64_t delay_of(const Forward *f)
{
	int64_t least = f->kind->retry_delay_ns ? f->kind->retry_delay_ns(f->driver) : 0;
	int64_t delay = DELAY_MIN;

	for (int64_t i = 1; i < f->failures && delay < DELAY_MAX; i++)
		delay *= 2;
	delay = delay > DELAY_MAX ? DELAY_MAX : delay;
	return delay > least ? delay : least;
}

/* What the options say of giving up. */
static void give_up_if_due(Forward *f)
{
	int64_t max = f->kind->retries_max ? f->kind->retries_max(f->driver) : -1;

	if (max < 0 || f->failures <= max)
		return;
	drop_down_to(f, 0);
	f->failures = 1;
}

/* A receiver that has everything may close a connection that is of no use now. */
static bool is_no_loss(Forward *f)
{
	return f->channel && !f->has_batch && !f->awaits_answer && !marks_are_open(&f->marks) &&
	       !channel_was_reset(f->channel) && channel_ready(f->channel) == CHANNEL_LOST && f->place.sent_lines &&
	       tail_backlog(f->tail) <= 0;
}

static void failed(Forward *f, const char *reason)
{
	if (is_no_loss(f)) {
		hang_up(f);
		return;
	}
	bool was_reset = f->channel && channel_was_reset(f->channel);
	LogSpot spot = f->channel ? was_reset ? marks_unread(&f->marks) : marks_sure(&f->marks) : f->place.sure;
	autofree char *text = mem_strdup(reason);

	if (f->channel && spot.line < f->skipped.line) { /* what was dropped stays so, and is counted once */
		f->place.dropped += f->has_batch ? (int64_t)f->batch.lines : 0;
		spot = f->skipped;
	}
	f->failures++;
	hang_up(f);
	rewind_to(f, spot);
	set_error(f, text);
	store_place(f);
	give_up_if_due(f);
	bound_backlog(f);
	f->waits_to_retry = true;
	source_rearm(f->retry, delay_of(f));
}

static void on_channel(void *arg)
{
	go_on(arg);
}

static void connect_now(Forward *f)
{
	ChannelOptions options = {&f->address, f->target.tls, log_target_flag(&f->target, "syslog-tls-skip-verify")};
	f->skipped = (LogSpot){0};
	Error *error = channel_open(&f->channel, f->loop, &options, on_channel, f);

	marks_begin(&f->marks, &f->place.sure,
		f->address.transport == LOG_TCP || f->address.transport == LOG_TLS ? UNREAD_MAX : 0);
	if (!error)
		return;
	failed(f, error_message(error));
	error_free(error); /* kept as text */
}

/* ---- a batch ---- */

static Piece piece_of(Forward *f, const LogEntry *entry)
{
	PieceState *state = &f->pieces[entry->stream];
	bool goes_on = !entry->is_whole && entry->length >= LOG_ENTRY_MAX - 4, is_piece = goes_on || *state->id;
	Piece piece = {.is_piece = is_piece, .is_last = !goes_on};

	if (!is_piece)
		return piece;
	if (!*state->id) {
		string_random_hex(state->id, sizeof(state->id) - 1);
		state->ordinal = 0;
	}
	piece.ordinal = ++state->ordinal;
	memcpy(piece.id, state->id, sizeof(piece.id));
	if (!goes_on)
		*state->id = '\0';
	return piece;
}

static void fill_batch(Forward *f)
{
	bool takes_datagrams = channel_is_datagrams(f->channel);
	TailLine line;

	batch_clear(&f->batch);
	while (batch_has_room(&f->batch) && tail_next(f->tail, &line)) {
		LogMessage message = {&line, piece_of(f, &line.entry)};
		f->kind->add(f->driver, &f->batch, &message, takes_datagrams);
		f->batch.lines++;
	}
	count_lost(f);
	f->batch_end = tail_spot(f->tail);
	f->has_batch = f->batch.lines > 0;
	if (f->has_batch && f->kind->finish)
		f->kind->finish(f->driver, &f->batch);
	f->sent = f->message = f->refused = 0;
}

static ChannelResult send_messages(Forward *f)
{
	size_t sent;

	for (; f->message < f->batch.count; f->message++) {
		size_t start = f->message ? f->batch.ends[f->message - 1] : 0;
		ChannelResult result =
			channel_send(f->channel, f->batch.bytes.data + start, f->batch.ends[f->message] - start, &sent);
		if (result == CHANNEL_TOO_LARGE)
			f->refused++; /* a line each: the pieces that gelf makes of one are small */
		else if (result != CHANNEL_DONE)
			return result;
	}
	return CHANNEL_DONE;
}

static ChannelResult send_stream(Forward *f)
{
	size_t sent;

	while (f->sent < f->batch.bytes.length) {
		ChannelResult result =
			channel_send(f->channel, f->batch.bytes.data + f->sent, f->batch.bytes.length - f->sent, &sent);
		if (result != CHANNEL_DONE)
			return result;
		f->sent += sent;
	}
	return CHANNEL_DONE;
}

static void is_sure_up_to(Forward *f, LogSpot spot)
{
	f->failures = 0;
	f->place.sure = spot;
	set_error(f, "");
	store_place(f);
}

static void batch_sent(Forward *f)
{
	f->has_batch = false;
	f->place.sent = f->batch_end;
	f->place.sent_lines += (int64_t)(f->batch.lines - f->refused);
	f->place.dropped += (int64_t)f->refused;
	tell_dropped(f);
	marks_add(&f->marks, &f->batch_end, f->batch.bytes.length, clock_monotonic_ns());
	f->awaits_answer = f->kind->heard && f->kind->heard(f->driver, "", 0) == 0;
	f->answer_ns = clock_monotonic_ns() + ANSWER_LIMIT;
	if (!f->awaits_answer)
		store_place(f);
	batch_clear(&f->batch);
	source_rearm(f->settle, SETTLE_EVERY);
}

/* ---- what has arrived ---- */

static void answer_heard(Forward *f, int verdict)
{
	if (verdict < 0) {
		failed(f, "the receiver gives an answer that makes no sense");
		return;
	}
	if (verdict == 0 || !f->awaits_answer)
		return;
	f->awaits_answer = false;
	(void)marks_settle(&f->marks, f->marks.bytes, INT64_MAX);
	is_sure_up_to(f, marks_sure(&f->marks));
}

static ChannelResult listen_to(Forward *f)
{
	char data[HEARD_MAX];
	size_t length;

	for (;;) {
		ChannelResult result = channel_receive(f->channel, data, sizeof(data), &length);
		if (result != CHANNEL_DONE)
			return result;
		if (f->kind->heard && length)
			answer_heard(f, f->kind->heard(f->driver, data, length));
		if (!f->channel)
			return CHANNEL_LATER; /* it has failed, and is told */
	}
}

static void on_settle(void *arg)
{
	Forward *f = arg;
	int64_t now_ns = clock_monotonic_ns();

	if (!f->channel)
		return;
	if (!channel_is_alive(f->channel)) {
		failed(f, channel_problem(f->channel));
		return;
	}
	if (f->awaits_answer && now_ns > f->answer_ns) {
		failed(f, "the receiver gives no answer");
		return;
	}
	int64_t unread = channel_unread(f->channel);
	bool is_local = log_address_is_local(&f->address);
	/* What a kernel counts of datagrams is more than their bytes. */
	int64_t arrived = unread && channel_is_datagrams(f->channel) ? 0 : f->marks.bytes - unread;
	if (!f->awaits_answer && marks_settle(&f->marks, arrived, now_ns - (is_local ? SETTLE_LOCAL : SETTLE_REMOTE)))
		is_sure_up_to(f, marks_sure(&f->marks));
	if (marks_are_open(&f->marks))
		source_rearm(f->settle, SETTLE_EVERY);
	else if (f->is_last)
		go_on(f);
}

/* ---- turns ---- */

static bool is_done(const Forward *f)
{
	return f->is_last && !f->has_batch && !f->awaits_answer &&
	       (!f->channel || !marks_are_open(&f->marks) || log_address_is_datagrams(&f->address));
}

/* Nothing is left to be sent now. */
static void rest(Forward *f)
{
	if (f->place_is_old)
		store_place(f);
	tail_tidy(f->tail);
	buffer_clear(&f->batch.bytes);
	if (is_done(f))
		f->done(f->done_arg);
}

static void send_batch(Forward *f)
{
	ChannelResult result = channel_is_datagrams(f->channel) ? send_messages(f) : send_stream(f);

	if (result == CHANNEL_LOST) {
		failed(f, channel_problem(f->channel));
		return;
	}
	channel_want_write(f->channel, result == CHANNEL_LATER);
	if (result == CHANNEL_LATER) {
		bound_backlog(f);
		return;
	}
	batch_sent(f);
	go_on(f);
}

static void converse(Forward *f)
{
	ChannelResult result = channel_ready(f->channel);

	if (result == CHANNEL_DONE)
		result = listen_to(f);
	if (result == CHANNEL_LOST) {
		failed(f, channel_problem(f->channel));
		return;
	}
	if (!f->channel || channel_ready(f->channel) != CHANNEL_DONE || f->awaits_answer) {
		bound_backlog(f);
		return;
	}
	if (!f->has_batch)
		fill_batch(f);
	if (f->has_batch)
		send_batch(f);
	else
		rest(f);
}

static void on_turn(void *arg)
{
	Forward *f = arg;

	f->turn = source_free(f->turn);
	if (!f->driver)
		return;
	if (f->drops_to != NOTHING)
		drop_down_to(f, f->drops_to);
	if (f->drops_to != NOTHING)
		return;
	if (f->waits_to_retry) {
		bound_backlog(f);
		return;
	}
	if (!f->channel && tail_backlog(f->tail) <= 0) {
		rest(f);
		return;
	}
	if (!f->channel)
		connect_now(f);
	if (f->channel)
		converse(f);
}

static void go_on(Forward *f)
{
	Error *error = f->turn ? NULL : loop_defer(&f->turn, f->loop, on_turn, f);

	if (error)
		error_log(error, "could not go on with a log");
}

static void on_retry(void *arg)
{
	Forward *f = arg;

	f->waits_to_retry = false;
	go_on(f);
}

static void on_deadline(void *arg)
{
	Forward *f = arg;

	if (!drop_some(f, 0)) {
		source_rearm(f->deadline, 0);
		return;
	}
	f->told_ns = 0;
	tell_dropped(f);
	f->done(f->done_arg);
}

/* ---- life ---- */

static const LogDriverKind *find_kind(const char *name)
{
	static const LogDriverKind *const kinds[] = {&journald_driver, &syslog_driver, &gelf_driver, &fluentd_driver};

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (string_equal(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

static int64_t buffer_max_of(const LogTarget *target)
{
	const char *text = log_target_option(target, "max-buffer-size");
	int64_t bytes = 0;

	error_free(text ? string_to_bytes(&bytes, text) : NULL); /* it was checked: it can be read */
	return bytes;
}

static fallible open_target(Forward *f)
{
	f->kind = find_kind(f->target.driver);
	if (!f->kind || !f->target.id || !f->target.tag)
		return error_new(
			ERROR_INVALID, "log driver \"%s\" sends nothing", f->target.driver ? f->target.driver : "");
	f->buffer_max = buffer_max_of(&f->target);
	return f->kind->open(&f->driver, &f->address, &f->target);
}

static void close_target(Forward *f)
{
	if (f->driver)
		f->kind->close(f->driver);
	f->driver = NULL;
	log_address_clear(&f->address);
	log_target_clear(&f->target);
}

static fallible make_timers(Forward *f)
{
	TRY(loop_timer(&f->retry, f->loop, -1, on_retry, f));
	TRY(loop_timer(&f->settle, f->loop, -1, on_settle, f));
	return loop_timer(&f->deadline, f->loop, -1, on_deadline, f);
}

static fallible begin(Forward *f)
{
	TRY(make_timers(f));
	return open_target(f);
}

Forward *forward_new(Loop *loop, LogTarget *take_target, ForwardFiles take_files, LoopHandler *done, void *arg)
{
	autoptr(Forward) f = mem_new(Forward);

	f->loop = loop;
	f->target = *take_target;
	*take_target = (LogTarget){.tls = {-1, -1, -1}};
	f->place_fd = take_files.place;
	f->tail = tail_new(take_files.directory);
	f->drops_to = NOTHING;
	f->done = done;
	f->done_arg = arg;
	if (f->place_fd >= 0)
		(void)logplace_read(&f->place, f->place_fd); /* none: all of it is sent */
	f->told_dropped = f->place.dropped;
	Error *error = begin(f);
	if (error) {
		error_log(error, "log of container \"%s\" is not sent", name_of(f));
		return NULL;
	}
	rewind_to(f, f->place.sure);
	go_on(f);
	return take(f);
}

Forward *forward_free(Forward *f)
{
	if (!f)
		return NULL;
	source_free(f->turn);
	source_free(f->retry);
	source_free(f->settle);
	source_free(f->deadline);
	channel_free(f->channel);
	batch_clear(&f->batch);
	buffer_clear(&f->batch.bytes);
	close_target(f);
	tail_free(f->tail);
	close_fd(&f->place_fd);
	free(f);
	return NULL;
}

const LogTarget *forward_target(const Forward *f)
{
	return &f->target;
}

/* What is not sure is sent again, under the new name. */
void forward_set_target(Forward *f, LogTarget *take_target)
{
	LogSpot spot = f->channel ? marks_sure(&f->marks) : f->place.sure;

	hang_up(f);
	close_target(f);
	f->target = *take_target;
	*take_target = (LogTarget){.tls = {-1, -1, -1}};
	Error *error = open_target(f);
	if (error) {
		error_log(error, "log of container \"%s\" is not sent", name_of(f));
		return; /* it was checked when it was given; the next one may do */
	}
	rewind_to(f, spot);
	go_on(f);
}

void forward_wake(Forward *f)
{
	go_on(f);
}

void forward_last(Forward *f, int *take_fds, size_t count)
{
	if (f->is_last)
		return;
	f->is_last = true;
	tail_set_last(f->tail, take_fds, count);
	source_rearm(f->deadline, LAST_SECONDS * NANOS_PER_SECOND);
	go_on(f);
}
