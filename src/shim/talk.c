// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "shim/server.h"

enum { READS_PER_TURN = 16 };

/* ---- requests ---- */

static void let_go(Server *s, int place)
{
	for (int i = 0; i < 2; i++)
		s->streams[i].holders &= ~(UINT32_C(1) << place);
	s->connections.table[place].held_ns = 0;
}

/* Nothing more can be said to it; what it said before it left is still to be read. */
static void mute_connection(Server *s, int place)
{
	for (int i = 0; i < 2; i++)
		s->streams[i].waiting &= ~(UINT32_C(1) << place);
	let_go(s, place);
	execs_forget_connection(&s->execs, place);
	connection_mute(&s->connections.table[place]);
}

static void drop_connection(Server *s, int place)
{
	mute_connection(s, place);
	connection_close(&s->connections.table[place]);
}

static void on_signal(Server *s, const void *payload, size_t length)
{
	ShimSignal request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	if (request.signal <= 0 || request.signal >= NSIG)
		return;
	if (s->init)
		kill(s->init, request.signal);
	else if (s->phase == STARTING && s->pending_signal != SIGKILL)
		s->pending_signal = request.signal;
}

static void on_hold(Server *s, int place, const void *payload, size_t length)
{
	Connection *connection = &s->connections.table[place];
	ShimAttach request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	const bool wanted[] = {request.want_stdout, request.want_stderr};
	connection->held_ns = clock_monotonic_ns();
	for (int i = 0; i < 2; i++) {
		if (!wanted[i])
			continue;
		s->streams[i].holders |= UINT32_C(1) << place;
		connection->owed |= OWED_HELD << (i + 1);
	}
}

static void on_attach(Server *s, int place, const void *payload, size_t length)
{
	Connection *connection = &s->connections.table[place];
	ShimAttach request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	let_go(s, place);
	connection->wants[LOG_STDOUT] = request.want_stdout;
	connection->wants[LOG_STDERR] = request.want_stderr;
	for (int i = 0; i < 2; i++)
		if (connection->wants[s->streams[i].number])
			connection->owed |= OWED_ENDS << s->streams[i].number;
}

static void on_relay(Server *s, const void *payload, size_t length)
{
	ShimRelay request;

	if (length < sizeof(request))
		return;
	memcpy(&request, payload, sizeof(request));
	request.to[sizeof(request.to) - 1] = '\0';
	relaywatch_turn(&s->relays, request.to);
}

/* False: the connection is to be closed. What is not known comes from a newer kedged and is ignored. */
static bool handle_request(Server *s, int place, const ShimHeader *header, int *fd)
{
	Connection *connection = &s->connections.table[place];

	switch (header->message) {
	case SHIM_SIGNAL:
		on_signal(s, s->scratch->request, header->length);
		break;
	case SHIM_ATTACH:
		on_attach(s, place, s->scratch->request, header->length);
		break;
	case SHIM_HOLD:
		on_hold(s, place, s->scratch->request, header->length);
		break;
	case SHIM_EXEC:
		if (s->phase != RUNNING)
			return execs_refuse(
				connection, s->scratch->request, header->length, "the container is not running");
		return execs_start(&s->execs, s->settings, &s->connections, place, s->scratch->request, header->length);
	case SHIM_CLIENT:
		server_on_client(s, s->scratch->request, header->length, take_fd(fd));
		break;
	case SHIM_RESIZE:
		server_on_resize(s, s->scratch->request, header->length);
		break;
	case SHIM_RELAY:
		on_relay(s, s->scratch->request, header->length);
		break;
	default:
		break;
	}
	return true;
}

void server_receive(Server *s, int place)
{
	ShimHeader header;

	for (int count = 0; count < READS_PER_TURN; count++) {
		autofd fd = -1;
		int result = connection_receive(&s->connections.table[place], &header, s->scratch->request, &fd);
		if (!result)
			return;
		if (result < 0 || !handle_request(s, place, &header, &fd)) {
			drop_connection(s, place);
			return;
		}
	}
}

/* ---- answers ---- */

