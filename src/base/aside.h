// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A function that may wait in the kernel for as long as that likes (for memory to be reclaimed, for a disk, for a
 * program's end), called in a forked child while the loop goes on. The child has a copy of our memory and none of our
 * descriptors: neither a lock nor a listening socket outlives us in it. It ends with us.
 */
#include "base/loop.h"

typedef struct Aside Aside;

/* In the child: what it changes in memory is lost, its Error is told. */
typedef Error *AsideWork(const void *arg);
/* Once, from the loop. May free the Aside. */
typedef void AsideDone(void *arg, Error *take_error);

/* input_fd: the child's standard input, borrowed; -1: ours. */
fallible aside_start(
	Aside **ret, Loop *loop, AsideWork *work, const void *work_arg, int input_fd, AsideDone *done, void *done_arg);
Aside *aside_free(Aside *aside); /* kills a child that is at work; NULL is fine; returns NULL */
DEFINE_AUTOPTR(Aside, aside_free)
