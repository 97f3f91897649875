// SPDX-License-Identifier: GPL-3.0-or-later
#include "volumes.h"

#include "copy.h"
#include "files.h"
#include "images.h"
#include "machine.h"
#include "syscalls.h"
#include "volume_disks.h"
#include "volume_files.h"
#include "volume_group.h"
#include "volume_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* The volume's directory is never a mount point itself, so that a filled copy can be renamed over it. */
static const char *parent_path(const struct volume_plan *volume) {
    switch (volume->kind) {
    case VOLUME_TMPFS:
        return state_path("tmpfs/%s", volume->name);
    case VOLUME_DISK:
        return state_path("disks/%s", volume->name);
    case VOLUME_IMAGE:
        return state_path("images");
    case VOLUME_HOST:
        return state_path("host");
    case VOLUME_NFS:
        return state_path("nfs");
    default:
        return state_path("scratch/volumes");
    }
}

static const char *entry_name(const struct volume_plan *volume) {
    if (volume->kind == VOLUME_IMAGE)
        return volume->serial;
    if (volume->kind == VOLUME_DISK && volume_disk_is_whole(volume))
        return ".";
    return volume->kind == VOLUME_SCRATCH || volume->kind == VOLUME_HOST || volume->kind == VOLUME_NFS ? volume->name : VOLUME_ENTRY;
}

