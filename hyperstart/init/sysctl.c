// SPDX-License-Identifier: GPL-3.0-or-later
#include "sysctl.h"

#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int sysctls_set(const struct launch_plan *plan, struct error *error) {
    for (size_t index = 0; index < plan->sysctls.count; index++) {
        const char *setting = plan->sysctls.items[index];
        int length = (int)strcspn(setting, "=");
        char path[512];
        if ((size_t)snprintf(path, sizeof path, "/proc/sys/%.*s", length, setting) >= sizeof path)
            return fail(error, "sysctl %.80s: too long", setting);
        if (word_write(path, setting + length + 1) < 0)
            return fail_errno(error, "sysctl %.*s", length, setting);
    }
    return 0;
}
