// SPDX-License-Identifier: Apache-2.0
#include "dns/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "dns/stream.h"

enum { PACKETS_PER_TURN = 16, STREAMS_PER_TURN = 4 };
#define ACCEPT_AGAIN_AFTER (NANOS_PER_SECOND / 10)

/* Above what all may have, each may still have a few. */
typedef struct Bound {
	size_t of_one, of_all, reserve;
} Bound;

static const Bound pending_bound = {.of_one = 128, .of_all = 1024, .reserve = 8};
static const Bound stream_bound = {.of_one = 16, .of_all = 256, .reserve = 2};

static bool has_room(const Bound *bound, size_t own, size_t all)
{
	return own < bound->reserve || (own < bound->of_one && all < bound->of_all);
}

/* ---- questions that are passed on ---- */

typedef struct Pending {
	List in_container;
	Container *container;
	Forward *forward;
	Asker asker;
} Pending;

static void pending_free(Pending *pending)
{
	list_remove(&pending->in_container);
	pending->container->pending_count--;
	forward_free(pending->forward);
	free(pending);
}

/* What a client on UDP does not read now it asks for again. */
static void deliver(const Pending *pending, const uint8_t *answer, size_t length)
{
	const Asker *asker = &pending->asker;

	if (asker->stream)
		stream_answer(asker->stream, answer, length);
	else
		(void)sendto(pending->container->udp, answer, length, MSG_DONTWAIT | MSG_NOSIGNAL,
			(const struct sockaddr *)&asker->address, asker->address_length);
}

static void deliver_reply(const Pending *pending, MessageCode code, bool is_truncated)
{
	const Question *question = forward_question(pending->forward);
	autoptr(Reply) reply = reply_new(question, code);
	uint8_t bytes[MESSAGE_UDP_MAX];

	if (is_truncated)
		reply_truncate(reply);
	deliver(pending, bytes, reply_write(reply, bytes, question->udp_limit));
}

static void on_answer(void *arg, uint8_t *answer, size_t length)
{
	Pending *pending = arg;
	Container *container = pending->container;

	if (!answer)
		deliver_reply(pending, MESSAGE_FAILED, false);
	else if (!pending->asker.stream && length > forward_question(pending->forward)->udp_limit)
		deliver_reply(pending, MESSAGE_OK, true);
	else
		deliver(pending, answer, length);
	pending_free(pending);
	streams_go_on(container);
}

/* Those that it may be passed on to: not the container itself, which would pass it on to us. */
static void choose_servers(ServerList *ret, const Container *container)
{
	const ServerList *all = &container->view.servers;

	if (!all->count)
		all = host_servers(&container->service->host);
	ret->count = 0;
	for (size_t i = 0; i < all->count; i++)
		if (!view_is_own_address(&container->view, container->service->names, &all->items[i]))
			ret->items[ret->count++] = all->items[i];
}

/* False: nobody can be asked. */
static bool pass_on(
	Container *container, const Asker *asker, Question *take_question, const uint8_t *bytes, size_t length)
{
	Forwarder *forwarder = container->service->forwarder;
	ForwardOrder order = {
		.take_question = take_question, .bytes = bytes, .length = length, .is_stream = asker->stream};

	if (!container->view.may_forward ||
		!has_room(&pending_bound, container->pending_count, forwarder_count(forwarder)))
		return false;
	choose_servers(&order.servers, container);
	if (!order.servers.count)
		return false;
	Pending *pending = mem_new(Pending);
	pending->container = container;
	pending->asker = *asker;
	pending->forward = forward_new(forwarder, &order, on_answer, pending);
	if (!pending->forward) {
		free(pending);
		return false;
	}
	container->pending_count++;
	list_append(&container->pending, &pending->in_container);
	return true;
}

AskResult container_ask(
	Container *container, const Asker *asker, const uint8_t *bytes, size_t length, uint8_t *out, size_t *ret_length)
{
	autoclear(Question) question = {0};
	autoptr(Reply) reply = NULL;
	MessageCode code = MESSAGE_OK;

	if (!question_read(&question, &code, bytes, length))
		return ASK_DROPPED;
	size_t limit = asker->stream ? MESSAGE_MAX : question.udp_limit;
	if (code == MESSAGE_OK) {
		reply = view_answer(&container->view, container->service->names, &question);
		if (!reply && pass_on(container, asker, &question, bytes, length))
			return ASK_PENDING;
		code = MESSAGE_FAILED;
	}
	if (!reply)
		reply = reply_new(&question, code);
	*ret_length = reply_write(reply, out, limit);
	return *ret_length ? ASK_ANSWERED : ASK_DROPPED;
}

void container_forget_stream(Container *container, const Stream *stream)
{
	list_each(&container->pending, Pending, in_container, pending)
		if (pending->asker.stream == stream)
			pending_free(pending);
}

