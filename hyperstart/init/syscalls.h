// SPDX-License-Identifier: GPL-3.0-or-later
/* Kernel interfaces that the libcs do not wrap, or declare in headers which exclude each other. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X_OPEN_TREE_CLONE 1u
#define X_AT_RECURSIVE 0x8000u
#define X_AT_EMPTY_PATH 0x1000u
#define X_MOVE_MOUNT_F_EMPTY_PATH 0x04u
#define X_MOVE_MOUNT_T_EMPTY_PATH 0x40u
#define X_MOUNT_ATTR_RDONLY 0x01u
#define X_MOUNT_ATTR_NOSUID 0x02u
#define X_MOUNT_ATTR_NODEV 0x04u
#define X_MOUNT_ATTR_NOEXEC 0x08u
#define X_CLOSE_RANGE_CLOEXEC 4u

struct mount_attributes {
    uint64_t set, clear, propagation, userns_fd;
};

static inline int sys_openat2(int directory, const char *path, struct open_how *how) { return (int)syscall(SYS_openat2, directory, path, how, sizeof *how); }

static inline int sys_pivot_root(const char *new_root, const char *put_old) { return (int)syscall(SYS_pivot_root, new_root, put_old); }

static inline int sys_open_tree(int directory, const char *path, unsigned flags) { return (int)syscall(SYS_open_tree, directory, path, flags); }

/* Onto what the descriptor `to` is. */
static inline int sys_move_mount(int from, int to) {
    return (int)syscall(SYS_move_mount, from, "", to, "", X_MOVE_MOUNT_F_EMPTY_PATH | X_MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int sys_mount_setattr(int mount, unsigned flags, struct mount_attributes *attributes) {
    return (int)syscall(SYS_mount_setattr, mount, "", X_AT_EMPTY_PATH | flags, attributes, sizeof *attributes);
}

static inline int sys_init_module(const void *data, size_t size, const char *parameters) { return (int)syscall(SYS_init_module, data, size, parameters); }

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) { return (int)syscall(SYS_close_range, first, last, flags); }

#endif
