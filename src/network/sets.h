// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The sets and maps of the table, described once: the text that declares them (network/table.h), the bytes that
 * nf_tables keeps and what `nft` would print are all made from the same fields. A PublishElement or NetworkElement is
 * some Elements. Pure.
 */
#include "base/buffer.h"
#include "network/elements.h"

typedef enum SetId {
	SET_BRIDGES,
	SET_INTERNAL,
	SET_SAME,
	SET_UNPROTECTED,
	SET_ROUTED,
	SET_HAIRPIN4,
	SET_HAIRPIN6,
	SET_MASQUERADE4,
	SET_MASQUERADE6,
	SET_SOURCE4,
	SET_SOURCE6,
	SET_RELAY6_AT,
	SET_RELAY6,
	SET_OPEN4,
	SET_OPEN6,
	SET_PUBLISHED4_AT,
	SET_PUBLISHED4,
	SET_PUBLISHED6_AT,
	SET_PUBLISHED6,
	SETS
} SetId;

enum { ELEMENT_KEY_MAX = 32, ELEMENT_VALUE_MAX = 20 };

/* Bytes as nf_tables has them: fields one behind the other, each padded to four bytes. Unused bytes are zero. */
typedef struct Element {
	SetId set;
	uint8_t key[ELEMENT_KEY_MAX];
	uint8_t key_end[ELEMENT_KEY_MAX]; /* sets of intervals: the last key */
	uint8_t value[ELEMENT_VALUE_MAX]; /* maps */
} Element;

typedef struct ElementList {
	Element *items;
	size_t count, room;
} ElementList;

void elements_add(ElementList *list, const Element *element);
void elements_add_publish(ElementList *list, const PublishElement *publish);
void elements_add_network(ElementList *list, const NetworkElement *network);
void elements_add_state(ElementList *list, const FirewallState *state);
void elements_sort(ElementList *list); /* and drops what is there twice */
/* In a and not in b; both are sorted. */
void elements_difference(ElementList *ret, const ElementList *a, const ElementList *b);
void elements_clear(ElementList *list);
DEFINE_AUTOCLEAR(ElementList, elements_clear)

const char *set_name(SetId set);
const char *set_purpose(SetId set); /* in words */
bool set_is_intervals(SetId set);
size_t set_key_length(SetId set);
size_t set_value_length(SetId set);                      /* 0: not a map */
void set_declare(Buffer *out, SetId set);                /* "set bridges { type ifname; }" */
void element_print(Buffer *out, const Element *element); /* "tcp . 8080 : 10.88.0.2 . 80" */
void element_say(Buffer *out, const Element *element);   /* "tcp port 8080 leads to 10.88.0.2 port 80" */
