// SPDX-License-Identifier: Apache-2.0
#include "dns/message.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { TTL_S = 600, OUR_UDP_SIZE = MESSAGE_UDP_MAX, RECORDS_MAX = 4096 };

/* The sizes of records whose owner is a pointer to the question's name, as ldns compresses it. */
enum { RECORD_HEADER = 12, OPT_RECORD = 11 };

/* ---- names ---- */

static void cut_last_dot(char *name)
{
	size_t length = strlen(name);

	if (length && name[length - 1] == '.')
		name[length - 1] = '\0';
}

/* NULL: not a name. Owned. */
static char *name_of(const ldns_rdf *rdf)
{
	ldns_rdf *copy = ldns_rdf_clone(rdf);
	char *text;

	ldns_dname2canonical(copy);
	text = ldns_rdf2str(copy);
	ldns_rdf_deep_free(copy);
	if (text)
		cut_last_dot(text);
	return text;
}

static void reverse_name(char ret[REVERSE_NAME_MAX], ldns_rdf_type type, size_t length, const void *address)
{
	ldns_rdf *rdf = ldns_rdf_new_frm_data(type, length, address);
	ldns_rdf *reverse = ldns_rdf_address_reverse(rdf);
	char *text = reverse ? ldns_rdf2str(reverse) : NULL;

	ret[0] = '\0';
	if (text)
		strncat(ret, text, REVERSE_NAME_MAX - 1);
	cut_last_dot(ret);
	free(text);
	ldns_rdf_deep_free(reverse);
	ldns_rdf_deep_free(rdf);
}

void reverse_name_ipv4(char ret[REVERSE_NAME_MAX], struct in_addr address)
{
	reverse_name(ret, LDNS_RDF_TYPE_A, sizeof(address), &address);
}

void reverse_name_ipv6(char ret[REVERSE_NAME_MAX], const struct in6_addr *address)
{
	reverse_name(ret, LDNS_RDF_TYPE_AAAA, sizeof(*address), address);
}

/* ---- questions ---- */

static ldns_rr *asked(const Question *question)
{
	return ldns_rr_list_rr(ldns_pkt_question(question->packet), 0);
}

static QuestionType type_of(const ldns_rr *rr)
{
	switch (ldns_rr_get_type(rr)) {
	case LDNS_RR_TYPE_A:
		return QUESTION_A;
	case LDNS_RR_TYPE_AAAA:
		return QUESTION_AAAA;
	case LDNS_RR_TYPE_PTR:
		return QUESTION_PTR;
	default:
		return QUESTION_OTHER;
	}
}

static size_t udp_limit_of(const ldns_pkt *packet)
{
	size_t limit = ldns_pkt_edns(packet) ? ldns_pkt_edns_udp_size(packet) : 0;

	if (limit < MESSAGE_UDP_PLAIN)
		return MESSAGE_UDP_PLAIN;
	return limit < MESSAGE_UDP_MAX ? limit : MESSAGE_UDP_MAX;
}

static MessageCode read_packet(Question *question, ldns_pkt *packet)
{
	const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_question(packet), 0);

	question->packet = packet;
	question->udp_limit = udp_limit_of(packet);
	if (ldns_pkt_edns(packet) && ldns_pkt_edns_version(packet) != 0)
		return MESSAGE_BAD_VERSION;
	if (ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY)
		return MESSAGE_UNKNOWN_OPERATION;
	if (ldns_pkt_qdcount(packet) != 1 || !rr)
		return MESSAGE_MALFORMED;
	question->name = name_of(ldns_rr_owner(rr));
	question->type = type_of(rr);
	question->is_internet = ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN;
	return question->name ? MESSAGE_OK : MESSAGE_MALFORMED;
}

bool question_read(Question *ret, MessageCode *ret_code, const uint8_t *bytes, size_t length)
{
	ldns_pkt *packet = NULL;

	if (length < LDNS_HEADER_SIZE || length > MESSAGE_QUESTION_MAX || LDNS_QR_WIRE(bytes))
		return false;
	*ret = (Question){.id = LDNS_ID_WIRE(bytes), .udp_limit = MESSAGE_UDP_PLAIN};
	if (ldns_wire2pkt(&packet, bytes, length) == LDNS_STATUS_OK)
		*ret_code = read_packet(ret, packet);
	else
		*ret_code = MESSAGE_MALFORMED;
	return true;
}

void question_clear(Question *question)
{
	ldns_pkt_free(question->packet);
	free(question->name);
	*question = (Question){0};
}

/* ---- answers ---- */

struct Reply {
	ldns_pkt *packet;
	size_t length; /* of what is written, at most */
};

static void copy_edns(Reply *reply, const ldns_pkt *asked_by, MessageCode code)
{
	if (!ldns_pkt_edns(asked_by))
		return;
	ldns_pkt_set_edns_udp_size(reply->packet, OUR_UDP_SIZE);
	ldns_pkt_set_edns_extended_rcode(reply->packet, (uint8_t)(code >> 4));
	ldns_pkt_set_edns_do(reply->packet, ldns_pkt_edns_do(asked_by));
	reply->length += OPT_RECORD;
}

static void copy_question(Reply *reply, const Question *question)
{
	const ldns_rr *rr = asked(question);

	if (!rr || !question->name)
		return;
	ldns_pkt_push_rr(reply->packet, LDNS_SECTION_QUESTION, ldns_rr_clone(rr));
	reply->length += ldns_rdf_size(ldns_rr_owner(rr)) + 2 * sizeof(uint16_t);
}

