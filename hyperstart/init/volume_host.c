// SPDX-License-Identifier: GPL-3.0-or-later
#include "volume_host.h"

#include "files.h"
#include "machine.h"
#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#define TAG "hyper-host"

int volume_host_prepare(const struct volume_plan *volume, struct error *error) {
    static bool mounted;
    if (!mounted) {
        modules_load_extra("virtiofs");
        if (mount(TAG, state_path("host"), "virtiofs", MS_NODEV, NULL) < 0)
            return fail_errno(error, "volume %s: mounting the host's directories", volume->name);
        mounted = true;
    }
    /* A directory of another filesystem than its parent is a mount of its own, made when somebody enters it: here, for all containers. */
    CLOSING entered = open(state_path("host/%s/.", volume->name), O_PATH | O_CLOEXEC);
    return entered < 0 && errno != ENOTDIR ? fail_errno(error, "volume %s: of the host", volume->name) : 0;
}
