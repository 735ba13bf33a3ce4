// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/base64.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "runtime/seccomp_profile.h"
#include "runtime/seccomp_program.h"

enum { ENTRIES_MAX = 32 };

/* What is ready for one set of relevant capabilities. */
typedef struct Entry {
	uint64_t capabilities;
	char *base64, *json; /* NULL until asked for */
} Entry;

struct SeccompCache {
	char *directory;
	char *suffix; /* versions and architecture: files of others are never read */
	Entry entries[ENTRIES_MAX];
	size_t count, oldest;
};

/* ---- files: a header, then the instructions ---- */

typedef struct FileHeader {
	char magic[8];
	uint64_t capabilities;
	uint64_t checksum;
	uint64_t count;
} FileHeader;

static const char file_magic[8] = "kedgebpf";

/* FNV-1a: against torn and rotten files, not against people, whom the directory's mode keeps out. */
static uint64_t checksum_of(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static char *file_path(const SeccompCache *cache, uint64_t capabilities)
{
	return string_printf("%s/default-%s-%016" PRIx64 ".bpf", cache->directory, cache->suffix, capabilities);
}

static bool is_intact(const FileHeader *header, const char *text, size_t length, uint64_t capabilities)
{
	const size_t body = length - sizeof(*header);

	return memcmp(header->magic, file_magic, sizeof(file_magic)) == 0 && header->capabilities == capabilities &&
	       header->count > 0 && header->count <= SECCOMP_PROGRAM_MAX &&
	       body == header->count * sizeof(struct sock_filter) &&
	       checksum_of(text + sizeof(*header), body) == header->checksum;
}

/* False when the file is absent, unreadable or damaged: it is compiled anew then. */
static bool load(struct sock_filter **ret, size_t *ret_count, const SeccompCache *cache, uint64_t capabilities)
{
	autofree char *path = file_path(cache, capabilities), *text = NULL;
	size_t length = 0;
	FileHeader header;
	Error *error = file_read(
		&text, &length, AT_FDCWD, path, sizeof(header) + SECCOMP_PROGRAM_MAX * sizeof(struct sock_filter));

	if (error) {
		error_free(error);
		return false;
	}
	if (length < sizeof(header))
		return false;
	memcpy(&header, text, sizeof(header));
	if (!is_intact(&header, text, length, capabilities))
		return false;
	*ret_count = header.count;
	*ret = mem_dup(text + sizeof(header), length - sizeof(header));
	return true;
}

static void save(const SeccompCache *cache, uint64_t capabilities, const struct sock_filter *program, size_t count)
{
	autofree char *path = file_path(cache, capabilities);
	autoclear(Buffer) text = {0};
	size_t size = count * sizeof(*program);
	FileHeader header = {.capabilities = capabilities, .count = count, .checksum = checksum_of(program, size)};

	memcpy(header.magic, file_magic, sizeof(file_magic));
	buffer_add(&text, &header, sizeof(header));
	buffer_add(&text, program, size);
	Error *error = file_replace(AT_FDCWD, path, text.data, text.length, 0600);
	if (error)
		error_log(error, "seccomp program is not kept"); /* a full disk costs the time to compile it again */
}

static fallible load_or_build(
	struct sock_filter **ret, size_t *ret_count, const SeccompCache *cache, uint64_t capabilities)
{
	if (load(ret, ret_count, cache, capabilities))
		return NULL;
	TRY(seccomp_program_build(ret, ret_count, capabilities));
	save(cache, capabilities, *ret, *ret_count);
	return NULL;
}

/* ---- the cache ---- */

static void entry_clear(Entry *entry)
{
	free(entry->base64);
	free(entry->json);
	*entry = (Entry){0};
}

/* The oldest makes room. */
static Entry *entry_for(SeccompCache *cache, uint64_t capabilities)
{
	capabilities &= seccomp_relevant_capabilities();
	for (size_t i = 0; i < cache->count; i++)
		if (cache->entries[i].capabilities == capabilities)
			return &cache->entries[i];
	Entry *entry = cache->count < ENTRIES_MAX ? &cache->entries[cache->count++]
						  : &cache->entries[cache->oldest++ % ENTRIES_MAX];

	entry_clear(entry);
	entry->capabilities = capabilities;
	return entry;
}

fallible seccomp_cache_open(SeccompCache **ret, const char *directory)
{
	const struct scmp_version *library = seccomp_version();
	struct utsname host;

	TRY(dir_make_all(AT_FDCWD, directory, 0700));
	uname(&host);
	SeccompCache *cache = mem_new(SeccompCache);
	cache->directory = mem_strdup(directory);
	cache->suffix = string_printf("%d-%u.%u.%u-%s", SECCOMP_PROFILE_VERSION, library->major, library->minor,
		library->micro, host.machine);
	*ret = cache;
	return NULL;
}

SeccompCache *seccomp_cache_close(SeccompCache *cache)
{
	if (!cache)
		return NULL;
	for (size_t i = 0; i < cache->count; i++)
		entry_clear(&cache->entries[i]);
	free(cache->directory);
	free(cache->suffix);
	free(cache);
	return NULL;
}

fallible seccomp_filter_base64(const char **ret, SeccompCache *cache, uint64_t capabilities)
{
	Entry *entry = entry_for(cache, capabilities);
	autofree struct sock_filter *program = NULL;
	autoclear(Buffer) text = {0};
	size_t count = 0;

	if (!entry->base64) {
		TRY(load_or_build(&program, &count, cache, entry->capabilities));
		base64_encode(&text, program, count * sizeof(*program));
		entry->base64 = buffer_steal(&text);
	}
	*ret = entry->base64;
	return NULL;
}

fallible seccomp_filter_json(const char **ret, SeccompCache *cache, uint64_t capabilities)
{
	Entry *entry = entry_for(cache, capabilities);
	autoclear(Buffer) text = {0};

	if (!entry->json) {
		seccomp_profile_json(&text, entry->capabilities);
		entry->json = buffer_steal(&text);
	}
	*ret = entry->json;
	return NULL;
}
