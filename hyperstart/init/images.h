// SPDX-License-Identifier: GPL-3.0-or-later
/* Images as root filesystems and as volumes: each on a disk of its own or, when it came while the guest ran, on the plan's disk behind the plan. */
#ifndef IMAGES_H
#define IMAGES_H

#include "launch_plan.h"

#define SERIAL_PLAN "hyper-plan"

/* Whether it lies on the plan's disk. */
bool image_is_planned(const char *serial, const struct launch_plan *plan);
/* Mounts an image, unless it is. `serial`: also a container's rootfs. 0; 1: its disk is missing, and said; -1. */
int image_prepare(const char *serial, const struct launch_plan *plan, struct error *error);
/* Gives up the images of the plan's disk that are not in use. */
void images_tidy(bool (*in_use)(const char *serial));

#endif