int volume_prepare(const struct volume_plan *volume, const struct launch_plan *plan, struct error *error) {
    if (volume_has_disk(volume) && volume_disk_prepare(volume, error) < 0)
        return -1;
    if (volume->kind == VOLUME_BLOCK || volume->kind == VOLUME_NFS)
        return 0;
    if (volume->kind == VOLUME_IMAGE)
        return image_prepare(volume->serial, plan, error) ? -1 : 0;
    if (volume->kind == VOLUME_HOST)
        return volume_host_prepare(volume, error);
    const char *parent = parent_path(volume);
    char options[64] = "mode=755";
    if (directories_make(parent, 0755) < 0)
        return fail_errno(error, "volume %s", volume->name);
    if (volume->size)
        snprintf(options, sizeof options, "mode=755,size=%llu", (unsigned long long)volume->size);
    if (volume->kind == VOLUME_TMPFS && mount("tmpfs", parent, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return fail_errno(error, "volume %s", volume->name);
    CLOSING directory = open(parent, O_PATH | O_CLOEXEC);
    /* As Kubernetes makes an emptyDir: whoever a container runs as may write. */
    if (mkdirat(directory, entry_name(volume), 0777) < 0) {
        if (errno != EEXIST)
            return fail_errno(error, "volume %s", volume->name);
    } else if (fchmodat(directory, entry_name(volume), 0777, 0) < 0) {
        return fail_errno(error, "volume %s", volume->name);
    }
    if (volume->group && volume_group_set(volume, directory, entry_name(volume), error) < 0)
        return -1;
    char root[PATH_MAX];
    snprintf(root, sizeof root, "%s/%s", parent_path(volume), entry_name(volume));
    if (!volume->files.count)
        return 0;
    return volume_files_prepare(volume, root, error) < 0 ? -1 : volume_files_switch(volume, root, false, error);
}

int volumes_prepare(const struct launch_plan *plan, struct error *error) {
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (volume_prepare(&plan->volumes.items[index], plan, error) < 0)
            return -1;
    return 0;
}

int volume_prepare_change(const struct volume_plan *former, const struct volume_plan *volume, struct error *error) {
    return volume_files_are_same(former, volume) ? 0 : volume_files_prepare(volume, state_path("tmpfs/%s/volume", volume->name), error);
}

/* A file that is mounted by itself outlives its name, the content of a directory does not. */
static bool has_mounted_directory(const struct launch_plan *plan, const char *volume, int root) {
    for (size_t index = 0; index < plan->containers.count; index++) {
        const struct container_plan *container = &plan->containers.items[index];
        for (size_t number = 0; number < container->mounts.count; number++) {
            const struct mount_plan *mount = &container->mounts.items[number];
            CLOSING part = mount->subpath[0] && !strcmp(mount->volume_name, volume) ? path_open(root, mount->subpath, MAKE_NOTHING) : -1;
            struct stat status;
            if (part >= 0 && fstat(part, &status) == 0 && S_ISDIR(status.st_mode))
                return true;
        }
    }
    return false;
}

int volume_change(const struct launch_plan *plan, const struct volume_plan *former, const struct volume_plan *volume, struct error *error) {
    const char *path = state_path("tmpfs/%s/volume", volume->name);
    if (volume_files_are_same(former, volume))
        return 0;
    CLOSING root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return volume_files_switch(volume, path, has_mounted_directory(plan, volume->name, root), error);
}

void volume_forget(const struct volume_plan *volume) {
    /* Who is still ending keeps its view of it. One on the scratch disk goes with the next tidying, where it is no mount point any more. */
    if (volume->kind == VOLUME_SCRATCH)
        umount2(state_path("scratch/volumes/%s", volume->name), MNT_DETACH);
    if (volume->kind == VOLUME_TMPFS || volume->kind == VOLUME_DISK)
        umount2(parent_path(volume), MNT_DETACH);
    volume_disk_forget(volume);
}

int volumes_share(const struct container_plan *container, struct error *error) {
    for (size_t index = 0; index < container->mounts.count; index++) {
        const struct volume_plan *volume = container->mounts.items[index].volume;
        char root[PATH_MAX];
        if (container->mounts.items[index].propagation == PROPAGATION_NONE)
            continue;
        snprintf(root, sizeof root, "%s/%s", parent_path(volume), entry_name(volume));
        /* EINVAL: it is no mount yet. */
        if (mount(NULL, root, NULL, MS_SHARED, NULL) < 0 &&
            (errno != EINVAL || mount(root, root, NULL, MS_BIND, NULL) < 0 || mount(NULL, root, NULL, MS_SHARED, NULL) < 0))
            return fail_errno(error, "volume %s: sharing its mounts", volume->name);
    }
    return 0;
}

/*
 * A clone of a shared mount is its peer, as is all that was mounted in it: so it stays for who mounts for others, is made to follow for who only sees
 * that, and is cut off for all else. What is read-only is so all the way down, but for what comes later.
 */
static int set_attributes(const struct mount_plan *plan, int tree) {
    static const unsigned long propagations[] = {[PROPAGATION_NONE] = MS_PRIVATE, [PROPAGATION_IN] = MS_SLAVE, [PROPAGATION_BOTH] = 0};
    struct mount_attributes all = {.set = plan->readonly ? X_MOUNT_ATTR_RDONLY : 0, .propagation = propagations[plan->propagation]};
    struct mount_attributes own = {.set = X_MOUNT_ATTR_NODEV};
    /* As Kubernetes has it: an image's files are there to be read. */
    if (plan->volume->kind == VOLUME_IMAGE)
        own.set |= X_MOUNT_ATTR_NOEXEC;
    return sys_mount_setattr(tree, X_AT_RECURSIVE, &all) < 0 ? -1 : sys_mount_setattr(tree, 0, &own);
}

static bool is_empty(int directory) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    bool empty = entries;
    for (struct dirent *entry; empty && (entry = readdir(entries));)
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (entries)
        closedir(entries);
    return empty;
}

/*
 * Fills an empty volume with what the image has at the target. The copy is made aside and renamed over the empty directory: whoever is interrupted
 * leaves an empty volume, never a half. Containers that share the volume start at the same time: one of them copies, the others wait.
 */
static int fill(const struct mount_plan *mount, int parent, int root, struct error *error) {
    const char *name = entry_name(mount->volume);
    char aside[NAME_MAX + 1];
    snprintf(aside, sizeof aside, ".%s.copy", name);
    CLOSING lock = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return fail_errno(error, "volume %s", mount->volume->name);
    CLOSING volume = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLOSING place = path_open(root, mount->target, MAKE_NOTHING);
    CLOSING image = place < 0 ? -1 : openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (volume < 0 || image < 0 || !is_empty(volume))
        return 0;
    if (tree_remove(parent, aside) < 0 || mkdirat(parent, aside, 0755) < 0)
        return fail_errno(error, "volume %s", mount->volume->name);
    CLOSING copy = openat(parent, aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error cause;
    if (copy < 0 || tree_copy(image, copy, &cause) < 0)
        return fail(error, "volume %s: copying %.200s: %.200s", mount->volume->name, mount->target, copy < 0 ? strerror(errno) : cause.text);
    if (renameat(parent, aside, parent, name) < 0)
        return fail_errno(error, "volume %s", mount->volume->name);
    return 0;
}

int volume_mount(const struct mount_plan *mount, int root, struct error *error) {
    const struct volume_plan *volume = mount->volume;
    CLOSING parent = open(parent_path(volume), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return fail_errno(error, "volume %s", volume->name);
    if (mount->copy_up && fill(mount, parent, root, error) < 0)
        return -1;
    /* One of the host may be a file. */
    CLOSING whole = openat(parent, entry_name(volume), O_PATH | O_NOFOLLOW | O_CLOEXEC | (volume->kind == VOLUME_HOST ? 0 : O_DIRECTORY));
    CLOSING part = whole < 0 ? -1 : *mount->subpath ? path_open(whole, mount->subpath, MAKE_ALIKE) : fcntl(whole, F_DUPFD_CLOEXEC, 0);
    struct stat status;
    if (part < 0 || fstat(part, &status) < 0)
        return fail_errno(error, "volume %s: %s", volume->name, mount->subpath);
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        return fail(error, "volume %s: %s is neither a directory nor a file", volume->name, mount->subpath);
    CLOSING target = path_open(root, mount->target, S_ISDIR(status.st_mode) ? MAKE_DIRECTORY : MAKE_FILE);
    CLOSING tree = target < 0 ? -1 : sys_open_tree(part, "", X_OPEN_TREE_CLONE | O_CLOEXEC | X_AT_EMPTY_PATH | X_AT_RECURSIVE);
    if (tree < 0 || set_attributes(mount, tree) < 0 || sys_move_mount(tree, target) < 0)
        return fail_errno(error, "mounting volume %s at %s", volume->name, mount->target);
    return 0;
}