/* ---- packets ---- */

typedef struct Packets {
	struct mmsghdr messages[PACKETS_PER_TURN];
	struct iovec parts[PACKETS_PER_TURN];
	Asker askers[PACKETS_PER_TURN];
	uint8_t bytes[PACKETS_PER_TURN][MESSAGE_QUESTION_MAX + 1]; /* one more: a longer one is known by it */
} Packets;

static Packets in, out; /* those of one socket are handled at a time */

static int receive(int fd)
{
	for (size_t i = 0; i < PACKETS_PER_TURN; i++) {
		in.parts[i] = (struct iovec){in.bytes[i], sizeof(in.bytes[i])};
		in.messages[i].msg_hdr = (struct msghdr){.msg_iov = &in.parts[i],
			.msg_iovlen = 1,
			.msg_name = &in.askers[i].address,
			.msg_namelen = sizeof(in.askers[i].address)};
	}
	return recvmmsg(fd, in.messages, PACKETS_PER_TURN, MSG_DONTWAIT, NULL);
}

static void add_answer(size_t index, size_t length, Asker *asker)
{
	out.parts[index] = (struct iovec){out.bytes[index], length};
	out.messages[index].msg_hdr = (struct msghdr){.msg_iov = &out.parts[index],
		.msg_iovlen = 1,
		.msg_name = &asker->address,
		.msg_namelen = asker->address_length};
}

/* Passes over what cannot be sent: clients ask again. */
static void send_answers(int fd, size_t count)
{
	for (size_t at = 0; at < count;) {
		int sent = sendmmsg(fd, &out.messages[at], (unsigned)(count - at), MSG_DONTWAIT | MSG_NOSIGNAL);
		at += sent > 0 ? (size_t)sent : 1;
	}
}

static void on_packets(void *arg, int fd, unsigned events)
{
	Container *container = arg;
	int received = receive(fd);
	size_t count = 0;

	(void)events;
	for (int i = 0; i < received; i++) {
		size_t length = 0;
		in.askers[i].address_length = in.messages[i].msg_hdr.msg_namelen;
		if (container_ask(container, &in.askers[i], in.bytes[i], in.messages[i].msg_len, out.bytes[count],
			    &length) == ASK_ANSWERED)
			add_answer(count++, length, &in.askers[i]);
	}
	send_answers(fd, count);
}

/* ---- connections ---- */

static void accept_again(void *arg)
{
	Container *container = arg;

	source_set_events(container->tcp_source, LOOP_READ);
}

/* Without descriptors or memory, waking at once again would only cost the others' time. */
static void accept_later(Container *container)
{
	source_set_events(container->tcp_source, 0);
	source_rearm(container->tcp_again, ACCEPT_AGAIN_AFTER);
}

static void on_connection(void *arg, int listener, unsigned events)
{
	Container *container = arg;

	(void)events;
	for (int i = 0; i < STREAMS_PER_TURN; i++) {
		autofd fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				accept_later(container);
			return;
		}
		if (has_room(&stream_bound, container->stream_count, container->service->stream_count))
			stream_serve(container, take_fd(&fd));
	}
}

/* ---- life ---- */

Container *container_new(Service *service)
{
	Container *container = mem_new(Container);

	container->service = service;
	container->udp = container->tcp = -1;
	list_init(&container->pending);
	list_init(&container->streams);
	return container;
}

/* With all that came by them: an answer would go to somebody else. */
static void close_sockets(Container *container)
{
	streams_close(container);
	while (!list_empty(&container->pending))
		pending_free(list_entry(container->pending.next, Pending, in_container));
	container->udp_source = source_free(container->udp_source);
	container->tcp_source = source_free(container->tcp_source);
	container->tcp_again = source_free(container->tcp_again);
	close_fd(&container->udp);
	close_fd(&container->tcp);
}

fallible container_set_sockets(Container *container, int take_udp, int take_tcp)
{
	Loop *loop = container->service->loop;

	close_sockets(container);
	container->udp = take_udp;
	container->tcp = take_tcp;
	if (fcntl(take_udp, F_SETFL, O_RDWR | O_NONBLOCK) < 0 || fcntl(take_tcp, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return error_errno(errno, "could not use the sockets of a container");
	TRY(loop_timer(&container->tcp_again, loop, -1, accept_again, container));
	TRY(loop_watch(&container->udp_source, loop, container->udp, LOOP_READ, on_packets, container));
	return loop_watch(&container->tcp_source, loop, container->tcp, LOOP_READ, on_connection, container);
}

Container *container_free(Container *container)
{
	if (!container)
		return NULL;
	close_sockets(container);
	view_clear(&container->view);
	free(container);
	return NULL;
}
