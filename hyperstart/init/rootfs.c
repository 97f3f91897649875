// SPDX-License-Identifier: GPL-3.0-or-later
#include "rootfs.h"

#include "devices.h"
#include "files.h"
#include "last_word.h"
#include "machine.h"
#include "scratch.h"
#include "syscalls.h"
#include "volume_disks.h"
#include "volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)

int rootfs_mount_image(const char *rootfs, const char *disk, struct error *error) {
    const char *target = state_path("images/%s", rootfs);
    if (mkdir(target, 0755) < 0)
        return errno == EEXIST ? 0 : fail_errno(error, "image %s", rootfs);
    if (mount(disk, target, "erofs", MS_RDONLY, NULL) == 0)
        return 0;
    fail_errno(error, "image %s on %s", rootfs, disk);
    rmdir(target);
    return -1;
}

static int open_lower(const char *rootfs) {
    const char *path = strncmp(rootfs, "dir:", 4) ? state_path("images/%s", rootfs) : rootfs + 4;
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Layers are named by descriptors: whatever their paths hold, the options stay well-formed. */
static int mount_layers(const struct container_plan *container, struct error *error) {
    const char *layer = scratch_layer(container);
    const char *upper_path = state_path("scratch/containers/%s/%s/upper", container->name, layer);
    const char *work_path = state_path("scratch/containers/%s/%s/work", container->name, layer);
    if (directories_make(work_path, 0755) < 0)
        return fail_errno(error, "making %s", work_path);
    bool fresh = mkdir(upper_path, 0755) == 0;
    CLOSING lower = open_lower(container->rootfs);
    CLOSING upper = open(upper_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLOSING work = open(work_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (lower < 0 || upper < 0 || work < 0)
        return fail_errno(error, "image %s", container->rootfs);
    struct stat status;
    char options[160];
    /* The upper layer says what owner and mode / has: at first the image's. */
    if (fresh && (fstat(lower, &status) < 0 || chown(upper_path, status.st_uid, status.st_gid) < 0 || chmod(upper_path, status.st_mode & 07777) < 0))
        return fail_errno(error, "image %s", container->rootfs);
    snprintf(options, sizeof options, "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", lower, upper, work);
    /* An image's own device nodes open nothing: whoever made it could give them any mode, for disks too. */
    if (mount("overlay", state_path("root"), "overlay", container->privileged ? 0 : MS_NODEV, options) < 0)
        return fail_errno(error, "mounting the layers of %s", container->name);
    return 0;
}

static int mount_at(int target, const char *type, unsigned long flags, const char *options) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", target);
    return target < 0 ? -1 : mount(type, path, type, flags, options);
}

/* Another view of what is mounted at `path` in PID 1's own tree, with all that is mounted below. */
static int clone_at(const char *path, int target) {
    CLOSING tree = target < 0 ? -1 : sys_open_tree(AT_FDCWD, path, X_OPEN_TREE_CLONE | O_CLOEXEC | X_AT_RECURSIVE);
    return tree < 0 ? -1 : sys_move_mount(tree, target);
}

static int mount_kernel(const struct container_plan *container, int root, struct error *error) {
    CLOSING proc = path_open(root, "proc", MAKE_DIRECTORY);
    CLOSING sys = path_open(root, "sys", MAKE_DIRECTORY);
    if (proc < 0 || sys < 0)
        return fail_errno(error, "making /proc and /sys");
    if (!container->privileged) {
        bool masked = !container->unmasked_proc;
        if ((masked ? clone_at(state_path("skeleton/proc"), proc) : mount_at(proc, "proc", QUIET, NULL)) < 0 || clone_at(state_path("skeleton/sys"), sys) < 0)
            return fail_errno(error, "mounting /proc and /sys");
        return 0;
    }
    if (mount_at(proc, "proc", QUIET, NULL) < 0 || mount_at(sys, "sysfs", QUIET, NULL) < 0)
        return fail_errno(error, "mounting /proc and /sys");
    if (machine.cgroups) {
        CLOSING cgroup = path_open(root, "sys/fs/cgroup", MAKE_NOTHING);
        if (mount_at(cgroup, "cgroup2", QUIET, NULL) < 0)
            return fail_errno(error, "mounting /sys/fs/cgroup");
    }
    return 0;
}

/* The disks belong to the pod: each container may use them all. */
static int make_block_nodes(int dev) {
    const struct block_device *devices;
    size_t count = machine.test ? 0 : block_devices(&devices);
    for (size_t index = 0; index < count; index++)
        if (mknodat(dev, devices[index].name, S_IFBLK | 0660, devices[index].number) < 0)
            return -1;
    return 0;
}

static int make_nodes(int dev) {
    static const struct {
        const char *name;
        unsigned minor, major;
    } nodes[] = {{"null", 3, 1}, {"zero", 5, 1}, {"full", 7, 1}, {"random", 8, 1}, {"urandom", 9, 1}, {"tty", 0, 5}};
    static const char *const links[][2] = {
        {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}};
    for (size_t index = 0; index < sizeof nodes / sizeof *nodes; index++)
        if (mknodat(dev, nodes[index].name, S_IFCHR | 0666, makedev(nodes[index].major, nodes[index].minor)) < 0)
            return -1;
    for (size_t index = 0; index < sizeof links / sizeof *links; index++)
        if (symlinkat(links[index][0], dev, links[index][1]) < 0)
            return -1;
    return make_block_nodes(dev);
}

static int mount_dev(int root, struct error *error) {
    /* Terminals, shared memory and message queues are the pod's: the containers share one IPC namespace. */
    static const char *const shared[] = {"pts", "shm", "mqueue"};
    CLOSING below = path_open(root, "dev", MAKE_DIRECTORY);
    if (mount_at(below, "tmpfs", MS_NOSUID, "mode=755,size=64m") < 0)
        return fail_errno(error, "mounting /dev");
    CLOSING dev = path_open(root, "dev", MAKE_NOTHING);
    mode_t mask = umask(0);
    int made = make_nodes(dev);
    umask(mask);
    if (made < 0)
        return fail_errno(error, "filling /dev");
    for (size_t index = 0; index < sizeof shared / sizeof *shared; index++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/%s", shared[index]);
        CLOSING target = mkdirat(dev, shared[index], 0755) < 0 ? -1 : openat(dev, shared[index], O_PATH | O_CLOEXEC);
        if (clone_at(path, target) < 0)
            return fail_errno(error, "mounting %s", path);
    }
    return 0;
}

static bool has_mount(const struct container_plan *container, const char *target) {
    for (size_t index = 0; index < container->mounts.count; index++)
        if (!strcmp(container->mounts.items[index].target, target))
            return true;
    return false;
}

static bool has_resolver(const struct launch_plan *plan) {
    for (size_t index = 0; index < plan->interfaces.count; index++)
        if (plan->interfaces.items[index].dhcp && plan->interfaces.items[index].resolver)
            return true;
    return false;
}

/* The pod's names, one set of files for all containers. */
static int mount_names(const struct container_plan *container, const struct launch_plan *plan, int root, struct error *error) {
    const struct {
        const char *name;
        bool given;
    } files[] = {{"hosts", plan->hosts.data}, {"resolv.conf", plan->resolv_conf.data || has_resolver(plan)}, {"hostname", true}};
    for (size_t index = 0; index < sizeof files / sizeof *files; index++) {
        char target_path[32];
        snprintf(target_path, sizeof target_path, "/etc/%s", files[index].name);
        if (!files[index].given || has_mount(container, target_path))
            continue;
        CLOSING target = path_open(root, target_path, MAKE_FILE);
        CLOSING tree = sys_open_tree(AT_FDCWD, state_path("etc/%s", files[index].name), X_OPEN_TREE_CLONE | O_CLOEXEC);
        struct mount_attributes attributes = {.set = container->readonly_rootfs ? X_MOUNT_ATTR_RDONLY : 0};
        if (target < 0 || tree < 0 || (attributes.set && sys_mount_setattr(tree, 0, &attributes) < 0) || sys_move_mount(tree, target) < 0)
            return fail_errno(error, "mounting %s", target_path);
    }
    return 0;
}

static int change_root(const struct container_plan *container, int root, struct error *error) {
    CLOSING old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || fchdir(root) < 0 || sys_pivot_root(".", ".") < 0 || fchdir(old) < 0)
        return fail_errno(error, "changing the root");
    /* Its shared mounts are the other containers' as well, and go from here alone. */
    if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fail_errno(error, "leaving the old root");
    if (container->readonly_rootfs) {
        CLOSING new_root = open("/", O_PATH | O_CLOEXEC);
        struct mount_attributes attributes = {.set = X_MOUNT_ATTR_RDONLY};
        if (new_root < 0 || sys_mount_setattr(new_root, 0, &attributes) < 0)
            return fail_errno(error, "making the root read-only");
    }
    return 0;
}

int rootfs_enter(const struct container_plan *container, const struct launch_plan *plan, struct error *error) {
    if (unshare(CLONE_NEWNS) < 0)
        return fail_errno(error, "mount namespace");
    if (mount_layers(container, error) < 0)
        return -1;
    CLOSING root = open(state_path("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail_errno(error, "opening the root");
    if (mount_kernel(container, root, error) < 0 || mount_dev(root, error) < 0 || volume_devices_mount(container, plan, root, error) < 0)
        return -1;
    for (size_t index = 0; index < container->mounts.count; index++)
        if (volume_mount(&container->mounts.items[index], root, error) < 0)
            return -1;
    if (mount_names(container, plan, root, error) < 0 || last_word_mount(container, root, error) < 0)
        return -1;
    return change_root(container, root, error);
}