Reply *reply_new(const Question *question, MessageCode code)
{
	Reply *reply = mem_new(Reply);

	reply->packet = ldns_pkt_new();
	if (!reply->packet)
		abort(); /* no memory (docs/decisions/0001) */
	reply->length = LDNS_HEADER_SIZE;
	ldns_pkt_set_id(reply->packet, question->id);
	ldns_pkt_set_qr(reply->packet, true);
	ldns_pkt_set_ra(reply->packet, true);
	ldns_pkt_set_rcode(reply->packet, code & LDNS_RCODE_MASK);
	if (!question->packet)
		return reply;
	ldns_pkt_set_opcode(reply->packet, ldns_pkt_get_opcode(question->packet));
	ldns_pkt_set_rd(reply->packet, ldns_pkt_rd(question->packet));
	ldns_pkt_set_cd(reply->packet, ldns_pkt_cd(question->packet));
	copy_edns(reply, question->packet, code);
	copy_question(reply, question);
	return reply;
}

Reply *reply_free(Reply *reply)
{
	if (!reply)
		return NULL;
	ldns_pkt_free(reply->packet);
	free(reply);
	return NULL;
}

static void add_record(Reply *reply, ldns_rr_type type, ldns_rdf *take_value)
{
	const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(reply->packet), 0);

	if (!question || ldns_pkt_ancount(reply->packet) >= RECORDS_MAX) {
		ldns_rdf_deep_free(take_value);
		return;
	}
	ldns_rr *record = ldns_rr_new();
	ldns_rr_set_owner(record, ldns_rdf_clone(ldns_rr_owner(question)));
	ldns_rr_set_type(record, type);
	ldns_rr_set_class(record, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(record, TTL_S);
	reply->length += RECORD_HEADER + ldns_rdf_size(take_value);
	ldns_rr_push_rdf(record, take_value);
	ldns_pkt_push_rr(reply->packet, LDNS_SECTION_ANSWER, record);
}

void reply_add_ipv4(Reply *reply, struct in_addr address)
{
	add_record(reply, LDNS_RR_TYPE_A, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof(address), &address));
}

void reply_add_ipv6(Reply *reply, const struct in6_addr *address)
{
	add_record(reply, LDNS_RR_TYPE_AAAA, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, sizeof(*address), address));
}

void reply_add_name(Reply *reply, const char *name)
{
	ldns_rdf *value = ldns_dname_new_frm_str(name);

	if (value)
		add_record(reply, LDNS_RR_TYPE_PTR, value);
}

void reply_truncate(Reply *reply)
{
	ldns_pkt_set_tc(reply->packet, true);
}

/* As many answers as there is room for. */
static void fit(Reply *reply, size_t limit)
{
	size_t length = reply->length;

	while (length > limit && ldns_pkt_ancount(reply->packet)) {
		ldns_rr *last = ldns_rr_list_pop_rr(ldns_pkt_answer(reply->packet));
		ldns_pkt_set_ancount(reply->packet, (uint16_t)(ldns_pkt_ancount(reply->packet) - 1));
		length -= RECORD_HEADER + ldns_rdf_size(ldns_rr_rdf(last, 0));
		ldns_rr_free(last);
		ldns_pkt_set_tc(reply->packet, true);
	}
}

size_t reply_write(Reply *reply, uint8_t *out, size_t limit)
{
	ldns_buffer *buffer = ldns_buffer_new(MESSAGE_UDP_PLAIN);
	size_t length = 0;

	fit(reply, limit);
	if (buffer && ldns_pkt2buffer_wire(buffer, reply->packet) == LDNS_STATUS_OK)
		length = ldns_buffer_position(buffer);
	if (length > limit)
		length = 0;
	memcpy(out, ldns_buffer_begin(buffer), length);
	ldns_buffer_free(buffer);
	return length;
}

/* ---- messages that are passed on ---- */

void message_set_id(uint8_t *bytes, uint16_t id)
{
	LDNS_ID_SET(bytes, id);
}

static bool is_same_question(const Question *question, const uint8_t *bytes, size_t length)
{
	const ldns_rr *ours = asked(question);
	size_t at = LDNS_HEADER_SIZE;
	ldns_rr *theirs = NULL;

	if (ldns_wire2rr(&theirs, bytes, length, &at, LDNS_SECTION_QUESTION) != LDNS_STATUS_OK)
		return false;
	bool is_same = ldns_rr_get_type(ours) == ldns_rr_get_type(theirs) &&
		       ldns_rr_get_class(ours) == ldns_rr_get_class(theirs) &&
		       ldns_dname_compare(ldns_rr_owner(ours), ldns_rr_owner(theirs)) == 0;
	ldns_rr_free(theirs);
	return is_same;
}

bool message_answers(MessageCode *ret_code, const Question *question, uint16_t id, const uint8_t *bytes, size_t length)
{
	if (length < LDNS_HEADER_SIZE || LDNS_ID_WIRE(bytes) != id || !LDNS_QR_WIRE(bytes))
		return false;
	*ret_code = (MessageCode)LDNS_RCODE_WIRE(bytes);
	if (LDNS_QDCOUNT(bytes) == 0)
		return *ret_code != MESSAGE_OK;
	return LDNS_QDCOUNT(bytes) == 1 && is_same_question(question, bytes, length);
}
