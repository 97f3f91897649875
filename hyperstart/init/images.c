// SPDX-License-Identifier: GPL-3.0-or-later
#include "images.h"

#include "devices.h"
#include "files.h"
#include "machine.h"
#include "rootfs.h"

#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define MAX_PARTITIONS 200

/* Which partition of the plan's disk holds which image; the number is the index and 1. An empty name: free. */
static char partitions[MAX_PARTITIONS][32];

static int change_partition(int operation, int number, const struct image_plan *image) {
    struct blkpg_partition partition = {.pno = number};
    struct blkpg_ioctl_arg request = {.op = operation, .datalen = sizeof partition, .data = &partition};
    const char *disk = disk_path(SERIAL_PLAN);
    CLOSING fd = disk ? open(disk, O_RDONLY | O_CLOEXEC) : -1;
    if (image) {
        partition.start = (long long)image->offset;
        partition.length = (long long)image->size;
    }
    return fd < 0 ? -1 : ioctl(fd, BLKPG, &request);
}

static int mount_at(int index, const char *rootfs, struct error *error) {
    char path[64];
    snprintf(path, sizeof path, "%s%d", disk_path(SERIAL_PLAN), index + 1);
    return rootfs_mount_image(rootfs, path, error);
}

static int mount_partition(const struct image_plan *image, struct error *error) {
    int index = 0;
    while (index < MAX_PARTITIONS && partitions[index][0])
        index++;
    if (index == MAX_PARTITIONS)
        return fail(error, "image %s: too many came while the guest ran", image->serial);
    if (change_partition(BLKPG_ADD_PARTITION, index + 1, image) < 0)
        return fail_errno(error, "image %s: a partition of the plan's disk", image->serial);
    if (mount_at(index, image->serial, error) < 0) {
        change_partition(BLKPG_DEL_PARTITION, index + 1, NULL);
        return -1;
    }
    snprintf(partitions[index], sizeof partitions[index], "%s", image->serial);
    return 0;
}

static const struct image_plan *planned(const char *serial, const struct launch_plan *plan) {
    for (size_t index = 0; index < plan->images.count; index++)
        if (!strcmp(plan->images.items[index].serial, serial))
            return &plan->images.items[index];
    return NULL;
}

bool image_is_planned(const char *serial, const struct launch_plan *plan) { return planned(serial, plan); }

int image_prepare(const char *serial, const struct launch_plan *plan, struct error *error) {
    if (!strncmp(serial, "dir:", 4))
        return 0;
    const char *disk = disk_path(serial);
    if (disk)
        return rootfs_mount_image(serial, disk, error);
    for (int index = 0; index < MAX_PARTITIONS; index++)
        if (!strcmp(partitions[index], serial))
            return mount_at(index, serial, error);
    const struct image_plan *image = planned(serial, plan);
    if (image)
        return mount_partition(image, error);
    return fail(error, "waiting for the disk %s", serial), 1;
}

void images_tidy(bool (*in_use)(const char *serial)) {
    for (int index = 0; index < MAX_PARTITIONS; index++) {
        if (!partitions[index][0] || in_use(partitions[index]))
            continue;
        const char *target = state_path("images/%s", partitions[index]);
        /* Who still holds it, as one that is being started does for a moment, keeps its partition, which is then found again, mounted or not. */
        if (umount2(target, 0) == 0)
            rmdir(target);
        if (change_partition(BLKPG_DEL_PARTITION, index + 1, NULL) == 0)
            partitions[index][0] = 0;
    }
}
