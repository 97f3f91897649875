// SPDX-License-Identifier: GPL-3.0-or-later
/* The group that a volume belongs to (fsGroup). */
#ifndef VOLUME_GROUP_H
#define VOLUME_GROUP_H

#include "launch_plan.h"

/*
 * Gives the volume, the directory `name` in `parent`, to its group, as the kubelet does it: whoever is in the group may read and write, and
 * new files inherit it. What is in the volume already follows where the volume has another group, or the plan wants it each time.
 */
int volume_group_set(const struct volume_plan *volume, int parent, const char *name, struct error *error);

#endif
