// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Network namespaces by descriptor. A namespace lives as long as a process in it or a descriptor of it; with the last
 * the kernel takes it apart on its own, with the links in it and their other ends. Entering is for one-threaded
 * programs, and for as short as possible: nothing but what the namespace needs happens in between.
 */
#include <sys/types.h>

#include "base/error.h"

fallible namespace_make(int *ret_fd); /* a new one, where lo is up */
/* ERROR_NOT_FOUND when there is no such process, or it is in ours: its number was given to another one. */
fallible namespace_open_of(int *ret_fd, pid_t process);
/* Goes there, and gives the descriptor of where we were, for namespace_leave(), which cannot fail: a program that
 * cannot come home aborts. */
fallible namespace_enter(int *ret_home, int fd);
void namespace_leave(int take_home);
/* In the namespace: "net.ipv4.conf.eth0.forwarding" as sysctl(8) names it, where a part that has dots in it (a VLAN's
 * name) has slashes for them. */
fallible namespace_sysctl(int fd, const char *name, const char *value);
