// SPDX-License-Identifier: GPL-3.0-or-later
#include "scratch.h"

#include "files.h"
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALE "stale"

const char *scratch_layer(const struct container_plan *container) { return strncmp(container->rootfs, "dir:", 4) ? container->rootfs : "dir"; }

static const struct container_plan *container_called(const struct launch_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->containers.count; index++)
        if (!strcmp(plan->containers.items[index].name, name))
            return &plan->containers.items[index];
    return NULL;
}

static bool has_volume(const struct launch_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (!strcmp(plan->volumes.items[index].name, name))
            return true;
    return false;
}

/* Out of the way at once; how long its removal takes is nobody's concern. */
static void set_aside(int scratch, int directory, const char *name) {
    static unsigned number;
    char aside[32];
    if (mkdirat(scratch, STALE, 0700) < 0 && errno != EEXIST)
        return;
    do
        snprintf(aside, sizeof aside, STALE "/%u", number++);
    while (renameat(directory, name, scratch, aside) < 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
}

/* Sets aside what is in `path` and `is_kept` does not want. */
static void sift(int scratch, const char *path, bool (*is_kept)(const void *, const char *), const void *context) {
    int directory = openat(scratch, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && !is_kept(context, entry->d_name))
            set_aside(scratch, directory, entry->d_name);
    closedir(entries);
}

static bool keeps_container(const void *plan, const char *name) { return container_called(plan, name); }
static bool keeps_volume(const void *plan, const char *name) { return has_volume(plan, name); }
static bool keeps_layer(const void *container, const char *name) { return !strcmp(scratch_layer(container), name); }

void scratch_tidy(const struct launch_plan *plan) {
    CLOSING scratch = open(state_path("scratch"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sift(scratch, "containers", keeps_container, plan);
    sift(scratch, "volumes", keeps_volume, plan);
    for (size_t index = 0; index < plan->containers.count; index++) {
        char path[512];
        const struct container_plan *container = &plan->containers.items[index];
        if ((size_t)snprintf(path, sizeof path, "containers/%s", container->name) < sizeof path)
            sift(scratch, path, keeps_layer, container);
    }
    /* What a power-off interrupts goes on at the next boot. */
    if (faccessat(scratch, STALE, F_OK, 0) == 0 && fork() == 0) {
        tree_remove(scratch, STALE);
        _exit(0);
    }
}
