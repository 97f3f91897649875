// SPDX-License-Identifier: GPL-3.0-or-later
/* The kernel's settings that a pod wants, written below /proc/sys. */
#ifndef SYSCTL_H
#define SYSCTL_H

#include "launch_plan.h"

int sysctls_set(const struct launch_plan *plan, struct error *error);

#endif
