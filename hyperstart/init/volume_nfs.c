// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_nfs.h"

#include "files.h"
#include "machine.h"
#include "modules.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* One for each volume of the plan that PID 1 was started with: others come with a new guest only. */
struct mounting {
    pid_t pid;
    int failure; /* errno */
};
static struct mounting *mountings;
static size_t mounting_count;

/* What mount.nfs tries one after the other. Its helpers are for what version 4 does not need: the other ports of a server, and their locks. */
static int mount_export(const struct volume_plan *volume) {
    static const char *const versions[] = {"4.2", "4.1", "4.0"};
    bool ipv6 = strchr(volume->server, ':');
    char source[PATH_MAX], options[160];
    snprintf(source, sizeof source, ipv6 ? "[%s]:%s" : "%s:%s", volume->server, volume->path);
    for (size_t index = 0; index < sizeof versions / sizeof *versions; index++) {
        snprintf(options, sizeof options, "vers=%s,proto=%s,addr=%s", versions[index], ipv6 ? "tcp6" : "tcp", volume->server);
        if (mount(source, state_path("nfs/%s", volume->name), "nfs4", MS_NODEV, options) == 0)
            return 0;
        if (errno != EPROTONOSUPPORT && errno != EINVAL)
            break;
    }
    return errno;
}

static int begin(const struct volume_plan *volume, struct mounting *mounting, struct error *error) {
    if (directories_make(state_path("nfs/%s", volume->name), 0755) < 0)
        return fail_errno(error, "volume %s", volume->name);
    mounting->pid = fork();
    if (mounting->pid == 0)
        _exit(mount_export(volume));
    return mounting->pid < 0 ? fail_errno(error, "volume %s", volume->name) : 0;
}

static int begin_all(const struct launch_plan *plan, struct error *error) {
    mountings = calloc(plan->volumes.count, sizeof *mountings);
    if (!mountings)
        return fail(error, "plan: out of memory");
    mounting_count = plan->volumes.count;
    modules_load_extra("nfs");
    for (size_t index = 0; index < plan->volumes.count; index++)
        if (plan->volumes.items[index].kind == VOLUME_NFS && begin(&plan->volumes.items[index], &mountings[index], error) < 0)
            return -1;
    return 0;
}

int volumes_nfs_missing(const struct launch_plan *plan, struct error *error) {
    static bool done;
    if (done)
        return 0;
    bool any = false;
    for (size_t index = 0; index < plan->volumes.count; index++)
        any |= plan->volumes.items[index].kind == VOLUME_NFS;
    if (any && !mountings && begin_all(plan, error) < 0)
        return -1;
    for (size_t index = 0; any && index < mounting_count; index++) {
        const struct volume_plan *volume = &plan->volumes.items[index];
        if (mountings[index].failure)
            return fail(error, "volume %s: mounting %.200s of %s: %s", volume->name, volume->path, volume->server, strerror(mountings[index].failure));
        if (mountings[index].pid > 0)
            return fail(error, "waiting for %.200s of the server %s", volume->path, volume->server), 1;
    }
    done = true;
    return 0;
}

bool volumes_nfs_reaped(pid_t pid, int wait_status) {
    for (size_t index = 0; index < mounting_count; index++)
        if (mountings[index].pid == pid) {
            mountings[index].pid = 0;
            mountings[index].failure = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EINTR;
            return true;
        }
    return false;
}