/* What SHIM_STARTED says was true at that moment, also when the container has ended before it could be sent. */
static ShimStatus status_for(const Server *s, ShimMessage message)
{
	ShimStatus status = s->status;

	if (message != SHIM_STARTED)
		return status;
	status.state = SHIM_RUNNING;
	status.exit_code = 0;
	status.exit_signal = status.oom_killed = 0;
	status.finished_wall_ns = status.finished_monotonic_ns = 0;
	status.error[0] = '\0';
	return status;
}

static SendResult send_status(Server *s, Connection *connection, uint32_t owed, ShimMessage message)
{
	bool has_text = message == SHIM_FAILED;

	if (!(connection->owed & owed))
		return SENT;
	ShimStatus status = status_for(s, message);
	Packet packet = {message, &status, sizeof(status), status.error, has_text ? strlen(status.error) : 0};
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		connection->owed &= ~owed;
	return result;
}

static SendResult send_held(const Stream *stream, int number, Connection *connection)
{
	uint32_t owed = OWED_HELD << number;
	char byte = (char)number;
	Packet packet = {SHIM_HELD, &byte, 1, stream->data + stream->logged, stream->filled - stream->logged};

	if (!(connection->owed & owed))
		return SENT;
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		connection->owed &= ~owed;
	return result;
}

static SendResult send_stream_end(Stream *stream, Connection *connection)
{
	uint32_t owed = OWED_ENDS << stream->number;
	char number = (char)stream->number;
	Packet packet = {SHIM_OUTPUT, &number, 1, NULL, 0};

	if (stream->fd >= 0 || !(connection->owed & owed))
		return SENT;
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		connection->owed &= ~owed;
	return result;
}

static SendResult send_output(Server *s, Connection *connection, int place)
{
	SendResult result = SENT;

	for (int i = 0; i < 2 && result == SENT; i++) {
		result = send_held(&s->streams[i], i + 1, connection);
		if (result == SENT)
			result = stream_send(&s->streams[i], connection, place);
		if (result == SENT)
			result = send_stream_end(&s->streams[i], connection);
	}
	return result;
}

static bool is_output_owed(const Connection *connection)
{
	return connection->held_ns || connection->owed & (OWED_ENDS << LOG_STDOUT | OWED_ENDS << LOG_STDERR);
}

/* In the order in which things happened; the end comes after all output. */
static SendResult send_all(Server *s, Connection *connection, int place)
{
	SendResult result = send_status(s, connection, OWED_STATUS, SHIM_STATUS);

	if (result == SENT)
		result = send_status(s, connection, OWED_STARTED, SHIM_STARTED);
	if (result == SENT)
		result = send_status(s, connection, OWED_OOM, SHIM_OOM);
	if (result == SENT)
		result = send_status(s, connection, OWED_DETACHED, SHIM_DETACHED);
	if (result == SENT && s->phase != STARTING)
		result = send_output(s, connection, place);
	if (result == SENT)
		result = execs_send(&s->execs, connection, place);
	if (result == SENT && !is_output_owed(connection))
		result = send_status(
			s, connection, OWED_FINAL, s->status.state == SHIM_START_FAILED ? SHIM_FAILED : SHIM_EXITED);
	return result;
}

bool server_minds_stall(const Server *s, const Connection *connection)
{
	return connection->wants[LOG_STDOUT] || connection->wants[LOG_STDERR] || s->phase == LEAVING;
}

static bool is_stalled(const Server *s, const Connection *connection, int64_t now_ns)
{
	if (connection->held_ns && now_ns - connection->held_ns >= STALL_NS)
		return true;
	return connection->stalled_ns && now_ns - connection->stalled_ns >= STALL_NS &&
	       server_minds_stall(s, connection);
}

void server_answer(Server *s, int64_t now_ns)
{
	for (int place = 0; place < CONNECTIONS_MAX; place++) {
		Connection *connection = &s->connections.table[place];
		if (connection->fd < 0)
			continue;
		SendResult result = send_all(s, connection, place);
		bool is_served = s->phase == LEAVING && result == SENT && !connection->owed;
		if (result == SEND_FAILED)
			mute_connection(s, place);
		if (is_served || is_stalled(s, connection, now_ns))
			drop_connection(s, place);
	}
}
