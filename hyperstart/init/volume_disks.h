// SPDX-License-Identifier: GPL-3.0-or-later
/* Volumes that are disks of their own: their filesystems are mounted at disks/NAME, their devices lie at devices/NAME. */
#ifndef VOLUME_DISKS_H
#define VOLUME_DISKS_H

#include "launch_plan.h"

/* The kernel would write zeroes into all inode tables, hundreds of MiB, in the background. Those that no file uses need none. */
#define EXT4_OPTIONS "noinit_itable"

/* Where on its disk a volume is, that was made for it. */
#define VOLUME_ENTRY "volume"

bool volume_has_disk(const struct volume_plan *volume);

/* The serial of a disk that is not there yet, or NULL. */
const char *volume_disk_missing(const struct launch_plan *plan);

/* By PID 1, when all disks are there: devices, and the filesystem where there is one. */
int volume_disk_prepare(const struct volume_plan *volume, struct error *error);

/* Whether the volume is all of its filesystem, which came from elsewhere, instead of VOLUME_ENTRY in it. */
bool volume_disk_is_whole(const struct volume_plan *volume);

/* By PID 1: takes the device's name away. */
void volume_disk_forget(const struct volume_plan *volume);

/* In a container that is being made, when its /dev is there: /dev/hyper with the devices of all volumes, and what the container asks for. */
int volume_devices_mount(const struct container_plan *container, const struct launch_plan *plan, int root, struct error *error);

#endif
