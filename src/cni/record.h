// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is on disk of an attachment, so that DEL can undo it whoever died in between: "<container id>-<interface>.json"
 * in the store's networks/cni. It is written durably before each plugin is run, and goes when all of them have undone
 * their part (invariant 2).
 */
#include "cni/request.h"

typedef struct CniRecord {
	CniAttachment attachment;
	char *file;    /* where the configuration was read */
	Value *list;   /* the configuration as it was then */
	int64_t begun; /* so many of its plugins have, or may have, done their part */
	bool is_whole; /* all of them have, and said so */
	Value *result; /* of the last one that ended well; NULL: none did */
} CniRecord;

void cni_record_clear(CniRecord *record);
DEFINE_AUTOCLEAR(CniRecord, cni_record_clear)

fallible cni_record_write(const CniRecord *record, const char *directory);
/* ERROR_NOT_FOUND without one. */
fallible cni_record_read(CniRecord *ret, const char *directory, const char *container, const char *interface);
bool cni_record_exists(const char *directory, const char *container, const char *interface);
fallible cni_record_remove(const char *directory, const char *container, const char *interface); /* absent is fine */
fallible cni_record_network(CniNetwork **ret, const CniRecord *record);                          /* the one of then */

/* Locked as long as one of the attachment's plugins is at work, also one that a kedged before this one has started. */
fallible cni_record_lock(int *ret_fd, const char *directory, const char *container, const char *interface);
/* They have ended; what one has left behind does not keep the lock. Closes *fd; -1 is fine. */
void cni_record_unlock(int *fd);

/* Calls visit for each record; one that cannot be read is logged and left alone. */
fallible cni_records_each(const char *directory, void (*visit)(void *arg, const CniRecord *record), void *arg);
