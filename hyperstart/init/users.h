// SPDX-License-Identifier: GPL-3.0-or-later
/* Who a container runs as: names of its own /etc/passwd and /etc/group. To be called with the container's root as /. */
#ifndef USERS_H
#define USERS_H

#include "launch_plan.h"

#include <sys/types.h>

#define MAX_GROUPS 256

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    char home[256];
};

/* `user`: "", "uid", "name", "uid:gid", "name:group". The groups of a name are added when no group is asked for, as container engines do, or, with
 * the container's merge_groups, always; its additional groups in any case. */
int identity_resolve(const char *user, const struct container_plan *container, struct identity *identity, struct error *error);

#endif
