// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"

/* Open addressing, linear probing. A removed slot keeps its place as GRAVE, so that an iteration stays valid. */
typedef struct Slot {
	char *key; /* NULL: never used */
	void *value;
	uint32_t hash;
} Slot;

struct Table {
	Slot *slots;
	size_t size; /* power of two */
	size_t count;
	size_t used; /* with graves */
	uint64_t seed;
};

enum { FIRST_SIZE = 16 };

static char grave_key[] = "";
#define GRAVE grave_key

/* FNV-1a with a seed of the table's own, mixed at the end: keys come from outside. */
static uint32_t hash_of(const Table *table, const char *key)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ table->seed;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32);
}

static bool is_live(const Slot *slot)
{
	return slot->key && slot->key != GRAVE;
}

Table *table_new(void)
{
	Table *table = mem_new(Table);

	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
		table->seed = (uintptr_t)table; /* before the kernel has collected any entropy */
	return table;
}

Table *table_free(Table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->size; i++)
		if (is_live(&table->slots[i]))
			free(table->slots[i].key);
	free(table->slots);
	free(table);
	return NULL;
}

static Slot *find(const Table *table, const char *key)
{
	if (!table->size)
		return NULL;
	uint32_t hash = hash_of(table, key);
	for (size_t i = hash & (table->size - 1);; i = (i + 1) & (table->size - 1)) {
		Slot *slot = &table->slots[i];
		if (!slot->key)
			return NULL;
		if (slot->key != GRAVE && slot->hash == hash && !strcmp(slot->key, key))
			return slot;
	}
}

static Slot *free_slot(Table *table, uint32_t hash)
{
	size_t i = hash & (table->size - 1);

	while (table->slots[i].key)
		i = (i + 1) & (table->size - 1);
	return &table->slots[i];
}

/* Leaves at most half of the slots used, and no graves. */
static void rebuild(Table *table)
{
	Slot *old = table->slots;
	size_t old_size = table->size;

	table->size = FIRST_SIZE;
	while (table->size < (table->count + 1) * 3)
		table->size *= 2;
	table->slots = mem_alloc(table->size * sizeof(Slot));
	for (size_t i = 0; i < old_size; i++)
		if (is_live(&old[i]))
			*free_slot(table, old[i].hash) = old[i];
	table->used = table->count;
	free(old);
}

void *table_get(const Table *table, const char *key)
{
	Slot *slot = find(table, key);

	return slot ? slot->value : NULL;
}

void *table_set(Table *table, const char *key, void *value)
{
	Slot *slot = find(table, key);

	if (slot) {
		void *old = slot->value;
		slot->value = value;
		return old;
	}
	if ((table->used + 1) * 4 > table->size * 3)
		rebuild(table);
	uint32_t hash = hash_of(table, key);
	*free_slot(table, hash) = (Slot){.key = mem_strdup(key), .value = value, .hash = hash};
	table->count++;
	table->used++;
	return NULL;
}

void *table_remove(Table *table, const char *key)
{
	Slot *slot = find(table, key);

	if (!slot)
		return NULL;
	void *old = slot->value;
	free(slot->key);
	*slot = (Slot){.key = GRAVE};
	table->count--;
	return old;
}

size_t table_count(const Table *table)
{
	return table->count;
}

bool table_next(const Table *table, size_t *cursor, const char **ret_key, void **ret_value)
{
	while (*cursor < table->size) {
		const Slot *slot = &table->slots[(*cursor)++];
		if (!is_live(slot))
			continue;
		if (ret_key)
			*ret_key = slot->key;
		if (ret_value)
			*ret_value = slot->value;
		return true;
	}
	return false;
}
