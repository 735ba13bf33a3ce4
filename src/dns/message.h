// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * DNS messages (RFC 1035, EDNS: RFC 6891), read and written by ldns, which is seen here alone. Names are texts in lower
 * case without the last dot, as they are written in zone files ("a\.b" has one label); the root is "".
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum {
	MESSAGE_MAX = 65535,
	MESSAGE_QUESTION_MAX = 4096, /* of a client; longer ones are dropped */
	MESSAGE_UDP_MAX = 4096,      /* what a client on UDP may ask for */
	MESSAGE_UDP_PLAIN = 512,     /* ... and gets when it says nothing */
	REVERSE_NAME_MAX = 80,
};

typedef enum MessageCode {
	MESSAGE_OK = 0,
	MESSAGE_MALFORMED = 1,
	MESSAGE_FAILED = 2,
	MESSAGE_UNKNOWN_OPERATION = 4,
	MESSAGE_REFUSED = 5,
	MESSAGE_BAD_VERSION = 16, /* of EDNS */
} MessageCode;

typedef enum QuestionType { QUESTION_A, QUESTION_AAAA, QUESTION_PTR, QUESTION_OTHER } QuestionType;

typedef struct Question {
	void *packet; /* ldns_pkt */
	char *name;
	QuestionType type;
	bool is_internet; /* its class */
	uint16_t id;
	size_t udp_limit; /* bytes of an answer over UDP */
} Question;

/* False: no question at all, nothing is to be answered. *ret_code not MESSAGE_OK: that is the answer, there is no name.
 */
bool question_read(Question *ret, MessageCode *ret_code, const uint8_t *bytes, size_t length);
void question_clear(Question *question);
DEFINE_AUTOCLEAR(Question, question_clear)

/* ---- answers of our own ---- */
typedef struct Reply Reply;

Reply *reply_new(const Question *question, MessageCode code);
Reply *reply_free(Reply *reply);
DEFINE_AUTOPTR(Reply, reply_free)
void reply_add_ipv4(Reply *reply, struct in_addr address);
void reply_add_ipv6(Reply *reply, const struct in6_addr *address);
void reply_add_name(Reply *reply, const char *name); /* PTR; one that is none is left out */
void reply_truncate(Reply *reply);                   /* ask again over TCP */
/* The answer's length; what is more than limit is left out and the client told to ask over TCP. 0: out of reach. */
size_t reply_write(Reply *reply, uint8_t *out, size_t limit);

/* "2.0.18.172.in-addr.arpa": how the name of an address is asked for. */
void reverse_name_ipv4(char ret[REVERSE_NAME_MAX], struct in_addr address);
void reverse_name_ipv6(char ret[REVERSE_NAME_MAX], const struct in6_addr *address);

/* ---- other people's messages, passed on as they are but for the id ---- */
void message_set_id(uint8_t *bytes, uint16_t id);
/* Whether this is an answer with that id to this question. Failures may come without a question. */
bool message_answers(MessageCode *ret_code, const Question *question, uint16_t id, const uint8_t *bytes, size_t length);
