// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The processes of a container, however they forked: a cgroup in a guest. Where a test has no cgroup v2, those that are in the container's mount namespace.
 */
#ifndef GROUP_H
#define GROUP_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

/* The path of a file of a container's cgroup, until the next call. */
const char *group_path(const char *container, const char *file);
/* The container whose cgroup the text of /proc/PID/cgroup names, cut out of it, or NULL. */
const char *group_named(char *text);
int group_create(const char *container, struct error *error);
/* By a process for itself. */
int group_enter(const char *container);
void group_kill(const char *container, uint64_t mount_namespace);
bool group_is_empty(const char *container, uint64_t mount_namespace);

/* The number of the calling process's own mount namespace. */
uint64_t own_mount_namespace(void);

#endif
