// SPDX-License-Identifier: GPL-3.0-or-later
/* Images as root filesystems: each on a disk of its own or, when it came while the guest ran, on the plan's disk behind the plan. */
#ifndef IMAGES_H
#define IMAGES_H

#include "launch_plan.h"

#define SERIAL_PLAN "hyper-plan"

/* Makes a container's image ready to be its lowest layer. 0; 1: its disk is missing, and said; -1. */
int image_prepare(const struct container_plan *container, const struct launch_plan *plan, struct error *error);
/* Gives up the images of the plan's disk that are not in use. */
void images_tidy(bool (*in_use)(const char *rootfs));

#endif
