// SPDX-License-Identifier: GPL-3.0-or-later
#include "limits.h"

#include "files.h"
#include "group.h"
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000

static int limit(const char *container, const char *file, const char *value, struct error *error) {
    return word_write(group_path(container, file), value) < 0 ? fail_errno(error, "limit %s of %s", file, container) : 0;
}

int limits_set(const struct container_plan *container, struct error *error) {
    char value[64];
    if (!container->cpu_quota && !container->cpu_weight && !container->memory_limit)
        return 0;
    if (!machine.cgroups)
        return fail(error, "limits of %s: there are no cgroups", container->name);
    /* Only where somebody asks for it: the kernel counts nothing for the others. */
    if (word_write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory") < 0)
        return fail_errno(error, "limits of %s", container->name);
    if (container->cpu_quota) {
        snprintf(value, sizeof value, "%" PRIu64 " %d", container->cpu_quota, CPU_PERIOD_US);
        if (limit(container->name, "cpu.max", value, error) < 0)
            return -1;
    }
    if (container->cpu_weight) {
        snprintf(value, sizeof value, "%" PRIu64, container->cpu_weight);
        if (limit(container->name, "cpu.weight", value, error) < 0)
            return -1;
    }
    if (!container->memory_limit)
        return 0;
    snprintf(value, sizeof value, "%" PRIu64, container->memory_limit);
    /* As the kubelet sets it: a container that has lost one process to its limit has lost all. */
    return limit(container->name, "memory.max", value, error) < 0 ? -1 : limit(container->name, "memory.oom.group", "1", error);
}

int limits_change(const struct container_plan *container, struct error *error) {
    static const struct {
        const char *file, *unlimited;
    } files[] = {{"cpu.max", "max"}, {"cpu.weight", "100"}, {"memory.max", "max"}};
    /* Absent where the kernel has not counted for anybody yet: then there is nothing to take back. */
    const uint64_t wanted[] = {container->cpu_quota, container->cpu_weight, container->memory_limit};
    for (size_t index = 0; machine.cgroups && index < sizeof files / sizeof *files; index++)
        if (!wanted[index])
            word_write(group_path(container->name, files[index].file), files[index].unlimited);
    return limits_set(container, error);
}

bool limits_out_of_memory(const char *container) {
    char events[512];
    CLOSING fd = machine.cgroups ? open(group_path(container, "memory.events"), O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = fd < 0 ? -1 : read(fd, events, sizeof events - 1);
    if (size < 0)
        return false;
    events[size] = 0;
    const char *killed = strstr(events, "oom_kill ");
    return killed && atoi(killed + strlen("oom_kill ")) > 0;
}
