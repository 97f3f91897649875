// SPDX-License-Identifier: GPL-3.0-or-later
/* A volume is a directory that containers mount parts of: scratch/volumes/NAME, tmpfs/NAME/volume, or disks/NAME/volume. */
#ifndef VOLUMES_H
#define VOLUMES_H

#include "launch_plan.h"

/* Once, by PID 1: all containers see one and the same. */
int volumes_prepare(const struct launch_plan *plan, struct error *error);
/* A single one, which comes while the pod runs; `plan` is what it belongs to. */
int volume_prepare(const struct volume_plan *volume, const struct launch_plan *plan, struct error *error);
/* Its files become those of the newer plan, all at once: what can fail fails in the first half, of which nobody sees anything. */
int volume_prepare_change(const struct volume_plan *former, const struct volume_plan *volume, struct error *error);
/* `plan`: the former one. */
int volume_change(const struct launch_plan *plan, const struct volume_plan *former, const struct volume_plan *volume, struct error *error);
void volume_forget(const struct volume_plan *volume);
/*
 * In PID 1, before a container is made: its volumes with propagation become mounts of their own, which are shared, so that what is mounted in them has
 * where to appear.
 */
int volumes_share(const struct container_plan *container, struct error *error);
/* In a container that is being made: `root` is its root directory. */
int volume_mount(const struct mount_plan *mount, int root, struct error *error);

#endif
