// SPDX-License-Identifier: Apache-2.0
/* What a container sends: [0: how much room there is for the answer] question. There is an answer or none; it has the
 * question's id and no more than there is room for. */
#include "base/memory.h"
#include "dns/message.h"
#include "dns/view.h"
#include "fuzz.h"

enum { LEAST = 64 };

static Names *names;
static View view;

static void set_up(void)
{
	char *items[] = {(char *)"web", (char *)"a.b", (char *)"many"};
	const StringList list = {items, COUNT(items)};
	NamesEntry entry = {.network = "n", .ipv6 = "fd00::1", .names = &list};

	names = names_new();
	for (int i = 0; i < 64; i++) {
		autofree char *id = string_printf("c%d", i);
		autofree char *ipv4 = string_printf("10.0.0.%d", i);
		entry.container = id;
		entry.ipv4 = ipv4;
		names_set(names, &entry);
	}
	view_add_network(&view, "n", "net.work");
	view_add_link(&view, "link", "n", "c1");
}

static void check(const Question *question, Reply *reply, const uint8_t *data, size_t limit)
{
	static uint8_t out[MESSAGE_MAX];
	size_t length = reply_write(reply, out, limit);

	must_hold(length <= limit);
	must_hold(length == 0 || (length >= 12 && out[0] == data[0] && out[1] == data[1] && out[2] & 0x80));
	must_hold(question->udp_limit >= MESSAGE_UDP_PLAIN && question->udp_limit <= MESSAGE_UDP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(Question) question = {0};
	autoptr(Reply) reply = NULL;
	MessageCode code = MESSAGE_OK;

	if (!names)
		set_up();
	if (size < 1 || !question_read(&question, &code, data + 1, size - 1))
		return 0;
	if (code == MESSAGE_OK)
		reply = view_answer(&view, names, &question);
	if (!reply)
		reply = reply_new(&question, code == MESSAGE_OK ? MESSAGE_FAILED : code);
	check(&question, reply, data + 1, LEAST + 16 * data[0]);
	return 0;
}
