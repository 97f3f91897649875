// SPDX-License-Identifier: GPL-3.0-or-later
/* What servers of NFS export, version 4, each mounted at nfs/NAME by a process of its own: a server that does not answer must not hold PID 1. */
#ifndef VOLUME_NFS_H
#define VOLUME_NFS_H

#include "launch_plan.h"

#include <sys/types.h>

/* When the network is there. 0: all is mounted; 1: not yet, and said; -1. */
int volumes_nfs_missing(const struct launch_plan *plan, struct error *error);

/* Whether it was one of these processes. */
bool volumes_nfs_reaped(pid_t pid, int wait_status);

#endif
