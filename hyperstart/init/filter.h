// SPDX-License-Identifier: GPL-3.0-or-later
/* The seccomp profile that Kubernetes calls RuntimeDefault: what the container engines refuse by default, unless a capability that is kept goes with it. */
#ifndef FILTER_H
#define FILTER_H

#include "launch_plan.h"

/* For this process and all that come of it; it still has to be privileged. */
int filter_enter(const struct container_plan *container, struct error *error);

#endif
