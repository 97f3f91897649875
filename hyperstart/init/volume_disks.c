// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_disks.h"

#include "devices.h"
#include "fields.h"
#include "files.h"
#include "images.h"
#include "machine.h"
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SUPERBLOCK_OFFSET 1024
#define EXT4_MAGIC 0xef53
/* Says what of a filesystem is the volume. Only who has CAP_SYS_ADMIN can change it. */
#define MARK "trusted.hyper.volume"
#define MARK_ENTRY "e" /* the volume is the directory VOLUME_ENTRY */
#define MARK_WHOLE "w" /* the volume is the whole filesystem */
/* Of fs/ext4/ext4.h, which no header exports. */
#define GROW _IOW('f', 16, uint64_t)

bool volume_has_disk(const struct volume_plan *volume) { return volume->kind == VOLUME_DISK || volume->kind == VOLUME_BLOCK; }

const char *volume_disk_missing(const struct launch_plan *plan) {
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (plan->volumes.items[index].serial && !image_is_planned(plan->volumes.items[index].serial, plan) && !disk_path(plan->volumes.items[index].serial))
            return plan->volumes.items[index].serial;
    return NULL;
}

/* Each container may use all disks of its pod, and those who share the volume's group as well. */
static int make_device(const struct volume_plan *volume, const char *disk) {
    const char *path = state_path("devices/%s", volume->name);
    struct stat status;
    if (stat(disk, &status) < 0 || (mknod(path, S_IFBLK | 0600, status.st_rdev) < 0 && errno != EEXIST))
        return -1;
    return chown(path, 0, (gid_t)volume->group) < 0 || chmod(path, 0660) < 0 ? -1 : 0;
}

/* What lies beside the volume on a disk that the host made, or that a guest has had. */
static bool is_own(const char *name) {
    static const char *const own[] = {".", "..", "lost+found", VOLUME_ENTRY, "." VOLUME_ENTRY ".copy"};
    for (size_t index = 0; index < sizeof own / sizeof *own; index++)
        if (!strcmp(name, own[index]))
            return true;
    return false;
}

/* Whose filesystem came from elsewhere, with files of its own, is that volume as it is. That is decided once: later it may hold anything. */
static int settle_form(const struct volume_plan *volume, const char *target, struct error *error) {
    bool foreign = false;
    if (getxattr(target, MARK, NULL, 0) >= 0)
        return 0;
    DIR *entries = opendir(target);
    if (!entries)
        return fail_errno(error, "volume %s: reading its filesystem", volume->name);
    for (struct dirent *entry; !foreign && (entry = readdir(entries));)
        foreign = !is_own(entry->d_name);
    closedir(entries);
    return setxattr(target, MARK, foreign ? MARK_WHOLE : MARK_ENTRY, 1, 0) < 0 ? fail_errno(error, "volume %s: marking its filesystem", volume->name) : 0;
}

bool volume_disk_is_whole(const struct volume_plan *volume) {
    char form[1];
    return getxattr(state_path("disks/%s", volume->name), MARK, form, sizeof form) == 1 && form[0] == *MARK_WHOLE;
}

/* The host makes the disk longer, and leaves what is on it to the guest: it never looks into what a guest wrote. */
static int grow(const struct volume_plan *volume, const char *disk, const char *target, struct error *error) {
    uint8_t head[1024];
    uint64_t size;
    CLOSING device = open(disk, O_RDONLY | O_CLOEXEC);
    if (device < 0 || ioctl(device, BLKGETSIZE64, &size) < 0 || pread(device, head, sizeof head, SUPERBLOCK_OFFSET) != sizeof head)
        return fail_errno(error, "volume %s: reading %s", volume->name, disk);
    if (get_u16(head + 0x38) != EXT4_MAGIC || get_u32(head + 0x18) > 6)
        return 0;
    uint64_t block_size = 1024u << get_u32(head + 0x18);
    /* The upper half of the number counts only where the filesystem has 64-bit numbers; without them it is 0. */
    uint64_t held = get_u32(head + 0x4) | (uint64_t)get_u32(head + 0x150) << 32, possible = size / block_size;
    if (possible <= held)
        return 0;
    CLOSING mounted = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mounted < 0 || ioctl(mounted, GROW, &possible) < 0)
        return fail_errno(error, "volume %s: growing its filesystem", volume->name);
    return 0;
}

int volume_disk_prepare(const struct volume_plan *volume, struct error *error) {
    const char *disk = disk_path(volume->serial), *target = state_path("disks/%s", volume->name);
    if (!disk)
        return fail(error, "volume %s: there is no disk %s", volume->name, volume->serial);
    if (make_device(volume, disk) < 0)
        return fail_errno(error, "volume %s: its device", volume->name);
    if (volume->kind == VOLUME_BLOCK)
        return 0;
    if (directories_make(target, 0755) < 0 || mount(disk, target, "ext4", MS_NOATIME | MS_NODEV, EXT4_OPTIONS) < 0)
        return fail_errno(error, "volume %s: mounting its disk", volume->name);
    if (settle_form(volume, target, error) < 0)
        return -1;
    return grow(volume, disk, target, error);
}

/* Read-only: the names are the pod's, which no container takes from the others. What a device holds can be written all the same. */
static int mount_at(const char *source, int target) {
    struct mount_attributes attributes = {.set = X_MOUNT_ATTR_RDONLY};
    CLOSING tree = target < 0 ? -1 : sys_open_tree(AT_FDCWD, source, X_OPEN_TREE_CLONE | O_CLOEXEC);
    return tree < 0 || sys_mount_setattr(tree, 0, &attributes) < 0 ? -1 : sys_move_mount(tree, target);
}

void volume_disk_forget(const struct volume_plan *volume) {
    if (volume_has_disk(volume))
        unlink(state_path("devices/%s", volume->name));
}

int volume_devices_mount(const struct container_plan *container, const struct launch_plan *plan, int root, struct error *error) {
    bool any = false;
    for (size_t index = 0; index < plan->volumes.count; index++)
        any |= volume_has_disk(&plan->volumes.items[index]);
    if (!any)
        return 0;
    CLOSING all = path_open(root, "dev/hyper", MAKE_DIRECTORY);
    if (mount_at(state_path("devices"), all) < 0)
        return fail_errno(error, "mounting /dev/hyper");
    for (size_t index = 0; index < container->devices.count; index++) {
        const struct device_plan *device = &container->devices.items[index];
        CLOSING target = path_open(root, device->path, MAKE_FILE);
        if (mount_at(state_path("devices/%s", device->volume_name), target) < 0)
            return fail_errno(error, "volume %s: its device at %.200s", device->volume_name, device->path);
    }
    return 0;
}
