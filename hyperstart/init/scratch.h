// SPDX-License-Identifier: GPL-3.0-or-later
/* The scratch disk: containers/NAME/LAYER for the writable layer of a container, volumes/NAME for a volume; nothing else stays on it. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "launch_plan.h"

/* A container has a writable layer for each image that it ever was: one image's changes mean nothing on top of another. */
const char *scratch_layer(const struct container_plan *container);
/* Removes what belongs to no container, image or volume of the plan any more. */
void scratch_tidy(const struct launch_plan *plan);

#endif
