// SPDX-License-Identifier: Apache-2.0
#include "websocket/relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "websocket/text.h"

enum {
	PIECE_SIZE = 32 << 10,
	FRAME_MAX = 1 << 30, /* none of it is held: who says more than that has lost count */
	PONGS_MAX = 16,      /* waiting for a client that does not read them: it is not read either then */
	DISCARD_SIZE = 4 << 10,
	DISCARD_ROUNDS = 16,
};

#define STALL (10 * NANOS_PER_SECOND)
#define LINGER (2 * NANOS_PER_SECOND) /* for the client to read what was sent, after our end */

/* OPEN until either side's end; CLOSING while what was taken from it is passed on, and the close frame; LINGERS until
 * the client has closed as well. */
typedef enum Phase { OPEN, CLOSING, LINGERS, OVER } Phase;

typedef struct Relay {
	int client, plain;
	wslay_event_context_ptr frames;
	Phase phase;
	const char *early;
	size_t early_length;
	Buffer input; /* for the plain side */
	TextTail tail;
	bool is_text, takes_input;
	bool has_payload; /* the frame that comes is none of control */
	bool plain_ended; /* it says no more, */
	bool plain_hung;  /* or is about to */
	int64_t moved_ns; /* when the client took something, or began to have a limit for it */
} Relay;

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* ---- what wslay asks for ---- */

static ssize_t fail(wslay_event_context_ptr frames, int reason)
{
	wslay_event_set_error(frames, reason);
	return -1;
}

/* wslay reads four kilobytes at a time at most, and gives all of them on before it asks again. */
static bool may_receive(const Relay *relay)
{
	return relay->input.length == 0 && wslay_event_get_queued_msg_count(relay->frames) <= PONGS_MAX;
}

