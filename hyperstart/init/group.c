// SPDX-License-Identifier: GPL-3.0-or-later
#include "group.h"

#include "files.h"
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *group_path(const char *container, const char *file) {
    static char path[160];
    /* With a prefix, since the root group has files of its own. */
    snprintf(path, sizeof path, "/sys/fs/cgroup/container.%s/%s", container, file);
    return path;
}

const char *group_named(char *text) {
    static const char prefix[] = "0::/container.";
    char *name = strstr(text, prefix);
    if (!name)
        return NULL;
    name += sizeof prefix - 1;
    /* A container may have made cgroups below its own. */
    name[strcspn(name, "/ \n")] = 0;
    return name;
}

int group_create(const char *container, struct error *error) {
    if (!machine.cgroups)
        return 0;
    /* What the kernel has counted in a former life of the container is forgotten. */
    rmdir(group_path(container, ""));
    if (mkdir(group_path(container, ""), 0755) < 0 && errno != EEXIST)
        return fail_errno(error, "cgroup of %s", container);
    return 0;
}

int group_enter(const char *container) { return machine.cgroups ? word_write(group_path(container, "cgroup.procs"), "0") : 0; }

uint64_t own_mount_namespace(void) {
    struct stat status;
    return stat("/proc/self/ns/mnt", &status) < 0 ? 0 : status.st_ino;
}

/* Zombies have no namespaces any more. */
static int each_member(uint64_t mount_namespace, int signal_number) {
    int found = 0;
    DIR *entries = mount_namespace ? opendir("/proc") : NULL;
    if (!entries)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        char path[320];
        struct stat status;
        int pid = atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%s/ns/mnt", entry->d_name);
        if (pid <= 1 || stat(path, &status) < 0 || status.st_ino != mount_namespace)
            continue;
        found++;
        if (signal_number)
            kill(pid, signal_number);
    }
    closedir(entries);
    return found;
}

void group_kill(const char *container, uint64_t mount_namespace) {
    if (machine.cgroups)
        word_write(group_path(container, "cgroup.kill"), "1");
    else
        each_member(mount_namespace, SIGKILL);
}

bool group_is_empty(const char *container, uint64_t mount_namespace) {
    char events[128];
    if (!machine.cgroups)
        return each_member(mount_namespace, 0) == 0;
    /* "populated 0" is the first line */
    return word_read(group_path(container, "cgroup.events"), events, sizeof events) < 0 || !strcmp(events, "populated 0");
}
