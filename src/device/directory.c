// SPDX-License-Identifier: Apache-2.0
#include "device/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/lease.h"

struct Directory {
	char *path;
	DirectoryReader *reader;
	void *arg;
	DeclaredFile **files; /* by name */
	size_t count;
	char *problem;
};

static const char *const endings[] = {".yaml", ".yml", ".json"};

/* ---- files ---- */

static DeclaredFile *file_free(DeclaredFile *file)
{
	declaration_clear(&file->declaration);
	strings_clear(&file->notes);
	free(file->problem);
	free(file->file);
	free(file);
	return NULL;
}

static DeclaredFile *file_named(const Directory *directory, const char *name)
{
	for (size_t i = 0; i < directory->count; i++)
		if (strcmp(directory->files[i]->file, name) == 0)
			return directory->files[i];
	return NULL;
}

static DeclaredFile *file_add(Directory *directory, const char *name)
{
	DeclaredFile *file = mem_new(DeclaredFile);
	size_t at = directory->count;

	file->file = mem_strdup(name);
	directory->files = mem_array(directory->files, directory->count + 1, sizeof(*directory->files));
	while (at > 0 && strcmp(directory->files[at - 1]->file, name) > 0) {
		directory->files[at] = directory->files[at - 1];
		at--;
	}
	directory->files[at] = file;
	directory->count++;
	return file;
}

static void file_drop(Directory *directory, size_t index)
{
	file_free(directory->files[index]);
	directory->count--;
	memmove(directory->files + index, directory->files + index + 1,
		(directory->count - index) * sizeof(*directory->files));
}

/* The file's name without its ending; NULL: it is no declaration's. */
static char *stem_of(const char *file)
{
	for (size_t i = 0; i < COUNT(endings) && *file != '.'; i++)
		if (string_ends(file, endings[i]) && strlen(file) > strlen(endings[i]))
			return mem_strndup(file, strlen(file) - strlen(endings[i]));
	return NULL;
}

/* ---- reading one ---- */

static void note_identity(DeclaredFile *file, const struct stat *status)
{
	file->device = status->st_dev;
	file->inode = status->st_ino;
	file->size = status->st_size;
	file->modified = status->st_mtim;
	file->changed = status->st_ctim;
}