static ssize_t take_early(Relay *relay, uint8_t *room, size_t length)
{
	size_t count = length < relay->early_length ? length : relay->early_length;

	memcpy(room, relay->early, count);
	relay->early += count;
	relay->early_length -= count;
	return (ssize_t)count;
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *room, size_t length, int flags, void *arg)
{
	Relay *relay = arg;

	(void)flags;
	if (!may_receive(relay))
		return fail(frames, WSLAY_ERR_WOULDBLOCK);
	if (relay->early_length)
		return take_early(relay, room, length);
	ssize_t count = recv(relay->client, room, length, MSG_DONTWAIT);
	if (count > 0)
		return count;
	return fail(frames, count < 0 && would_block() ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *data, size_t length, int flags, void *arg)
{
	Relay *relay = arg;
	int more = flags & WSLAY_MSG_MORE ? MSG_MORE : 0;
	ssize_t count = send(relay->client, data, length, MSG_DONTWAIT | MSG_NOSIGNAL | more);

	if (count < 0)
		return fail(frames, would_block() ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	relay->moved_ns = clock_monotonic_ns();
	return count;
}

static void on_frame(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	(void)frames;
	((Relay *)arg)->has_payload = !wslay_is_ctrl_frame(frame->opcode);
}

static void on_chunk(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	Relay *relay = arg;

	(void)frames;
	if (relay->has_payload && relay->takes_input)
		buffer_add(&relay->input, chunk->data, chunk->data_length);
}

/* ---- from one side to the other ---- */

static void begin_closing(Relay *relay)
{
	relay->phase = CLOSING;
	relay->moved_ns = clock_monotonic_ns();
}

/* A client that left and one that says what is no frame are told by wslay in the same way, with a close frame queued:
 * it does no harm to the one that left. */
static void receive(Relay *relay)
{
	if (wslay_event_recv(relay->frames) < 0 || !wslay_event_want_read(relay->frames))
		begin_closing(relay);
}

static void stop_sending(Relay *relay)
{
	wslay_event_shutdown_write(relay->frames);
	if (relay->phase == OPEN)
		begin_closing(relay);
}

static void send_frames(Relay *relay)
{
	if (wslay_event_send(relay->frames) < 0)
		stop_sending(relay); /* the client has left */
}

static void pass_input(Relay *relay)
{
	while (relay->input.length) {
		ssize_t count = send(relay->plain, relay->input.data, relay->input.length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (count < 0 && would_block())
			return;
		if (count < 0) { /* it takes no more, and may still have something to say */
			relay->takes_input = false;
			count = (ssize_t)relay->input.length;
		}
		buffer_consume(&relay->input, (size_t)count);
	}
}

static void queue_message(Relay *relay, uint8_t opcode, const char *data, size_t length)
{
	const struct wslay_event_msg message = {.opcode = opcode, .msg = (const uint8_t *)data, .msg_length = length};

	if (length && wslay_event_queue_msg(relay->frames, &message) < 0)
		relay->phase = OVER; /* no memory */
}

static void queue_output(Relay *relay, const char *data, size_t length)
{
	autoclear(Buffer) text = {0};

	if (!relay->is_text) {
		queue_message(relay, WSLAY_BINARY_FRAME, data, length);
		return;
	}
	if (length)
		text_add(&text, &relay->tail, data, length);
	else
		text_end(&text, &relay->tail);
	queue_message(relay, WSLAY_TEXT_FRAME, text.data, text.length);
}

/* wslay puts a close frame before messages that wait: there may be none. */
static bool may_close(const Relay *relay)
{
	return relay->plain_ended && wslay_event_get_queued_msg_count(relay->frames) == 0;
}

static void take_output(Relay *relay)
{
	static char piece[PIECE_SIZE];
	ssize_t count;

	if (relay->plain_ended || wslay_event_get_queued_msg_count(relay->frames))
		return;
	count = recv(relay->plain, piece, sizeof(piece), MSG_DONTWAIT);
	if (count < 0 && would_block())
		return;
	relay->plain_ended = count <= 0;
	queue_output(relay, piece, count > 0 ? (size_t)count : 0);
}

static void close_if_ended(Relay *relay)
{
	if (relay->phase != OPEN || !may_close(relay))
		return;
	wslay_event_queue_close(relay->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
	buffer_truncate(&relay->input, 0);
	begin_closing(relay);
}

static void relay_open(Relay *relay)
{
	receive(relay);
	pass_input(relay);
	if (relay->phase == OPEN)
		take_output(relay);
	send_frames(relay);
	close_if_ended(relay);
}

static void relay_closing(Relay *relay)
{
	pass_input(relay);
	send_frames(relay);
	if (relay->input.length || wslay_event_want_write(relay->frames))
		return;
	shutdown(relay->client, SHUT_WR);
	close_fd(&relay->plain);
	relay->phase = LINGERS;
	relay->moved_ns = clock_monotonic_ns();
}

/* Closing with something unread would reset the connection, and take from the client what it has not read yet. */
static void relay_lingers(Relay *relay)
{
	char bytes[DISCARD_SIZE];
	ssize_t count = 1;

	for (int i = 0; i < DISCARD_ROUNDS && count > 0; i++)
		count = recv(relay->client, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (!count || (count < 0 && !would_block()))
		relay->phase = OVER;
}

/* ---- waiting ---- */

static short client_events(const Relay *relay)
{
	short events = wslay_event_want_write(relay->frames) ? POLLOUT : 0;

	if (relay->phase == LINGERS || (relay->phase == OPEN && !relay->early_length && may_receive(relay)))
		events |= POLLIN;
	return events;
}

static short plain_events(const Relay *relay)
{
	short events = relay->input.length ? POLLOUT : 0;

	if (relay->phase == OPEN && !relay->plain_ended && !wslay_event_get_queued_msg_count(relay->frames))
		events |= POLLIN;
	return events;
}

/* There is something to do that no descriptor tells. */
static bool is_pressed(const Relay *relay)
{
	return (relay->phase == OPEN && ((relay->early_length && may_receive(relay)) || may_close(relay))) ||
	       (relay->phase == CLOSING && !relay->input.length && !wslay_event_want_write(relay->frames));
}

/* INT64_MAX: none. What a client has sent waits for its container as long as that runs. */
static int64_t deadline(const Relay *relay)
{
	if (relay->phase == LINGERS)
		return relay->moved_ns + LINGER;
	if ((relay->phase == CLOSING || relay->plain_hung) && wslay_event_want_write(relay->frames))
		return relay->moved_ns + STALL;
	return INT64_MAX;
}

static int timeout_ms(const Relay *relay, int64_t now_ns)
{
	int64_t left = deadline(relay);

	if (is_pressed(relay))
		return 0;
	if (left == INT64_MAX)
		return -1;
	return left <= now_ns ? 0 : (int)((left - now_ns) / NANOS_PER_MILLI + 1);
}

static void give_up(Relay *relay)
{
	if (relay->phase == LINGERS)
		relay->phase = OVER;
	else
		stop_sending(relay);
}

/* A side that nothing is wanted of is not looked at, but for the plain one's end, once. */
static void wait_for_more(Relay *relay)
{
	struct pollfd fds[] = {{relay->client, client_events(relay), 0}, {relay->plain, plain_events(relay), 0}};

	if (!fds[0].events)
		fds[0].fd = -1;
	if (!fds[1].events && relay->plain_hung)
		fds[1].fd = -1;
	poll(fds, 2, timeout_ms(relay, clock_monotonic_ns()));
	if (clock_monotonic_ns() >= deadline(relay))
		give_up(relay);
	if (fds[1].revents & (POLLHUP | POLLERR) && !relay->plain_hung) {
		relay->plain_hung = true;
		relay->moved_ns = clock_monotonic_ns();
	}
}

/* ---- all of it ---- */

static fallible relay_begin(Relay *relay)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_receive,
		.send_callback = on_send,
		.on_frame_recv_start_callback = on_frame,
		.on_frame_recv_chunk_callback = on_chunk,
	};

	if (wslay_event_context_server_init(&relay->frames, &callbacks, relay) < 0)
		return error_new(ERROR_UNAVAILABLE, "could not begin a websocket");
	wslay_event_config_set_no_buffering(relay->frames, 1);
	wslay_event_config_set_max_recv_msg_length(relay->frames, FRAME_MAX);
	return NULL;
}

fallible relay_run(const RelaySides *sides)
{
	static void (*const steps[])(Relay *) = {
		[OPEN] = relay_open, [CLOSING] = relay_closing, [LINGERS] = relay_lingers};
	autofd client = sides->client, plain = sides->plain;
	Relay relay = {.client = client,
		.early = sides->early,
		.early_length = sides->early_length,
		.is_text = sides->is_text,
		.takes_input = sides->takes_input};

	relay.plain = take_fd(&plain); /* closed before the client is */
	Error *error = relay_begin(&relay);
	while (!error && relay.phase != OVER) {
		steps[relay.phase](&relay);
		if (relay.phase != OVER)
			wait_for_more(&relay);
	}
	wslay_event_context_free(relay.frames);
	buffer_clear(&relay.input);
	close_fd(&relay.plain);
	return error;
}
