// SPDX-License-Identifier: Apache-2.0
#include "dns/message.h"

#include <arpa/inet.h>

#include "asked.h"

static void test_questions(void **state)
{
	autoclear(Question) question = {0};

	(void)state;
	ask(&question, "WWW.Example.Org", TYPE_AAAA);
	assert_string_equal(question.name, "www.example.org");
	assert_int_equal(question.type, QUESTION_AAAA);
	assert_int_equal(question.id, 0x1234);
	assert_int_equal(question.udp_limit, 512);
	assert_true(question.is_internet);
}

static void test_odd_names_stay_apart(void **state)
{
	autoclear(Question) question = {0};
	autoclear(Buffer) bytes = {0};
	MessageCode code;

	(void)state;
	question_bytes(&bytes, "aXb.c", TYPE_A, 0x0100, 1);
	bytes.data[14] = '.'; /* one label with a dot in it */
	assert_true(question_read(&question, &code, (const uint8_t *)bytes.data, bytes.length));
	assert_string_equal(question.name, "a\\.b.c");
}

static void check_refused(const char *what, Buffer *bytes, MessageCode expected)
{
	autoclear(Question) question = {0};
	MessageCode code = MESSAGE_OK;
	uint8_t answer[512];

	assert_true(question_read(&question, &code, (const uint8_t *)bytes->data, bytes->length));
	if (code != expected)
		fail_msg("%s: %d", what, code);
	autoptr(Reply) reply = reply_new(&question, code);
	assert_true(reply_write(reply, answer, sizeof(answer)) >= 12);
	assert_int_equal(answer[0] << 8 | answer[1], 0x1234);
	assert_int_equal(answer[3] & 15, expected & 15);
}

static void test_what_is_no_question(void **state)
{
	static const struct {
		const char *what;
		unsigned flags, count;
		size_t cut;
		MessageCode code;
	} cases[] = {
		{"an update", 0x2900, 1, 0, MESSAGE_UNKNOWN_OPERATION},
		{"two", 0x0100, 2, 0, MESSAGE_MALFORMED},
		{"none", 0x0100, 0, 0, MESSAGE_MALFORMED},
		{"a part", 0x0100, 1, 1, MESSAGE_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autoclear(Buffer) bytes = {0};
		question_bytes(&bytes, "a.b", TYPE_A, cases[i].flags, cases[i].count);
		buffer_truncate(&bytes, bytes.length - cases[i].cut);
		check_refused(cases[i].what, &bytes, cases[i].code);
	}
}

static void test_what_gets_no_answer(void **state)
{
	autoclear(Question) question = {0};
	autoclear(Buffer) bytes = {0};
	MessageCode code;

	(void)state;
	question_bytes(&bytes, "a.b", TYPE_A, 0x8100, 1);
	assert_false(question_read(&question, &code, (const uint8_t *)bytes.data, bytes.length));
	assert_false(question_read(&question, &code, (const uint8_t *)bytes.data, 11));
	assert_false(question_read(&question, &code, (const uint8_t *)bytes.data, 0));
}

/* Every limit: never more than it, and TC where something is missing. */
static void test_answers_fit(void **state)
{
	autoclear(Question) question = {0};

	(void)state;
	ask(&question, "many.example", TYPE_A);
	for (size_t limit = 30; limit < 700; limit++) {
		autoptr(Reply) reply = reply_new(&question, MESSAGE_OK);
		uint8_t bytes[700];
		for (uint32_t i = 0; i < 40; i++)
			reply_add_ipv4(reply, (struct in_addr){htonl(0x0a000000 + i)});
		size_t length = reply_write(reply, bytes, limit);
		assert_true(length <= limit && length + 16 > (limit < 670 ? limit : 670));
		assert_int_equal(length, 30 + 16 * bytes[7]);
		assert_int_equal(bytes[2] & 2, bytes[7] < 40 ? 2 : 0);
	}
}

static void test_who_answers(void **state)
{
	autoclear(Question) question = {0};
	autoclear(Buffer) bytes = {0};
	MessageCode code;

	(void)state;
	ask(&question, "a.b", TYPE_A);
	question_bytes(&bytes, "A.b", TYPE_A, 0x8183, 1);
	const uint8_t *data = (const uint8_t *)bytes.data;
	assert_true(message_answers(&code, &question, 0x1234, data, bytes.length));
	assert_int_equal(code, 3);
	assert_false(message_answers(&code, &question, 0x1235, data, bytes.length));
	assert_false(message_answers(&code, &question, 0x1234, data, bytes.length - 1));
	assert_false(message_answers(&code, &question, 0x1234, data, 11));
	message_set_id((uint8_t *)bytes.data, 0x1235);
	assert_true(message_answers(&code, &question, 0x1235, data, bytes.length));
}

static void test_who_answers_something_else(void **state)
{
	static const struct {
		const char *name;
		unsigned type, flags, count;
		bool answers;
	} cases[] = {
		{"a.b", TYPE_A, 0x8180, 1, true}, {"a.c", TYPE_A, 0x8180, 1, false},
		{"a.b", TYPE_AAAA, 0x8180, 1, false}, {"a.b", TYPE_A, 0x0180, 1, false},
		{"a.b", TYPE_A, 0x8180, 2, false}, {"a.b", TYPE_A, 0x8180, 0, false},
		{"a.b", TYPE_A, 0x8182, 0, true}, /* a failure that leaves the question out */
	};
	autoclear(Question) question = {0};
	MessageCode code;

	(void)state;
	ask(&question, "a.b", TYPE_A);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autoclear(Buffer) bytes = {0};
		question_bytes(&bytes, cases[i].name, cases[i].type, cases[i].flags, cases[i].count);
		bool answers = message_answers(&code, &question, 0x1234, (const uint8_t *)bytes.data, bytes.length);
		assert_int_equal(answers, cases[i].answers);
	}
}

static void test_reverse_names(void **state)
{
	char name[REVERSE_NAME_MAX];
	struct in6_addr six;

	(void)state;
	reverse_name_ipv4(name, (struct in_addr){htonl(0xac120002)});
	assert_string_equal(name, "2.0.18.172.in-addr.arpa");
	inet_pton(AF_INET6, "2001:db8::ff", &six);
	reverse_name_ipv6(name, &six);
	assert_string_equal(name, "f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_odd_names_stay_apart),
		cmocka_unit_test(test_what_is_no_question),
		cmocka_unit_test(test_what_gets_no_answer),
		cmocka_unit_test(test_answers_fit),
		cmocka_unit_test(test_who_answers),
		cmocka_unit_test(test_who_answers_something_else),
		cmocka_unit_test(test_reverse_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
