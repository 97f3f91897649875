// SPDX-License-Identifier: GPL-3.0-or-later
/* What a container sees as /. */
#ifndef ROOTFS_H
#define ROOTFS_H

#include "launch_plan.h"

/* By PID 1, when the image's disk is there: makes it ready to be the lowest layer. Once an image. */
int rootfs_mount_image(const char *rootfs, const char *disk, struct error *error);

/* In the container's process: a mount namespace of its own, its layers, /proc, /sys, /dev, volumes; in the end / is its root. */
int rootfs_enter(const struct container_plan *container, const struct launch_plan *plan, struct error *error);

#endif
