// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The directory of declared containers (containers.d): the one truth about what is declared, a file for each container.
 * Who declares something writes a file there, a person's editor or our API. What is read is kept: a file that is being
 * written, does not parse or cannot be read leaves what it declared before as it was, and has a problem; what a file
 * declares is withdrawn only by its removal. A directory that cannot be read withdraws nothing.
 */
#include "device/declaration.h"

#define DIRECTORY_AGAIN_NS (INT64_C(250) * 1000 * 1000) /* after which a read is to follow one that says so */

enum { DECLARED_FILES_MAX = 1024, ETAG_MAX = 33 };

typedef struct Directory Directory;

typedef struct DeclaredFile {
	char *file;       /* "web.yaml" */
	bool is_declared; /* declaration is what counts, whatever is in the file now */
	Declaration declaration;
	char *problem;       /* why the file is not what counts; NULL: it is */
	StringList notes;    /* what was not carried over */
	char etag[ETAG_MAX]; /* of the file's bytes; "" where they were not read */
	/* for directory.c */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
	int64_t missing_ns; /* since when it is gone, on the monotonic clock; 0: it is there */
	bool was_seen;
} DeclaredFile;

/* What is in a file's text: its declaration, and, where a secret in it is in the clear, the text in whose place it goes
 * (*ret_text is NULL otherwise). */
typedef Error *DirectoryReader(void *arg, Declaration *ret, StringList *ret_notes, char **ret_text, const char *text,
	size_t length, const char *name);

Directory *directory_new(const char *path, DirectoryReader *reader, void *arg);
Directory *directory_free(Directory *directory);
DEFINE_AUTOPTR(Directory, directory_free)

/* What counted when kedged ended: before the first read. take is emptied. */
void directory_recall(Directory *directory, const char *file, Declaration *take);
/* *ret_changed: something else is declared, or has another problem. *ret_again: something is on its way, read again in
 * DIRECTORY_AGAIN_NS. is_first: files that are not there are gone at once. */
void directory_read(Directory *directory, bool is_first, bool *ret_changed, bool *ret_again);
const char *directory_problem(const Directory *directory); /* why it cannot be read; NULL */

size_t directory_count(const Directory *directory);
const DeclaredFile *directory_at(const Directory *directory, size_t index);       /* in the order of the files' names */
const DeclaredFile *directory_find(const Directory *directory, const char *name); /* of the container; NULL */
/* A file that has no part in what is declared is named after it, or has it: it is not to be touched. */
bool directory_is_unclear(const Directory *directory, const char *name);

/* Whether directory_put() may: a file of that name that declares another container is not to be overwritten. */
fallible directory_may_put(const Directory *directory, const char *name);
/* Durable on return, and read: by replacing the container's file, or making NAME.yaml. ret_etag may be NULL. */
fallible directory_put(Directory *directory, const Declaration *declaration, char ret_etag[ETAG_MAX]);
fallible directory_remove(Directory *directory, const char *name); /* ERROR_NOT_FOUND */
/* One of that file's name, whatever it declared before. */
fallible directory_put_file(Directory *directory, const char *file, const Declaration *declaration);
fallible directory_remove_file(Directory *directory, const char *file);
