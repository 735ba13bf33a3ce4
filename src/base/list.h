// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Intrusive doubly linked list, circular with a head: a node is part of the object, so that adding allocates nothing
 * and removing is O(1). A node that is in no list points at itself (list_init) and may be removed harmlessly.
 */
#include <stdbool.h>
#include <stddef.h>

typedef struct List {
	struct List *next, *prev;
} List;

static inline void list_init(List *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const List *head)
{
	return !head->next || head->next == head;
}

static inline void list_append(List *head, List *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_remove(List *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(node, T, member) ((T *)((char *)(node)-offsetof(T, member)))

/* Safe against removal of the current entry (not of the next one). */
#define list_each(head, T, member, item)                                                                               \
	for (T *item = list_entry((head)->next, T, member), *item##_next_ = list_entry(item->member.next, T, member);  \
		&item->member != (head);                                                                               \
		item = item##_next_, item##_next_ = list_entry(item##_next_->member.next, T, member))
