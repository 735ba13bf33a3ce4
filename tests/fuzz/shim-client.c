// SPDX-License-Identifier: Apache-2.0
/* Packets from something that calls itself a shim: [length: 2 bytes][packet] ... Handlers get what was there and no
 * more. */
#include "shim/client.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "fuzz.h"

enum { PACKETS_MAX = 12 };

typedef struct Peer {
	Loop *loop;
	int listener;
	char *bundle;
	unsigned sum;
} Peer;

static void on_status(void *arg, const ShimStatus *status)
{
	must_hold(strlen(status->error) < sizeof(status->error));
	((Peer *)arg)->sum += status->state;
}

static void on_failed(void *arg, const ShimStatus *status, const char *reason)
{
	on_status(arg, status);
	((Peer *)arg)->sum += (unsigned)strlen(reason);
}

static void on_output(void *arg, int stream, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((Peer *)arg)->sum += (unsigned char)data[i] + (unsigned)stream;
}

static void on_exec_exited(void *arg, const ShimExecExit *exit, const char *output, size_t length)
{
	on_output(arg, exit->exit_code, output, length);
}

static void on_gone(void *arg)
{
	loop_stop(((Peer *)arg)->loop);
}

static const ShimHandlers handlers = {on_status, on_status, on_failed, on_status, on_exec_exited, on_output, on_gone};

static void send_packets(int fd, const uint8_t *data, size_t size)
{
	for (int count = 0; count < PACKETS_MAX && size >= 2; count++) {
		size_t length = (size_t)(data[0] << 8 | data[1]);
		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		if (length && send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		data += length;
		size -= length;
	}
}

static char directory[] = "/tmp/kedge-fuzz-XXXXXX";

static void remove_directory(void)
{
	error_free(tree_remove(AT_FDCWD, directory)); /* it is in /tmp */
}

static Peer *peer(void)
{
	static Peer peer = {.bundle = directory};

	if (!peer.loop) {
		must_hold(mkdtemp(directory));
		must_hold(!atexit(remove_directory));
		must_hold(!loop_new(&peer.loop));
		must_hold(!shim_listen(&peer.listener, peer.bundle));
	}
	return &peer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Peer *p = peer();
	Shim *shim;

	must_hold(!shim_connect(&shim, p->loop, p->bundle, &handlers, p) && shim);
	int fd = accept(p->listener, NULL, NULL);
	must_hold(fd >= 0);
	send_packets(fd, data, size);
	close(fd);
	must_hold(!loop_run(p->loop));
	shim_free(shim);
	return 0;
}