static void forget_identity(DeclaredFile *file)
{
	file->inode = 0;
	file->size = -1;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_read_already(const DeclaredFile *file, const struct stat *status)
{
	return file->inode == status->st_ino && file->device == status->st_dev && file->size == status->st_size &&
	       is_same_time(&file->modified, &status->st_mtim) && is_same_time(&file->changed, &status->st_ctim);
}

static const DeclaredFile *owner_of(const Directory *directory, const char *name, const DeclaredFile *but)
{
	for (size_t i = 0; i < directory->count; i++) {
		const DeclaredFile *file = directory->files[i];
		if (file != but && file->is_declared && string_equal(file->declaration.name, name))
			return file;
	}
	return NULL;
}

static void set_problem(DeclaredFile *file, const char *problem, bool *changed)
{
	if (!string_replace(&file->problem, problem))
		return;
	*changed = true;
	if (problem)
		log_warning("\"%s\" is left aside: %s", file->file, problem);
}

static void accept(DeclaredFile *file, Declaration *take, const char *etag, bool *changed)
{
	*changed |= !file->is_declared || strcmp(file->etag, etag) != 0;
	declaration_clear(&file->declaration);
	file->declaration = *take;
	*take = (Declaration){0};
	file->is_declared = true;
	snprintf(file->etag, sizeof(file->etag), "%s", etag);
	set_problem(file, NULL, changed);
}

/* A secret in the clear is sealed before anything else is done with the file. Where nobody can write it is used all the
 * same: what is sealed here is what is kept. */
static bool replace_text(const Directory *directory, DeclaredFile *file, const char *text)
{
	autofree char *path = path_join(directory->path, file->file);
	Error *error = fault("device.seal");

	if (!error)
		error = file_replace_durable(AT_FDCWD, path, text, strlen(text), 0600);
	if (!error)
		return true;
	strings_printf(&file->notes, "its password stays in the clear: %s", error_message(error));
	error_log(error, "\"%s\": its password stays in the clear", file->file);
	return false;
}

static fallible parse(Directory *directory, DeclaredFile *file, const char *text, size_t length, bool *changed)
{
	autoclear(Declaration) declaration = {0};
	autofree char *stem = stem_of(file->file);
	autofree char *sealed = NULL;
	const DeclaredFile *owner;
	Digest digest;
	char etag[ETAG_MAX];

	strings_clear(&file->notes);
	TRY(directory->reader(directory->arg, &declaration, &file->notes, &sealed, text, length, stem));
	if (sealed && replace_text(directory, file, sealed))
		digest_of(&digest, sealed, strlen(sealed));
	else
		digest_of(&digest, text, length);
	owner = owner_of(directory, declaration.name, file);
	if (owner) {
		forget_identity(file); /* it counts when the other one has gone */
		return error_new(ERROR_CONFLICT, "container \"%s\" is declared in \"%s\" already", declaration.name,
			owner->file);
	}
	snprintf(etag, sizeof(etag), "%s", digest_hex(&digest));
	accept(file, &declaration, etag, changed);
	return NULL;
}

static fallible read_open(Directory *directory, DeclaredFile *file, int fd, bool *changed, bool *again)
{
	autofree char *text = NULL;
	struct stat status;
	size_t length;

	if (fstat(fd, &status) < 0)
		return error_errno(errno, "could not look at it");
	if (!S_ISREG(status.st_mode))
		return error_new(ERROR_INVALID, "it is no file");
	if (is_read_already(file, &status))
		return NULL;
	if (file_is_being_written(fd)) {
		*again = true;
		return error_new(ERROR_UNAVAILABLE, "it is being written");
	}
	TRY(file_read_fd(&text, &length, fd, file->file, DECLARATION_MAX));
	note_identity(file, &status);
	return parse(directory, file, text, length, changed);
}

static void read_one(Directory *directory, DeclaredFile *file, int dir, bool *changed, bool *again)
{
	autofd fd = -1;
	Error *error = file_open(&fd, dir, file->file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (error)
		forget_identity(file); /* when it can be opened again, it is read again */
	else
		error = read_open(directory, file, fd, changed, again);
	if (error) {
		autofree char *text = error_text(error);
		set_problem(file, text, changed);
	}
	error_free(error); /* it is the file's problem now */
}

/* ---- reading all ---- */

typedef struct Listing {
	Directory *directory;
	StringList names;
	bool is_over;
} Listing;

static fallible note_name(void *arg, int dir, const char *name, unsigned char type)
{
	Listing *listing = arg;
	autofree char *stem = stem_of(name);

	(void)dir;
	(void)type;
	if (!stem)
		return NULL;
	if (listing->names.count == DECLARED_FILES_MAX)
		return error_new(ERROR_TOO_LARGE, "more than %d files declare containers", DECLARED_FILES_MAX);
	strings_add(&listing->names, name);
	return NULL;
}

static void mark_seen(Directory *directory, const StringList *names)
{
	for (size_t i = 0; i < directory->count; i++)
		directory->files[i]->was_seen = false;
	for (size_t i = 0; i < names->count; i++) {
		DeclaredFile *file = file_named(directory, names->items[i]);
		if (!file)
			file = file_add(directory, names->items[i]);
		file->was_seen = true;
		file->missing_ns = 0;
	}
}

/* Editors remove a file to write it anew: what is gone must be gone a moment later, too. */
static bool is_gone(DeclaredFile *file, bool is_first, bool *again)
{
	int64_t now = clock_monotonic_ns();

	if (!file->missing_ns)
		file->missing_ns = now;
	if (is_first || now - file->missing_ns >= DIRECTORY_AGAIN_NS * 9 / 10)
		return true;
	*again = true;
	return false;
}

static void drop_gone(Directory *directory, bool is_first, bool *changed, bool *again)
{
	for (size_t i = directory->count; i-- > 0;) {
		DeclaredFile *file = directory->files[i];
		if (file->was_seen || !is_gone(file, is_first, again))
			continue;
		file_drop(directory, i);
		*changed = true;
	}
}

static void read_seen(Directory *directory, int dir, bool *changed, bool *again)
{
	for (size_t i = 0; i < directory->count; i++)
		if (directory->files[i]->was_seen)
			read_one(directory, directory->files[i], dir, changed, again);
}

static fallible read_all(Directory *directory, bool is_first, bool *changed, bool *again)
{
	Listing listing = {.directory = directory};
	autofd dir = -1;
	Error *error = dir_open(&dir, AT_FDCWD, directory->path);

	if (!error)
		error = dir_each(dir, ".", note_name, &listing);
	if (!error) {
		mark_seen(directory, &listing.names);
		drop_gone(directory, is_first, changed, again);
		read_seen(directory, dir, changed, again);
		if (*changed) /* a name that one has given up may be what another one waits for */
			read_seen(directory, dir, changed, again);
	}
	strings_clear(&listing.names);
	return error;
}

void directory_read(Directory *directory, bool is_first, bool *ret_changed, bool *ret_again)
{
	Error *error;

	*ret_changed = *ret_again = false;
	error = read_all(directory, is_first, ret_changed, ret_again);
	if (error && error_number(error) == ENOENT && !directory->count)
		error = error_free(error); /* nobody has declared anything yet */
	if (string_replace(&directory->problem, error ? error_message(error) : NULL)) {
		*ret_changed = true;
		if (error)
			log_warning("declared containers stay as they are: %s", error_message(error));
	}
	error_free(error); /* it is the directory's problem now */
}

const char *directory_problem(const Directory *directory)
{
	return directory->problem;
}

/* ---- what is declared ---- */

size_t directory_count(const Directory *directory)
{
	return directory->count;
}

const DeclaredFile *directory_at(const Directory *directory, size_t index)
{
	return directory->files[index];
}

const DeclaredFile *directory_find(const Directory *directory, const char *name)
{
	return owner_of(directory, name, NULL);
}

bool directory_is_unclear(const Directory *directory, const char *name)
{
	for (size_t i = 0; i < directory->count; i++) {
		const DeclaredFile *file = directory->files[i];
		autofree char *stem = stem_of(file->file);
		if (!file->is_declared && string_equal(stem, name))
			return true;
	}
	return directory->problem && !directory->count;
}

void directory_recall(Directory *directory, const char *name, Declaration *take)
{
	DeclaredFile *file = file_named(directory, name) ? NULL : file_add(directory, name);

	if (!file)
		return;
	forget_identity(file);
	declaration_clear(&file->declaration);
	file->declaration = *take;
	*take = (Declaration){0};
	file->is_declared = true;
}

/* ---- writing ---- */

static void write_text(Buffer *out, const char *file, const Declaration *declaration)
{
	autoptr(Value) value = declaration_value(declaration);

	if (string_ends(file, ".json"))
		value_write(value, out);
	else
		value_write_yaml(value, out);
}

static fallible read_back(Directory *directory, const char *name)
{
	DeclaredFile *file = file_named(directory, name);
	bool changed = false, again = false;
	autofd dir = -1;

	TRY(dir_open(&dir, AT_FDCWD, directory->path));
	if (!file)
		file = file_add(directory, name);
	read_one(directory, file, dir, &changed, &again);
	if (file->problem)
		return error_new(ERROR_CONFLICT, "\"%s\" was written, and then: %s", name, file->problem);
	return NULL;
}

fallible directory_put_file(Directory *directory, const char *file, const Declaration *declaration)
{
	autofree char *path = path_join(directory->path, file);
	autoclear(Buffer) text = {.limit = DECLARATION_MAX};

	write_text(&text, file, declaration);
	if (buffer_overflown(&text))
		return error_new(ERROR_TOO_LARGE, "it is longer than %d bytes", DECLARATION_MAX);
	if (!file_named(directory, file) && directory->count >= DECLARED_FILES_MAX)
		return error_new(ERROR_TOO_LARGE, "%d files declare containers already", DECLARED_FILES_MAX);
	if (!directory->count) /* else what is declared would be gone from the one that is made */
		TRY(dir_make_all(AT_FDCWD, directory->path, 0755));
	TRY(fault("device.write"));
	TRY(file_replace_durable(AT_FDCWD, path, buffer_text(&text), text.length, 0600));
	return read_back(directory, file);
}

/* Where a container is declared, or would be. */
static char *file_for(const Directory *directory, const char *name)
{
	const DeclaredFile *owner = directory_find(directory, name);

	return owner ? mem_strdup(owner->file) : string_printf("%s.yaml", name);
}

fallible directory_may_put(const Directory *directory, const char *name)
{
	autofree char *path = file_for(directory, name);
	const DeclaredFile *file = file_named(directory, path);

	if (!file || !file->is_declared || string_equal(file->declaration.name, name))
		return NULL;
	return error_hint(
		error_new(ERROR_CONFLICT, "container \"%s\" cannot be declared in \"%s\", which declares \"%s\"", name,
			path, file->declaration.name),
		"give that file another name");
}

fallible directory_put(Directory *directory, const Declaration *declaration, char ret_etag[ETAG_MAX])
{
	autofree char *file = file_for(directory, declaration->name);

	TRY(directory_may_put(directory, declaration->name));
	TRY(directory_put_file(directory, file, declaration));
	if (ret_etag)
		snprintf(ret_etag, ETAG_MAX, "%s", directory_find(directory, declaration->name)->etag);
	return NULL;
}

fallible directory_remove_file(Directory *directory, const char *file)
{
	autofree char *path = path_join(directory->path, file);

	TRY(fault("device.remove"));
	TRY(file_unlink(AT_FDCWD, path));
	TRY(file_sync_dir(AT_FDCWD, directory->path));
	for (size_t i = directory->count; i-- > 0;)
		if (strcmp(directory->files[i]->file, file) == 0)
			file_drop(directory, i);
	return NULL;
}

fallible directory_remove(Directory *directory, const char *name)
{
	const DeclaredFile *owner = directory_find(directory, name);

	if (!owner)
		return error_new(ERROR_NOT_FOUND, "no container \"%s\" is declared", name);
	autofree char *file = mem_strdup(owner->file);
	return directory_remove_file(directory, file);
}

/* ---- life ---- */

Directory *directory_new(const char *path, DirectoryReader *reader, void *arg)
{
	Directory *directory = mem_new(Directory);

	directory->path = mem_strdup(path);
	directory->reader = reader;
	directory->arg = arg;
	return directory;
}

Directory *directory_free(Directory *directory)
{
	if (!directory)
		return NULL;
	while (directory->count)
		file_drop(directory, directory->count - 1);
	free(directory->files);
	free(directory->path);
	free(directory->problem);
	free(directory);
	return NULL;
}
