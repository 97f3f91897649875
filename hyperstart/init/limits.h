// SPDX-License-Identifier: GPL-3.0-or-later
/* What a container may use, by the cgroup that group.h made for it. */
#ifndef LIMITS_H
#define LIMITS_H

#include "launch_plan.h"

/* Of a container that runs: also takes back what is not wanted any more. */
int limits_change(const struct container_plan *container, struct error *error);
int limits_set(const struct container_plan *container, struct error *error);
/* Whether, in this life of the container, the kernel killed one of its processes for want of memory. */
bool limits_out_of_memory(const char *container);

#endif
